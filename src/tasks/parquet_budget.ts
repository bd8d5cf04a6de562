/** What a Parquet file may take when it is read, as a whole: a few bytes of it can stand for any amount. */

/** Most bytes that the pages of a file may take without compression. */
export const MAX_UNPACKED_BYTES = 4_000_000_000;

/** Most cells of a file, those in lists and structures counted one by one: nulls take no bytes at all. */
const MAX_CELLS = 100_000_000;

/** Most bytes of values that are spelt by the value before them, in all pages together. */
const MAX_SPELT_BYTES = 2 ** 30;

/** Most bytes of cells that are decoded one by one; where they share a value of a dictionary it is decoded for each. */
const MAX_DECODED_BYTES = 2 ** 30;

/** Something of which there is a limited amount. */
class Allowance {
  #left: number;

  constructor(readonly limit: number, readonly what: string) {
    this.#left = limit;
  }

  /** @throws {RangeError} If more is taken than there is. */
  take(amount: number): void {
    this.#left -= amount;
    if (!(this.#left >= 0)) throw new RangeError(`${this.what} exceed the limit of ${this.limit}`);
  }
}

/** The allowances of one file, for all its row groups and columns together. */
export class ParquetBudget {
  readonly unpackedBytes = new Allowance(MAX_UNPACKED_BYTES, "bytes of pages without compression");
  readonly speltBytes = new Allowance(MAX_SPELT_BYTES, "bytes of values that are spelt by the value before them");
  /** Cells in pages, as against `items`. */
  readonly cells = new Allowance(MAX_CELLS, "cells");
  readonly decodedBytes = new Allowance(MAX_DECODED_BYTES, "bytes of cells that are decoded one by one");
  /** Characters; a text that cells share counts for each. */
  readonly text = new Allowance(MAX_UNPACKED_BYTES, "characters of all cells");
  /** What lists and structures hold once they are put together. */
  readonly items = new Allowance(MAX_CELLS, "values in lists and structures");
}
