/** Which rows become few-shot examples in front of which question. */
import { isDeepStrictEqual } from "node:util";
import { OptionError } from "../text/option_error.ts";
import type { Row } from "./dataset.ts";
import { PythonRandom } from "./python_random.ts";
import type { FewshotSettings } from "./task_config.ts";

/** The seed lm-evaluation-harness uses unless told otherwise. */
const HARNESS_SEED = 1234;

/** Finds the few-shot rows of the row at a position of the split being asked. */
export type FewshotSampler = (position: number) => readonly Row[];

function isSame(a: Row, b: Row): boolean {
  return isDeepStrictEqual(a.values, b.values);
}

/**
 * Refuses a number of worked examples that the rows cannot give.
 *
 * @param available Rows to choose from.
 * @throws {OptionError} If it is larger than that.
 */
export function checkPoolSize(count: number, available: number): void {
  if (available >= count) return;
  throw new OptionError(`Cannot choose ${count} few-shot examples: there are ${available} rows to choose from`);
}

/**
 * Creates the sampler of one split.
 *
 * The `default` sampler is one stream of random numbers that runs through the rows in order, so each row's examples are
 * the same whichever rows are asked for.
 *
 * @param pool Rows to choose from.
 * @param rows Rows of the split being asked.
 * @param leavesOut Whether rows equal to the question's own are left out.
 * @returns A sampler that throws RangeError if the pool is too small.
 */
export function createFewshotSampler(
  settings: Pick<FewshotSettings, "count" | "sampler">,
  pool: readonly Row[],
  rows: readonly Row[],
  leavesOut: boolean,
): FewshotSampler {
  const { count } = settings;
  const others = (row: Row, list: readonly Row[]) => leavesOut ? list.filter((other) => !isSame(other, row)) : list;
  const checkSize = (available: number) => checkPoolSize(count, available);
  if (settings.sampler === "first_n") {
    return (position) => {
      const first: Row[] = [];
      for (const row of pool) {
        if (first.length === count) break;
        if (!leavesOut || !isSame(row, rows[position])) first.push(row);
      }
      checkSize(first.length);
      return first;
    };
  }

  const random = new PythonRandom(HARNESS_SEED);
  const drawn: (readonly Row[])[] = [];
  const draw = (row: Row): readonly Row[] => {
    const wanted = leavesOut ? count + 1 : count;
    checkSize(pool.length - (wanted - count));
    const some = others(row, random.sample(pool, wanted)).slice(0, count);
    if (some.length === count) return some;
    // Several copies of the row were drawn and left out.
    const rest = others(row, pool);
    checkSize(rest.length);
    return random.sample(rest, count);
  };
  return (position) => {
    while (drawn.length <= position) drawn.push(draw(rows[drawn.length]));
    return drawn[position];
  };
}
