/** Interventions as bit masks by layer. */
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import type { LayerMask } from "../../model/segments.ts";
import type { Intervention } from "../engine.ts";

/** Bits of the silenced neurons of an intervention, by layer. The empty map is the unmodified model. */
export function layerMasks(config: ModelConfig, intervention: Intervention): Map<number, LayerMask> {
  const masks = new Map<number, { neurons: Uint32Array | null; outputs: Uint32Array | null }>();
  for (const { layer, site, neurons } of intervention) {
    if (neurons.length === 0) continue;
    const mask = masks.get(layer) ?? { neurons: null, outputs: null };
    masks.set(layer, mask);
    // Zeroing a gate or an up pre-activation silences the same product, so both share one mask.
    const key = site === "down" ? "outputs" : "neurons";
    const bits = mask[key] ??= new Uint32Array(Math.ceil((site === "down" ? config.width : config.neurons) / 32));
    for (const neuron of neurons) bits[neuron >>> 5] |= 1 << (neuron & 31);
  }
  return masks;
}
