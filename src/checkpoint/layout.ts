/**
 * Where the weights of a model are: which tensors a checkpoint has, their shapes, and the rows that belong to each
 * weight.
 */
import type { Family, LayerWeight } from "./families.ts";
import type { LayerWeightRefs, ModelConfig, WeightRef } from "./model_config.ts";

/** The sizes that determine every shape. */
export type Sizes = Pick<
  ModelConfig,
  "vocabularySize" | "width" | "neurons" | "layers" | "queryHeads" | "keyValueHeads" | "headWidth"
>;

/** Weights that are vectors; all others are matrices. */
const VECTORS: ReadonlySet<LayerWeight> = new Set(
  ["inputNorm", "postAttentionNorm", "qBias", "kBias", "vBias", "qNorm", "kNorm"] satisfies LayerWeight[],
);

const EMBEDDING = "model.embed_tokens.weight";
const FINAL_NORM = "model.norm.weight";
/** The name of the LM head's own tensor, which a tied checkpoint may repeat. */
export const HEAD_TENSOR = "lm_head.weight";

/**
 * Tensors that may be there and are not weights: rotary frequencies, which early checkpoints stored although they
 * follow from the configuration.
 */
const DERIVED = /^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/;

/** Rows and columns of each weight of a layer. */
function layerShapes(sizes: Sizes): Readonly<Record<LayerWeight, readonly [rows: number, columns: number]>> {
  const { width, neurons, headWidth } = sizes;
  const queries = sizes.queryHeads * headWidth;
  const keys = sizes.keyValueHeads * headWidth;
  return {
    inputNorm: [width, 1],
    q: [queries, width],
    k: [keys, width],
    v: [keys, width],
    qBias: [queries, 1],
    kBias: [keys, 1],
    vBias: [keys, 1],
    qNorm: [headWidth, 1],
    kNorm: [headWidth, 1],
    o: [width, queries],
    postAttentionNorm: [width, 1],
    gate: [neurons, width],
    up: [neurons, width],
    down: [width, neurons],
  };
}

function layerRefs(family: Family, sizes: Sizes, layer: number): LayerWeightRefs {
  const shapes = layerShapes(sizes);
  const refs: Partial<Record<LayerWeight, WeightRef>> = {};
  for (const tensor of family.layerTensors) {
    let rowStart = 0;
    for (const weight of tensor.holds) {
      const [rows, columns] = shapes[weight];
      refs[weight] = { name: `model.layers.${layer}.${tensor.name}`, rowStart, rows, columns };
      rowStart += rows;
    }
  }
  const get = (weight: LayerWeight): WeightRef => {
    const ref = refs[weight];
    if (!ref) throw new TypeError(`Cannot lay out family ${family.modelType}: no tensor of its table holds ${weight}`);
    return ref;
  };
  return {
    inputNorm: get("inputNorm"),
    q: get("q"),
    k: get("k"),
    v: get("v"),
    ...(refs.qBias && { qkvBias: { q: get("qBias"), k: get("kBias"), v: get("vBias") } }),
    ...(refs.qNorm && { qkNorm: { q: get("qNorm"), k: get("kNorm") } }),
    o: get("o"),
    postAttentionNorm: get("postAttentionNorm"),
    gate: get("gate"),
    up: get("up"),
    down: get("down"),
  };
}

/** All weight references of a model of this family and these sizes. */
export function weightRefs(
  family: Family,
  sizes: Sizes,
  tiedHead: boolean,
): Pick<ModelConfig, "embedding" | "finalNorm" | "head" | "layerWeights"> {
  const matrix = { rowStart: 0, rows: sizes.vocabularySize, columns: sizes.width };
  const embedding = { name: EMBEDDING, ...matrix };
  return {
    embedding,
    finalNorm: { name: FINAL_NORM, rowStart: 0, rows: sizes.width, columns: 1 },
    head: tiedHead ? embedding : { name: HEAD_TENSOR, ...matrix },
    layerWeights: Array.from({ length: sizes.layers }, (_, layer) => layerRefs(family, sizes, layer)),
  };
}

/**
 * The tensors a checkpoint of this family must have, with their shapes as stored: `[rows, columns]`, vectors `[rows]`.
 */
export function expectedTensors(family: Family, config: ModelConfig): Map<string, readonly number[]> {
  const shapes = layerShapes(config);
  const expected = new Map<string, readonly number[]>([
    [config.embedding.name, [config.vocabularySize, config.width]],
    [config.finalNorm.name, [config.width]],
    [config.head.name, [config.vocabularySize, config.width]],
  ]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const { name, holds } of family.layerTensors) {
      const rows = holds.reduce((sum, weight) => sum + shapes[weight][0], 0);
      const shape = VECTORS.has(holds[0]) ? [rows] : [rows, shapes[holds[0]][1]];
      expected.set(`model.layers.${layer}.${name}`, shape);
    }
  }
  return expected;
}

/** Whether a tensor may be present without being read, because the rest of the checkpoint determines it. */
export function isDerivedTensor(name: string): boolean {
  return DERIVED.test(name);
}
