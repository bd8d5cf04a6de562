/**
 * Whether this machine has a Chromium for the browser tests, and how to get one. `SECATEUR_CHROMIUM` names a particular
 * one; otherwise the usual commands are tried.
 */
import { installationCommand, type SystemPackage } from "../src/cli/system_package.ts";
import { installPackage } from "./system_package.ts";

/** A browser that starts. */
export interface Chromium {
  /** What to start: a path, or a command on the search path. */
  readonly path: string;
  /** What it says of itself, such as `Chromium 131.0.6778.85`. */
  readonly version: string;
}

const variable = "SECATEUR_CHROMIUM";

const chromiumPackage: SystemPackage = {
  debian: "chromium",
  ubuntu: "chromium-browser",
  fedora: "chromium",
  rhel: "chromium",
  suse: "chromium",
  arch: "chromium",
  alpine: "chromium",
};

const candidates = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** The first Chromium that starts, or null. One that is named and does not start is not replaced by another. */
export async function findChromium(): Promise<Chromium | null> {
  const named = Deno.env.get(variable);
  for (const command of named ? [named] : candidates) {
    try {
      const { success, stdout } = await new Deno.Command(command, {
        args: ["--version"],
        stdin: "null",
        stderr: "null",
      })
        .output();
      if (!success) continue;
      return { path: await resolveCommand(command), version: new TextDecoder().decode(stdout).trim() };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) throw error;
    }
  }
  return null;
}

/** The path of a command: Playwright does not look along the search path. */
async function resolveCommand(command: string): Promise<string> {
  if (command.includes("/") || command.includes("\\")) return command;
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${command}`;
    if ((await Deno.stat(path).catch(() => null))?.isFile) return path;
  }
  return command;
}

/** What to install on this machine, as one line to paste or to follow. */
export async function chromiumAdvice(): Promise<string> {
  if (Deno.env.get(variable)) return `${variable} must be the path of a Chromium that starts.`;
  const command = await installationCommand(chromiumPackage);
  return command !== null
    ? `run: ${command}`
    : `install Chromium or Google Chrome, or set ${variable} to the path of one.`;
}

/** Looks for a Chromium, installs Debian's where it can, and looks again. */
export async function ensureChromium(log: (line: string) => void): Promise<Chromium | null> {
  const present = await findChromium();
  if (present !== null || Deno.env.get(variable)) return present;
  log("no Chromium found; installing Debian's");
  return await installPackage(chromiumPackage, log) ? await findChromium() : null;
}
