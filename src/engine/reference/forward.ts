/** One full forward pass of the model over one sequence, with scalings applied in the feed-forward blocks. */
import { attend, type AttentionTape } from "./attention.ts";
import { feedForward, type FeedForwardTape } from "./feed_forward.ts";
import { timesTransposed } from "./matrix.ts";
import { rmsNorm } from "./norm.ts";
import { makeRotation, rotate, type Rotation } from "./rotary.ts";
import { type Scaling, type Scalings, unscaled } from "./scaling.ts";
import type { Model } from "./weights.ts";

/** What one layer computed, as far as its gradient needs it. */
export interface LayerTape {
  /** First row that was computed beyond keys and values; 0 except in the last layer. */
  readonly firstRow: number;
  /** Residual stream entering the layer, `[T, D]`. */
  readonly input: Float64Array;
  /** q `[T, Q*K]` and k `[T, G*K]` before the norm over each head, where the family has one. */
  readonly beforeHeadNorm?: { readonly q: Float64Array; readonly k: Float64Array };
  /** How q and k were rotated; null where the layer has no rotary embedding. */
  readonly rotation: Rotation | null;
  readonly attention: AttentionTape;
  /** Residual stream between attention and the feed-forward block, `[T, D]`. */
  readonly middle: Float64Array;
  readonly feedForward: FeedForwardTape;
}

/** The result of a forward pass. */
export interface ForwardPass {
  /** T */
  readonly rows: number;
  /** Tapes of the layers from `keepFrom` up; the entries below are undefined. */
  readonly tapes: readonly (LayerTape | undefined)[];
  /** Residual stream leaving the last layer, `[T, D]`, right for rows `firstRow` and up. */
  readonly residual: Float64Array;
}

/** Options of {@linkcode forward}. */
export interface ForwardOptions {
  /** The caller looks at no row of the result before this one, so the last layer skips them. Default 0. */
  readonly firstRow?: number;
  /** Default: the unmodified model. */
  readonly scalings?: Scalings;
  /** Keep the tapes of this layer and those above. Default: none. */
  readonly keepFrom?: number;
  /** Start at this layer with this residual stream `[T, D]`, as an earlier pass had it. Default: at the embeddings. */
  readonly resume?: { readonly layer: number; readonly residual: Float64Array };
}

/** Runs the model on `tokens` at positions 0 to T - 1. */
export function forward(model: Model, tokens: Uint32Array, options: ForwardOptions = {}): ForwardPass {
  const { firstRow = 0, scalings = unscaled, keepFrom = Infinity, resume } = options;
  const rows = tokens.length;
  const { rope, rotated, headWidth } = model.config;
  const rotation = makeRotation(rope, headWidth, rows);
  let residual = resume?.residual ?? embed(model, tokens);
  const tapes: (LayerTape | undefined)[] = new Array(resume?.layer ?? 0);
  for (let layer = tapes.length; layer < model.layers.length; layer++) {
    const rowsFrom = layer === model.layers.length - 1 ? firstRow : 0;
    const turning = rotated[layer] ? rotation : null;
    const tape = layerForward(model, layer, residual, rows, rowsFrom, turning, scalings.get(layer) ?? []);
    residual = sum(tape.middle, tape.feedForward.output, model.config.multipliers.residual);
    tapes.push(layer >= keepFrom ? tape : undefined);
  }
  return { rows, tapes, residual };
}

/** Embedding of each token, times its factor, `[T, D]`. */
function embed(model: Model, tokens: Uint32Array): Float64Array {
  const { width, multipliers } = model.config;
  const rows = new Float64Array(tokens.length * width);
  tokens.forEach((token, t) => {
    for (let i = 0; i < width; i++) rows[t * width + i] = multipliers.embedding * model.embedding[token * width + i];
  });
  return rows;
}

/** All logits `[V]` at one row of a pass. */
export function logitsAt(model: Model, pass: ForwardPass, row: number): Float64Array {
  const { width, normEpsilon, vocabularySize, multipliers } = model.config;
  const residual = pass.residual.subarray(row * width, (row + 1) * width);
  const normed = rmsNorm(residual, 1, 0, width, model.finalNorm, normEpsilon);
  const products = timesTransposed(normed, 1, 0, model.head, vocabularySize, width);
  return products.map((product) => product * multipliers.logits);
}

function layerForward(
  model: Model,
  layer: number,
  input: Float64Array,
  rows: number,
  firstRow: number,
  rotation: Rotation | null,
  scalings: readonly Scaling[],
): LayerTape {
  const { config } = model;
  const { width, queryHeads, keyValueHeads, headWidth, normEpsilon, multipliers } = config;
  const weights = model.layers[layer];
  const normed = rmsNorm(input, rows, 0, width, weights.inputNorm, normEpsilon);
  const queryWidth = queryHeads * headWidth, keyWidth = keyValueHeads * headWidth;
  let q = timesTransposed(normed, rows, firstRow, weights.q, queryWidth, width, weights.bias?.q);
  let k = timesTransposed(normed, rows, 0, weights.k, keyWidth, width, weights.bias?.k);
  const v = timesTransposed(normed, rows, 0, weights.v, keyWidth, width, weights.bias?.v);
  const beforeHeadNorm = weights.headNorm && { q, k };
  if (weights.headNorm) {
    q = rmsNorm(q, rows * queryHeads, firstRow * queryHeads, headWidth, weights.headNorm.q, normEpsilon);
    k = rmsNorm(k, rows * keyValueHeads, 0, headWidth, weights.headNorm.k, normEpsilon);
  }
  if (rotation) {
    rotate(q, firstRow, queryHeads, rotation);
    rotate(k, 0, keyValueHeads, rotation);
  }
  const window = config.slidingWindow[layer];
  const scale = multipliers.attention;
  const attention = attend(q, k, v, { rows, firstRow, queryHeads, keyValueHeads, headWidth, window, scale });
  const added = timesTransposed(attention.output, rows, firstRow, weights.o, width, queryWidth);
  const middle = sum(input, added, multipliers.residual);
  const middleNormed = rmsNorm(middle, rows, firstRow, width, weights.postAttentionNorm, normEpsilon);
  return {
    firstRow,
    input,
    beforeHeadNorm,
    rotation,
    attention: attention.tape,
    middle,
    feedForward: feedForward(middleNormed, rows, firstRow, weights, scalings),
  };
}

/** a + factor b */
function sum(a: Float64Array, b: Float64Array, factor: number): Float64Array<ArrayBuffer> {
  const total = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) total[i] = a[i] + factor * b[i];
  return total;
}
