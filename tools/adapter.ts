/**
 * Whether this machine has a WebGPU adapter, and how to get one. Secateur runs on any Vulkan, Metal or Direct3D 12
 * driver; on Linux without a GPU, Mesa's software Vulkan (llvmpipe) is enough.
 */
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";
import { softwareVulkan } from "../src/cli/system_package.ts";
import { installPackage } from "./system_package.ts";

/** Makes the command that runs Deno with some arguments somewhere. */
export type DenoCommand = (args: readonly string[], options?: Deno.CommandOptions) => Deno.Command;

/** Deno on this machine. `env` of the options adds to the environment. */
export const denoHere: DenoCommand = (args, options = {}) =>
  new Deno.Command(Deno.execPath(), {
    stdin: "null",
    ...options,
    args: [...args],
    env: { ...webgpuEnvironment(), ...options.env },
  });

/** A short description of the adapter that a fresh process gets, or null where there is none. */
export async function probeAdapter(deno: DenoCommand = denoHere): Promise<string | null> {
  // A process looks for drivers once, so only a fresh one sees a driver that was installed a moment ago.
  const program = `
    const info = (await navigator.gpu?.requestAdapter())?.info;
    if (info) console.log(info.description || info.device || info.vendor || "unnamed");
    Deno.exit(info ? 0 : 1);`;
  const { success, stdout } = await deno(["eval", program], { stderr: "null" }).output();
  return success ? new TextDecoder().decode(stdout).trim() : null;
}

/** Probes, installs where it can, and probes again: the adapter's description, or null. */
export async function ensureAdapter(log: (line: string) => void): Promise<string | null> {
  const present = await probeAdapter();
  if (present !== null) return present;
  log("no WebGPU adapter found; installing Mesa's software Vulkan driver");
  return await installPackage(softwareVulkan, log) ? await probeAdapter() : null;
}
