/** Where the data files of a task come from: the caller, a dataset that is looked for, or the task file. */
import { resolve } from "node:path";
import { didYouMean } from "./did_you_mean.ts";
import { quote } from "./python_value.ts";
import { type DatasetName, type TaskConfig, unnamedSplit } from "./task_config.ts";

/** One or several files of each split. */
export type FilesBySplit = Readonly<Record<string, string | readonly string[]>>;

/** A task that needs data files. */
export interface DataWish {
  /** Name of the task. */
  readonly task: string;
  /** The dataset that its file names. */
  readonly dataset: DatasetName | null;
  /** Local data files that its file names, of all splits; null where it names none. */
  readonly files: readonly string[] | null;
  /** Whether it is one of a group, whose tasks cannot share one file. */
  readonly isInGroup: boolean;
}

/** Data files that were found for a task. */
export interface FoundData {
  /** The files; relative to the working folder. */
  readonly splits: FilesBySplit;
  /**
   * Whether they may be any data that fits the task, so that splits may have other names; otherwise they are the
   * dataset that the task file names, and have its splits.
   */
  readonly isChosen: boolean;
}

/** Where the data files of a task come from. */
export interface DataOptions {
  /** Data files by split, instead of those the task file names; relative to the working folder. */
  readonly data?: FilesBySplit;
  /** Finds data files where there is no `data`, such as those of a dataset that the task file names. */
  readonly findData?: (task: DataWish) => Promise<FoundData | null>;
}

/** The data files of a task, and whether they are others than its file names. */
export interface TaskData {
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly isChosen: boolean;
}

function absoluteFiles(splits: FilesBySplit): ReadonlyMap<string, readonly string[]> {
  return new Map(Object.entries(splits).map(([split, paths]) => [split, [paths].flat().map((path) => resolve(path))]));
}

/** Every split that the task file names must have a file, unless the caller chose the files. */
function checkSplits(config: TaskConfig, files: ReadonlyMap<string, readonly string[]>): void {
  const named = {
    training_split: config.trainingSplit,
    validation_split: config.validationSplit,
    test_split: config.testSplit,
    fewshot_split: config.fewshot.split,
  };
  for (const [key, split] of Object.entries(named)) {
    if (split === null || files.has(split)) continue;
    const splits = [...files.keys()];
    const isOneFile = files === config.data && splits.length === 1 && splits[0] === unnamedSplit;
    throw new RangeError(
      `Cannot load ${config.file}: ${key} is ${quote(split)}, but there are files for ${splits.join(", ")}` +
        (isOneFile
          ? `; data without names of splits is the split ${unnamedSplit}: write ${key}: ${unnamedSplit}, or give files ` +
            `by split, such as {${unnamedSplit}: FILE, ${split}: FILE}`
          : didYouMean(split, splits)),
    );
  }
}

/**
 * Finds the data files of a task: those that the caller gives or finds, else those that its file names.
 *
 * @throws {TypeError} If the file names no data and none is given.
 * @throws {RangeError} If a dataset cannot be read, one of a group is given files, or a split that its own dataset must
 * have is missing.
 */
export async function findTaskData(config: TaskConfig, isInGroup: boolean, options: DataOptions): Promise<TaskData> {
  const { data } = options;
  const { dataset, name } = config;
  if (data !== undefined) {
    if (isInGroup) {
      throw new RangeError(
        `Cannot load task ${name} with the files of ${
          Object.keys(data).join(", ")
        }: it is one of a group, whose tasks have ` +
          "different rows; expected a dataset or a folder with a part for each of them",
      );
    }
    return { files: absoluteFiles(data), isChosen: true };
  }
  const found = await options.findData?.({
    task: name,
    dataset,
    files: config.data && [...config.data.values()].flat(),
    isInGroup,
  });
  const files = found ? absoluteFiles(found.splits) : config.data;
  if (files !== null) {
    if (!found?.isChosen) checkSplits(config, files);
    return { files, isChosen: found?.isChosen ?? false };
  }
  if (dataset === null) {
    throw new TypeError(
      `Cannot read ${config.file}: data is missing: expected the data file of each split, dataset_path: json with ` +
        "dataset_kwargs.data_files, or rows of your own (--data)",
    );
  }
  const { path, subset } = dataset;
  throw new RangeError(
    `Cannot load task ${name}: its rows are in the dataset ${path}${subset === null ? "" : ` (${subset})`}, and only ` +
      "local files are read; give a file for each split",
  );
}
