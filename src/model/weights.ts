/** A model's weights on the GPU, in their stored type, padded to multiples of 8 and split where a buffer would be too large. */
import type { Checkpoint, WeightType } from "../checkpoint/checkpoint.ts";
import { bytesPerWeight, widenToF32 } from "../checkpoint/dtype.ts";
import type { ModelConfig, WeightRef } from "../checkpoint/model_config.ts";
import { type OpContext, padded } from "../ops/context.ts";
import { createWeightMatrix, rowBytes, type WeightMatrix, writeWeightRows } from "../ops/weight_matrix.ts";
import type { NormWeight } from "../ops/norm.ts";
import type { RopeHeads } from "../ops/rope.ts";

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

/** Matrices of a layer, which may take turns on the GPU; everything else of a layer is small and stays. */
const MATRICES = ["q", "kv", "o", "gate", "up", "down"] as const;

type LayerMatrices = Pick<LayerWeights, typeof MATRICES[number]>;
type LayerVectors = Omit<LayerWeights, typeof MATRICES[number]>;

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
   * The weights of a layer, valid until the next call. Streamed layers are read ahead: `next` is read from disk while this
   * one is computed.
   */
  layer(layer: number, next?: number): Promise<LayerWeights>;
  /** Embedding rows of some tokens, f32 `[tokens, padded D]`. */
  embed(tokens: Uint32Array): Promise<Float32Array>;
}

/** Host bytes that travel in one upload. */
const UPLOAD_BYTES = 16 * 2 ** 20;

/** Bytes of embedding rows kept in host memory. */
const EMBEDDING_CACHE_BYTES = 64 * 2 ** 20;

