/** The working buffers of a wave: how large each must be, and a pool that keeps them between waves within a budget. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { allocatedBytes, type Memory } from "../gpu/memory.ts";
import { type Matrix, padded } from "../ops/context.ts";
import { STATISTICS_WORDS } from "../ops/head.ts";

/** Row counts of a wave, from which all buffer sizes follow. */
export interface WaveShape {
  /** Per layer: rows of the in, mid and out space. */
  readonly inRows: readonly number[];
  readonly midRows: readonly number[];
  readonly outRows: readonly number[];
  /** Per layer: gradient rows of the three spaces. */
  readonly inGradients: readonly number[];
  readonly midGradients: readonly number[];
  readonly outGradients: readonly number[];
  /** Rows of the score buffer. */
  readonly scoreRows: number;
  /** Floats of one score row. */
  readonly scoreColumns: number;
  /** Bytes of all tables. */
  readonly tableBytes: number;
  /** Rows of logits computed at once. */
  readonly logitRows: number;
  /** Logits picked. */
  readonly picks: number;
}

/** How activations get to the backward pass. */
export type Residency = "keep" | "recompute";

/** What a wave is run for. */
export interface WaveMode {
  readonly backward: boolean;
  readonly residency: Residency;
  /** Whether block outputs are folded (site `down`). */
  readonly foldsOutputs: boolean;
  /** Whether gradient rows silence output dimensions. Default false. */
  readonly masksOutputs?: boolean;
}

/** Buffers that hold activations of one layer for the backward pass. */
const KEPT = ["q", "kv", "o", "lse", "mid", "g", "u", "rawQ", "rawKv"] as const;

/** Name of a buffer that exists once, or once a layer where activations are kept. */
export function layerBuffer(name: typeof KEPT[number], layer: number, mode: WaveMode): string {
  return mode.backward && mode.residency === "keep" ? `${name}.${layer}` : name;
}

/** Name of the residual stream entering a layer: all are kept for a backward pass, otherwise two take turns. */
export function streamBuffer(layer: number, mode: WaveMode): string {
  return mode.backward ? `x.${layer}` : `x.${layer % 2}`;
}

/** Floats from row to row of every buffer. */
export function strides(config: ModelConfig) {
  const { width, neurons, queryHeads, keyValueHeads, headWidth, vocabularySize } = config;
  return {
    width: padded(width),
    neurons: padded(neurons),
    q: padded(queryHeads * headWidth),
    kv: padded(2 * keyValueHeads * headWidth),
    logits: padded(vocabularySize),
  };
}

/** Bytes of every buffer of a wave, by name. */
export function waveBuffers(config: ModelConfig, shape: WaveShape, mode: WaveMode): Map<string, number> {
  const { width, neurons, q, kv, logits } = strides(config);
  const sizes = new Map<string, number>();
  const need = (name: string, rows: number, stride: number) => {
    if (rows > 0) sizes.set(name, Math.max(sizes.get(name) ?? 0, rows * stride * 4));
  };
  const layers = shape.inRows.length;
  const headNorm = config.layerWeights.some((layer) => layer.qkNorm);
  for (let layer = 0; layer < layers; layer++) {
    const [inRows, midRows, outRows] = [shape.inRows[layer], shape.midRows[layer], shape.outRows[layer]];
    need(streamBuffer(layer, mode), inRows, width);
    need(streamBuffer(layer + 1, mode), outRows, width);
    need("n", Math.max(inRows, midRows, outRows), width);
    if (midRows < inRows) {
      need("selectedN", midRows, width);
      need("selectedX", midRows, width);
    }
    need(headNorm ? layerBuffer("rawQ", layer, mode) : "rawQ", midRows, q);
    need(headNorm ? layerBuffer("rawKv", layer, mode) : "rawKv", inRows, kv);
    need(layerBuffer("q", layer, mode), midRows, q);
    need(layerBuffer("kv", layer, mode), inRows, kv);
    need(layerBuffer("o", layer, mode), midRows, q);
    need(layerBuffer("lse", layer, mode), midRows, config.queryHeads);
    need(layerBuffer("mid", layer, mode), midRows, width);
    need(layerBuffer("g", layer, mode), midRows, neurons);
    need(layerBuffer("u", layer, mode), midRows, neurons);
    need("h", outRows, neurons);
    need(mode.foldsOutputs ? `y.${layer}` : "y", Math.max(midRows, outRows), width);
    if (!mode.backward) continue;
    const [inG, midG, outG] = [shape.inGradients[layer], shape.midGradients[layer], shape.outGradients[layer]];
    need("dx", inG, width);
    need(layer === layers - 1 ? "dxSelected" : "dx", outG, width);
    need("dn", Math.max(inG, midG, outG), width);
    if (mode.masksOutputs) need("dy", outG, width);
    if (layer === layers - 1) need("dnSelected", midG, width);
    need("dh", midG, neurons);
    need("du", midG, neurons);
    need("dO", midG, q);
    need("dq", midG, q);
    need("dkv", inG, kv);
    need("delta", midG, config.queryHeads);
  }
  need("logits", shape.logitRows, logits);
  need("statistics", shape.outRows[layers - 1], STATISTICS_WORDS);
  need("picked", shape.picks, 1);
  need("scores", shape.scoreRows, shape.scoreColumns);
  sizes.set("tables", shape.tableBytes);
  return sizes;
}

