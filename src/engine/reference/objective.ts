/** The objectives: which token M looks at, its value, and its gradient with respect to the logits. */
import type { Example } from "../../tasks/example.ts";
import { checkObjective, rivalChoices } from "../checks.ts";
import type { Objective } from "../engine.ts";

/** An objective whose tokens have been chosen on the unmodified model. */
export interface Target {
  readonly objective: Objective;
  /** The token M looks at; for `max-logit-moving`, the one that is largest in the unmodified model. */
  readonly token: number;
  /** For `margin`: the token whose logit is subtracted. */
  readonly other?: number;
}

/**
 * Chooses the tokens of an objective.
 *
 * @param logits Logits of the unmodified model at the last prompt position, `[V]`.
 * @throws {RangeError} If the example lacks the choices that the objective needs.
 */
export function chooseTarget(objective: Objective, logits: Float64Array, example: Example): Target {
  const firstTokens = example.choices.map((choice) => choice[0]);
  checkObjective(objective, example);
  switch (objective) {
    case "max-logit":
    case "max-logit-moving":
    case "max-prob":
      return { objective, token: largestIndex(logits) };
    case "choice":
      return { objective, token: firstTokens[largestIndex(firstTokens.map((token) => logits[token]))] };
    case "gold":
      return { objective, token: firstTokens[example.gold] };
    case "margin": {
      const others = rivalChoices(example).map((choice) => firstTokens[choice]);
      const other = others[largestIndex(others.map((token) => logits[token]))];
      return { objective, token: firstTokens[example.gold], other };
    }
  }
}

/** M of the logits `[V]` at the last prompt position. */
export function objectiveValue(target: Target, logits: Float64Array): number {
  switch (target.objective) {
    case "max-logit":
    case "choice":
    case "gold":
      return logits[target.token];
    case "max-logit-moving":
      return logits[largestIndex(logits)];
    case "margin":
      return logits[target.token] - logits[target.other!];
    case "max-prob":
      return Math.exp(logits[target.token] - logSumExp(logits));
  }
}

/** dM/dlogits, a new array `[V]`. */
export function objectiveGradient(target: Target, logits: Float64Array): Float64Array {
  const gradient = new Float64Array(logits.length);
  switch (target.objective) {
    case "max-logit":
    case "choice":
    case "gold":
      gradient[target.token] = 1;
      break;
    case "max-logit-moving":
      gradient[largestIndex(logits)] = 1;
      break;
    case "margin":
      gradient[target.token] += 1;
      gradient[target.other!] -= 1;
      break;
    case "max-prob": {
      // dp_y/dlogit_v = p_y ((v == y) - p_v)
      const normaliser = logSumExp(logits);
      const probability = Math.exp(logits[target.token] - normaliser);
      for (let v = 0; v < logits.length; v++) gradient[v] = -probability * Math.exp(logits[v] - normaliser);
      gradient[target.token] += probability;
      break;
    }
  }
  return gradient;
}

/** Natural logarithm of the softmax probability of `token`. */
export function logProbability(logits: Float64Array, token: number): number {
  return logits[token] - logSumExp(logits);
}

/** Index of the largest value, the first one of equals. */
export function largestIndex(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function logSumExp(values: Float64Array): number {
  const largest = values[largestIndex(values)];
  let total = 0;
  for (const value of values) total += Math.exp(value - largest);
  return largest + Math.log(total);
}
