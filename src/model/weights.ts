/**
 * A model's weights on the GPU, in their stored type, padded to multiples of 8 and split where a buffer would be too
 * large.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { bytesPerWeight, widenToF32 } from "../checkpoint/dtype.ts";
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { type OpContext, padded } from "../ops/context.ts";
import type { NormWeight } from "../ops/norm.ts";
import type { RopeHeads } from "../ops/rope.ts";
import type { WeightMatrix } from "../ops/weight_matrix.ts";
import { type LayerMatrices, LayerStream } from "./layer_stream.ts";
import { layOutWeights, MATRICES, type MatrixName, matrixRefs } from "./weight_layout.ts";
import { type UploadProgress, WeightUploader } from "./weight_upload.ts";

/** Weights of one layer. */
export interface LayerWeights {
  readonly inputNorm: NormWeight;
  /** `[Q*K, D]` */
  readonly q: WeightMatrix;
  /** `[2*G*K, D]`: keys, then values. */
  readonly kv: WeightMatrix;
  readonly queryHeads: RopeHeads;
  /** Keys (rotated), then values (not). */
  readonly keyValueHeads: RopeHeads;
  /** `[D, Q*K]` */
  readonly o: WeightMatrix;
  readonly postAttentionNorm: NormWeight;
  /** `[H, D]` */
  readonly gate: WeightMatrix;
  /** `[H, D]` */
  readonly up: WeightMatrix;
  /** `[D, H]` */
  readonly down: WeightMatrix;
}

type LayerVectors = Omit<LayerWeights, MatrixName>;

/** Weights of the whole model. The embedding stays in the checkpoint: `embed` reads the rows that are needed. */
export interface ModelWeights {
  /** Whether all layers are on the GPU at once, or take turns in the room of one. */
  readonly residency: "resident" | "streamed";
  readonly finalNorm: NormWeight;
  /** `[V, D]` */
  readonly head: WeightMatrix;
  /** Bytes on the GPU. */
  readonly bytes: number;
  /** Norm in front of a layer, or the final norm for `layer` = L. */
  normBefore(layer: number): NormWeight;
  /**
   * The weights of a layer, valid until the next call. Streamed layers are read ahead: `next` is read from disk while
   * this one is computed.
   */
  layer(layer: number, next?: number): Promise<LayerWeights>;
  /** Residual stream entering layer 0 for some tokens, divided by the residual multiplier, f32 `[tokens, padded D]`. */
  embed(tokens: Uint32Array): Promise<Float32Array>;
}

/** Bytes of embedding rows kept in host memory. */
const EMBEDDING_CACHE_BYTES = 16 * 2 ** 20;

