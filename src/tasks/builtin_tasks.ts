/** The names of the built-in tasks and groups, and where their files are. */
import { builtinFiles } from "./builtin/mod.ts";
import { builtinPrefix } from "./task_file.ts";

/**
 * Which wording a built-in task uses.
 *
 * - `completion`: that of lm-evaluation-harness, where it has the task
 * - `instruction`: says which words or letters to answer with
 */
export type PromptStyle = "completion" | "instruction";

/** All styles. */
export const promptStyles: readonly PromptStyle[] = ["completion", "instruction"];

/** A built-in task or group. */
export interface BuiltinTask {
  readonly name: string;
  /** The benchmark it is part of, such as `mmlu`. */
  readonly family: string;
  /** Path of its file, as `readTaskFile` takes it. */
  readonly path: string;
}

function describe(path: string): BuiltinTask[] {
  const [family, part] = path.replace(/\.yaml$/, "").split("/");
  if (family === "instruction" || part?.startsWith("_")) return [];
  return [{
    name: part === undefined ? family : `${family}_${part}`,
    family: family.split("_")[0],
    path: builtinPrefix + path,
  }];
}

/** Every built-in task and group, benchmark by benchmark, sorted by name. */
export const builtinTasks: readonly BuiltinTask[] = [...builtinFiles.keys()].flatMap(describe)
  .sort((a, b) => a.name < b.name ? -1 : 1);

const byName = new Map(builtinTasks.map((task) => [task.name, task]));
const byPath = new Map(builtinTasks.map((task) => [task.path, task]));

/** The built-in task or group of that name. */
export function findBuiltin(name: string): BuiltinTask | undefined {
  return byName.get(name);
}

/**
 * The file whose entries replace those of a built-in task when instructions are asked for; undefined for other files.
 */
export function instructionFile(path: string): string | undefined {
  const task = byPath.get(path);
  return task && `${builtinPrefix}instruction/${task.family}.yaml`;
}
