/**
 * Contrast with a retained set: neurons that also matter for what must stay as it is are spared.
 *
 * With s the scores on the adaptation examples and r those on the retained ones, both brought to the same scale:
 *
 * - `subtract`: s - w |r|
 * - `divide`: s / (e + |r|), e a tenth of the mean |r| of the layer
 *
 * The size of r is what counts: a neuron that pushes the retained answers in either direction is in use there.
 */

import { layerScores, type NeuronScores } from "./neuron_scores.ts";

/** How retained scores are taken into account. */
export type ContrastMode = "subtract" | "divide";

/** All modes. */
export const contrastModes: readonly ContrastMode[] = ["subtract", "divide"];

/**
 * How retained scores are brought to the scale of the others: not at all, or so that the mean |score| of a layer is the
 * same.
 */
export type ContrastScale = "none" | "layer-mean";

/** Options of `contrastScores`. */
export interface ContrastOptions {
  /** Default `subtract`. */
  readonly mode?: ContrastMode;
  /** w of `subtract`, at least 0; 0 leaves the scores as they are. Default 1. */
  readonly weight?: number;
  /** Default `layer-mean`: another task's logits may move much more or less. */
  readonly scale?: ContrastScale;
}

/** The smallest divisor of `divide`, as a share of the mean |r| of the layer. */
const dividingFloor = 0.1;

/**
 * Scores from which those of a retained set are subtracted, or by which they are divided. A layer whose retained scores
 * are all zero keeps its scores.
 *
 * `divide` lets only the order within a layer and the signs mean something: its values are not shares of M.
 *
 * @param scores On the adaptation examples.
 * @param retained On the retained examples: same site and shape, at least the layers of `scores`.
 * @throws {RangeError} If they do not fit each other, or an option is out of range.
 */
export function contrastScores(
  scores: NeuronScores,
  retained: NeuronScores,
  options: ContrastOptions = {},
): NeuronScores {
  const { mode = "subtract", weight = 1, scale = "layer-mean" } = options;
  if (!contrastModes.includes(mode)) {
    throw new RangeError(`Cannot contrast by "${mode}": expected one of ${contrastModes.join(", ")}`);
  }
  if (!(weight >= 0 && Number.isFinite(weight))) {
    throw new RangeError(`Cannot contrast with weight ${weight}: expected a number from 0`);
  }
  if (scale !== "none" && scale !== "layer-mean") {
    throw new RangeError(`Cannot contrast with scale "${scale}": expected none or layer-mean`);
  }
  if (scores.site !== retained.site || scores.layers !== retained.layers || scores.neurons !== retained.neurons) {
    throw new RangeError(
      `Cannot contrast ${scores.layers} x ${scores.neurons} scores of ${scores.site} with ${retained.layers} x ` +
        `${retained.neurons} of ${retained.site}: expected the same`,
    );
  }
  const values = new Float32Array(scores.values.length);
  for (const layer of scores.scored) {
    const own = layerScores(scores, layer);
    const other = layerScores(retained, layer);
    const retainedMean = meanSize(other);
    const factor = scale === "none" || retainedMean === 0 ? 1 : meanSize(own) / retainedMean;
    const floor = dividingFloor * retainedMean * factor;
    for (let j = 0; j < own.length; j++) {
      const size = Math.abs(other[j]) * factor;
      values[layer * scores.neurons + j] = mode === "subtract"
        ? own[j] - weight * size
        : floor === 0
        ? own[j]
        : own[j] / (floor + size);
    }
  }
  return { ...scores, values };
}

function meanSize(values: Float32Array): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
}
