/** Runs the real program as a process, on the bundled model. */
import { assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { type Outcome, outcomeOf } from "../support/outcome.ts";

/** Path of a file of the project. */
export function projectPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

export const demoModel = projectPath("examples/demo/model");
export const demoTask = projectPath("examples/demo/task/demo.yaml");

/** The program, ready to be spawned. */
export function command(args: readonly string[], env: Record<string, string> = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    // Quiet: a first run would report downloads on stderr.
    args: ["run", "--quiet", "--allow-all", projectPath("src/cli/main.ts"), ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs the program to its end. */
export async function secateur(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return await outcomeOf(command(args, env));
}

/**
 * Fails where an indented command of a document names an option that its command does not have.
 *
 * @returns Number of commands.
 */
export async function assertDocumentedCommands(document: string): Promise<number> {
  const text = await Deno.readTextFile(projectPath(document));
  const lines = text.split("\n").filter((line) => line.startsWith("    secateur "));
  const helps = new Map<string, string>();
  for (const line of lines) {
    const [, name, ...rest] = line.trim().split(" ");
    const help = helps.get(name) ?? (await secateur([name, "--help"])).stdout;
    helps.set(name, help);
    for (const option of rest.filter((word) => word.startsWith("--")).map((word) => word.split("=")[0])) {
      assertMatch(help, new RegExp(`^  ${option}( |$)`, "m"), line);
    }
  }
  return lines.length;
}

/** A folder that is gone after the test. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
