/** One task with its data: which of its rows fit, and what each of them asks. */
import { BadRowError, type SkippedRow } from "./bad_row.ts";
import { readSplit, type Row, type Split } from "./dataset.ts";
import { buildExample, type ChoiceRequest } from "./example_builder.ts";
import type { Example } from "./example.ts";
import { createFewshotSampler, type FewshotSampler } from "./fewshot.ts";
import type { GroupMember } from "./group_task.ts";
import { harnessSettings } from "./harness_settings.ts";
import type { Message } from "./message.ts";
import { Prompt, readText } from "./prompt.ts";
import { quote, type ValueRecord } from "./python_value.ts";
import { composeRequest } from "./request.ts";
import { drawRows, type SampleOptions } from "./sample.ts";
import type { FurtherMetric } from "./further_scoring.ts";
import type { Metric } from "./scoring.ts";
import { chosenRoles, fewshotSplit, ownRoles, type SplitRoles, type StandIn } from "./split_roles.ts";
import type { LoadTaskOptions, RowMark, Selection } from "./task.ts";
import type { TaskConfig } from "./task_config.ts";
import type { TaskData } from "./task_data.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A split with what is needed to build its requests. */
interface PreparedSplit {
  readonly split: Split;
  /** Of the rows that can be asked, ascending: all of them unless some were skipped for their tokens. */
  readonly positions: readonly number[];
  readonly prompt: Prompt;
  readonly fewshotPrompt: Prompt;
  readonly fewshotRows: FewshotSampler;
}

/** Rows that do not fit are counted up to so many: each of them may take a template's whole budget. */
const mostCounted = 100;

/** The number of a row in its split. */
function rowNumber({ id }: Pick<Row, "id">): number {
  return Number(id.slice(id.lastIndexOf("/") + 1));
}

/** A task as it was loaded. */
export class LoadedTask implements GroupMember {
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

  /** Counts rows as skipped, in the order of the splits and of their rows, whatever was found first. */
  #skip(rows: readonly SkippedRow[]): void {
    const splitOf = ({ id }: SkippedRow) => this.splits.indexOf(id.slice(0, id.lastIndexOf("/")));
    for (const row of rows) this.skippedRows.push(row);
    this.skippedRows.sort((a, b) => splitOf(a) - splitOf(b) || rowNumber(a) - rowNumber(b));
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
    this.#skip(skipped);
    if (fitting.length === 0) {
      const [{ place, problem }] = skipped;
      throw new RangeError(
        `Cannot read split ${quote(name)}: none of its ${rows.length} rows fits the task; the first one ` +
          `(${place}): ${problem}`,
      );
    }
    return fitting;
  }

  /**
   * Makes something of each of some rows.
   *
   * @throws {BadRowError} If rows do not fit: of the first of them in the order of the split, with a count of the
   * others.
   */
  #ofEach<T>({ rows }: Split, positions: readonly number[], make: (position: number) => T): T[] {
    const bad: BadRowError[] = [];
    const made: T[] = [];
    for (const position of positions) {
      try {
        made.push(make(position));
      } catch (error) {
        // A worked example that is written in the task file is no fault of the row.
        if (!(error instanceof BadRowError && error.id === rows[position].id)) throw error;
        if (bad.push(error) === mostCounted) break;
      }
    }
    if (bad.length === 0) return made;
    const [first, ...others] = bad.sort((a, b) => rowNumber(a) - rowNumber(b));
    if (others.length === 0) throw first;
    const atLeast = bad.length === mostCounted ? "at least " : "";
    throw first.mention(
      `${atLeast}${others.length} more of the ${positions.length} rows ${others.length === 1 ? "does" : "do"} not fit`,
    );
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
    if (split === null && samples !== null) return null;
    return fewshotSplit({ ...this.config, fewshotSplit: split }, this.#roles);
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
    return this.#ofEach(
      prepared.split,
      this.#positions(prepared, selection),
      (position) => this.#request(prepared, position, selection.worked),
    );
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
    return this.#ofEach(
      prepared.split,
      this.#positions(prepared, selection),
      (position) => this.#example(prepared, position, tokenizer, selection.worked),
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
    const { split: whole, positions, prompt } = await this.#prepareOnce(split);
    return this.#ofEach(whole, positions, (position) => {
      const row = whole.rows[position];
      return { id: row.id, gold: wanted ? prompt.gold(row) : 0 };
    });
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
