/** How a plan answers some examples, as far as a choice between plans looks at it. */
import type { Metric } from "../tasks/scoring.ts";
import type { Evaluation } from "./evaluate.ts";

/** Answers of one plan. */
export interface Measured {
  /** Examples answered rightly. */
  readonly correct: number;
  /** `correct` over the number of examples. */
  readonly accuracy: number;
  /** Mean margin of the gold choice, in the unit of the metric. */
  readonly meanMargin: number;
}

/**
 * The answers of an evaluation to its examples from `from` up to, but not including, `to`; by default to all of them.
 */
export function measure(
  { scores, examples }: Evaluation,
  metric: Metric,
  from = 0,
  to: number = examples.length,
): Measured {
  const { correct, margins } = scores[metric];
  const right = correct.slice(from, to).filter(Boolean).length;
  const margin = margins.subarray(from, to).reduce((sum, value) => sum + value, 0);
  return { correct: right, accuracy: right / (to - from), meanMargin: margin / (to - from) };
}
