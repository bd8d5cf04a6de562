/** A task with its data: examples of a split, ready for an engine. */
import { BadRowError, type SkippedRow } from "./bad_row.ts";
import { readSplit, type Row, type Split } from "./dataset.ts";
import { buildExample, type ChoiceRequest } from "./example_builder.ts";
import type { Example } from "./example.ts";
import { createFewshotSampler, type FewshotSampler } from "./fewshot.ts";
import type { PromptStyle } from "./builtin_tasks.ts";
import { type GroupMember, GroupTask } from "./group_task.ts";
import { harnessSettings } from "./harness_settings.ts";
import type { Message } from "./message.ts";
import { Prompt, readText } from "./prompt.ts";
import { quote, type ValueRecord } from "./python_value.ts";
import { composeRequest, type PromptFrame } from "./request.ts";
import { drawRows, type SampleOptions } from "./sample.ts";
import type { FurtherMetric } from "./further_scoring.ts";
import type { Metric } from "./scoring.ts";
import { chosenRoles, ownRoles, type SplitRoles, type StandIn } from "./split_roles.ts";
import type { TaskConfig } from "./task_config.ts";
import { type DataOptions, findTaskData, type TaskData } from "./task_data.ts";
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

/** A split with what is needed to build its requests. */
interface PreparedSplit {
  readonly split: Split;
  /** Of the rows that can be asked, ascending: all of them unless some were skipped for their tokens. */
  readonly positions: readonly number[];
  readonly prompt: Prompt;
  readonly fewshotPrompt: Prompt;
  readonly fewshotRows: FewshotSampler;
}

class LoadedTask implements GroupMember {
  readonly group = null;
  readonly name: string;
  readonly version: string | number | null;
  readonly metrics: readonly Metric[];
  readonly furtherMetrics: readonly FurtherMetric[];
  readonly splits: readonly string[];
  readonly trainingSplit: string | null;
  readonly evaluationSplit: string;
  readonly standIn: StandIn | null;
  readonly skippedRows: SkippedRow[] = [];
  readonly #roles: SplitRoles;
  readonly #read = new Map<string, Promise<Split>>();
  readonly #prepared = new Map<string, Promise<PreparedSplit>>();

  constructor(
    readonly config: TaskConfig,
    readonly data: TaskData,
    readonly fewshotCount: number,
    readonly options: LoadTaskOptions,
  ) {
    this.name = config.name;
    this.version = config.version;
    this.metrics = config.metrics;
    this.furtherMetrics = config.furtherMetrics;
    this.splits = [...data.files.keys()];
    this.#roles = data.isChosen ? chosenRoles(config, this.splits) : ownRoles(config);
    this.trainingSplit = this.#roles.trainingSplit;
    this.evaluationSplit = this.#roles.evaluationSplit;
    this.standIn = this.#roles.standIn;
  }

