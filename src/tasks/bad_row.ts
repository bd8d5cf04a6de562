/** Rows that do not fit their task: an error, or skipped and counted. */

/**
 * A row lacks a column, its right answer is none of its choices, a template fails on it, or its text cannot be encoded.
 */
export class BadRowError extends RangeError {
  override readonly name = "RangeError";
  /**
   * @param id Split and row, such as `test/17`.
   * @param place Where the row stands, such as `FILE, line 18`; null where that is not known.
   * @param problem What is wrong, with the value.
   */
  constructor(readonly id: string, readonly place: string | null, readonly problem: string, options?: ErrorOptions) {
    super(`Cannot build example ${id}${place === null ? "" : ` (${place})`}: ${problem}`, options);
  }

  /** Adds to the message what else is wrong. */
  mention(more: string): this {
    this.message += `; ${more}`;
    return this;
  }
}

/** A row has more tokens than the model takes. */
export class LongRowError extends BadRowError {
  /**
   * @param tokens Tokens that the model would read: prompt and all but the last one of a choice.
   * @param maxTokens The most that it takes.
   * @param workedCount Worked examples in front of the question, which take tokens too.
   */
  constructor(
    id: string,
    place: string | null,
    readonly tokens: number,
    readonly maxTokens: number,
    readonly workedCount: number,
  ) {
    const worked = workedCount === 0 ? "" : ` with ${workedCount} worked example${workedCount === 1 ? "" : "s"}`;
    super(id, place, `${tokens} tokens${worked} exceed the model's limit of ${maxTokens}`);
  }
}

/** A row that was left out. */
export interface SkippedRow {
  /** Split and row, such as `test/17`; rows keep their numbers. */
  readonly id: string;
  /** Where it stands, such as `FILE, line 18`. */
  readonly place: string;
  /** Why it does not fit the task. */
  readonly problem: string;
}
