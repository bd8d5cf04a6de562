/** The statistics of a study: paired tests on the same test rows, and summaries over redraws. */
import { createRandom } from "../../tasks/random.ts";
import { comparePaired } from "../paired.ts";
import { type Spread, spread } from "../redraws.ts";

/** Two models on the same rows, compared by McNemar's exact test. */
export interface PairedTest {
  /** Rows that only the second model answers rightly. */
  readonly gained: number;
  /** Rows that only the first model answers rightly. */
  readonly lost: number;
  /** Two-sided probability of a split at least as uneven if both were equally good; 1 where no row differs. */
  readonly pValue: number;
}

/**
 * McNemar's exact test: of the rows on which two models differ, the number that the second one wins is binomial(n, 1/2)
 * if they are equally good.
 *
 * @param before Whether the first model answers each row rightly `[N]`.
 * @param after The same of the second `[N]`.
 */
export function mcnemarTest(before: readonly boolean[], after: readonly boolean[]): PairedTest {
  const { gained, lost, pValue } = comparePaired(before, after);
  return { gained, lost, pValue };
}

/** A mean over rows with a 95 % interval and a test against zero. */
export interface PairedDifference {
  /** Mean over the rows. */
  readonly mean: number;
  /** 2.5 % and 97.5 % of the means of rows drawn anew with replacement (percentile bootstrap). */
  readonly interval: readonly [number, number];
  /** Two-sided: share of random sign patterns whose mean is at least as far from 0, the observed one counted in. */
  readonly pValue: number;
}

/** Resamples of `pairedDifference`. */
const resamples = 2000;

/**
 * Whether the mean of paired differences is zero: bootstrap interval and sign-flip test over the rows.
 *
 * @param differences One per row `[N]`; rows are what is drawn, so differences of several redraws are averaged first.
 * @param seed Of the resamples.
 */
export function pairedDifference(differences: readonly number[], seed: number): PairedDifference {
  const count = differences.length;
  const mean = differences.reduce((sum, value) => sum + value, 0) / count;
  const random = createRandom(seed);
  const means = new Float64Array(resamples);
  let asFar = 1;
  for (let resample = 0; resample < resamples; resample++) {
    let drawn = 0, flipped = 0, bits = 0;
    for (let row = 0; row < count; row++) {
      drawn += differences[random.nextBelow(count)];
      if (row % 32 === 0) bits = random.nextUint32();
      flipped += (bits >>> (row % 32)) & 1 ? differences[row] : -differences[row];
    }
    means[resample] = drawn / count;
    // A tie that differs by rounding only is a tie.
    if (Math.abs(flipped / count) >= Math.abs(mean) - 1e-12) asFar++;
  }
  means.sort();
  const at = (share: number) => means[Math.min(resamples - 1, Math.floor(share * resamples))];
  return { mean, interval: [at(0.025), at(0.975)], pValue: asFar / (resamples + 1) };
}

/** Values of several redraws, summed up. */
export interface RedrawSummary extends Spread {
  /** The smallest. */
  readonly lowest: number;
  /** The largest. */
  readonly highest: number;
}

/**
 * Sums values up.
 *
 * @param values At least one.
 */
export function summarise(values: readonly number[]): RedrawSummary {
  return { ...spread(values), lowest: Math.min(...values), highest: Math.max(...values) };
}

/** Mean; null of no values. */
export function meanOrNull(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Every pair of different items. */
export function pairsOf<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((first, i) => items.slice(i + 1).map((second): [T, T] => [first, second]));
}
