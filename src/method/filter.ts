/** Which examples are scored, judged by what the model answers before anything is pruned. */
import type { Engine, Intervention, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { bestChoice, choiceScores, isRight, type Metric } from "../tasks/scoring.ts";
import { OptionError } from "../text/option_error.ts";
import { forStage } from "./progress.ts";

/**
 * Which examples are used.
 *
 * - `all`: every one; the model is not asked
 * - `correct`, `incorrect`: those the unmodified model answers rightly or wrongly
 * - `confident`: those whose most probable choice has a probability above the threshold, the probabilities of the
 *   choices being renormalised to sum to 1; right or wrong does not matter
 */
export type SampleFilter = "all" | "correct" | "incorrect" | "confident";

/** All filters. */
export const sampleFilters: readonly SampleFilter[] = ["all", "correct", "incorrect", "confident"];

/** Default threshold of `confident`: the choice is four times as probable as all the others together. */
export const defaultConfidence = 0.8;

/** How examples are filtered. */
export interface FilterOptions extends RunOptions {
  /** Which examples are kept. */
  readonly filter: SampleFilter;
  /** By which metric `correct` and `incorrect` judge. */
  readonly metric: Metric;
  /** Threshold of `confident`, in [0,1). */
  readonly confidence: number;
  /** What is switched off in the model that judges. Default: nothing. */
  readonly base?: Intervention;
}

/** Probability of the most probable choice among the choices, from the log-probabilities of all of them. */
export function choiceConfidence(logProbs: Float64Array): number {
  const largest = Math.max(...logProbs);
  return 1 / logProbs.reduce((sum, logProb) => sum + Math.exp(logProb - largest), 0);
}

/**
 * The examples that a filter keeps, in their order; it may keep none.
 *
 * @param logProbs What the unmodified model answers `[N][C]`; not looked at by `all`.
 */
export function keptExamples(
  examples: readonly Example[],
  logProbs: readonly Float64Array[],
  { filter, metric, confidence }: Pick<FilterOptions, "filter" | "metric" | "confidence">,
): readonly Example[] {
  if (filter === "all") return examples;
  return examples.filter((example, index) => {
    const scores = choiceScores(logProbs[index], example, metric);
    if (filter === "confident") return choiceConfidence(logProbs[index]) > confidence;
    const correct = isRight(example, bestChoice(scores));
    return correct === (filter === "correct");
  });
}

/**
 * The examples that the filter keeps, in their order.
 *
 * @throws {RangeError} If it keeps none, is unknown, or the threshold is not in [0,1); and as `choiceScores`.
 */
export async function filterExamples(
  engine: Engine,
  examples: readonly Example[],
  options: FilterOptions,
): Promise<readonly Example[]> {
  const { filter, confidence, base = [] } = options;
  if (!sampleFilters.includes(filter)) {
    throw new OptionError(`Cannot filter examples by "${filter}": expected one of ${sampleFilters.join(", ")}`);
  }
  if (!(confidence >= 0 && confidence < 1)) {
    throw new OptionError(`Cannot filter examples with confidence ${confidence}: expected a number in [0,1)`);
  }
  if (filter === "all") return examples;
  const [logProbs] = await engine.choiceLogProbs(examples, [base], forStage(options, "filter"));
  const kept = keptExamples(examples, logProbs, options);
  if (kept.length === 0) {
    throw new RangeError(`Cannot score: the filter "${filter}" keeps none of ${examples.length} examples`);
  }
  return kept;
}
