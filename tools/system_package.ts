/** Installation of packages of the operating system where that is allowed: as root, on a system with apt-get. */
import { installationCommand, type SystemPackage } from "../src/cli/system_package.ts";

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
