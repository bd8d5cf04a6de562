/**
 * Metrics of lm-evaluation-harness that are reported and decide nothing: they are no share of right answers of one
 * kind.
 */
import type { Example } from "./example.ts";
import { createRandom } from "./random.ts";
import { accuracyStandardError, bestChoice, choiceScores } from "./scoring.ts";

/**
 * - `acc_mutual_info`: accuracy of the choice whose log-probability the context raises most over that without a context
 * - `f1`: harmonic mean of precision and recall for the second of two choices
 * - `mcc`: Matthews correlation coefficient of right and predicted choices
 */
export type FurtherMetric = "acc_mutual_info" | "f1" | "mcc";

/** All of them, in the order they are reported. */
export const furtherMetrics: readonly FurtherMetric[] = ["acc_mutual_info", "f1", "mcc"];

/** One such metric of one model on a list of examples. */
export interface FurtherScore {
  /** Which. */
  readonly metric: FurtherMetric;
  /** Number of examples N. */
  readonly count: number;
  /** In [0,1]; `mcc` in [-1,1]. */
  readonly value: number;
  /** Of `acc_mutual_info` as for an accuracy; of the others by resampling the examples. NaN for a single example. */
  readonly standardError: number;
}

/** Resamples of the examples for a standard error. */
const RESAMPLES = 1_000;

/** Right and predicted choice of one example. */
type Outcome = readonly [gold: number, predicted: number];

/** F1 of choice 1, as scikit-learn's `f1_score`: 2 TP / (2 TP + FP + FN), and 0 where there is none of them. */
function f1(outcomes: readonly Outcome[]): number {
  let both = 0;
  let one = 0;
  for (const [gold, predicted] of outcomes) {
    if (gold === 1 && predicted === 1) both++;
    else if (gold === 1 || predicted === 1) one++;
  }
  return both === 0 ? 0 : 2 * both / (2 * both + one);
}

/** Matthews correlation of any number of choices (Gorodkin 2004), as scikit-learn's `matthews_corrcoef`. */
function matthews(outcomes: readonly Outcome[]): number {
  const golds = new Map<number, number>();
  const predictions = new Map<number, number>();
  let correct = 0;
  for (const [gold, predicted] of outcomes) {
    golds.set(gold, (golds.get(gold) ?? 0) + 1);
    predictions.set(predicted, (predictions.get(predicted) ?? 0) + 1);
    if (gold === predicted) correct++;
  }
  const count = outcomes.length;
  const dot = (a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>) =>
    [...a].reduce((sum, [choice, times]) => sum + times * (b.get(choice) ?? 0), 0);
  const spread = (count ** 2 - dot(golds, golds)) * (count ** 2 - dot(predictions, predictions));
  return spread === 0 ? 0 : (correct * count - dot(golds, predictions)) / Math.sqrt(spread);
}

/** Standard deviation of a statistic over resamples of the examples, with a fixed seed. */
function resampledError(outcomes: readonly Outcome[], statistic: (outcomes: readonly Outcome[]) => number): number {
  if (outcomes.length === 1) return NaN;
  const random = createRandom(0);
  const values = Array.from(
    { length: RESAMPLES },
    () => statistic(outcomes.map(() => outcomes[random.nextBelow(outcomes.length)])),
  );
  const mean = values.reduce((sum, value) => sum + value, 0) / RESAMPLES;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (RESAMPLES - 1));
}

function requireOneGold(example: Example, metric: FurtherMetric): void {
  if ((example.golds?.length ?? 1) > 1) {
    throw new RangeError(`Cannot measure ${metric} on example ${example.id}: it has several right choices`);
  }
  if (metric === "f1" && example.choices.length !== 2) {
    throw new RangeError(
      `Cannot measure f1 on example ${example.id}: it has ${example.choices.length} choices, expected 2; use mcc`,
    );
  }
}

/**
 * One further metric of a list of examples.
 *
 * @param logProbs Natural-log probability of each choice `[N][C]`.
 * @param unconditional The same without the context `[N][C]`; needed for `acc_mutual_info`.
 * @throws {RangeError} If an example has several right choices, has not two choices for `f1`, or was not measured
 * without its context for `acc_mutual_info`; and as `choiceScores`.
 */
export function scoreFurther(
  metric: FurtherMetric,
  examples: readonly Example[],
  logProbs: readonly ArrayLike<number>[],
  unconditional?: readonly ArrayLike<number>[],
): FurtherScore {
  if (examples.length === 0) throw new RangeError(`Cannot measure ${metric}: expected at least one example`);
  const outcomes = examples.map((example, i): Outcome => {
    requireOneGold(example, metric);
    const scores = choiceScores(logProbs[i], example, "acc");
    if (metric !== "acc_mutual_info") return [example.gold, bestChoice(scores)];
    if (unconditional === undefined) {
      throw new RangeError("Cannot measure acc_mutual_info: the choices were not measured without their context");
    }
    const alone = choiceScores(unconditional[i], example, "acc");
    return [example.gold, bestChoice(scores.map((score, choice) => score - alone[choice]))];
  });
  const count = examples.length;
  if (metric === "acc_mutual_info") {
    const value = outcomes.filter(([gold, predicted]) => gold === predicted).length / count;
    return { metric, count, value, standardError: accuracyStandardError(value, count) };
  }
  const statistic = metric === "f1" ? f1 : matthews;
  return { metric, count, value: statistic(outcomes), standardError: resampledError(outcomes, statistic) };
}
