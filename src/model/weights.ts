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

/** Weights of the whole model. The embedding stays in the checkpoint: `embed` reads the rows that are needed. */
export interface ModelWeights {
  readonly layers: readonly LayerWeights[];
  readonly finalNorm: NormWeight;
  /** `[V, D]` */
  readonly head: WeightMatrix;
  /** Bytes on the GPU. */
  readonly bytes: number;
  /** Embedding rows of some tokens, f32 `[tokens, padded D]`. */
  embed(tokens: Uint32Array): Promise<Float32Array>;
}

/** Host bytes that travel in one upload. */
const UPLOAD_BYTES = 16 * 2 ** 20;

/** Bytes of embedding rows kept in host memory. */
const EMBEDDING_CACHE_BYTES = 64 * 2 ** 20;

/**
 * Uploads all weights.
 *
 * @param onProgress Called with bytes uploaded and bytes in total.
 */
export async function uploadWeights(
  context: OpContext,
  checkpoint: Checkpoint,
  onProgress?: (done: number, total: number) => void,
): Promise<ModelWeights> {
  const { config } = checkpoint;
  const uploader = new Uploader(context, checkpoint, onProgress);
  const layers: LayerWeights[] = [];
  for (let layer = 0; layer < config.layers; layer++) layers.push(await uploadLayer(uploader, config, layer));
  const finalNorm = await uploader.norm(config.finalNorm);
  const head = await uploader.matrix("head", [config.head]);
  return { layers, finalNorm, head, bytes: uploader.bytes, embed: embeddingReader(checkpoint) };
}

async function uploadLayer(uploader: Uploader, config: ModelConfig, layer: number): Promise<LayerWeights> {
  const refs = config.layerWeights[layer];
  const name = (part: string) => `layer ${layer} ${part}`;
  const heads = { width: config.headWidth, epsilon: config.normEpsilon };
  return {
    inputNorm: await uploader.norm(refs.inputNorm),
    q: await uploader.matrix(name("q"), [refs.q]),
    kv: await uploader.matrix(name("kv"), [refs.k, refs.v]),
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
    o: await uploader.matrix(name("o"), [refs.o]),
    postAttentionNorm: await uploader.norm(refs.postAttentionNorm),
    gate: await uploader.matrix(name("gate"), [refs.gate]),
    up: await uploader.matrix(name("up"), [refs.up]),
    down: await uploader.matrix(name("down"), [refs.down]),
  };
}

class Uploader {
  bytes = 0;
  readonly #context: OpContext;
  readonly #checkpoint: Checkpoint;
  readonly #onProgress: ((done: number, total: number) => void) | undefined;
  readonly #total: number;

  constructor(context: OpContext, checkpoint: Checkpoint, onProgress?: (done: number, total: number) => void) {
    this.#context = context;
    this.#checkpoint = checkpoint;
    this.#onProgress = onProgress;
    this.#total = weightBytes(checkpoint);
  }

  /** Stacks the rows of `refs` into one matrix. Parts of different stored types are widened to f32. */
  async matrix(name: string, refs: readonly WeightRef[]): Promise<WeightMatrix> {
    const types = new Set(refs.map((ref) => this.#checkpoint.typeOf(ref)));
    const type: WeightType = types.size === 1 ? [...types][0] : "F32";
    const rows = refs.reduce((sum, ref) => sum + ref.rows, 0);
    const columns = refs[0].columns;
    const matrix = await createWeightMatrix(this.#context, { name, type, rows, columns });
    const bytesPerRow = rowBytes(matrix);
    this.bytes += matrix.parts.reduce((sum, part) => sum + part.rows * bytesPerRow, 0);
    const chunkRows = Math.max(1, Math.floor(UPLOAD_BYTES / bytesPerRow));
    let first = 0;
    for (const ref of refs) {
      for (let row = 0; row < ref.rows; row += chunkRows) {
        const count = Math.min(chunkRows, ref.rows - row);
        writeWeightRows(this.#context, matrix, first + row, await this.#rows(ref, row, count, type));
        this.#onProgress?.(this.bytes, this.#total);
      }
      first += ref.rows;
    }
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
  async #rows(ref: WeightRef, rowStart: number, rowCount: number, type: WeightType): Promise<Uint8Array<ArrayBuffer>> {
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

/** Bytes of all weights that are uploaded, as they will lie on the GPU. */
export function weightBytes(checkpoint: Checkpoint): number {
  const { config } = checkpoint;
  const matrix = (...refs: WeightRef[]) =>
    padded(refs.reduce((sum, ref) => sum + ref.rows, 0)) * padded(refs[0].columns) *
    bytesPerWeight(checkpoint.typeOf(refs[0]));
  const vector = (...refs: WeightRef[]) => padded(refs.reduce((sum, ref) => sum + ref.rows * ref.columns, 0)) * 4;
  let bytes = matrix(config.head) + vector(config.finalNorm);
  for (const refs of config.layerWeights) {
    bytes += matrix(refs.q) + matrix(refs.k, refs.v) + matrix(refs.o) + matrix(refs.gate) + matrix(refs.up);
    bytes += matrix(refs.down) + vector(refs.inputNorm) + vector(refs.postAttentionNorm);
    if (refs.qkvBias) bytes += vector(refs.qkvBias.q) + vector(refs.qkvBias.k, refs.qkvBias.v);
    if (refs.qkNorm) bytes += vector(refs.qkNorm.q) + vector(refs.qkNorm.k);
  }
  return bytes;
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
