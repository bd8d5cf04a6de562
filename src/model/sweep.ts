/**
 * The sweep: runs one wave of packed segments through all layers and back.
 *
 * Base segments start from embeddings; at each layer the variants spawned there join; the head reduces the asked-for
 * rows to what is wanted; on the way back each variant's gradient is folded into scores where it was spawned and its
 * rows leave.
 */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { OutOfGpuMemoryError } from "../gpu/memory.ts";
import type { Matrix, OpContext } from "../ops/context.ts";
import { PICK_WORDS, pickLogits, reduceLogits, SEED_WORDS, seedGradient, STATISTICS_WORDS } from "../ops/head.ts";
import { matmul, matmulBackward } from "../ops/matmul.ts";
import { rmsnorm, rmsnormGradient } from "../ops/norm.ts";
import { type BufferPool, streamBuffer, strides, totalBytes } from "./buffers.ts";
import { backwardLayer, forwardLayer, type LayerRun, recomputeLayer, type ScoreTarget } from "./layer.ts";
import type { WaveRequest, WaveResult } from "./wave_request.ts";
import { anglePositions, logitRows, overheadBytes, readBackBytes, waveSizes } from "./wave_size.ts";
import type { ModelWeights } from "./weights.ts";

/** Runs waves on one model. */
export class Sweep {
  readonly #context: OpContext;
  readonly #config: ModelConfig;
  readonly #weights: ModelWeights;
  readonly #buffers: BufferPool;
  #seconds = 0;
  #waves = 0;
  #angles: { readonly buffer: GPUBuffer; readonly positions: number } | null = null;

  constructor(context: OpContext, config: ModelConfig, weights: ModelWeights, buffers: BufferPool) {
    this.#context = context;
    this.#config = config;
    this.#weights = weights;
    this.#buffers = buffers;
  }

  /** Seconds spent in waves so far. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Waves run so far. */
  get waves(): number {
    return this.#waves;
  }

