/** Floating-point operations of a wave, from its row counts; the ops count the same while they record. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { strides, type WaveMode } from "./buffers.ts";
import type { PackedWave } from "./packing.ts";

/**
 * Operations of matrix products and attention of a wave (a multiply and an add are two); element-wise work is a few
 * percent on top.
 */
export function waveFlops(config: ModelConfig, wave: PackedWave, mode: WaveMode): number {
  const { width, neurons, q, kv, logits } = strides(config);
  const { queryHeads, headWidth } = config;
  let flops = 0;
  wave.layers.forEach((layer, index) => {
    const { inRows, midRows, outRows, continuing } = layer;
    const forward = 2 * width * (inRows * kv + midRows * 2 * (q + neurons) + outRows * neurons) +
      4 * layer.tiles.visible * queryHeads * headWidth;
    flops += forward;
    if (!mode.backward || outRows === layer.outBase) return;
    const gradients = inRows - layer.inBase;
    const folded = layer.fold && layer.fold.from >= continuing && !mode.foldsOutputs ? layer.fold.variantCount : 0;
    flops += 2 * width * neurons * folded;
    // Even a layer that nothing continues from needs its activations for the fold.
    if (mode.residency === "recompute") flops += forward;
    if (gradients === 0) return;
    const last = index === wave.layers.length - 1;
    flops +=
      2 * width * (3 * neurons * continuing + q * (continuing + (last ? continuing : gradients)) + kv * gradients) +
      14 * layer.gradientTiles.visible * queryHeads * headWidth;
  });
  const { outRows, outBase } = wave.layers.at(-1)!;
  return flops + 2 * width * logits * (outRows + (mode.backward ? outRows - outBase : 0));
}
