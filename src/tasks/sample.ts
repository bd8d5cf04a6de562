/** Which rows of a split become adaptation examples. */
import { OptionError } from "../text/option_error.ts";
import { createRandom } from "./random.ts";

/** `plain`: every row is as likely as any other. `balanced`: as many rows of each gold index as possible. */
export type Sampling = "plain" | "balanced";

/** What to draw. */
export interface SampleOptions {
  /** Number of rows. */
  readonly count: number;
  /** An integer in [0, 2^53). */
  readonly seed: number;
  /** Default `plain`. */
  readonly sampling?: Sampling;
}

/**
 * Refuses a number of examples that a split cannot give.
 *
 * @param available Rows of the split.
 * @param what The split in words.
 * @throws {OptionError} If it is no positive integer, or larger than that.
 */
export function checkSampleSize(count: number, available: number, what: string): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new OptionError(`Cannot draw ${count} examples: expected a positive integer`);
  }
  if (count > available) throw new OptionError(`Cannot draw ${count} examples: ${what} has ${available} rows`);
}

/**
 * Draws rows without repeats, in random order. The same arguments give the same rows on every machine.
 *
 * With `balanced` the numbers of rows per gold index differ by at most one; which indices get one more is random too.
 *
 * @param golds Gold index of every row of the split.
 * @param what The split in words, for errors.
 * @returns Positions in `golds`.
 * @throws {RangeError} If the split has too few rows, or too few with one gold index.
 */
export function drawRows(golds: readonly number[], options: SampleOptions, what = "the split"): number[] {
  const { count, seed, sampling = "plain" } = options;
  checkSampleSize(count, golds.length, what);
  const random = createRandom(seed);
  if (sampling === "plain") return random.sample([...golds.keys()], count);

  const groups = new Map<number, number[]>();
  for (const [row, gold] of golds.entries()) {
    const group = groups.get(gold);
    if (group) group.push(row);
    else groups.set(gold, [row]);
  }
  const labels = [...groups.keys()].sort((a, b) => a - b);
  const favoured = new Set(random.sample(labels, count % labels.length));
  const drawn = labels.flatMap((label) => {
    const rows = groups.get(label)!;
    const wanted = Math.floor(count / labels.length) + (favoured.has(label) ? 1 : 0);
    if (wanted > rows.length) {
      throw new OptionError(
        `Cannot draw ${count} balanced examples: ${wanted} rows with gold index ${label} are needed, and ${what} ` +
          `has ${rows.length}`,
      );
    }
    return random.sample(rows, wanted);
  });
  return random.shuffle(drawn);
}