/** How weights are brought to the GPU. */
export interface UploadOptions {
  /** Bytes of GPU memory for weights: all of them stay if they fit, otherwise layers take turns. Default: no limit. */
  readonly weightBudgetBytes?: number;
  /** Called with bytes uploaded and bytes in total. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Brings a model's weights to the GPU.
 *
 * @throws {RangeError} If not even the head and one layer fit the budget.
 */
export async function uploadWeights(
  context: OpContext,
  checkpoint: Checkpoint,
  options: UploadOptions = {},
): Promise<ModelWeights> {
  const { weightBudgetBytes = Infinity, onProgress } = options;
  const { config } = checkpoint;
  const bytes = weightBytes(checkpoint);
  const streamed = bytes.total > weightBudgetBytes;
  const least = bytes.total - bytes.matrices + bytes.largestLayer;
  if (least > weightBudgetBytes) {
    throw new RangeError(
      `Cannot load ${checkpoint.location}: its head and one layer take ${least} bytes, the weight budget is ${weightBudgetBytes}`,
    );
  }
  const uploader = new Uploader(context, checkpoint, onProgress, streamed ? least : bytes.total);
  const layers = config.layerWeights.map((_, layer) => layer);
  const vectors: LayerVectors[] = [];
  for (const layer of layers) vectors.push(await uploadVectors(uploader, config, layer));
  const finalNorm = await uploader.norm(config.finalNorm);
  const head = await uploader.matrix("head", [config.head]);
  const shared = {
    finalNorm,
    head,
    normBefore: (layer: number) => vectors[layer]?.inputNorm ?? finalNorm,
    embed: embeddingReader(checkpoint),
  };
  if (streamed) {
    const stream = new LayerStream(context, uploader, config);
    await stream.open();
    return {
      ...shared,
      residency: "streamed",
      bytes: uploader.bytes,
      layer: async (layer, next) => ({ ...vectors[layer], ...await stream.take(layer, next) }),
    };
  }
  const resident: LayerWeights[] = [];
  for (const layer of layers) {
    const refs = matrixRefs(config, layer);
    const matrices: Partial<Record<keyof LayerMatrices, WeightMatrix>> = {};
    for (const name of MATRICES) matrices[name] = await uploader.matrix(`layer ${layer} ${name}`, refs[name]);
    resident.push({ ...vectors[layer], ...matrices as LayerMatrices });
  }
  return {
    ...shared,
    residency: "resident",
    bytes: uploader.bytes,
    layer: (layer) => Promise.resolve(resident[layer]),
  };
}

/** The checkpoint tensors that make up each matrix of a layer, stacked by rows. */
function matrixRefs(config: ModelConfig, layer: number): Record<keyof LayerMatrices, readonly WeightRef[]> {
  const { q, k, v, o, gate, up, down } = config.layerWeights[layer];
  return { q: [q], kv: [k, v], o: [o], gate: [gate], up: [up], down: [down] };
}

async function uploadVectors(uploader: Uploader, config: ModelConfig, layer: number): Promise<LayerVectors> {
  const refs = config.layerWeights[layer];
  const name = (part: string) => `layer ${layer} ${part}`;
  const heads = { width: config.headWidth, epsilon: config.normEpsilon };
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

/** Rows of a matrix as they will lie on the GPU, read ahead into host memory. */
type LayerBytes = Record<keyof LayerMatrices, readonly Uint8Array<ArrayBuffer>[]>;

/** Layers that take turns in the room of one. */
class LayerStream {
  readonly #context: OpContext;
  readonly #uploader: Uploader;
  readonly #config: ModelConfig;
  #matrices: LayerMatrices | null = null;
  #loaded = -1;
  #ahead: { readonly layer: number; readonly bytes: Promise<LayerBytes> } | null = null;

  constructor(context: OpContext, uploader: Uploader, config: ModelConfig) {
    this.#context = context;
    this.#uploader = uploader;
    this.#config = config;
  }

  async open(): Promise<void> {
    const matrices: Partial<Record<keyof LayerMatrices, WeightMatrix>> = {};
    for (const name of MATRICES) {
      const refs = this.#config.layerWeights.map((_, layer) => matrixRefs(this.#config, layer)[name]);
      const types = new Set(refs.map((layerRefs) => this.#uploader.typeOf(layerRefs)));
      // One room for all layers: where their stored types differ, the matrix is widened to f32 in all of them.
      matrices[name] = await this.#uploader.allocate(
        `streamed ${name}`,
        refs[0],
        types.size === 1 ? [...types][0] : "F32",
      );
    }
    this.#matrices = matrices as LayerMatrices;
  }

  async take(layer: number, next?: number): Promise<LayerMatrices> {
    if (this.#loaded !== layer) {
      const ahead = this.#ahead?.layer === layer ? this.#ahead.bytes : this.#read(layer);
      this.#ahead = null;
      const bytes = await ahead;
      // What is recorded still means the layer that is there now.
      await this.#context.recorder.drain();
      for (const name of MATRICES) {
        let row = 0;
        const matrix = this.#matrices![name];
        for (const rows of bytes[name]) {
          writeWeightRows(this.#context, matrix, row, rows);
          row += rows.byteLength / rowBytes(matrix);
        }
      }
      this.#loaded = layer;
    }
    if (next !== undefined && next !== layer && this.#ahead?.layer !== next) {
      const bytes = this.#read(next);
      // A failed read is reported by the call that needs the layer.
      bytes.catch(() => {});
      this.#ahead = { layer: next, bytes };
    }
    return this.#matrices!;
  }

  async #read(layer: number): Promise<LayerBytes> {
    const refs = matrixRefs(this.#config, layer);
    const bytes: Partial<LayerBytes> = {};
    await Promise.all(MATRICES.map(async (name) => {
      const { type } = this.#matrices![name];
      bytes[name] = await Promise.all(refs[name].map((ref) => this.#uploader.rows(ref, 0, ref.rows, type)));
    }));
    return bytes as LayerBytes;
  }
}

class Uploader {
  bytes = 0;
  readonly #context: OpContext;
  readonly #checkpoint: Checkpoint;
  readonly #onProgress: ((done: number, total: number) => void) | undefined;
  readonly #total: number;

  constructor(
    context: OpContext,
    checkpoint: Checkpoint,
    onProgress: ((done: number, total: number) => void) | undefined,
    total: number,
  ) {
    this.#context = context;
    this.#checkpoint = checkpoint;
    this.#onProgress = onProgress;
    this.#total = total;
  }

  /** The stored type of a stack of weights; parts of different types are widened to f32. */
  typeOf(refs: readonly WeightRef[]): WeightType {
    return storedType(this.#checkpoint, refs);
  }

  /** Room for a stack of weights. */
  async allocate(name: string, refs: readonly WeightRef[], type = this.typeOf(refs)): Promise<WeightMatrix> {
    const rows = refs.reduce((sum, ref) => sum + ref.rows, 0);
    const matrix = await createWeightMatrix(this.#context, { name, type, rows, columns: refs[0].columns });
    this.bytes += matrix.parts.reduce((sum, part) => sum + part.rows * rowBytes(matrix), 0);
    return matrix;
  }

  /** Stacks the rows of `refs` into one matrix. */
  async matrix(name: string, refs: readonly WeightRef[]): Promise<WeightMatrix> {
    const matrix = await this.allocate(name, refs);
    const chunkRows = Math.max(1, Math.floor(UPLOAD_BYTES / rowBytes(matrix)));
    let first = 0;
    for (const ref of refs) {
      for (let row = 0; row < ref.rows; row += chunkRows) {
        const count = Math.min(chunkRows, ref.rows - row);
        writeWeightRows(this.#context, matrix, first + row, await this.rows(ref, row, count, matrix.type));
      }
      first += ref.rows;
    }
    this.#onProgress?.(this.bytes, this.#total);
    return matrix;
  }

  /** Concatenates vectors into one f32 buffer, padded with zeros. */
  async vector(name: string, refs: readonly WeightRef[]): Promise<GPUBuffer> {
    const parts: Float32Array[] = [];
    for (const ref of refs) parts.push(await this.#checkpoint.readF32(ref));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const data = new Float32Array(padded(length));
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    const buffer = await this.#context.memory.allocate(name, data.byteLength);
    this.#context.gpu.device.queue.writeBuffer(buffer, 0, data);
    this.bytes += data.byteLength;
    return buffer;
  }

  async norm(ref: WeightRef): Promise<NormWeight> {
    const buffer = await this.vector(ref.name, [ref]);
    return { buffer, width: ref.rows * ref.columns, epsilon: this.#checkpoint.config.normEpsilon };
  }

  /** Some rows of a weight as `type`, each padded to a multiple of 8 elements. */
  async rows(ref: WeightRef, rowStart: number, rowCount: number, type: WeightType): Promise<Uint8Array<ArrayBuffer>> {
    const stored = this.#checkpoint.typeOf(ref);
    const raw = new Uint8Array(rowCount * ref.columns * bytesPerWeight(stored));
    await this.#checkpoint.readRows(ref, rowStart, rowCount, raw);
    let bytes = raw;
    if (stored !== type) bytes = new Uint8Array(widenToF32(stored, raw).buffer as ArrayBuffer);
    const width = padded(ref.columns);
    if (width === ref.columns) return bytes;
    const size = bytesPerWeight(type);
    const out = new Uint8Array(rowCount * width * size);
    for (let row = 0; row < rowCount; row++) {
      out.set(bytes.subarray(row * ref.columns * size, (row + 1) * ref.columns * size), row * width * size);
    }
    return out;
  }
}

function storedType(checkpoint: Checkpoint, refs: readonly WeightRef[]): WeightType {
  const types = new Set(refs.map((ref) => checkpoint.typeOf(ref)));
  return types.size === 1 ? [...types][0] : "F32";
}

/** Bytes a model's weights take on the GPU. */
export interface WeightBytes {
  /** Everything but the embedding (a tied one is there as the head). */
  readonly total: number;
  /** The matrices of all layers, which can be streamed. */
  readonly matrices: number;
  /** The matrices of the largest layer. */
  readonly largestLayer: number;
}

/** Bytes of all weights as they will lie on the GPU. */
export function weightBytes(checkpoint: Checkpoint): WeightBytes {
  const { config } = checkpoint;
  const matrix = (refs: readonly WeightRef[]) =>
    padded(refs.reduce((sum, ref) => sum + ref.rows, 0)) * padded(refs[0].columns) *
    bytesPerWeight(storedType(checkpoint, refs));
  const vector = (...refs: WeightRef[]) => padded(refs.reduce((sum, ref) => sum + ref.rows * ref.columns, 0)) * 4;
  let rest = matrix([config.head]) + vector(config.finalNorm);
  const layers = config.layerWeights.map((refs, layer) => {
    rest += vector(refs.inputNorm) + vector(refs.postAttentionNorm);
    if (refs.qkvBias) rest += vector(refs.qkvBias.q) + vector(refs.qkvBias.k, refs.qkvBias.v);
    if (refs.qkNorm) rest += vector(refs.qkNorm.q) + vector(refs.qkNorm.k);
    return Object.values(matrixRefs(config, layer)).reduce((sum, stack) => sum + matrix(stack), 0);
  });
  const matrices = layers.reduce((sum, bytes) => sum + bytes, 0);
  return { total: rest + matrices, matrices, largestLayer: Math.max(...layers) };
}

/** Reads embedding rows from the checkpoint and keeps those it has read, up to a limit. */
function embeddingReader(checkpoint: Checkpoint): (tokens: Uint32Array) => Promise<Float32Array> {
  const ref = checkpoint.config.embedding;
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
        if (cache.size >= capacity) cache.clear();
        cache.set(tokens[i], row);
      }
      out.set(row, i * stride);
    }
    return out;
  };
}
