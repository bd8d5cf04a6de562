/** Where the rows of segments lie in one of the row spaces of a layer. */
import type { Segment } from "./segments.ts";

/** Rows of one segment, and the packed row of the first of them; the others follow. */
export interface SpaceEntry {
  readonly segment: number;
  readonly rows: readonly number[];
  readonly first: number;
}

/** An assignment of (segment, row) to packed rows: segments one after the other, in the order given. */
export class RowSpace {
  /** Rows in all. */
  readonly rows: number;
  /** First gradient row. */
  readonly base: number;
  readonly entries: readonly SpaceEntry[];
  readonly #entries = new Map<number, SpaceEntry>();
  readonly #index = new Map<number, Map<number, number> | null>();

  constructor(entries: readonly (readonly [number, readonly number[]])[], segments: readonly Segment[]) {
    let at = 0;
    let base = -1;
    this.entries = entries.map(([segment, rows]) => {
      if (base < 0 && segments[segment].gradient) base = at;
      const entry = { segment, rows, first: at };
      this.#entries.set(segment, entry);
      const whole = rows.length === segments[segment].length;
      this.#index.set(segment, whole ? null : new Map(rows.map((row, i) => [row, i])));
      at += rows.length;
      return entry;
    });
    this.rows = at;
    this.base = base < 0 ? at : base;
  }

  /** The rows of one segment, if it is here. */
  entry(segment: number): SpaceEntry | undefined {
    return this.#entries.get(segment);
  }

  /**
   * The packed row of a segment's row.
   *
   * @throws {RangeError} If that row is not here.
   */
  row(segment: number, row: number): number {
    const first = this.#entries.get(segment)?.first;
    const index = this.#index.get(segment);
    const offset = index === null ? row : index?.get(row);
    if (first === undefined || offset === undefined) {
      throw new RangeError(`Cannot place row ${row} of segment ${segment}: it is not in this layer`);
    }
    return first + offset;
  }
}