  #split(name: string): Promise<Split> {
    const paths = this.data.files.get(name);
    if (paths === undefined) {
      throw new RangeError(
        `Cannot read split ${quote(name)} of task ${this.name}: there are files for ${this.splits.join(", ")}`,
      );
    }
    let split = this.#read.get(name);
    if (split === undefined) this.#read.set(name, split = this.#readSplit(name, paths));
    return split;
  }

  async #readSplit(name: string, paths: readonly string[]): Promise<Split> {
    const split = await readSplit(name, paths);
    return this.options.skipBadRows ? this.#withoutBadRows(split) : split;
  }

  /** Positions of the rows that pass a check; the others are counted as skipped. */
  #fitting({ name, rows }: Split, check: (row: Row, position: number) => void): number[] {
    const skipped: SkippedRow[] = [];
    const fitting = [...rows.keys()].filter((position) => {
      const row = rows[position];
      const { id, place } = row;
      try {
        check(row, position);
        return true;
      } catch (error) {
        // A worked example that is written in the task file is no fault of the row.
        if (!(error instanceof BadRowError && error.id === id)) throw error;
        skipped.push({ id, place, problem: error.problem });
        return false;
      }
    });
    if (fitting.length === 0) {
      const [{ place, problem }] = skipped;
      throw new RangeError(
        `Cannot read split ${quote(name)}: none of its ${rows.length} rows fits the task; the first one ` +
          `(${place}): ${problem}`,
      );
    }
    for (const row of skipped) this.skippedRows.push(row);
    return fitting;
  }

  /** Leaves out rows that cannot be asked; whether they can be few-shot examples is checked of those that can. */
  #withoutBadRows(split: Split): Split {
    const { prompt, fewshot, description } = this.config;
    const asked = new Prompt(prompt, split.columns);
    const worked = new Prompt(fewshot.prompt, split.columns);
    const isPool = this.fewshotCount > 0 && split.name === this.#poolName();
    const fitting = this.#fitting(split, (row) => {
      asked.ask(row);
      if (description !== null) readText(description, row, split.columns);
      if (isPool) worked.workedTurn(row);
    });
    return { ...split, rows: fitting.map((position) => split.rows[position]) };
  }

  /** The split of the few-shot examples; null where they are written in the task file. */
  #poolName(): string | null {
    const { split, samples } = this.config.fewshot;
    if (split !== null) return this.#roles.find(split);
    if (samples !== null) return null;
    const { trainingSplit, validationSplit } = this.config;
    return trainingSplit === null && validationSplit !== null
      ? this.#roles.find(validationSplit)
      : this.#roles.trainingSplit ?? this.evaluationSplit;
  }

  async #fewshotPool(): Promise<Split> {
    const { samples } = this.config.fewshot;
    const name = this.#poolName();
    if (name === null) {
      const rows = samples!.map((values, i): Row => ({
        id: `samples/${i}`,
        place: `${this.config.file}, fewshot_config.samples[${i}]`,
        values,
      }));
      return { name: "samples", rows, columns: new Set(rows.flatMap((row) => Object.keys(row.values))) };
    }
    return await this.#split(name);
  }

  async #prepare(name: string): Promise<PreparedSplit> {
    const { prompt, fewshot, testSplit } = this.config;
    const split = await this.#split(name);
    const pool = this.fewshotCount > 0 ? await this.#fewshotPool() : { rows: [], columns: new Set<string>() };
    const count = this.fewshotCount;
    // The harness leaves out the question's own row if both splits have the same name, also if neither is named. Splits
    // of other data may have become the same one.
    const leavesOut = fewshot.split === testSplit || this.data.isChosen && this.#poolName() === name;
    const prepared = {
      split,
      positions: [...split.rows.keys()],
      prompt: new Prompt(prompt, split.columns),
      fewshotPrompt: new Prompt(fewshot.prompt, pool.columns),
      fewshotRows: createFewshotSampler({ ...fewshot, count }, pool.rows, split.rows, leavesOut),
    };
    const { tokenizer, skipBadRows } = this.options;
    if (tokenizer === undefined || !skipBadRows) return prepared;
    // Rows with too many tokens keep their turn in the draw of worked examples, so that the others keep their prompts.
    const positions = this.#fitting(split, (_, position) => this.#example(prepared, position, tokenizer));
    return { ...prepared, positions };
  }

  #prepareOnce(name: string): Promise<PreparedSplit> {
    let prepared = this.#prepared.get(name);
    if (prepared === undefined) this.#prepared.set(name, prepared = this.#prepare(name));
    return prepared;
  }

  #request(prepared: PreparedSplit, position: number, given: Selection["worked"]): ChoiceRequest {
    const { split, prompt, fewshotPrompt, fewshotRows } = prepared;
    const own = () => this.fewshotCount === 0 ? [] : fewshotRows(position);
    return composeRequest(this.config, this.options, {
      row: split.rows[position],
      columns: split.columns,
      prompt,
      worked: given ?? own().flatMap((other) => fewshotPrompt.workedTurn(other)),
    });
  }

  #example(prepared: PreparedSplit, position: number, tokenizer: Tokenizer, given?: Selection["worked"]): Example {
    const { maxTokens, truncate = false } = this.options;
    return buildExample(this.#request(prepared, position, given), tokenizer, {
      place: prepared.split.rows[position].place,
      workedCount: this.fewshotCount,
      ...(maxTokens !== undefined && given === undefined && { maxTokens, truncate }),
    });
  }

  #positions({ split, positions }: PreparedSplit, { limit = Infinity, ids }: Selection): number[] {
    if (limit !== Infinity && (!Number.isInteger(limit) || limit < 1)) {
      throw new RangeError(`Cannot take ${limit} rows of ${split.name}: expected a positive integer`);
    }
    const places = ids && new Map(positions.map((position) => [split.rows[position].id, position]));
    const all = ids?.map((id) => {
      const position = places!.get(id);
      if (position !== undefined) return position;
      const skipped = this.skippedRows.find((row) => row.id === id);
      throw new RangeError(
        `Cannot find row ${quote(id)}: ` +
          (skipped
            ? `it was skipped (${skipped.place}): ${skipped.problem}`
            : `expected ${split.name}/0 to ${split.rows.at(-1)!.id}`),
      );
    });
    return (all ?? positions).slice(0, limit);
  }

  async requests(split: string, selection: Selection = {}): Promise<ChoiceRequest[]> {
    const prepared = await this.#prepareOnce(split);
    return this.#positions(prepared, selection).map((position) => this.#request(prepared, position, selection.worked));
  }

  async workedTurns(split: string, ids: readonly string[]): Promise<Message[]> {
    const prepared = await this.#prepareOnce(split);
    const { rows, columns } = prepared.split;
    const prompt = new Prompt(this.config.fewshot.prompt, columns);
    return this.#positions(prepared, { ids }).flatMap((position) => prompt.workedTurn(rows[position]));
  }

  async examples(split: string, selection: Selection = {}): Promise<Example[]> {
    const { tokenizer } = this.options;
    if (tokenizer === undefined) {
      throw new RangeError(`Cannot build the examples of task ${this.name}: it was loaded without a tokenizer`);
    }
    const prepared = await this.#prepareOnce(split);
    return this.#positions(prepared, selection).map((position) =>
      this.#example(prepared, position, tokenizer, selection.worked)
    );
  }

  async rows(split: string, selection: Selection = {}): Promise<Row[]> {
    const prepared = await this.#prepareOnce(split);
    return this.#positions(prepared, selection).map((position) => prepared.split.rows[position]);
  }

  settings(): readonly ValueRecord[] {
    return [harnessSettings(this.config, this.fewshotCount)];
  }

  async rowGolds(split: string, wanted: boolean): Promise<{ id: string; gold: number }[]> {
    const { split: { rows }, positions, prompt } = await this.#prepareOnce(split);
    return positions.map((position) => ({ id: rows[position].id, gold: wanted ? prompt.gold(rows[position]) : 0 }));
  }

  async marks(split: string, column: string, selection: Selection = {}): Promise<RowMark[]> {
    const prepared = await this.#prepareOnce(split);
    const { rows, columns } = prepared.split;
    return this.#positions(prepared, selection).map((position) => {
      const { id, place, values } = rows[position];
      const cell = values[column];
      if (typeof cell === "string" || typeof cell === "number" || typeof cell === "boolean") {
        return { id, mark: String(cell) };
      }
      throw new RangeError(
        `Cannot mark row ${id} (${place}) by column ${quote(column)}: ` +
          (cell === undefined
            ? `there are ${[...columns].join(", ")}`
            : `it holds ${quote(cell)}, expected text, a number or a boolean`),
      );
    });
  }

  async sample(split: string, options: SampleOptions): Promise<Example[]> {
    const rows = await this.rowGolds(split, options.sampling === "balanced");
    const drawn = drawRows(rows.map(({ gold }) => gold), options, `the split ${split}`);
    return await this.examples(split, { ids: drawn.map((position) => rows[position].id) });
  }
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
