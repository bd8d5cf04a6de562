/** Rows that do not fit their task: an error, or skipped and counted. */

/** A row lacks a column, its right answer is none of its choices, or a template fails on it. */
export class BadRowError extends RangeError {
  override readonly name = "RangeError";
  /**
   * @param id Split and row, such as `test/17`.
   * @param place Where the row stands, such as `FILE, line 18`.
   * @param problem What is wrong, with the value.
   */
  constructor(readonly id: string, readonly place: string, readonly problem: string) {
    super(`Cannot build example ${id} (${place}): ${problem}`);
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
