/** A task with its data: examples of a split, ready for an engine. */
import type { SkippedRow } from "./bad_row.ts";
import type { Row } from "./dataset.ts";
import type { ChoiceRequest } from "./example_builder.ts";
import type { Example } from "./example.ts";
import type { PromptStyle } from "./builtin_tasks.ts";
import { GroupTask } from "./group_task.ts";
import { LoadedTask } from "./loaded_task.ts";
import type { Message } from "./message.ts";
import type { ValueRecord } from "./python_value.ts";
import type { PromptFrame } from "./request.ts";
import type { SampleOptions } from "./sample.ts";
import type { FurtherMetric } from "./further_scoring.ts";
import type { Metric } from "./scoring.ts";
import type { StandIn } from "./split_roles.ts";
import { type DataOptions, findTaskData } from "./task_data.ts";
import { readTaskTree, type TaskGroup } from "./task_tree.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How to load a task. */
export interface LoadTaskOptions extends DataOptions, PromptFrame {
  /** The tokenizer of the model to be asked; without it there are requests, but no examples. */
  readonly tokenizer?: Tokenizer;
  /**
   * The most tokens that the model reads in one sequence, its `config.maxPositions`: a row with more, worked examples
   * included, does not fit. Default: no limit.
   */
  readonly maxTokens?: number;
  /**
   * Whether prompts with more tokens than `maxTokens` are cut from the left, as lm-evaluation-harness does; their
   * examples then have `cutTokens`. Default false: such a row does not fit.
   */
  readonly truncate?: boolean;
  /**
   * Whether rows that do not fit the task are left out and counted, instead of being an error. With a tokenizer, all
   * rows of a split are then encoded when the split is first used. Default false.
   */
  readonly skipBadRows?: boolean;
  /** Number of few-shot examples, instead of the task file's. */
  readonly fewshotCount?: number;
  /** Wording of a built-in task. Default `completion`. */
  readonly prompt?: PromptStyle;
}

/** Which rows of a split; all of them by default. */
export interface Selection {
  /** At most so many, from the start; of a group, so many of each of its tasks. */
  readonly limit?: number;
  /** Exactly these, such as `test/17`, in this order; of a group, such as `mmlu_anatomy/test/17`. */
  readonly ids?: readonly string[];
  /**
   * Worked examples to put in front of every question instead of the task's own, as `Task.workedTurns` gives them.
   * Whether they fit beside it is then for the caller to see: `maxTokens` is of the task's own.
   */
  readonly worked?: readonly Message[];
}

/** The cell of one row in a column that groups rows. */
export interface RowMark {
  /** As of the row's example. */
  readonly id: string;
  /** The cell as text. */
  readonly mark: string;
}

/** A task whose rows can be asked for. Data files are read when a split is first used. */
export interface Task {
  /** As the task file names it. */
  readonly name: string;
  /** `metadata.version` of the task file, or null. */
  readonly version: string | number | null;
  /** The tasks it consists of, and how their results are summed up; null for a single task. */
  readonly group: TaskGroup | null;
  /** What the task reports and may be decided by, the first one by default. */
  readonly metrics: readonly Metric[];
  /** What it reports besides. */
  readonly furtherMetrics: readonly FurtherMetric[];
  /** Names of the splits there are files for. */
  readonly splits: readonly string[];
  /** `training_split` of the task file, or null. */
  readonly trainingSplit: string | null;
  /** The split a result is measured on: `test_split`, else `validation_split`. */
  readonly evaluationSplit: string;
  /**
   * What `evaluationSplit` stands in for in data that lacks it; null where it is the split that the task file names.
   */
  readonly standIn: StandIn | null;
  /** Rows that were left out so far, of the splits that were used; empty unless `skipBadRows` was asked for. */
  readonly skippedRows: readonly SkippedRow[];
  /**
   * The texts of a split's rows.
   *
   * @throws {RangeError} If there is no such split or row, or a row does not fit the task; the message names it.
   * @throws {SyntaxError} If a data file is malformed.
   */
  requests(split: string, selection?: Selection): Promise<ChoiceRequest[]>;
  /**
   * The same rows as token ids.
   *
   * @throws {RangeError} As `requests`, if a text cannot be encoded, or if it has more tokens than the model takes.
   */
  examples(split: string, selection?: Selection): Promise<Example[]>;
  /**
   * The rows themselves.
   *
   * @throws {RangeError} As `requests`.
   */
  rows(split: string, selection?: Selection): Promise<Row[]>;
  /** The settings of each task in it, itself or those of the group, in the words of lm-evaluation-harness. */
  settings(): readonly ValueRecord[];
  /**
   * The cells of one column, such as a mark that tells rows with a shortcut from rows without.
   *
   * @throws {RangeError} As `requests`, or if a row has no such column, or holds neither text, number nor boolean
   * there.
   */
  marks(split: string, column: string, selection?: Selection): Promise<RowMark[]>;
  /**
   * Question and answer of rows, each with the delimiter that follows, for `Selection.worked`.
   *
   * @throws {RangeError} As `requests`.
   */
  workedTurns(split: string, ids: readonly string[]): Promise<Message[]>;
  /**
   * Draws examples of a split, such as adaptation examples, with a seed.
   *
   * @throws {RangeError} As `examples`, or if there are too few rows.
   */
  sample(split: string, options: SampleOptions): Promise<Example[]>;
}

/**
 * Loads a built-in task or group, or a task or group file in lm-evaluation-harness format with
 * `output_type: multiple_choice`.
 *
 * Rows come from local files: `options.data`, `dataset_path: json` with `dataset_kwargs.data_files`, or `data`, a
 * mapping from splits to files; those in a task file are relative to it.
 *
 * @param reference The name of a built-in task or group, such as `boolq`, or the path or file URL of a YAML file.
 * @throws {TypeError} If a key is unknown, not supported, missing or of the wrong type.
 * @throws {SyntaxError} If the file or one of its templates cannot be parsed.
 * @throws {RangeError} If there is no such task, a file cannot be read, or a split has no file.
 */
export async function loadTask(reference: string | URL, options: LoadTaskOptions = {}): Promise<Task> {
  const { fewshotCount, maxTokens } = options;
  if (maxTokens !== undefined && (!Number.isInteger(maxTokens) || maxTokens < 1)) {
    throw new RangeError(`Cannot limit rows to ${maxTokens} tokens: expected a positive integer`);
  }
  if (fewshotCount !== undefined && (!Number.isInteger(fewshotCount) || fewshotCount < 0)) {
    throw new RangeError(`Cannot use ${fewshotCount} few-shot examples: expected an integer of at least 0`);
  }
  const { group, tasks } = await readTaskTree(reference, options.prompt);
  const loaded: LoadedTask[] = [];
  for (const config of tasks) {
    const data = await findTaskData(config, group !== null, options);
    const count = fewshotCount ?? config.fewshot.count;
    loaded.push(new LoadedTask(config, data, count, options));
  }
  return group === null ? loaded[0] : new GroupTask(group, loaded);
}