/** Sum of the bytes of {@link waveBuffers}. */
export function totalBytes(sizes: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const bytes of sizes.values()) total += allocatedBytes(bytes);
  return total;
}

/**
 * Which buffers must go before a wave can have its own: those that are too small, or all of them where keeping the
 * others would exceed the budget.
 *
 * @param held Bytes of the buffers that are there, by name.
 * @param sizes Bytes that the wave needs, by name.
 */
export function buffersToRelease(
  held: ReadonlyMap<string, number>,
  sizes: ReadonlyMap<string, number>,
  budgetBytes: number,
): string[] {
  let bytes = 0;
  for (const [name, size] of held) if (size >= (sizes.get(name) ?? 0)) bytes += size;
  const missing = [...sizes].filter(([name, size]) => (held.get(name) ?? 0) < size);
  const fits = bytes + totalBytes(new Map(missing)) <= budgetBytes;
  return fits ? missing.map(([name]) => name).filter((name) => held.has(name)) : [...held.keys()];
}

/** Keeps working buffers by name from wave to wave. */
export class BufferPool {
  readonly #memory: Memory;
  readonly #buffers = new Map<string, GPUBuffer>();
  /** Called whenever buffers were destroyed. */
  readonly #onRelease: () => void;

  constructor(memory: Memory, onRelease: () => void) {
    this.#memory = memory;
    this.#onRelease = onRelease;
  }

  /** Makes sure that a buffer of each name and size is there, and that all together stay within `budgetBytes`. */
  async prepare(sizes: ReadonlyMap<string, number>, budgetBytes: number): Promise<void> {
    const held = new Map([...this.#buffers].map(([name, buffer]) => [name, buffer.size]));
    this.#release(buffersToRelease(held, sizes, budgetBytes));
    for (const [name, bytes] of sizes) {
      if (!this.#buffers.has(name)) this.#buffers.set(name, await this.#memory.allocate(name, bytes));
    }
  }

  get(name: string): GPUBuffer {
    const buffer = this.#buffers.get(name);
    if (!buffer) throw new RangeError(`Cannot use the buffer ${name}: it was not planned for this wave`);
    return buffer;
  }

  matrix(name: string, stride: number): Matrix {
    return { buffer: this.get(name), stride };
  }

  releaseAll(): void {
    this.#release([...this.#buffers.keys()]);
  }

  #release(names: readonly string[]): void {
    let released = false;
    for (const name of names) {
      const buffer = this.#buffers.get(name);
      if (!buffer) continue;
      this.#memory.release(buffer);
      this.#buffers.delete(name);
      released = true;
    }
    if (released) this.#onRelease();
  }
}
