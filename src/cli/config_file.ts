/** `--config FILE`: options from a YAML file, under the names they have on the command line, which overrides them. */
import { didYouMean } from "../tasks/did_you_mean.ts";
import { readRegularFile } from "../tasks/regular_file.ts";
import { parseYaml } from "../text/yaml_text.ts";
import type { OptionTable } from "./arguments.ts";
import { CommandError, UsageError } from "./errors.ts";

/** The option that names the file. */
export const configOptions = {
  config: {
    type: "text",
    placeholder: "FILE",
    description:
      "YAML file with further options under the names they have here, lists as lists; those given here override it.",
  },
} as const satisfies OptionTable;

/** Longest file, in bytes. */
const LONGEST_FILE = 1_000_000;

/** The value of `--config` among arguments that are not parsed yet. */
function configPath(args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === "--config" || arg.startsWith("--config="));
  if (at < 0) return undefined;
  return args[at] === "--config" ? args[at + 1] : args[at].slice("--config=".length);
}

function isGiven(args: readonly string[], name: string): boolean {
  return args.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
}

/**
 * The arguments with those of the file in front, as if they had been typed.
 *
 * @throws {UsageError} If the file names an option that the table does not have, or a value is no plain one.
 * @throws {CommandError} If the file cannot be read as YAML.
 */
export async function withConfigFile(table: OptionTable, args: readonly string[]): Promise<string[]> {
  const path = configPath(args);
  if (path === undefined) return [...args];
  let content: unknown;
  try {
    content = parseYaml(new TextDecoder().decode(await readRegularFile(path, LONGEST_FILE)));
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`, "name a YAML file with --config.");
  }
  if (content === null || content === undefined) return [...args];
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new UsageError(`${path} is no mapping of options`, "write one option a line, such as `redraws: 10`.");
  }
  const fromFile = Object.entries(content).flatMap(([name, value]) => {
    if (!Object.hasOwn(table, name) || name === "config") {
      const known = Object.keys(table).filter((other) => other !== "config");
      throw new UsageError(
        `${path} has the unknown option ${name}${didYouMean(name, known)}`,
        "see --help for the options.",
      );
    }
    if (isGiven(args, name) || value === null || value === false) return [];
    if (value === true) return [`--${name}`];
    const items: unknown[] = Array.isArray(value) ? value : [value];
    const bad = items.find((item) => typeof item !== "string" && typeof item !== "number");
    if (bad !== undefined || items.length === 0) {
      throw new UsageError(
        `${path} gives ${name} the value ${JSON.stringify(value)}`,
        "expected text, a number, or a list.",
      );
    }
    return [`--${name}=${items.join(",")}`];
  });
  return [...fromFile, ...args];
}
