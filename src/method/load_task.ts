/** Tasks with their data, wherever it is: files, folders, and datasets in the Hugging Face cache or on its hub. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { type ResolvedSplits, type ResolveOptions, resolveSplits } from "../checkpoint/hub.ts";
import { HubError } from "../checkpoint/hub_error.ts";
import { isAbsent } from "../checkpoint/system_error.ts";
import { MAX_PARQUET_BYTES } from "../tasks/data_file.ts";
import { quote } from "../tasks/python_value.ts";
import { onlySplit } from "../tasks/split_roles.ts";
import { loadTask as loadLocalTask, type LoadTaskOptions, type Task } from "../tasks/task.ts";
import type { DataWish, FilesBySplit, FoundData } from "../tasks/task_data.ts";
import { OptionError } from "../text/option_error.ts";

/** How to load a task and its data. */
export interface TaskOptions extends Omit<LoadTaskOptions, "data" | "findData"> {
  /**
   * Where the rows are, instead of what the task file says: a file, a folder of splits, a dataset
   * `org/name[@revision]`, `split=file` or a list of those, or files by split. A file without a split is used for
   * everything.
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
  /** Local files that the rows are in, given or named by the task file, one after the other. */
  readonly files: readonly string[];
}

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

/** A text that looks like a file's path gets a message about files, not about repositories. */
function checkNoFile(text: string): void {
  if (!/^\.{0,2}\/|\\/.test(text) && extname(text.split("@")[0]) === "") return;
  throw new RangeError(
    `Cannot find the data ${
      quote(text)
    }: there is no such file or folder, expected one, or a dataset org/name[@revision]`,
  );
}

/** Files have no subsets: one that is asked for would be left out without a word. */
function refuseSubset(subset: string | undefined): void {
  if (subset === undefined) return;
  throw new OptionError(
    `Cannot choose the subset ${
      quote(subset)
    }: the rows are in files that are named one by one, and only datasets and ` +
      "folders have subsets",
  );
}

/** Files by split of `split=file` pairs, or of one file; null where one text names a folder or dataset. */
async function readTexts(texts: readonly string[]): Promise<FilesBySplit | null> {
  if (texts.length === 0) throw new RangeError("Cannot find data: expected a file, a folder, a dataset or split=file");
  const kinds = await Promise.all(texts.map(kindOf));
  if (texts.length === 1 && kinds[0] === "folder") return null;
  const splits = new Map<string, string[]>();
  for (const [i, text] of texts.entries()) {
    const [, split, file] = kinds[i] === "file" ? [] : PAIR.exec(text) ?? [];
    if (split === undefined && texts.length === 1) {
      if (kinds[i] === "file") return { [onlySplit]: text };
      checkNoFile(text);
      return null;
    }
    if (split === undefined) {
      throw new OptionError(
        `Cannot find data in ${quote(text)} and other places: expected split=file for each of several, such as ` +
          `train=train.jsonl`,
      );
    }
    splits.set(split, [...splits.get(split) ?? [], file]);
  }
  return Object.fromEntries(splits);
}

/** One hash of several files; what is not there, no file or too large is left to whoever reads it. */
export async function hashFiles(paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) {
    const status = await stat(path).catch(() => undefined);
    if (!status?.isFile() || status.size > MAX_PARQUET_BYTES) continue;
    hash.update(`${status.size}\n`);
    for await (const chunk of createReadStream(path)) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
  }
  return hash.digest("hex");
}

/** Looks for the datasets of the tasks of one call, and remembers what was found. */
class DatasetFinder {
  /** What names the datasets that are used. */
  readonly references = new Set<string>();
  /** Files of folders among them, and those that task files name. */
  readonly localFiles = new Set<string>();

  /** @param chosen The folder or dataset to use instead of those that task files name. */
  constructor(readonly chosen: string | null, readonly options: Pick<TaskOptions, "subset" | "hub">) {}

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

  async find({ dataset, files, isInGroup }: DataWish): Promise<FoundData | null> {
    const subset = dataset?.subset ?? null;
    if (this.chosen !== null) {
      return { splits: (await this.#resolve(this.chosen, subset, isInGroup)).splits, isChosen: true };
    }
    for (const file of files ?? []) this.localFiles.add(file);
    if (files !== null || dataset === null) return null;
    try {
      return { splits: (await this.#resolve(dataset.path, subset, true)).splits, isChosen: false };
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const { problem, advice, status } = error;
      throw new HubError(problem, `${advice}; or give rows of your own (--data)`, status, { cause: error });
    }
  }
}

/** The files of splits in words: `split=file`, or the file alone where it is used for everything. */
function describeFiles(splits: FilesBySplit): string[] {
  return Object.entries(splits).flatMap(([split, paths]) =>
    [paths].flat().map((path) => split === onlySplit ? path : `${split}=${path}`)
  );
}

/**
 * Loads a task as `loadTask`, and says what its data was.
 *
 * @throws As `loadTask`.
 */
export async function loadTaskWithData(reference: string | URL, options: TaskOptions): Promise<TaskWithData> {
  const { data, subset, hub, ...rest } = options;
  const texts = typeof data === "string" ? [data] : isList(data) ? data : null;
  const splits = texts ? await readTexts(texts) : data as FilesBySplit | undefined ?? null;
  if (splits !== null) {
    refuseSubset(subset);
    const task = await loadLocalTask(reference, { ...rest, data: splits });
    return { task, data: describeFiles(splits).join(", "), files: Object.values(splits).flat() };
  }
  const finder = new DatasetFinder(texts?.[0] ?? null, {
    ...(subset !== undefined && { subset }),
    ...(hub && { hub }),
  });
  const task = await loadLocalTask(reference, { ...rest, findData: (wish) => finder.find(wish) });
  if (finder.references.size === 0) refuseSubset(subset);
  return { task, data: [...finder.references].join(", ") || null, files: [...finder.localFiles] };
}

function isList(data: TaskOptions["data"]): data is readonly string[] {
  return Array.isArray(data);
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
