/**
 * The SwiGLU feed-forward block: g = x Wgᵀ, u = x Wuᵀ, h = silu(g) * u, y = h Wdᵀ, and its gradient. arXiv:2002.05202
 */
import { addTimes, timesTransposed } from "./matrix.ts";
import { scale, type Scaling } from "./scaling.ts";
import type { LayerWeights } from "./weights.ts";

/** Values of one feed-forward block, `[T, H]` or (`down`, `output`) `[T, D]`. */
export interface FeedForwardTape {
  /** Pre-activations as the weights make them, before any scaling. */
  readonly preActivation: { readonly gate: Float64Array; readonly up: Float64Array; readonly down: Float64Array };
  /** Gate pre-activation after scaling, z in silu(z). */
  readonly gate: Float64Array;
  /** Up projection after scaling. */
  readonly up: Float64Array;
  /** h = silu(gate) * up */
  readonly hidden: Float64Array;
  /** What the block adds to the residual stream. */
  readonly output: Float64Array;
  readonly scalings: readonly Scaling[];
}

/** Gradients with respect to the scaled pre-activations of the three sites, `[T, H]`, `[T, H]`, `[T, D]`. */
export interface SiteGradients {
  readonly gate: Float64Array;
  readonly up: Float64Array;
  readonly down: Float64Array;
}

/** Runs the block on rows `firstRow` and up of `x` `[rows, D]`; the other rows of every result are zero. */
export function feedForward(
  x: Float64Array,
  rows: number,
  firstRow: number,
  weights: LayerWeights,
  scalings: readonly Scaling[],
): FeedForwardTape {
  const { width, neurons } = weights;
  const rawGate = timesTransposed(x, rows, firstRow, weights.gate, neurons, width);
  const rawUp = timesTransposed(x, rows, firstRow, weights.up, neurons, width);
  const gate = scale(rawGate, "gate", scalings);
  const up = scale(rawUp, "up", scalings);
  const hidden = new Float64Array(rows * neurons);
  for (let i = firstRow * neurons; i < hidden.length; i++) hidden[i] = gate[i] * sigmoid(gate[i]) * up[i];
  const rawOutput = timesTransposed(hidden, rows, firstRow, weights.down, width, neurons);
  const output = scale(rawOutput, "down", scalings);
  return { preActivation: { gate: rawGate, up: rawUp, down: rawOutput }, gate, up, hidden, output, scalings };
}

/** From the gradient of the block's output `[rows, D]` to those of its three sites. */
export function siteGradients(
  tape: FeedForwardTape,
  dOutput: Float64Array,
  rows: number,
  firstRow: number,
  weights: LayerWeights,
): SiteGradients {
  const { width, neurons } = weights;
  const gate = new Float64Array(rows * neurons), up = new Float64Array(rows * neurons);
  const dHidden = new Float64Array(rows * neurons);
  addTimes(scale(dOutput, "down", tape.scalings), rows, firstRow, weights.down, width, neurons, dHidden);
  for (let i = firstRow * neurons; i < dHidden.length; i++) {
    const z = tape.gate[i], s = sigmoid(z);
    gate[i] = dHidden[i] * tape.up[i] * s * (1 + z * (1 - s));
    up[i] = dHidden[i] * z * s;
  }
  return { gate, up, down: dOutput };
}

/** From the gradients of the sites to that of the block's input, a new array `[rows, D]`. */
export function feedForwardInputGradient(
  tape: FeedForwardTape,
  gradients: SiteGradients,
  rows: number,
  firstRow: number,
  weights: LayerWeights,
): Float64Array {
  const { width, neurons } = weights;
  const dx = new Float64Array(rows * width);
  addTimes(scale(gradients.gate, "gate", tape.scalings), rows, firstRow, weights.gate, neurons, width, dx);
  addTimes(scale(gradients.up, "up", tape.scalings), rows, firstRow, weights.up, neurons, width, dx);
  return dx;
}

function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}
