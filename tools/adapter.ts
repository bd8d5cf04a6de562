/**
 * Whether this machine has a WebGPU adapter, and how to get one. Secateur runs on any Vulkan, Metal or Direct3D 12
 * driver; on Linux without a GPU, Mesa's software Vulkan (llvmpipe) is enough.
 */
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";
import { installationCommand, installPackage, type SystemPackage } from "./system_package.ts";

/** A short description of the adapter a fresh process gets, or null where there is none. */
export async function probeAdapter(): Promise<string | null> {
  // A process looks for drivers once, so only a fresh one sees a driver that was installed a moment ago.
  const program = `
    const info = (await navigator.gpu?.requestAdapter())?.info;
    if (info) console.log(info.description || info.device || info.vendor || "unnamed");
    Deno.exit(info ? 0 : 1);`;
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    env: webgpuEnvironment(),
    stdin: "null",
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : null;
}

const softwareVulkan: SystemPackage = {
  debian: "mesa-vulkan-drivers",
  ubuntu: "mesa-vulkan-drivers",
  fedora: "mesa-vulkan-drivers vulkan-loader",
  rhel: "mesa-vulkan-drivers vulkan-loader",
  suse: "libvulkan_lvp libvulkan1",
  arch: "vulkan-swrast vulkan-icd-loader",
  alpine: "mesa-vulkan-swrast vulkan-loader",
};

/** What to install on this machine, as one line to paste or to follow. */
export async function installationAdvice(): Promise<string> {
  if (Deno.build.os === "darwin") return "WebGPU uses Metal, which every macOS since 10.14 has; update macOS.";
  if (Deno.build.os === "windows") {
    return "WebGPU uses Direct3D 12 or Vulkan; install your GPU vendor's current driver.";
  }
  const command = await installationCommand(softwareVulkan);
  return command !== null
    ? `run: ${command}`
    : "install a Vulkan driver: your GPU vendor's, or Mesa's software one (mesa-vulkan-drivers or vulkan-swrast).";
}

/** Probes, installs where it can, and probes again: the adapter's description, or null. */
export async function ensureAdapter(log: (line: string) => void): Promise<string | null> {
  const present = await probeAdapter();
  if (present !== null) return present;
  log("no WebGPU adapter found; installing Mesa's software Vulkan driver");
  return await installPackage(softwareVulkan, log) ? await probeAdapter() : null;
}
