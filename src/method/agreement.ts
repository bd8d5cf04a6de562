/** How far two scorings of the same neurons agree: rank correlations and the overlap of what they would prune. */
import { layerScores, type NeuronScores } from "./neuron_scores.ts";
import { neuronCount, type Ranking, rankNeurons } from "./rank.ts";

/** Agreement of two scorings on one layer. */
export interface LayerAgreement {
  /** Counted from 0. */
  readonly layer: number;
  /** Spearman's rho, in -1..1; null where one of the two scorings is constant. */
  readonly spearman: number | null;
  /** Kendall's tau-b, in -1..1; null where one of the two scorings is constant. */
  readonly kendall: number | null;
  /**
   * For each fraction asked for, the share of the neurons that both would prune: |A and B| / max(|A|, |B|), in 0..1.
   */
  readonly topOverlap: readonly number[];
}

/** Agreement of two scorings. Means are over the layers that both scored; layers whose value is null are left out. */
export interface Agreement {
  /** The layers that both scored, ascending. */
  readonly layers: readonly LayerAgreement[];
  /** Mean over layers; null if no layer has one. */
  readonly spearman: number | null;
  /** Mean over layers; null if no layer has one. */
  readonly kendall: number | null;
  /** The fractions of `topOverlap`. */
  readonly fractions: readonly number[];
  /** Mean over layers, by fraction. */
  readonly topOverlap: readonly number[];
}

/** Options of `rankAgreement`. */
export interface AgreementOptions {
  /** Fractions at which the first neurons are compared. Default 0.05, 0.1, 0.25. */
  readonly fractions?: readonly number[];
  /** Which neurons go first. Default `signed`. */
  readonly ranking?: Ranking;
}

/**
 * Compares two scorings layer by layer.
 *
 * @throws {RangeError} If they are of different sizes, have no layer in common, or a score is not finite.
 */
export function rankAgreement(a: NeuronScores, b: NeuronScores, options: AgreementOptions = {}): Agreement {
  const { fractions = [0.05, 0.1, 0.25], ranking = "signed" } = options;
  if (a.layers !== b.layers || a.neurons !== b.neurons) {
    throw new RangeError(
      `Cannot compare scores of ${a.layers} x ${a.neurons} neurons with ${b.layers} x ${b.neurons}: expected the same`,
    );
  }
  const shared = a.scored.filter((layer) => b.scored.includes(layer));
  if (shared.length === 0) throw new RangeError("Cannot compare scores that have no layer in common: expected one");
  const layers = shared.map((layer): LayerAgreement => {
    const [first, second] = [layerScores(a, layer), layerScores(b, layer)];
    const [order, other] = [rankNeurons(first, ranking), rankNeurons(second, ranking)];
    const key = (scores: Float32Array) => ranking === "absolute" ? scores.map(Math.abs) : scores;
    return {
      layer,
      spearman: spearman(key(first), key(second)),
      kendall: kendall(key(first), key(second)),
      topOverlap: fractions.map((fraction) => {
        const count = neuronCount(fraction, a.neurons);
        return overlap(order.subarray(0, count), other.subarray(0, count));
      }),
    };
  });
  return {
    layers,
    spearman: meanOf(layers.map((layer) => layer.spearman)),
    kendall: meanOf(layers.map((layer) => layer.kendall)),
    fractions,
    topOverlap: fractions.map((_, index) => meanOf(layers.map((layer) => layer.topOverlap[index]))!),
  };
}

/** Shared neurons over the larger number of neurons; 1 for two empty lists. */
export function overlap(a: Uint32Array, b: Uint32Array): number {
  const members = new Set(a);
  const common = b.reduce((count, neuron) => count + Number(members.has(neuron)), 0);
  const size = Math.max(a.length, b.length);
  return size === 0 ? 1 : common / size;
}

