/** From scores to the neurons that are pruned: order, number, choice. */

/**
 * Which neurons come first.
 *
 * - `signed`: highest score first
 * - `absolute`: largest |score| first
 * - `positive`: highest score first, and neurons at or below zero are never pruned
 */
export type Ranking = "signed" | "absolute" | "positive";

/** All rankings. */
export const rankings: readonly Ranking[] = ["signed", "absolute", "positive"];

/**
 * Neurons of one layer in the order in which they are pruned; equal scores by lower index.
 *
 * @param scores `[neurons]` of one layer.
 * @returns All neurons, or for `positive` those with a score above zero.
 * @throws {RangeError} If a score is not finite or the ranking is unknown.
 */
export function rankNeurons(scores: Float32Array | Float64Array, ranking: Ranking = "signed"): Uint32Array {
  if (!rankings.includes(ranking)) {
    throw new RangeError(`Cannot rank by "${ranking}": expected one of ${rankings.join(", ")}`);
  }
  const bad = scores.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) {
    throw new RangeError(`Cannot rank neuron ${bad}: its score is ${scores[bad]}, expected a finite number`);
  }
  const key = ranking === "absolute" ? scores.map(Math.abs) : scores;
  const order = Uint32Array.from(scores.keys()).sort((a, b) => key[b] - key[a] || a - b);
  return ranking === "positive" ? order.filter((neuron) => scores[neuron] > 0) : order;
}

/**
 * round(fraction * neurons), halves upwards. A product that misses a half only by floating-point rounding
 * (0.285 * 100 is 28.499999999999996) counts as a half.
 *
 * @throws {RangeError} If the fraction is not in 0..1.
 */
export function neuronCount(fraction: number, neurons: number): number {
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(`Cannot prune the fraction ${fraction}: expected a number in 0..1`);
  }
  return Math.min(neurons, Math.floor(fraction * neurons + 0.5 + 1e-9));
}

/** The first `count` neurons of a ranking, or all if it has fewer, in ascending order as masks want them. */
export function firstNeurons(order: Uint32Array, count: number): Uint32Array {
  return order.slice(0, count).sort();
}
