/**
 * Reverse mode by hand: from the gradient of the logits at one row down to the feed-forward block of a chosen layer.
 */
import { attentionGradient } from "./attention.ts";
import { feedForwardInputGradient, type SiteGradients, siteGradients } from "./feed_forward.ts";
import type { ForwardPass, LayerTape } from "./forward.ts";
import { addTimes } from "./matrix.ts";
import { addRmsNormGradient } from "./norm.ts";
import { rotateGradient } from "./rotary.ts";
import type { LayerWeights, Model } from "./weights.ts";

/**
 * Calls `visit` for each layer from the last down to `lowestLayer` with the gradients of the objective with respect to
 * the scaled pre-activations of its three sites.
 *
 * @param pass A forward pass that kept its tapes from `lowestLayer` up.
 * @param row The row whose logits the objective reads; the pass was asked for it.
 * @param dLogits Gradient of the objective with respect to those logits, `[V]`.
 */
export function backward(
  model: Model,
  pass: ForwardPass,
  row: number,
  dLogits: Float64Array,
  lowestLayer: number,
  visit: (layer: number, tape: LayerTape, gradients: SiteGradients) => void,
): void {
  const { rows } = pass;
  const { residual: factor } = model.config.multipliers;
  let gradient = headGradient(model, pass, row, dLogits);
  for (let layer = model.layers.length - 1; layer >= lowestLayer; layer--) {
    const tape = pass.tapes[layer];
    if (tape === undefined) throw new RangeError(`Cannot go back through layer ${layer}: its tape was not kept`);
    const weights = model.layers[layer];
    const dBlock = gradient.map((value) => factor * value);
    const sites = siteGradients(tape.feedForward, dBlock, rows, tape.firstRow, weights);
    visit(layer, tape, sites);
    if (layer > lowestLayer) gradient = layerGradient(model, weights, tape, sites, gradient, rows);
  }
}

/** Gradient of the residual stream leaving the last layer, `[T, D]`: zero but for `row`. */
function headGradient(model: Model, pass: ForwardPass, row: number, dLogits: Float64Array): Float64Array {
  const { width, vocabularySize, normEpsilon, multipliers } = model.config;
  const dNormed = new Float64Array(width);
  const dProducts = dLogits.map((value) => value * multipliers.logits);
  addTimes(dProducts, 1, 0, model.head, vocabularySize, width, dNormed);
  const gradient = new Float64Array(pass.rows * width);
  const start = row * width, end = start + width;
  const residual = pass.residual.subarray(start, end);
  addRmsNormGradient(residual, dNormed, 1, 0, width, model.finalNorm, normEpsilon, gradient.subarray(start, end));
  return gradient;
}

/** From the gradient of a layer's output `[T, D]` and of its sites to the gradient of its input, `[T, D]`. */
function layerGradient(
  model: Model,
  weights: LayerWeights,
  tape: LayerTape,
  sites: SiteGradients,
  dOutput: Float64Array,
  rows: number,
): Float64Array {
  const { width, queryHeads, keyValueHeads, headWidth, normEpsilon, multipliers } = model.config;
  const { firstRow, rotation } = tape;
  const queryWidth = queryHeads * headWidth, keyWidth = keyValueHeads * headWidth;

  // Feed-forward block: output = middle + factor block(norm(middle)).
  const gradient = dOutput.slice();
  const dMiddleNormed = feedForwardInputGradient(tape.feedForward, sites, rows, firstRow, weights);
  const { postAttentionNorm, inputNorm, headNorm } = weights;
  addRmsNormGradient(tape.middle, dMiddleNormed, rows, firstRow, width, postAttentionNorm, normEpsilon, gradient);

  // Attention: middle = input + factor attention(norm(input)) Woᵀ.
  const dAttention = new Float64Array(rows * queryWidth);
  addTimes(
    gradient.map((value) => multipliers.residual * value),
    rows,
    firstRow,
    weights.o,
    width,
    queryWidth,
    dAttention,
  );
  const { dq, dk, dv } = attentionGradient(tape.attention, dAttention);
  if (rotation) {
    rotateGradient(dq, firstRow, queryHeads, rotation);
    rotateGradient(dk, 0, keyValueHeads, rotation);
  }
  let dRawQ = dq, dRawK = dk;
  if (headNorm && tape.beforeHeadNorm) {
    const { q, k } = tape.beforeHeadNorm;
    const queryHeadRows = rows * queryHeads, keyHeadRows = rows * keyValueHeads;
    dRawQ = new Float64Array(dq.length);
    dRawK = new Float64Array(dk.length);
    addRmsNormGradient(q, dq, queryHeadRows, firstRow * queryHeads, headWidth, headNorm.q, normEpsilon, dRawQ);
    addRmsNormGradient(k, dk, keyHeadRows, 0, headWidth, headNorm.k, normEpsilon, dRawK);
  }
  const dInputNormed = new Float64Array(rows * width);
  addTimes(dRawQ, rows, firstRow, weights.q, queryWidth, width, dInputNormed);
  addTimes(dRawK, rows, 0, weights.k, keyWidth, width, dInputNormed);
  addTimes(dv, rows, 0, weights.v, keyWidth, width, dInputNormed);
  addRmsNormGradient(tape.input, dInputNormed, rows, 0, width, inputNorm, normEpsilon, gradient);
  return gradient;
}
