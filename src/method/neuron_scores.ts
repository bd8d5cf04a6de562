/** One number per neuron of one site: what rankings, searches and files are made from. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { type Site, siteNeurons } from "../engine/engine.ts";
import { OptionError } from "../text/option_error.ts";

export { siteNeurons };

/** Scores of the neurons of one site. */
export interface NeuronScores {
  /** Whose neurons they are. */
  readonly site: Site;
  /** L of the model. */
  readonly layers: number;
  /** Neurons of the site per layer: H, or D for `down`. */
  readonly neurons: number;
  /** Layers that were scored, ascending. The rows of other layers are zero and mean nothing. */
  readonly scored: readonly number[];
  /** Row-major `[layers, neurons]`. */
  readonly values: Float32Array;
}

/** How scores of different layers are made comparable: not at all, or by dividing each layer by its largest |score|. */
export type Normalisation = "none" | "layer-max";

/** Name of the tensor that holds the scores of a site in `scores.safetensors`. */
export function siteTensorName(site: Site): string {
  return `${site}_proj`;
}

/** Every layer of the model, ascending. */
export function allLayers(config: Pick<ModelConfig, "layers">): number[] {
  return Array.from({ length: config.layers }, (_, layer) => layer);
}

/**
 * The layers asked for, ascending and checked; all of them when none are named.
 *
 * @throws {RangeError} If the list is empty, repeats a layer, or names one that the model does not have.
 */
export function checkLayers(layers: readonly number[] | undefined, config: Pick<ModelConfig, "layers">): number[] {
  if (layers === undefined) return allLayers(config);
  if (layers.length === 0) throw new OptionError("Cannot work on an empty list of layers: name at least one", "layers");
  const sorted = [...layers].sort((a, b) => a - b);
  sorted.forEach((layer, index) => {
    if (!Number.isInteger(layer) || layer < 0 || layer >= config.layers) {
      throw new OptionError(`Cannot use layer ${layer}: expected an integer in 0..${config.layers - 1}`, "layers");
    }
    if (index > 0 && sorted[index - 1] === layer) {
      throw new OptionError(`Cannot use layer ${layer} twice: name it once`, "layers");
    }
  });
  return sorted;
}

/** Scores of zero for the neurons of a site. */
export function emptyScores(config: ModelConfig, site: Site, scored: readonly number[]): NeuronScores {
  const neurons = siteNeurons(config, site);
  return { site, layers: config.layers, neurons, scored, values: new Float32Array(config.layers * neurons) };
}

/**
 * The row of one layer, a view into `scores.values` `[neurons]`.
 *
 * @throws {RangeError} If that layer was not scored.
 */
export function layerScores(scores: NeuronScores, layer: number): Float32Array {
  if (!scores.scored.includes(layer)) {
    throw new RangeError(
      `Cannot use the scores of layer ${layer}: only layers ${scores.scored.join(", ")} were scored`,
    );
  }
  return scores.values.subarray(layer * scores.neurons, (layer + 1) * scores.neurons);
}

/** The same scores with the opposite sign: the lowest neurons come first in a ranking. */
export function negateScores(scores: NeuronScores): NeuronScores {
  return { ...scores, values: scores.values.map((value) => -value) };
}

/** Divides each layer by its largest |score|, in place; a layer of zeros stays as it is. Nothing happens for `none`. */
export function normaliseScores(values: Float64Array, neurons: number, normalisation: Normalisation): void {
  if (normalisation === "none") return;
  for (let start = 0; start < values.length; start += neurons) {
    const row = values.subarray(start, start + neurons);
    const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest > 0) row.forEach((value, index) => row[index] = value / largest);
  }
}
