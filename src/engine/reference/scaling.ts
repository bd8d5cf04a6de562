/**
 * The one way a run departs from the stored model: factors on the neurons of a site. A mask is factors of 0 and 1, a
 * point of an attribution path is the same factor alpha for every neuron.
 */
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import { type Intervention, type Site, siteNeurons } from "../engine.ts";

/** Factors on one site of one layer: `z[t,j] = factors[j] * preActivation[t,j]` for `t >= firstPosition`. */
export interface Scaling {
  readonly site: Site;
  /** `[H]`, or `[D]` for `down`. */
  readonly factors: Float64Array;
  readonly firstPosition: number;
}

/** The scalings of every layer that has any. */
export type Scalings = ReadonlyMap<number, readonly Scaling[]>;

/** The unmodified model. */
export const unscaled: Scalings = new Map();

/** The scalings that switch an intervention's neurons off at every position. */
export function interventionScalings(config: ModelConfig, intervention: Intervention): Scalings {
  const scalings = new Map<number, Scaling[]>();
  for (const { layer, site, neurons } of intervention) {
    const factors = new Float64Array(siteNeurons(config, site)).fill(1);
    for (const neuron of neurons) factors[neuron] = 0;
    scalings.set(layer, [...scalings.get(layer) ?? [], { site, factors, firstPosition: 0 }]);
  }
  return scalings;
}

/** Several scalings together: each layer has those of all, in the order given. */
export function joinScalings(...parts: readonly Scalings[]): Scalings {
  const joined = new Map<number, Scaling[]>();
  for (const part of parts) {
    for (const [layer, scalings] of part) joined.set(layer, [...joined.get(layer) ?? [], ...scalings]);
  }
  return joined;
}

/** The scalings of one path node: every neuron of `site` times `alpha`, in each of `layers`. */
export function pathScalings(
  config: ModelConfig,
  layers: readonly number[],
  site: Site,
  alpha: number,
  firstPosition: number,
): Scalings {
  const factors = new Float64Array(siteNeurons(config, site)).fill(alpha);
  return new Map(layers.map((layer) => [layer, [{ site, factors, firstPosition }]]));
}

/** `values` `[T, n]` with the scalings of `site` applied: a new array, or `values` itself where there are none. */
export function scale(values: Float64Array, site: Site, scalings: readonly Scaling[]): Float64Array {
  let result = values;
  for (const scaling of scalings) {
    if (scaling.site !== site) continue;
    const { factors, firstPosition } = scaling;
    const n = factors.length;
    result = result.slice();
    for (let start = firstPosition * n; start < result.length; start += n) {
      for (let j = 0; j < n; j++) result[start + j] *= factors[j];
    }
  }
  return result;
}
