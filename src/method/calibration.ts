/** How sure a model is of its answers, and how often it is right when it is that sure. */
import type { Example } from "../tasks/example.ts";
import { bestChoice, isRight } from "../tasks/scoring.ts";
import type { Evaluation } from "./evaluate.ts";
import { choiceConfidence } from "./filter.ts";
import { meanOrNull } from "./study/statistics.ts";

/** Answers whose confidence falls into one interval. */
export interface CalibrationBin {
  /** Confidence above this; the first bin includes 0. */
  readonly above: number;
  /** Confidence up to and including this. */
  readonly upTo: number;
  /** Number of answers. */
  readonly count: number;
  /** Mean confidence; null for an empty bin. */
  readonly confidence: number | null;
  /** Share of right answers; null for an empty bin. */
  readonly accuracy: number | null;
}

/** Confidence and calibration of some answers. */
export interface Calibration {
  /** Number of answers. */
  readonly count: number;
  /** Share of examples whose most probable choice is the gold one, or one of several gold ones. */
  readonly accuracy: number;
  /** Mean probability of the most probable choice among the choices. */
  readonly meanConfidence: number;
  /** The same over the right answers; null if there is none. */
  readonly meanConfidenceRight: number | null;
  /** The same over the wrong answers; null if there is none. */
  readonly meanConfidenceWrong: number | null;
  /** Expected calibration error: sum over bins of count/N |accuracy - confidence|, in 0..1. */
  readonly expectedCalibrationError: number;
  /** Of equal width on [0,1], ascending. */
  readonly bins: readonly CalibrationBin[];
}

/**
 * Confidence and expected calibration error of an evaluation's answers: arXiv:1706.04599, section 2.
 *
 * An answer is the choice of largest log-probability, its confidence that choice's probability when the probabilities
 * of the choices are made to sum to 1. With C choices it is never below 1/C.
 *
 * @param options `bins`, default 10. `only`: indices of the examples to look at; default all.
 * @throws {RangeError} If there is no answer, or `bins` is not an integer from 1.
 */
export function calibrate(
  examples: readonly Example[],
  { logProbs }: Pick<Evaluation, "logProbs">,
  options: { readonly bins?: number; readonly only?: readonly number[] } = {},
): Calibration {
  const { bins = 10, only = examples.map((_, index) => index) } = options;
  if (!Number.isInteger(bins) || bins < 1) {
    throw new RangeError(`Cannot sort answers into ${bins} bins: expected an integer from 1`);
  }
  if (only.length === 0) throw new RangeError("Cannot calibrate 0 answers: expected at least one");
  const answers = only.map((index) => ({
    confidence: choiceConfidence(logProbs[index]),
    right: isRight(examples[index], bestChoice(logProbs[index])),
  }));
  const meanConfidence = (of: typeof answers) => meanOrNull(of.map(({ confidence }) => confidence));
  const sorted = Array.from({ length: bins }, (): typeof answers => []);
  for (const answer of answers) {
    // Bins are closed above, so that a confidence of 1 has one.
    sorted[Math.min(bins - 1, Math.max(0, Math.ceil(answer.confidence * bins) - 1))].push(answer);
  }
  const described = sorted.map((members, index): CalibrationBin => ({
    above: index / bins,
    upTo: (index + 1) / bins,
    count: members.length,
    confidence: meanConfidence(members),
    accuracy: meanOrNull(members.map(({ right }) => Number(right))),
  }));
  return {
    count: answers.length,
    accuracy: meanOrNull(answers.map(({ right }) => Number(right)))!,
    meanConfidence: meanConfidence(answers)!,
    meanConfidenceRight: meanConfidence(answers.filter(({ right }) => right)),
    meanConfidenceWrong: meanConfidence(answers.filter(({ right }) => !right)),
    expectedCalibrationError: described.reduce(
      (sum, { count, confidence, accuracy }) =>
        count === 0 ? sum : sum + count / answers.length * Math.abs(accuracy! - confidence!),
      0,
    ),
    bins: described,
  };
}