  /** The buffers a request needs, by name, in bytes. */
  sizes(request: WaveRequest): Map<string, number> {
    return waveSizes(this.#config, request);
  }

  /** Bytes a request takes besides its buffers: the table of angles and what is brought back. */
  overheadBytes(request: WaveRequest): number {
    return overheadBytes(this.#config, request, this.#angles?.positions);
  }

  /** Destroys the working buffers, which the next wave makes anew. */
  releaseBuffers(): void {
    this.#buffers.releaseAll();
  }

  /**
   * Runs a wave.
   *
   * @throws {RangeError} If it takes more than `budgetBytes`.
   * @throws {OutOfGpuMemoryError} If the device has no room for it; no working buffer is left then.
   */
  async run(request: WaveRequest, budgetBytes: number): Promise<WaveResult> {
    try {
      return await this.#run(request, budgetBytes);
    } catch (error) {
      // The buffers of this wave would be in the way of whatever is tried next.
      if (error instanceof OutOfGpuMemoryError) this.#buffers.releaseAll();
      throw error;
    }
  }

  async #run(request: WaveRequest, budgetBytes: number): Promise<WaveResult> {
    const { wave, mode, signal } = request;
    const { recorder, gpu } = this.#context;
    const config = this.#config;
    const buffers = this.#buffers;
    signal?.throwIfAborted();
    const started = performance.now();
    const sizes = this.sizes(request);
    const overhead = this.overheadBytes(request);
    const bytes = totalBytes(sizes) + overhead;
    if (bytes > budgetBytes) {
      throw new RangeError(
        `Cannot run a wave of ${wave.layers.at(-1)!.outRows} final rows: its buffers take ${bytes} bytes, ` +
          `the memory budget leaves ${budgetBytes}`,
      );
    }
    await buffers.prepare(sizes, budgetBytes - overhead);
    const angles = await this.#anglesFor(wave.positions);
    const tables = buffers.get("tables");
    const { words, picksAt, seedsAt } = requestTables(request);
    gpu.device.queue.writeBuffer(tables, 0, words);
    const embedded = await this.#weights.embed(wave.tokens);
    gpu.device.queue.writeBuffer(buffers.get(streamBuffer(0, mode)), 0, embedded as Float32Array<ArrayBuffer>);

    const run = async (layer: number, next?: number): Promise<LayerRun> => ({
      context: this.#context,
      config,
      layer,
      weights: await this.#weights.layer(layer, next),
      nextNorm: this.#weights.normBefore(layer + 1),
      packed: wave.layers[layer],
      buffers,
      mode,
      tables,
      angles,
    });
    const columns = strides(config);
    const first = buffers.matrix(streamBuffer(0, mode), columns.width);
    const n = buffers.matrix("n", columns.width);
    rmsnorm(this.#context, first, this.#weights.normBefore(0), n, wave.layers[0].inRows);
    for (let layer = 0; layer < config.layers; layer++) {
      const next = layer + 1 < config.layers ? layer + 1 : undefined;
      forwardLayer(
        await run(layer, next),
        request.onActivation && ((h, rows) => request.onActivation!(layer, h, rows)),
      );
      await recorder.pace(signal);
    }
    if (!request.skipHead) this.#head(request, n, { tables, picksAt, seedsAt });
    await recorder.pace(signal);
    const scores = mode.backward
      ? buffers.matrix("scores", request.site === "down" ? columns.width : columns.neurons)
      : null;
    if (scores) {
      gpu.device.queue.writeBuffer(scores.buffer, 0, new Uint8Array(request.scoreRows! * scores.stride * 4));
      await this.#backward(request, run, { site: request.site!, scores });
    }
    const result = await this.#readBack(request);
    this.#seconds += (performance.now() - started) / 1e3;
    this.#waves++;
    return result;
  }

  /** Logits of all final rows in chunks: statistics, picks, and the gradient of the final norm's output. */
  #head(
    request: WaveRequest,
    n: Matrix,
    at: { readonly tables: GPUBuffer; readonly picksAt: number; readonly seedsAt: number },
  ): void {
    const context = this.#context;
    const { head } = this.#weights;
    const { outRows, outBase } = request.wave.layers.at(-1)!;
    const logits = this.#buffers.matrix("logits", strides(this.#config).logits);
    const statistics = this.#buffers.get("statistics");
    const picked = this.#buffers.get("picked");
    const vocabulary = this.#config.vocabularySize;
    const chunk = logitRows(this.#config, outRows, request.wantLogits);
    const pickBytes = Math.max(16, request.picks.length * PICK_WORDS * 4);
    const picks = { buffer: at.tables, offset: at.picksAt * 4, size: Math.ceil(pickBytes / 16) * 16 };
    const seedCount = request.seeds?.length ?? 0;
    const seeds = { buffer: at.tables, offset: at.seedsAt * 4, size: Math.max(16, seedCount * SEED_WORDS * 4) };
    let pick = 0;
    for (let row = 0; row < outRows;) {
      // A chunk is all forward-only rows or all gradient rows, because the gradient takes the place of the logits.
      const end = row < outBase ? Math.min(outBase, row + chunk) : Math.min(outRows, row + chunk);
      const rows = end - row;
      matmul(context, n, head, logits, { rows, from: row });
      reduceLogits(context, logits, vocabulary, statistics, row, rows);
      const firstPick = pick;
      while (pick < request.picks.length && request.picks[pick].row < end) pick++;
      if (pick > firstPick) {
        pickLogits(context, logits, picks, picked, { first: firstPick, count: pick - firstPick, firstRow: row });
      }
      if (request.mode.backward && row >= outBase) {
        const gradientRow = row - outBase;
        seedGradient(context, logits, vocabulary, {
          statistics,
          firstStatistics: row,
          seeds,
          firstSeed: gradientRow,
          picked,
          firstPicked: row,
          probability: request.probability ?? false,
        }, rows);
        const dn = this.#buffers.matrix("dn", strides(this.#config).width);
        matmulBackward(context, logits, head, dn, { rows, to: gradientRow });
      }
      row = end;
    }
  }

  async #backward(
    request: WaveRequest,
    run: (layer: number, next?: number) => Promise<LayerRun>,
    target: ScoreTarget,
  ): Promise<void> {
    const { wave, mode, signal } = request;
    const { layers } = this.#config;
    const { width } = strides(this.#config);
    const top = wave.layers[layers - 1];
    const gradients = top.outRows - top.outBase;
    if (gradients === 0) return;
    const x = this.#buffers.matrix(streamBuffer(layers, mode), width);
    const dn = this.#buffers.matrix("dn", width);
    const selected = this.#buffers.matrix("dxSelected", width);
    rmsnormGradient(this.#context, x, dn, this.#weights.finalNorm, selected, {
      rows: gradients,
      from: top.outBase,
      accumulate: false,
    });
    for (let layer = layers - 1; layer >= 0; layer--) {
      const packed = wave.layers[layer];
      if (packed.outRows === packed.outBase) break;
      const layerRun = await run(layer, layer > 0 ? layer - 1 : undefined);
      if (mode.residency === "recompute") recomputeLayer(layerRun);
      const dOut = layer === layers - 1 ? selected : this.#buffers.matrix("dx", width);
      backwardLayer(layerRun, dOut, target);
      await this.#context.recorder.pace(signal);
    }
  }

  async #readBack(request: WaveRequest): Promise<WaveResult> {
    const rows = request.wave.layers.at(-1)!.outRows;
    const bytes = readBackBytes(this.#config, request);
    const start = (name: string, size: number) => ({
      buffer: this.#buffers.get(size > 0 ? name : "statistics"),
      offset: 0,
      size,
    });
    const [statistics, picked, scoreBytes, logits] = await this.#context.recorder.read([
      start("statistics", bytes.statistics),
      start("picked", bytes.picked),
      start("scores", bytes.scores),
      start("logits", bytes.logits),
    ]);
    const words = new Uint32Array(statistics);
    const floats = new Float32Array(statistics);
    const column = (index: number) =>
      Float32Array.from({ length: rows }, (_, row) => floats[row * STATISTICS_WORDS + index]);
    const integers = (index: number) =>
      Uint32Array.from({ length: rows }, (_, row) => words[row * STATISTICS_WORDS + index]);
    return {
      picked: new Float32Array(picked),
      largest: column(0),
      argmax: integers(1),
      logSumExp: column(2),
      notFinite: integers(3),
      scores: new Float32Array(scoreBytes),
      scoreStride: request.site === "down" ? strides(this.#config).width : strides(this.#config).neurons,
      logits: request.wantLogits ? new Float32Array(logits) : null,
    };
  }

