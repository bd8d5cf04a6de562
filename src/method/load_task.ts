/** Tasks with their data, wherever it is: files, folders, and datasets in the Hugging Face cache or on its hub. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { type ResolvedSplits, type ResolveOptions, resolveSplits } from "../checkpoint/hub.ts";
import { isAbsent } from "../checkpoint/hub_cache.ts";
import { quote } from "../tasks/python_value.ts";
import { loadTask as loadLocalTask, type LoadTaskOptions, type Task } from "../tasks/task.ts";
import type { DataWish, FilesBySplit, FoundData } from "../tasks/task_data.ts";

/** How to load a task and its data. */
export interface TaskOptions extends Omit<LoadTaskOptions, "data" | "findData"> {
  /**
   * Where the rows are, instead of what the task file says: a file, a folder of splits, a dataset `org/name[@revision]`,
   * `split=file` or a list of those, or files by split. A file without a split is used for everything.
   */
  readonly data?: string | readonly string[] | FilesBySplit;
  /** Which part of a dataset or folder, such as a language. Default: that of the task file, or the only one. */
  readonly subset?: string;
  /** How datasets are found and downloaded. */
  readonly hub?: ResolveOptions;
}

/** A task, and what names its data for good. */
export interface TaskWithData {
  readonly task: Task;
  /** Files as they were given, `org/name@commit` of datasets; null where the task file itself names local files. */
  readonly data: string | null;
  /** sha256 of the local files that were given, one after the other; null where there are none. */
  readonly dataSha256: string | null;
}

/** Name of the split that a file without one is. */
const ONLY_SPLIT = "data";

/** `split=file`; the split has none of the characters that a path would have. */
const PAIR = /^([\w.-]+)=(.+)$/s;

async function kindOf(path: string): Promise<"file" | "folder" | "none"> {
  if (path.includes("\0")) return "none";
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (isAbsent(error)) return "none";
    throw error;
  }
}

/** Files by split of `split=file` pairs, or of one file; null where one text names a folder or dataset. */
async function readTexts(texts: readonly string[]): Promise<FilesBySplit | null> {
  if (texts.length === 0) throw new RangeError("Cannot find data: expected a file, a folder, a dataset or split=file");
  const kinds = await Promise.all(texts.map(kindOf));
  if (texts.length === 1 && kinds[0] === "folder") return null;
  const splits = new Map<string, string[]>();
  for (const [i, text] of texts.entries()) {
    const [, split, file] = kinds[i] === "file" ? [] : PAIR.exec(text) ?? [];
    if (split === undefined && texts.length === 1) return kinds[i] === "file" ? { [ONLY_SPLIT]: text } : null;
    if (split === undefined) {
      throw new RangeError(
        `Cannot find data in ${quote(text)} and other places: expected split=file for each of several, such as ` +
          `train=train.jsonl`,
      );
    }
    splits.set(split, [...splits.get(split) ?? [], file]);
  }
  return Object.fromEntries(splits);
}

/** A text that looks like a file's path gets a message about files, not about repositories. */
function checkNoFile(text: string): void {
  if (!/^\.{0,2}\/|\\/.test(text) && extname(text.split("@")[0]) === "") return;
  throw new RangeError(
    `Cannot find the data ${
      quote(text)
    }: there is no such file or folder, expected one, or a dataset org/name[@revision]`,
  );
}

/** One hash of several files; what is no file or not there is left to whoever reads it. */
async function hashFiles(paths: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) {
    const status = await stat(path).catch(() => undefined);
    if (!status?.isFile()) continue;
    hash.update(`${status.size}\n`);
    for await (const chunk of createReadStream(path)) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
  }
  return hash.digest("hex");
}

/** Looks for the data of the tasks of one call, and remembers what was found. */
class DataFinder {
  /** What names the data that was used. */
  readonly references = new Set<string>();
  /** The local files among it. */
  readonly localFiles = new Set<string>();

  constructor(readonly options: TaskOptions) {}

  async #resolve(reference: string, subset: string | null, isRequired: boolean): Promise<ResolvedSplits> {
    const wanted = this.options.subset ?? subset;
    const found = await resolveSplits(reference, {
      ...this.options.hub,
      subset: wanted === null ? null : { name: wanted, isRequired: isRequired || this.options.subset !== undefined },
    });
    this.references.add(found.reference);
    // A commit says what the files of a repository are.
    if (found.revision === null) { for (const file of Object.values(found.splits).flat()) this.localFiles.add(file); }
    return found;
  }

  async find({ task, dataset, hasFiles, isInGroup }: DataWish): Promise<FoundData | null> {
    const { data } = this.options;
    const subset = dataset?.subset ?? null;
    if (data === undefined) {
      if (hasFiles || dataset === null) return null;
      const { splits } = await this.#resolve(dataset.path, subset, true);
      return { splits, isChosen: false };
    }
    const texts = typeof data === "string" ? [data] : Array.isArray(data) ? data as readonly string[] : null;
    const splits = texts ? await readTexts(texts) : data as FilesBySplit;
    if (splits === null) {
      const [reference] = texts!;
      if (await kindOf(reference) === "none") checkNoFile(reference);
      return { splits: (await this.#resolve(reference, subset, isInGroup)).splits, isChosen: true };
    }
    if (isInGroup) {
      throw new RangeError(
        `Cannot load task ${task} with the given files: it is one of a group, whose tasks have different rows; expected a ` +
          "dataset or a folder with a folder for each task's part",
      );
    }
    const files = Object.entries(splits).flatMap(([split, paths]) =>
      [paths].flat().map((path) => split === ONLY_SPLIT ? path : `${split}=${path}`)
    );
    for (const file of files) this.references.add(file);
    for (const path of Object.values(splits).flat()) this.localFiles.add(path);
    return { splits, isChosen: true };
  }
}

/**
 * Loads a task as `loadTask`, and says what its data was.
 *
 * @throws As `loadTask`.
 */
export async function loadTaskWithData(reference: string | URL, options: TaskOptions): Promise<TaskWithData> {
  const { data: _, subset: __, hub: ___, ...rest } = options;
  const finder = new DataFinder(options);
  const task = await loadLocalTask(reference, { ...rest, findData: (wish) => finder.find(wish) });
  return {
    task,
    data: finder.references.size === 0 ? null : [...finder.references].join(", "),
    dataSha256: finder.localFiles.size === 0 ? null : await hashFiles([...finder.localFiles], options.hub?.signal),
  };
}

/**
 * Loads a built-in task or group, or a task or group file in lm-evaluation-harness format with
 * `output_type: multiple_choice`, and finds its data: `options.data`, else the files that the task file names, else its
 * `dataset_path` in the Hugging Face cache or on its hub.
 *
 * @param reference The name of a built-in task or group, such as `boolq`, or the path or file URL of a YAML file.
 * @throws {TypeError} If a key of the task is unknown, not supported, missing or of the wrong type.
 * @throws {SyntaxError} If the file, one of its templates or the card of a dataset cannot be parsed.
 * @throws {RangeError} If there is no such task, data file, dataset or subset, or a split has no file.
 * @throws {HubError} If a dataset cannot be had; the message says what to do.
 */
export async function loadTask(reference: string | URL, options: TaskOptions): Promise<Task> {
  return (await loadTaskWithData(reference, options)).task;
}
