/**
 * Task files as they lie on disk or are built in: YAML with includes, each entry remembering the file it comes from.
 */
import { dirname, posix, resolve } from "node:path";
import type { ScalarTag } from "yaml";
import { builtinFiles } from "./builtin/mod.ts";
import { isRecord, quote } from "./python_value.ts";
import { readRegularFile } from "./regular_file.ts";
import { parseYaml } from "../text/yaml_text.ts";

/** Longest task file that is read, in bytes. */
const LONGEST_FILE = 16_000_000;

/** An entry written as `!function module.name`: a reference to Python code, which is never run. */
export class PythonFunction {
  constructor(readonly name: string) {}
}

/** The value of a top-level key. */
export interface TaskEntry {
  readonly value: unknown;
  /** The file that sets it, as `readTaskFile` names files. */
  readonly file: string;
}

/** The top-level entries of a task file, those of its includes among them. */
export type TaskEntries = ReadonlyMap<string, TaskEntry>;

/** What the path of a built-in task file begins with. */
export const builtinPrefix = "builtin:";

const functionTag: ScalarTag = {
  tag: "!function",
  identify: (value) => value instanceof PythonFunction,
  resolve: (text) => new PythonFunction(text),
};

/** The path that a file means by another path. */
export function resolveTaskPath(from: string, to: string): string {
  return from.startsWith(builtinPrefix)
    ? builtinPrefix + posix.join(posix.dirname(from.slice(builtinPrefix.length)), to)
    : resolve(dirname(from), to);
}

async function readText(path: string): Promise<string> {
  if (path.startsWith(builtinPrefix)) {
    const text = builtinFiles.get(path.slice(builtinPrefix.length));
    if (text !== undefined) return text;
    throw new RangeError(`Cannot read the task file ${path}: there is no such built-in file`);
  }
  try {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await readRegularFile(path, LONGEST_FILE));
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new RangeError(`Cannot read the task file ${path} (${code}): expected a readable YAML file`, {
      cause: error,
    });
  }
}

async function readMapping(path: string): Promise<object> {
  const text = await readText(path);
  // Version 1.1 is what lm-evaluation-harness reads: an unquoted yes is a boolean there, and must be one here.
  let value: unknown;
  try {
    value = parseYaml(text, { version: "1.1", tags: [functionTag] });
  } catch (error) {
    throw new SyntaxError(`Cannot parse ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!isRecord(value)) throw new SyntaxError(`Cannot parse ${path}: expected a mapping of task settings`);
  return value;
}

function includedPaths(path: string, include: unknown): string[] {
  const list = Array.isArray(include) ? include : [include];
  return list.map((item) => {
    if (typeof item === "string" && item !== "") return resolveTaskPath(path, item);
    throw new TypeError(`Cannot read ${path}: include is ${quote(item)}, expected a path or a list of paths`);
  });
}

async function readEntries(path: string, including: readonly string[]): Promise<Map<string, TaskEntry>> {
  if (including.includes(path)) {
    throw new RangeError(`Cannot read ${path}: it includes itself by way of ${[...including, path].join(" -> ")}`);
  }
  const { include, ...own } = await readMapping(path) as { include?: unknown };
  const entries = new Map<string, TaskEntry>();
  if (include !== undefined && include !== null) {
    for (const included of includedPaths(path, include)) {
      for (const [key, entry] of await readEntries(included, [...including, path])) entries.set(key, entry);
    }
  }
  for (const [key, value] of Object.entries(own)) entries.set(key, { value, file: path });
  return entries;
}

/**
 * Reads a task file and the files it includes. Later includes win over earlier ones, and the file itself over all; a
 * key is replaced as a whole.
 *
 * @param path An absolute path, or `builtin:` and the path of a built-in file.
 * @throws {RangeError} If a file cannot be read, or includes itself.
 * @throws {SyntaxError} If one is no YAML mapping, repeats a key, or uses a tag other than `!function`.
 * @throws {TypeError} If `include` is no path or list of paths.
 */
export function readTaskFile(path: string): Promise<TaskEntries> {
  return readEntries(path, []);
}

/**
 * The entries of a task file itself, without what it includes.
 *
 * @throws {RangeError | SyntaxError} As `readTaskFile`.
 */
export async function readOwnEntries(path: string): Promise<Readonly<Record<string, unknown>>> {
  return await readMapping(path) as Record<string, unknown>;
}