  /** The table of rotation angles for positions 0..count-1, computed in float64. */
  async #anglesFor(count: number): Promise<GPUBuffer> {
    if (this.#angles && this.#angles.positions >= count) return this.#angles.buffer;
    const positions = anglePositions(this.#config, count);
    const { inverseFrequencies, attentionFactor } = this.#config.rope;
    const half = inverseFrequencies.length;
    const table = new Float32Array(positions * half * 2);
    for (let position = 0; position < positions; position++) {
      for (let i = 0; i < half; i++) {
        const angle = position * inverseFrequencies[i];
        table[(position * half + i) * 2] = Math.cos(angle) * attentionFactor;
        table[(position * half + i) * 2 + 1] = Math.sin(angle) * attentionFactor;
      }
    }
    if (this.#angles) {
      this.#context.memory.release(this.#angles.buffer);
      this.#context.recorder.forgetBindGroups();
    }
    const buffer = await this.#context.memory.allocate("rotation angles", table.byteLength);
    this.#context.gpu.device.queue.writeBuffer(buffer, 0, table);
    this.#angles = { buffer, positions };
    return buffer;
  }
}

/** The wave's tables with the picks and seeds behind them. */
function requestTables({ wave, picks, seeds = [] }: WaveRequest) {
  const picksAt = wave.tables.length;
  const seedsAt = Math.ceil((picksAt + picks.length * PICK_WORDS + 4) / 64) * 64;
  const words = new Uint32Array(Math.ceil((seedsAt + seeds.length * SEED_WORDS + 4) / 4) * 4);
  const floats = new Float32Array(words.buffer);
  words.set(wave.tables);
  picks.forEach(({ row, token }, i) => words.set([row, token], picksAt + i * PICK_WORDS));
  seeds.forEach(({ token, other, coefficient, otherCoefficient }, i) => {
    const at = seedsAt + i * SEED_WORDS;
    words.set([token, other], at);
    floats[at + 2] = coefficient;
    floats[at + 3] = otherCoefficient;
  });
  return { words, picksAt, seedsAt };
}
