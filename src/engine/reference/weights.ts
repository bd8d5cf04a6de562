/**
 * The weights of a model, all in memory. They stay f32, which holds every stored type exactly, and widen as they are
 * read.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { ModelConfig, WeightRef } from "../../checkpoint/model_config.ts";

/** Weights of one layer; matrices are row-major `[out, in]`. */
export interface LayerWeights {
  /** D */
  readonly width: number;
  /** H */
  readonly neurons: number;
  /** `[D]` */
  readonly inputNorm: Float32Array;
  /** `[Q*K, D]`, `[G*K, D]`, `[G*K, D]` */
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  /** `[Q*K]`, `[G*K]`, `[G*K]`, where the family has them. */
  readonly bias?: { readonly q: Float32Array; readonly k: Float32Array; readonly v: Float32Array };
  /** `[K]` each, where the family has them. */
  readonly headNorm?: { readonly q: Float32Array; readonly k: Float32Array };
  /** `[D, Q*K]` */
  readonly o: Float32Array;
  /** `[D]` */
  readonly postAttentionNorm: Float32Array;
  /** `[H, D]` */
  readonly gate: Float32Array;
  /** `[H, D]` */
  readonly up: Float32Array;
  /** `[D, H]` */
  readonly down: Float32Array;
}

/** A model in memory. */
export interface Model {
  readonly config: ModelConfig;
  /** `[V, D]` */
  readonly embedding: Float32Array;
  /** `[D]` */
  readonly finalNorm: Float32Array;
  /** `[V, D]`; the same array as `embedding` when tied. */
  readonly head: Float32Array;
  readonly layers: readonly LayerWeights[];
}

/**
 * Reads every weight of a checkpoint.
 *
 * @throws {RangeError} If a weight has another number of elements than its shape says.
 */
export async function loadModel(checkpoint: Checkpoint): Promise<Model> {
  const { config } = checkpoint;
  const read = async (ref: WeightRef): Promise<Float32Array> => {
    const values = await checkpoint.readF32(ref);
    if (values.length !== ref.rows * ref.columns) {
      throw new RangeError(
        `Cannot use ${ref.name}: ${values.length} elements instead of ${ref.rows} rows of ${ref.columns}`,
      );
    }
    return values;
  };
  const embedding = await read(config.embedding);
  const layers: LayerWeights[] = [];
  for (const refs of config.layerWeights) {
    const { qkvBias, qkNorm } = refs;
    layers.push({
      width: config.width,
      neurons: config.neurons,
      inputNorm: await read(refs.inputNorm),
      q: await read(refs.q),
      k: await read(refs.k),
      v: await read(refs.v),
      bias: qkvBias && { q: await read(qkvBias.q), k: await read(qkvBias.k), v: await read(qkvBias.v) },
      headNorm: qkNorm && { q: await read(qkNorm.q), k: await read(qkNorm.k) },
      o: await read(refs.o),
      postAttentionNorm: await read(refs.postAttentionNorm),
      gate: await read(refs.gate),
      up: await read(refs.up),
      down: await read(refs.down),
    });
  }
  const finalNorm = await read(config.finalNorm);
  const head = config.tiedHead ? embedding : await read(config.head);
  return { config, embedding, finalNorm, head, layers };
}
