/**
 * Whether this machine has a WebGPU adapter, and how to get one. Secateur runs on any Vulkan, Metal or Direct3D 12
 * driver; on Linux without a GPU, Mesa's software Vulkan (llvmpipe) is enough.
 */
import { readFile } from "node:fs/promises";
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";

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

/** What to install on this machine, as one line to paste or to follow. */
export async function installationAdvice(): Promise<string> {
  if (Deno.build.os === "darwin") return "WebGPU uses Metal, which every macOS since 10.14 has; update macOS.";
  if (Deno.build.os === "windows") {
    return "WebGPU uses Direct3D 12 or Vulkan; install your GPU vendor's current driver.";
  }
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) => match[1].split(/\s+/));
  for (const [distribution, command] of Object.entries(packageCommands)) {
    if (ids.includes(distribution)) return `run: ${command}`;
  }
  return "install a Vulkan driver: your GPU vendor's, or Mesa's software one (mesa-vulkan-drivers or vulkan-swrast).";
}

const packageCommands: Readonly<Record<string, string>> = {
  debian: "sudo apt-get update && sudo apt-get install --yes mesa-vulkan-drivers",
  ubuntu: "sudo apt-get update && sudo apt-get install --yes mesa-vulkan-drivers",
  fedora: "sudo dnf install --assumeyes mesa-vulkan-drivers vulkan-loader",
  rhel: "sudo dnf install --assumeyes mesa-vulkan-drivers vulkan-loader",
  suse: "sudo zypper install --no-confirm libvulkan_lvp libvulkan1",
  arch: "sudo pacman --sync --needed --noconfirm vulkan-swrast vulkan-icd-loader",
  alpine: "apk add mesa-vulkan-swrast vulkan-loader",
};

/** Installs Debian's software Vulkan driver where this process may: as root, on a system with apt-get. */
export async function installSoftwareVulkan(log: (line: string) => void): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const advice = await installationAdvice();
  if (!advice.includes("apt-get")) return false;
  log("no WebGPU adapter found; installing Mesa's software Vulkan driver");
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", "mesa-vulkan-drivers"]]) {
    log(`apt-get ${args.join(" ")}`);
    try {
      const { success, stderr } = await new Deno.Command("apt-get", {
        args,
        env: { DEBIAN_FRONTEND: "noninteractive" },
        stdin: "null",
        stdout: "null",
      }).output();
      if (!success) {
        log(new TextDecoder().decode(stderr).trim());
        // An `update` that cannot reach one of several sources may still have found the package.
        if (args[0] === "install") return false;
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }
  return true;
}

/** Probes, installs where it can, and probes again: the adapter's description, or null. */
export async function ensureAdapter(log: (line: string) => void): Promise<string | null> {
  const present = await probeAdapter();
  if (present !== null) return present;
  return await installSoftwareVulkan(log) ? await probeAdapter() : null;
}
