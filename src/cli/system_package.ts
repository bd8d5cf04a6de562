/** Packages of the operating system that Secateur can use, and the command that installs one. */
import { readFile } from "node:fs/promises";

/** How the Linux distributions that we know of install packages; the key is what `/etc/os-release` calls them. */
const installers = {
  debian: "sudo apt-get update && sudo apt-get install --yes",
  ubuntu: "sudo apt-get update && sudo apt-get install --yes",
  fedora: "sudo dnf install --assumeyes",
  rhel: "sudo dnf install --assumeyes",
  suse: "sudo zypper install --no-confirm",
  arch: "sudo pacman --sync --needed --noconfirm",
  alpine: "sudo apk add",
} as const;

/** The names of one piece of software in the distributions that have it. */
export type SystemPackage = Readonly<Partial<Record<keyof typeof installers, string>>>;

/** The command that installs a package on this Linux machine; null on other systems and unknown distributions. */
export async function installationCommand(names: SystemPackage): Promise<string | null> {
  if (Deno.build.os !== "linux") return null;
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const fields = ["ID", "ID_LIKE"].map((name) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1] ?? "");
  const ids = fields.flatMap((field) => field.split(/\s+/));
  // The distribution's own name first, then what it is like.
  for (const id of ids) {
    const distribution = id as keyof typeof installers;
    if (names[distribution] !== undefined) return `${installers[distribution]} ${names[distribution]}`;
  }
  return null;
}

/** Mesa's software Vulkan driver, llvmpipe. */
export const softwareVulkan: SystemPackage = {
  debian: "mesa-vulkan-drivers",
  ubuntu: "mesa-vulkan-drivers",
  fedora: "mesa-vulkan-drivers vulkan-loader",
  rhel: "mesa-vulkan-drivers vulkan-loader",
  suse: "libvulkan_lvp libvulkan1",
  arch: "vulkan-swrast vulkan-icd-loader",
  alpine: "mesa-vulkan-swrast vulkan-loader",
};

/** What to install on this machine to have a WebGPU adapter, as one line to paste or to follow. */
export async function adapterAdvice(): Promise<string> {
  if (Deno.build.os === "darwin") return "WebGPU uses Metal, which every macOS since 10.14 has; update macOS.";
  if (Deno.build.os === "windows") {
    return "WebGPU uses Direct3D 12 or Vulkan; install your GPU vendor's current driver.";
  }
  const command = await installationCommand(softwareVulkan);
  return command !== null
    ? `run: ${command}`
    : "install a Vulkan driver: your GPU vendor's, or Mesa's software one (mesa-vulkan-drivers or vulkan-swrast).";
}
