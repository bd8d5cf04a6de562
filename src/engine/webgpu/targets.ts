/**
 * Which logits an objective looks at, chosen on the unmodified model; its value and gradient seeds follow from them.
 */
import { ARGMAX } from "../../ops/head.ts";
import type { Seed, WaveResult } from "../../model/wave_request.ts";
import type { Example } from "../../tasks/example.ts";
import { checkObjective, rivalChoices } from "../checks.ts";
import type { Objective } from "../engine.ts";

/** The tokens of an objective, held fixed along a path (except `max-logit-moving`). */
export interface ObjectiveTarget {
  /** The token M looks at. */
  readonly token: number;
  /** For `margin`, the token whose logit is subtracted. */
  readonly other: number | null;
}

/** Logits of the unmodified model at the last prompt position, as far as targets need them. */
export interface CleanLogits {
  readonly argmax: number;
  /** Logit of the first token of each choice. */
  readonly firstTokens: Float32Array;
}

/** What the final row of a segment says about an objective. */
export interface ObjectiveReading {
  /** Logit of the target token. */
  readonly logit: number;
  /** Logit of the other token, for `margin`. */
  readonly otherLogit: number;
  readonly largest: number;
  readonly logSumExp: number;
}

/**
 * Chooses the tokens of an objective; ties go to the first.
 *
 * @throws {RangeError} If the example lacks the choices the objective compares.
 */
export function chooseTokens(objective: Objective, clean: CleanLogits, example: Example): ObjectiveTarget {
  const first = example.choices.map((choice) => choice[0]);
  checkObjective(objective, example);
  const best = (choices: readonly number[]) =>
    choices.reduce((a, b) => clean.firstTokens[b] > clean.firstTokens[a] ? b : a);
  const indices = first.map((_, choice) => choice);
  switch (objective) {
    case "choice":
      return { token: first[best(indices)], other: null };
    case "gold":
      return { token: first[example.gold], other: null };
    case "margin":
      return { token: first[example.gold], other: first[best(rivalChoices(example))] };
    default:
      return { token: clean.argmax, other: null };
  }
}

/** What final row `row` of a wave says; `picks` are those of the target token and, for `margin`, of the other one. */
export function objectiveReading(
  row: number,
  picks: readonly number[],
  result: Pick<WaveResult, "picked" | "largest" | "logSumExp">,
): ObjectiveReading {
  return {
    logit: result.picked[picks[0]],
    otherLogit: picks.length > 1 ? result.picked[picks[1]] : 0,
    largest: result.largest[row],
    logSumExp: result.logSumExp[row],
  };
}

/** M from what was read at a final row. */
export function objectiveValue(objective: Objective, reading: ObjectiveReading): number {
  switch (objective) {
    case "max-logit-moving":
      return reading.largest;
    case "margin":
      return reading.logit - reading.otherLogit;
    case "max-prob":
      return Math.exp(reading.logit - reading.logSumExp);
    default:
      return reading.logit;
  }
}

/** dM/dlogits as the head kernel takes it. */
export function gradientSeed(objective: Objective, target: ObjectiveTarget): Seed {
  if (objective === "max-logit-moving") return { token: ARGMAX, other: 0, coefficient: 1, otherCoefficient: 0 };
  if (objective === "margin") {
    return { token: target.token, other: target.other!, coefficient: 1, otherCoefficient: -1 };
  }
  return { token: target.token, other: 0, coefficient: 1, otherCoefficient: 0 };
}
