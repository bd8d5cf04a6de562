/** The WebGPU engine beside the reference engine, over the same random checkpoint. */
import type { ModelConfig } from "../../src/checkpoint/model_config.ts";
import type { Engine, Intervention, Mask } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { makeTinyCheckpoint, type TinyOptions } from "./tiny_checkpoint.ts";
import { openTestEngine } from "./webgpu_engine.ts";

/** Two engines over one checkpoint. */
export interface EnginePair {
  readonly config: ModelConfig;
  readonly reference: Engine;
  readonly webgpu: Engine;
}

/** Models that between them have every family, storage type, grouping of heads and kind of odd size. */
export const TINY_MODELS: Readonly<Record<string, TinyOptions>> = {
  "llama in f32": { layers: 3, width: 16, neurons: 20, queryHeads: 4, keyValueHeads: 2, headWidth: 4 },
  "llama in bf16 with odd sizes": {
    layers: 2,
    width: 22,
    neurons: 37,
    queryHeads: 3,
    keyValueHeads: 1,
    headWidth: 12,
    vocabulary: 51,
    tied: true,
    dtype: "BF16",
  },
  "llama in f16 with one layer and one head": {
    layers: 1,
    width: 12,
    neurons: 17,
    queryHeads: 1,
    keyValueHeads: 1,
    headWidth: 12,
    vocabulary: 35,
    dtype: "F16",
  },
  "mistral in f32 with a window of 5": {
    family: "mistral",
    layers: 3,
    width: 20,
    neurons: 9,
    headWidth: 12,
    config: { sliding_window: 5 },
  },
  "qwen2 in f16": { family: "qwen2", layers: 2, width: 24, neurons: 33, queryHeads: 6, keyValueHeads: 3, dtype: "F16" },
  "qwen3 in bf16": { family: "qwen3", layers: 2, width: 18, neurons: 40, headWidth: 12, dtype: "BF16" },
  "smollm3 in bf16, its middle layer neither rotated nor seeing more than 4 tokens": {
    family: "smollm3",
    layers: 3,
    width: 20,
    neurons: 23,
    headWidth: 12,
    dtype: "BF16",
    config: { no_rope_layers: [1, 0, 1], use_sliding_window: true, sliding_window: 4 },
  },
  "granite in bf16": {
    family: "granite",
    layers: 2,
    width: 20,
    neurons: 25,
    dtype: "BF16",
    config: { embedding_multiplier: 5, attention_multiplier: 0.6, residual_multiplier: 0.22, logits_scaling: 3 },
  },
  "phi3 in bf16, three quarters of a head rotated": {
    family: "phi3",
    layers: 2,
    width: 32,
    neurons: 21,
    dtype: "BF16",
    config: { partial_rotary_factor: 0.75 },
  },
  "phi3 in f16": { family: "phi3", layers: 2, width: 24, neurons: 19, queryHeads: 3, keyValueHeads: 1, dtype: "F16" },
};

/** Opens both engines; they are closed after the tests of the file. */
export async function openEnginePair(options: TinyOptions): Promise<EnginePair> {
  const checkpoint = await makeTinyCheckpoint(options);
  const reference = await createReferenceEngine(checkpoint);
  return { config: checkpoint.config, reference, webgpu: await openTestEngine(checkpoint) };
}

/**
 * Interventions of every kind for a model of that shape: by name, each with at least one neuron off, except the first
 * two.
 */
export function tinyInterventions({ layers, neurons, width }: ModelConfig): Readonly<Record<string, Intervention>> {
  const every = (step: number, count: number) =>
    Uint32Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
  const last = layers - 1;
  return {
    "no mask": [],
    "a mask of no neuron": [{ layer: last, site: "gate", neurons: new Uint32Array() }],
    "gate neurons of the first layer": [{ layer: 0, site: "gate", neurons: every(3, neurons) }],
    "up neurons of the last layer": [{ layer: last, site: "up", neurons: Uint32Array.of(1, neurons - 1) }],
    "down outputs of the first layer": [{ layer: 0, site: "down", neurons: Uint32Array.of(0, width - 1) }],
    "all gate neurons of the last layer": [{ layer: last, site: "gate", neurons: every(1, neurons) }],
    "all down outputs of the last layer": [{ layer: last, site: "down", neurons: every(1, width) }],
    "every site of every layer": Array.from({ length: layers }, (_, index) => last - index).flatMap((layer): Mask[] => [
      { layer, site: "gate", neurons: every(4, neurons) },
      { layer, site: "down", neurons: every(5, width) },
      { layer, site: "up", neurons: every(7, neurons) },
    ]),
  };
}
