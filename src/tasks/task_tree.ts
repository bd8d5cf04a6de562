/** From the name or file of a task or group to the checked tasks it consists of. */
import { readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { OptionError } from "../text/option_error.ts";
import { builtinTasks, findBuiltin, instructionFile, type PromptStyle } from "./builtin_tasks.ts";
import { isRecord, quote } from "./python_value.ts";
import { type Metric, metrics } from "./scoring.ts";
import { didYouMean } from "./did_you_mean.ts";
import { checkTask, type TaskConfig } from "./task_config.ts";
import { builtinPrefix, readOwnEntries, readTaskFile, resolveTaskPath, type TaskEntries } from "./task_file.ts";
import { Settings } from "./task_settings.ts";

/** How a group makes one number of its tasks' numbers. */
export interface GroupMetric {
  /** What is summed up. */
  readonly metric: Metric;
  /** Whether each task counts by its number of rows; else all count alike. */
  readonly weightBySize: boolean;
}

/** Tasks and groups whose results are summed up. */
export interface TaskGroup {
  /** As the group file names it; `mmlu::part` for a group written inside another. */
  readonly name: string;
  /** `metadata.version` of the group file, or null. */
  readonly version: string | number | null;
  /** What is summed up, and how; empty if the group only lists tasks. */
  readonly aggregates: readonly GroupMetric[];
  /** Names of all its tasks, those of the groups in it among them. */
  readonly tasks: readonly string[];
  /** The groups that it lists. */
  readonly groups: readonly TaskGroup[];
}

/** One task, or a group and all its tasks in order. */
export interface TaskTree {
  readonly group: TaskGroup | null;
  readonly tasks: readonly TaskConfig[];
}

/** Keys of a group file; every other key is passed on to its tasks. */
const groupKeys = ["group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"];

/** Task files beside a group file that are looked through for the names it lists. */
const MOST_FILES = 1_000;

/** What task files beside a group file have in them. */
interface Neighbours {
  /** Path by the name of the task or group. */
  readonly paths: ReadonlyMap<string, string>;
  /** Names of the tasks that have a tag, sorted. */
  readonly tagged: ReadonlyMap<string, readonly string[]>;
}

function readAggregates(settings: Settings): GroupMetric[] {
  const value = settings.value("aggregate_metric_list") ?? [];
  return [value].flat().map((item, i): GroupMetric => {
    if (!isRecord(item)) {
      settings.fail("aggregate_metric_list", `has ${quote(item)}, expected a mapping such as {metric: acc}`);
    }
    const { metric, aggregation = "mean", weight_by_size = true, filter_list: _, ...rest } = item;
    const known = metrics.find((name) => name === metric);
    const [unknown] = Object.keys(rest);
    if (known === undefined || aggregation !== "mean" || typeof weight_by_size !== "boolean" || unknown !== undefined) {
      settings.fail(
        "aggregate_metric_list",
        `has ${quote(item)} as entry ${i}, expected metric (${
          metrics.join(", ")
        }), aggregation: mean and weight_by_size`,
      );
    }
    return { metric: known, weightBySize: weight_by_size };
  });
}

async function findNeighbours(file: string): Promise<Neighbours> {
  const paths = new Map<string, string>();
  const tagged = new Map<string, string[]>();
  if (file.startsWith(builtinPrefix)) return { paths, tagged };
  const folder = dirname(file);
  const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort().slice(0, MOST_FILES);
  for (const name of names) {
    // A file that cannot be read is not the one that is looked for, or else its name is reported as unknown.
    const { task, group, tag } = await readOwnEntries(join(folder, name)).catch((): Record<string, unknown> => ({}));
    const own = typeof group === "string" ? group : task;
    if (typeof own !== "string" || paths.has(own)) continue;
    paths.set(own, join(folder, name));
    for (const one of [tag].flat()) {
      if (typeof one === "string") tagged.set(one, [...tagged.get(one) ?? [], own].sort());
    }
  }
  return { paths, tagged };
}

function withOverrides(entries: TaskEntries, overrides: TaskEntries): TaskEntries {
  return new Map([...entries, ...overrides]);
}

/** Entries of a mapping that stands in a group's list. */
function ownEntries(item: Readonly<Record<string, unknown>>, file: string): TaskEntries {
  return new Map(Object.entries(item).map(([key, value]) => [key, { value, file }]));
}

function without(entries: TaskEntries, keys: readonly string[]): TaskEntries {
  return new Map([...entries].filter(([key]) => !keys.includes(key)));
}

class TreeReader {
  readonly #names = new Set<string>();

  constructor(readonly style: PromptStyle) {}

  async read(path: string, overrides: TaskEntries, groups: readonly string[]): Promise<TaskTree> {
    let entries = await readTaskFile(path);
    if (entries.has("group")) return await this.#group(path, entries, overrides, groups);
    if (this.style === "instruction") entries = await this.#instruct(path, entries);
    return this.#task(withOverrides(entries, overrides), path);
  }

  async #instruct(path: string, entries: TaskEntries): Promise<TaskEntries> {
    const instructions = instructionFile(path);
    if (instructions === undefined) {
      throw new OptionError(
        `Cannot use the prompt "instruction" with ${path}: only built-in tasks have one; write doc_to_text as you want it`,
      );
    }
    const name = { value: `${entries.get("task")?.value}_instruction`, file: path };
    const own = entries.get("metadata")?.value;
    const metadata = { value: { ...(isRecord(own) && own), prompt: this.style }, file: path };
    return new Map([...entries, ...await readTaskFile(instructions), ["task", name], ["metadata", metadata]]);
  }

  #task(entries: TaskEntries, file: string): TaskTree {
    const config = checkTask(entries, file);
    if (this.#names.has(config.name)) {
      throw new RangeError(`Cannot read ${file}: the group has a task ${quote(config.name)} already`);
    }
    this.#names.add(config.name);
    return { group: null, tasks: [config] };
  }

  async #group(
    file: string,
    entries: TaskEntries,
    overrides: TaskEntries,
    groups: readonly string[],
    prefix = "",
  ): Promise<TaskTree> {
    const settings: Settings = new Settings(entries, file);
    const ownName = settings.name("group") ?? settings.expect("group", undefined, "the name of the group");
    const name = prefix + ownName;
    if (groups.includes(name)) {
      throw new RangeError(
        `Cannot read ${file}: the group has itself in it, by way of ${[...groups, name].join(" -> ")}`,
      );
    }
    const list = [settings.value("task") ?? []].flat();
    if (list.length === 0) settings.expect("task", settings.value("task"), "a list of tasks and groups");
    const aggregates = readAggregates(settings);
    const passedOn = withOverrides(without(entries, [...groupKeys, "include"]), overrides);

    const neighbours = await findNeighbours(file);
    const find = (member: string): string[] => {
      if (/\.ya?ml$/.test(member)) return [resolveTaskPath(file, member)];
      const path = neighbours.paths.get(member) ?? findBuiltin(member)?.path;
      if (path !== undefined) return [path];
      return (neighbours.tagged.get(member) ?? []).map((name) => neighbours.paths.get(name)!);
    };
    const inside = [...groups, name];
    const trees: TaskTree[] = [];
    for (const item of list) {
      const own: Readonly<Record<string, unknown>> = isRecord(item) ? item : { task: item };
      const key = own.group === undefined ? "task" : "group";
      const member = own[key];
      if (typeof member !== "string" || member === "") {
        settings.fail("task", `has ${quote(item)}, expected the name of a task or group, or a mapping with one`);
      }
      const changes = without(ownEntries(own, file), ["task", "group"]);
      const paths = find(member);
      for (const path of paths) trees.push(await this.read(path, withOverrides(passedOn, changes), inside));
      if (paths.length > 0) continue;
      if (key === "group") {
        trees.push(await this.#group(file, ownEntries(own, file), passedOn, inside, `${name}::`));
      } else if (changes.size > 0) {
        const inline = { value: `${name}::${member}`, file };
        trees.push(this.#task(new Map([...passedOn, ...changes, ["task", inline]]), file));
      } else {
        settings.fail(
          "task",
          `has ${quote(member)}, which is neither built in nor the name or tag in a file beside this one`,
        );
      }
    }
    const tasks = trees.flatMap((tree) => tree.tasks);
    return {
      group: {
        name: this.style === "instruction" ? `${name}_instruction` : name,
        version: settings.version(),
        aggregates,
        tasks: tasks.map((task) => task.name),
        groups: trees.flatMap((tree) => tree.group ?? []),
      },
      tasks,
    };
  }
}

/** The file that a name, path or file URL means, as `readTaskFile` takes it. */
function locate(reference: string | URL): string {
  if (reference instanceof URL) {
    if (reference.protocol === "file:") return fileURLToPath(reference);
    throw new RangeError(
      `Cannot load the task ${reference}: expected a file URL, a path or the name of a built-in task`,
    );
  }
  const builtin = findBuiltin(reference);
  if (builtin) return builtin.path;
  if (/^[\w-]+$/.test(reference)) {
    const families = [...new Set(builtinTasks.map(({ family }) => family))].join(", ");
    throw new OptionError(
      `Cannot find the task ${
        quote(reference)
      }: expected a built-in one (${families}, or a part of one) or the path of ` +
        `a YAML file${didYouMean(reference, builtinTasks.map(({ name }) => name))}`,
    );
  }
  return resolve(reference);
}

/**
 * Reads and checks a task or group. No data file is opened.
 *
 * @param reference The name of a built-in task or group, or the path or URL of a YAML file.
 * @throws {TypeError} If a key is unknown, not supported, missing or of the wrong type; the message says what to do.
 * @throws {SyntaxError} If a file or one of its templates cannot be parsed.
 * @throws {RangeError} If there is no such task, a file cannot be read or includes itself, or a group repeats a task.
 */
export async function readTaskTree(
  reference: string | URL,
  style: PromptStyle = "completion",
): Promise<TaskTree> {
  return await new TreeReader(style).read(locate(reference), new Map(), []);
}