/** Shared neurons over all neurons that one of the two has: the Jaccard index; 1 for two empty lists. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  const members = new Set(a);
  const common = b.reduce((count, neuron) => count + Number(members.has(neuron)), 0);
  const size = a.length + b.length - common;
  return size === 0 ? 1 : common / size;
}

/**
 * Spearman's rank correlation: Pearson's correlation of the ranks, equal values sharing the mean of theirs.
 *
 * @returns Null where one of the two is constant, since no order can then agree or disagree.
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  return pearson(meanRanks(a), meanRanks(b));
}

/**
 * Kendall's tau-b: concordant minus discordant pairs over sqrt((pairs not tied in a)(pairs not tied in b)). Kendall,
 * "The treatment of ties in ranking problems", Biometrika 33, 1945. Counted in O(n log n) by Knight's merge sort (JASA
 * 61, 1966).
 *
 * @returns Null where one of the two is constant.
 */
export function kendall(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  const n = a.length;
  const order = Uint32Array.from({ length: n }, (_, index) => index).sort((i, j) => a[i] - a[j] || b[i] - b[j]);
  const pairsOf = (size: number) => size * (size - 1) / 2;
  /** Pairs within runs of equal neighbours. */
  const tiedPairs = (equal: (i: number) => boolean) => {
    let tied = 0;
    for (let start = 0, i = 1; i <= n; i++) {
      if (i < n && equal(i)) continue;
      tied += pairsOf(i - start);
      start = i;
    }
    return tied;
  };
  const tiedInA = tiedPairs((i) => a[order[i]] === a[order[i - 1]]);
  const tiedInBoth = tiedPairs((i) => a[order[i]] === a[order[i - 1]] && b[order[i]] === b[order[i - 1]]);
  const sorted = Float64Array.from(order, (index) => b[index]);
  const swaps = sortCounting(sorted, new Float64Array(n), 0, n);
  const tiedInB = tiedPairs((i) => sorted[i] === sorted[i - 1]);
  const all = pairsOf(n);
  const scale = Math.sqrt((all - tiedInA) * (all - tiedInB));
  return scale === 0 ? null : (all - tiedInA - tiedInB + tiedInBoth - 2 * swaps) / scale;
}

/** Sorts `values[from, to)` ascending and counts the exchanges of neighbours that this takes. */
function sortCounting(values: Float64Array, spare: Float64Array, from: number, to: number): number {
  if (to - from < 2) return 0;
  const middle = (from + to) >>> 1;
  let swaps = sortCounting(values, spare, from, middle) + sortCounting(values, spare, middle, to);
  for (let left = from, right = middle, at = from; at < to; at++) {
    if (right === to || (left < middle && values[left] <= values[right])) {
      spare[at] = values[left++];
    } else {
      spare[at] = values[right++];
      swaps += middle - left;
    }
  }
  values.set(spare.subarray(from, to), from);
  return swaps;
}

/** Pearson's correlation; null where one of the two is constant. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  const n = a.length;
  // By comparison, not by variance: the rounding of a mean would give equal values some.
  if (isConstant(a) || isConstant(b)) return null;
  let meanA = 0, meanB = 0;
  for (let i = 0; i < n; i++) {
    meanA += a[i] / n;
    meanB += b[i] / n;
  }
  let products = 0, squaresA = 0, squaresB = 0;
  for (let i = 0; i < n; i++) {
    products += (a[i] - meanA) * (b[i] - meanB);
    squaresA += (a[i] - meanA) ** 2;
    squaresB += (b[i] - meanB) ** 2;
  }
  return Math.max(-1, Math.min(1, products / Math.sqrt(squaresA * squaresB)));
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

/** Ranks from 0, ascending; equal values share the mean of theirs. */
function meanRanks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, index) => index).sort((i, j) => values[i] - values[j]);
  const ranks = new Float64Array(values.length);
  for (let start = 0, end = 0; start < order.length; start = end) {
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (let i = start; i < end; i++) ranks[order[i]] = (start + end - 1) / 2;
  }
  return ranks;
}

function meanOf(values: readonly (number | null)[]): number | null {
  const present = values.filter((value) => value !== null);
  return present.length === 0 ? null : present.reduce((sum, value) => sum + value, 0) / present.length;
}
