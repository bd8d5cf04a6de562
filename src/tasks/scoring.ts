/** From choice log-probabilities to accuracy, as lm-evaluation-harness `multiple_choice` counts it. */
import type { Example } from "./example.ts";

/**
 * How choices are compared.
 *
 * - `acc`: sum of the log-probabilities of the choice's tokens
 * - `acc_norm`: that sum divided by the number of characters (code points) of the choice's text
 * - `acc_bytes`: that sum divided by the number of bytes of the choice's text in UTF-8
 */
export type Metric = "acc" | "acc_norm" | "acc_bytes";

/** All metrics, in the order they are reported. */
export const metrics: readonly Metric[] = ["acc", "acc_norm", "acc_bytes"];

/** Accuracy of one model on a list of examples. */
export interface Score {
  /** How choices were compared. */
  readonly metric: Metric;
  /** Number of examples N. */
  readonly count: number;
  /** Share of examples whose best choice is the gold one, or one of several gold ones. */
  readonly accuracy: number;
  /** Standard error of `accuracy`: sample standard deviation divided by sqrt(N). NaN for a single example. */
  readonly standardError: number;
  /** Mean of `margins`. */
  readonly meanMargin: number;
  /** Best choice of each example `[N]`. */
  readonly predictions: readonly number[];
  /** Whether it is the gold one `[N]`. */
  readonly correct: readonly boolean[];
  /** Gold choice (the best of several) minus best other choice, in the metric's unit `[N]`. */
  readonly margins: Float64Array;
}

/**
 * The numbers that a metric compares, one per choice `[C]`.
 *
 * @param logProbs Natural-log probability of each choice `[C]`.
 * @throws {RangeError} If there are not C of them, one is NaN, or the gold choice is none of them.
 */
export function choiceScores(logProbs: ArrayLike<number>, example: Example, metric: Metric): Float64Array {
  if (logProbs.length !== example.choices.length) {
    throw new RangeError(
      `Cannot score example ${example.id}: ${logProbs.length} log-probabilities for ${example.choices.length} choices`,
    );
  }
  // Without choices, the first of none would be the right one.
  if (!(example.gold in example.choices)) {
    throw new RangeError(
      `Cannot score example ${example.id}: its gold choice ${example.gold} is none of its ${example.choices.length} choices`,
    );
  }
  return Float64Array.from(logProbs, (logProb, choice) => {
    if (Number.isNaN(logProb)) {
      throw new RangeError(`Cannot score example ${example.id}: the log-probability of choice ${choice} is NaN`);
    }
    return metric === "acc" ? logProb : logProb / lengths(example, metric)[choice];
  });
}

function lengths(example: Example, metric: Exclude<Metric, "acc">): readonly number[] {
  return metric === "acc_bytes" ? example.choiceBytes ?? example.choiceCharacters : example.choiceCharacters;
}

/** Whether a choice of an example is right. */
export function isRight(example: Example, choice: number): boolean {
  return example.golds?.includes(choice) ?? choice === example.gold;
}

/** Index of the largest score; the first one wins ties. */
export function bestChoice(scores: ArrayLike<number>): number {
  let best = 0;
  for (let choice = 1; choice < scores.length; choice++) {
    if (scores[choice] > scores[best]) best = choice;
  }
  return best;
}

/** Best gold score minus the largest other score; positive exactly if a gold choice wins without a tie. */
export function choiceMargin(scores: ArrayLike<number>, golds: readonly number[]): number {
  let gold = -Infinity;
  let other = -Infinity;
  for (let choice = 0; choice < scores.length; choice++) {
    if (golds.includes(choice)) gold = Math.max(gold, scores[choice]);
    else other = Math.max(other, scores[choice]);
  }
  // Two impossible choices tie; their difference would be NaN.
  return gold === other ? 0 : gold - other;
}

/**
 * Standard error of the mean of 0s and 1s: sqrt(p(1 - p) / (N - 1)), which is the sample standard deviation (divisor
 * N - 1) over sqrt(N). NaN where N is 1.
 */
export function accuracyStandardError(accuracy: number, count: number): number {
  return count === 1 ? NaN : Math.sqrt(accuracy * (1 - accuracy) / (count - 1));
}

/**
 * Accuracy and margins of a list of examples.
 *
 * @param logProbs One array `[C]` per example, such as one entry of `Engine.choiceLogProbs`.
 * @throws {RangeError} If there are no examples, the counts differ, a log-probability is NaN, or a gold choice is not
 * there.
 */
export function scoreExamples(
  examples: readonly Example[],
  logProbs: readonly ArrayLike<number>[],
  metric: Metric,
): Score {
  if (examples.length === 0) throw new RangeError("Cannot score: expected at least one example");
  if (examples.length !== logProbs.length) {
    throw new RangeError(`Cannot score: ${logProbs.length} rows of log-probabilities for ${examples.length} examples`);
  }
  const scores = examples.map((example, i) => choiceScores(logProbs[i], example, metric));
  const predictions = scores.map(bestChoice);
  const correct = predictions.map((prediction, i) => isRight(examples[i], prediction));
  const margins = Float64Array.from(scores, (score, i) => choiceMargin(score, examples[i].golds ?? [examples[i].gold]));
  const count = examples.length;
  const accuracy = correct.filter(Boolean).length / count;
  return {
    metric,
    count,
    accuracy,
    standardError: accuracyStandardError(accuracy, count),
    meanMargin: margins.reduce((sum, margin) => sum + margin, 0) / count,
    predictions,
    correct,
    margins,
  };
}