/** How weights are brought to the GPU. */
export interface UploadOptions {
  /** Bytes of GPU memory for weights: all of them stay if they fit, otherwise layers take turns. Default: no limit. */
  readonly weightBudgetBytes?: number;
  /** Called with bytes uploaded and bytes in total. */
  readonly onProgress?: UploadProgress;
  /** Stops the upload; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Brings a model's weights to the GPU. Host memory stays below 256 MiB above what is on the GPU: a few pieces on their
 * way, a part of the next layer where layers are streamed, and embedding rows.
 *
 * @throws {RangeError} If not even the head and one layer fit the budget.
 */
export async function uploadWeights(
  context: OpContext,
  checkpoint: Checkpoint,
  options: UploadOptions = {},
): Promise<ModelWeights> {
  const { weightBudgetBytes, onProgress, signal } = options;
  const { config } = checkpoint;
  const { residency, bytes, loadedBytes } = layOutWeights(checkpoint, weightBudgetBytes);
  const progress = onProgress ? { report: onProgress, total: loadedBytes } : null;
  onProgress?.(0, loadedBytes);
  const uploader = new WeightUploader(context, checkpoint, progress, signal);
  // All rooms first: a queue's copies of what is written would otherwise leave holes between them that nothing fits in.
  const head = await uploader.allocate("head", [config.head]);
  const stream = residency === "streamed" ? await LayerStream.open(context, checkpoint, uploader) : null;
  const resident = stream ? [] : await allocateLayers(uploader, config);
  const vectors: LayerVectors[] = [];
  for (const layer of config.layerWeights.keys()) vectors.push(await uploadVectors(uploader, config, layer));
  // The head is linear: its products with a scaled norm are the scaled logits.
  const finalNorm = await uploader.norm(config.finalNorm, config.multipliers.logits);
  await uploader.fill(head, [config.head]);
  for (const [layer, matrices] of resident.entries()) {
    const refs = matrixRefs(config, layer);
    for (const name of MATRICES) await uploader.fill(matrices[name], refs[name]);
  }
  uploader.endLoading(stream !== null);
  return {
    residency,
    bytes,
    finalNorm,
    head,
    normBefore: (layer) => vectors[layer]?.inputNorm ?? finalNorm,
    layer: async (layer, next) => ({
      ...vectors[layer],
      ...(stream ? await stream.take(layer, next) : resident[layer]),
    }),
    embed: embeddingReader(checkpoint),
  };
}

async function allocateLayers(uploader: WeightUploader, config: ModelConfig): Promise<LayerMatrices[]> {
  const layers: LayerMatrices[] = [];
  for (const layer of config.layerWeights.keys()) {
    const refs = matrixRefs(config, layer);
    const matrices: Partial<Record<MatrixName, WeightMatrix>> = {};
    for (const name of MATRICES) matrices[name] = await uploader.allocate(`layer ${layer} ${name}`, refs[name]);
    layers.push(matrices as LayerMatrices);
  }
  return layers;
}

async function uploadVectors(uploader: WeightUploader, config: ModelConfig, layer: number): Promise<LayerVectors> {
  const refs = config.layerWeights[layer];
  const name = (part: string) => `layer ${layer} ${part}`;
  const turned = config.rotated[layer] ? 2 * config.rope.inverseFrequencies.length : 0;
  const heads = { width: config.headWidth, turned, epsilon: config.normEpsilon };
  return {
    inputNorm: await uploader.norm(refs.inputNorm),
    queryHeads: {
      ...heads,
      heads: config.queryHeads,
      rotated: config.queryHeads,
      bias: refs.qkvBias && await uploader.vector(name("q bias"), [refs.qkvBias.q]),
      norm: refs.qkNorm && await uploader.vector(name("q norm"), [refs.qkNorm.q]),
    },
    keyValueHeads: {
      ...heads,
      heads: 2 * config.keyValueHeads,
      rotated: config.keyValueHeads,
      bias: refs.qkvBias && await uploader.vector(name("kv bias"), [refs.qkvBias.k, refs.qkvBias.v]),
      norm: refs.qkNorm && await uploader.vector(name("k norm"), [refs.qkNorm.k]),
    },
    postAttentionNorm: await uploader.norm(refs.postAttentionNorm),
  };
}

/** Reads embedding rows from the checkpoint, scales them, and keeps those it has read, up to a limit. */
function embeddingReader(checkpoint: Checkpoint): (tokens: Uint32Array) => Promise<Float32Array> {
  const { embedding: ref, multipliers } = checkpoint.config;
  const factor = multipliers.embedding / multipliers.residual;
  const type = checkpoint.typeOf(ref);
  const stride = padded(ref.columns);
  const capacity = Math.floor(EMBEDDING_CACHE_BYTES / (ref.columns * 4));
  const cache = new Map<number, Float32Array>();
  return async (tokens) => {
    const out = new Float32Array(tokens.length * stride);
    for (let i = 0; i < tokens.length; i++) {
      let row = cache.get(tokens[i]);
      if (!row) {
        const bytes = new Uint8Array(ref.columns * bytesPerWeight(type));
        await checkpoint.readRows(ref, tokens[i], 1, bytes);
        row = widenToF32(type, bytes);
        if (factor !== 1) row = row.map((value) => factor * value);
        if (cache.size >= capacity) cache.clear();
        cache.set(tokens[i], row);
      }
      out.set(row, i * stride);
    }
    return out;
  };
}
