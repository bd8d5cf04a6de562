/** Two models, or a model with and without a plan, on the same rows: who is right where the other is not. */
import { createRandom } from "../tasks/random.ts";
import type { Metric } from "../tasks/scoring.ts";
import type { Evaluation } from "./evaluate.ts";
import { comparePaired } from "./paired.ts";
import { quantile } from "./quantile.ts";

/** How to compare. */
export interface CompareOptions {
  /** How answers are compared. Default `acc`. */
  readonly metric?: Metric;
  /** Seed of the resamples, an integer in [0, 2^53). Default 0. */
  readonly seed?: number;
  /** Resamples of the rows for the interval, at least 100. Default 10,000. */
  readonly resamples?: number;
  /** Share of the resamples that the interval holds, in (0,1). Default 0.95. */
  readonly confidence?: number;
}

/** How two models answer the same rows, A beside B. */
export interface EvaluationComparison {
  /** How answers were compared. */
  readonly metric: Metric;
  /** Rows N. */
  readonly count: number;
  /** Rows that both answer right. */
  readonly bothRight: number;
  /** Rows that only A answers right. */
  readonly onlyA: number;
  /** Rows that only B answers right. */
  readonly onlyB: number;
  /** Rows that both answer wrong. */
  readonly bothWrong: number;
  /** Share of rows that A answers right. */
  readonly accuracyA: number;
  /** Share of rows that B answers right. */
  readonly accuracyB: number;
  /** Accuracy of A minus that of B, in [-1,1]. */
  readonly difference: number;
  /** Standard error of the difference, from the differences of the rows; NaN for a single row. */
  readonly standardError: number;
  /** Percentile interval of the difference over resamples of the rows. */
  readonly interval: readonly [low: number, high: number];
  /** Share of the resamples that `interval` holds. */
  readonly confidence: number;
  /** Number of resamples. */
  readonly resamples: number;
  /** Their seed. */
  readonly seed: number;
  /**
   * Exact McNemar test: the chance that the rows which only one answers right split at least this unevenly, if each
   * were as likely to be A's as B's. Two-sided.
   */
  readonly pValue: number;
}

/** Differences of accuracy over resamples of the rows, ascending. */
function resampleDifferences(
  count: number,
  onlyA: number,
  onlyB: number,
  resamples: number,
  seed: number,
): Float64Array {
  const random = createRandom(seed);
  // Rows are alike but for who answers them right, so a drawn number says which kind of row was drawn.
  const differences = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let row = 0; row < count; row++) {
      const drawn = random.nextBelow(count);
      if (drawn < onlyA) sum++;
      else if (drawn < onlyA + onlyB) sum--;
    }
    return sum / count;
  });
  return differences.sort();
}

function checkSameRows(a: Evaluation, b: Evaluation): void {
  if (a.examples.length !== b.examples.length) {
    throw new RangeError(`Cannot compare ${a.examples.length} rows with ${b.examples.length}: expected the same rows`);
  }
  const other = a.examples.findIndex((id, index) => id !== b.examples[index]);
  if (other < 0) return;
  throw new RangeError(
    `Cannot compare row ${other}: it is ${a.examples[other]} of the first model and ${
      b.examples[other]
    } of the second, ` +
      "expected the same rows in the same order",
  );
}

/**
 * Compares two evaluations row by row. The rows are what was drawn by chance, so interval and test hold for other rows
 * of the same kind; both models see the same ones, so what is hard for both cancels.
 *
 * The same arguments give the same numbers on every machine.
 *
 * @throws {RangeError} If the rows are not the same, there is none, or an option is outside its range.
 */
export function compareEvaluations(a: Evaluation, b: Evaluation, options: CompareOptions = {}): EvaluationComparison {
  const { metric = "acc", seed = 0, resamples = 10_000, confidence = 0.95 } = options;
  if (!Number.isInteger(resamples) || resamples < 100) {
    throw new RangeError(`Cannot resample ${resamples} times: expected an integer of at least 100`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(`Cannot make an interval of confidence ${confidence}: expected a number between 0 and 1`);
  }
  checkSameRows(a, b);
  const paired = comparePaired(b.scores[metric].correct, a.scores[metric].correct);
  const { count, gained: onlyA, lost: onlyB, difference } = paired;
  const differences = resampleDifferences(count, onlyA, onlyB, resamples, seed);
  const tail = (1 - confidence) / 2;
  return {
    metric,
    count,
    bothRight: paired.bothRight,
    onlyA,
    onlyB,
    bothWrong: paired.bothWrong,
    accuracyA: a.scores[metric].accuracy,
    accuracyB: b.scores[metric].accuracy,
    difference,
    // Sample standard deviation of differences of -1, 0 and 1, over sqrt(N).
    standardError: count === 1 ? NaN : Math.sqrt(((onlyA + onlyB) / count - difference ** 2) / (count - 1)),
    interval: [quantile(differences, tail), quantile(differences, 1 - tail)],
    confidence,
    resamples,
    seed,
    pValue: paired.pValue,
  };
}
