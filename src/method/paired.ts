/** What two models' answers to the same examples say about the difference of their accuracies. */

/** Two models on the same examples. */
export interface PairedComparison {
  /** Examples N. */
  readonly count: number;
  /** Right before and after. */
  readonly bothRight: number;
  /** Wrong before, right after. */
  readonly gained: number;
  /** Right before, wrong after. */
  readonly lost: number;
  /** Wrong before and after. */
  readonly bothWrong: number;
  /** Accuracy after minus accuracy before, in [-1,1]. */
  readonly difference: number;
  /** 95 % interval of the difference, for other examples of the same kind. */
  readonly interval: readonly [low: number, high: number];
  /** Chance of a split of the changed answers at least this uneven if either direction were as likely; two-sided. */
  readonly pValue: number;
}

/** Standard normal quantile of 97.5 %. */
export const z95 = 1.959963984540054;

/**
 * Compares answers example by example.
 *
 * The interval is the adjusted Wald interval of Bonett and Price (Journal of Educational and Behavioral Statistics
 * 37(4), 2012): one imagined example is added to each kind of change, so it also holds where few answers changed. The
 * p-value is the exact McNemar test: a fair coin over the changed answers.
 *
 * @param before Whether each answer was right `[N]`.
 * @param after The same for the other model `[N]`.
 * @throws {RangeError} If there are no examples, or not equally many.
 */
export function comparePaired(before: readonly boolean[], after: readonly boolean[]): PairedComparison {
  const count = before.length;
  if (count === 0 || count !== after.length) {
    throw new RangeError(`Cannot compare ${count} answers with ${after.length}: expected as many, at least one`);
  }
  const number = (was: boolean, is: boolean) => before.filter((right, i) => right === was && after[i] === is).length;
  const gained = number(false, true), lost = number(true, false);
  const up = (gained + 1) / (count + 2), down = (lost + 1) / (count + 2);
  const centre = up - down;
  const reach = z95 * Math.sqrt((up + down - centre ** 2) / (count + 2));
  return {
    count,
    bothRight: number(true, true),
    gained,
    lost,
    bothWrong: number(false, false),
    difference: (gained - lost) / count,
    interval: [Math.max(-1, centre - reach), Math.min(1, centre + reach)],
    pValue: signTest(Math.min(gained, lost), gained + lost),
  };
}

/** Two-sided exact sign test: 2 P(X <= fewer) of binomial(count, 1/2), at most 1. */
export function signTest(fewer: number, count: number): number {
  // Sums of exp(log) keep the terms of large counts from underflowing before they are added.
  let logTerm = -count * Math.LN2;
  let sum = 0;
  for (let k = 0; k <= fewer; k++) {
    sum += Math.exp(logTerm);
    logTerm += Math.log((count - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}
