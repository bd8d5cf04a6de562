/**
 * Runs the kernel tests and the parity tests of the WebGPU engine on SwiftShader, the software Vulkan driver that comes with
 * Chromium: an adapter with subgroups of 4, 10 storage buffers in a stage, 256 invocations in a workgroup and no f16. A path
 * to `vk_swiftshader_icd.json` may be given; arguments that start with `--` go to `deno test`.
 */
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";
import { probeAdapter } from "./adapter.ts";

/** Where Debian's and Google's packages put the driver. */
const DRIVERS = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

/** Files of tests that run the WebGPU engine. */
async function parityTests(): Promise<string[]> {
  const names = [];
  for await (const { name } of Deno.readDir("tests/parity")) {
    if (/^webgpu_.*_test\.ts$/.test(name)) names.push(`tests/parity/${name}`);
  }
  return names.sort();
}

const [given] = Deno.args.filter((argument) => !argument.startsWith("--"));
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
const found = await Promise.all((given === undefined ? DRIVERS : [given]).map(exists));
const driver = (given === undefined ? DRIVERS : [given])[found.indexOf(true)];
if (driver === undefined) {
  console.error("Error: this machine has no SwiftShader.\nHint: on Debian, `apt-get install chromium` brings it.");
  Deno.exit(1);
}
Deno.env.set("VK_DRIVER_FILES", driver);
const adapter = await probeAdapter();
console.log(`adapter: ${adapter ?? "none"}`);
if (!adapter?.includes("SwiftShader")) {
  console.error(`Error: ${driver} gave the adapter ${adapter}, expected SwiftShader.`);
  Deno.exit(1);
}
const options = Deno.args.filter((argument) => argument.startsWith("--"));
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "--allow-all", ...options, "tests/kernels", ...await parityTests()],
  env: { ...webgpuEnvironment(), VK_DRIVER_FILES: driver },
  stdin: "null",
}).spawn().status;
Deno.exit(code);
