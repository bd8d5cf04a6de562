/**
 * What generators of TypeScript files share: texts as literals, and writing a file or checking that it is up to date.
 */
import { readFile, writeFile } from "node:fs/promises";

/** The text as a template literal, with line ends of one kind on every machine. */
export function textLiteral(text: string): string {
  return `\`${text.replaceAll("\r\n", "\n").replaceAll(/[\\`]|\$(?=\{)/g, "\\$&")}\``;
}

/** A file that is made from others. */
export interface GeneratedFile {
  readonly url: URL;
  /** Its path from the root of the project, for messages. */
  readonly name: string;
  /** What it is made from, for messages. */
  readonly sources: string;
  /** The task that writes it. */
  readonly task: string;
  readonly wanted: string;
}

/** Writes the file where it differs; with `--check` only says so and exits with 1. */
export async function writeOrCheck({ url, name, sources, task, wanted }: GeneratedFile): Promise<void> {
  const present = await readFile(url, "utf8").catch(() => "");
  if (present === wanted) {
    console.log(`${name} is up to date`);
  } else if (Deno.args.includes("--check")) {
    console.error(
      `Error: ${name} differs from ${sources}.\nHint: run \`deno task ${task}\` and commit the result.`,
    );
    Deno.exit(1);
  } else {
    await writeFile(url, wanted);
    console.log(`wrote ${name}`);
  }
}
