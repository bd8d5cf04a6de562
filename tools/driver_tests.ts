/** The tests that show whether a driver computes rightly, run by a Deno that sees this driver. */
import { type DenoCommand, probeAdapter } from "./adapter.ts";
import { untilAborted } from "./child.ts";

/** Where Debian's and Google's packages put SwiftShader. */
export const SWIFTSHADER_DRIVERS = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
] as const;

/** Test files of kernels and of the WebGPU engine, from the root of the project. */
export async function driverTests(): Promise<string[]> {
  const paths = [];
  for await (const { name } of Deno.readDir("tests/parity")) {
    const path = `tests/parity/${name}`;
    if (name.endsWith("_test.ts") && /webgpu/i.test(await Deno.readTextFile(path))) paths.push(path);
  }
  return ["tests/kernels", ...paths.sort()];
}

/**
 * Prints the adapter's name and runs {@link driverTests} on it.
 *
 * @param deno Runs Deno with the driver.
 * @param expected Part of the adapter's name: another adapter would prove nothing about this driver.
 * @param options For `deno test`.
 * @param signal Ends the tests.
 * @returns An exit code.
 */
export async function testDriver(
  deno: DenoCommand,
  expected: string,
  options: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  const adapter = await probeAdapter(deno);
  console.log(`adapter: ${adapter ?? "none"}`);
  if (!adapter?.includes(expected)) {
    console.error(`Error: the driver gave ${adapter ?? "no adapter"}, expected ${expected}.`);
    return 1;
  }
  const tests = deno(["test", "--allow-all", ...options, ...await driverTests()]);
  return (await untilAborted(tests, signal, (child) => child.status)).code;
}
