/**
 * Packages of the operating system that tests need: the command that installs one, and its installation where that is
 * allowed, which is as root on a system with apt-get.
 */
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

/** Installs a package with apt-get where this process may; resolves to whether it did. */
export async function installPackage(names: SystemPackage, log: (line: string) => void): Promise<boolean> {
  const command = await installationCommand(names);
  if (Deno.build.os !== "linux" || Deno.uid() !== 0 || !command?.includes("apt-get")) return false;
  const packages = command.split(" --yes ")[1].split(" ");
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", ...packages]]) {
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
