/**
 * Random checkpoints of any shape and family, in memory or on disk, for tests and benches: the same bytes for the same
 * options.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Checkpoint, WeightType } from "../../src/checkpoint/checkpoint.ts";
import { parseConfig } from "../../src/checkpoint/config.ts";
import { FAMILIES } from "../../src/checkpoint/families.ts";
import { openCheckpointFrom, SINGLE_FILE } from "../../src/checkpoint/open_from.ts";
import { encodeSafetensors, type NewTensor } from "../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../src/checkpoint/memory_source.ts";
import { createRandom } from "../../src/tasks/random.ts";

/** Changes the values of one tensor, row-major, in place. */
export type TensorEdit = (values: Float32Array) => void;

/** The shape of a tiny checkpoint; every field has a default. */
export interface TinyOptions {
  /** Default `llama`. */
  readonly family?: string;
  /** L, default 3. */
  readonly layers?: number;
  /** D, default 32. */
  readonly width?: number;
  /** H, default 48. */
  readonly neurons?: number;
  /** Q, default 4. */
  readonly queryHeads?: number;
  /** G, default 2. */
  readonly keyValueHeads?: number;
  /** K, default 8. Must be D/Q for phi3. */
  readonly headWidth?: number;
  /** V, default 64. */
  readonly vocabulary?: number;
  /** Default 1. */
  readonly seed?: number;
  /** Storage type, default `F32`. */
  readonly dtype?: WeightType | Lowercase<WeightType>;
  /** Whether the LM head is the embedding, default false. */
  readonly tied?: boolean;
  /** More fields of `config.json`, such as `sliding_window` or `rope_scaling`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /**
   * Edits by tensor name, after the values were rounded to `dtype`. An edited tensor stays in `dtype` while that holds
   * it exactly, and is stored as F32 otherwise.
   */
  readonly edits?: Readonly<Record<string, TensorEdit>>;
}

/** The files of a tiny checkpoint. */
export interface TinyFiles {
  /** Text of `config.json`. */
  readonly config: string;
  /** Bytes of `model.safetensors`. */
  readonly weights: Uint8Array;
}

/** Makes the files of a tiny checkpoint. */
export function makeTinyFiles(options: TinyOptions = {}): TinyFiles {
  const { seed = 1, edits = {} } = options;
  const dtype = (options.dtype ?? "F32").toUpperCase() as WeightType;
  const config = tinyConfig(options, dtype);
  const shapes = [...parseConfig(config).tensors];
  const unknown = Object.keys(edits).filter((name) => !shapes.some(([tensor]) => tensor === name));
  if (unknown.length > 0) {
    throw new RangeError(`Cannot edit ${unknown.join(", ")}: the tiny checkpoint has no such tensor`);
  }
  const tensors = shapes.map(([name, shape], index): NewTensor => {
    // A stream per tensor keeps the others as they are when the shape of one changes.
    const values = decode(encode(randomValues(name, shape, createRandom(seed * 4096 + index).nextFloat), dtype), dtype);
    edits[name]?.(values);
    const stored = encode(values, dtype);
    const exact = decode(stored, dtype).every((value, i) => Object.is(value, values[i]));
    return exact ? { name, shape, dtype, data: stored } : { name, shape, dtype: "F32", data: values };
  });
  const pieces = encodeSafetensors(tensors, { format: "pt" });
  const weights = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    weights.set(piece, offset);
    offset += piece.length;
  }
  return { config, weights };
}

/** Makes a tiny checkpoint and opens it from memory. */
export function makeTinyCheckpoint(options: TinyOptions = {}): Promise<Checkpoint> {
  const { config, weights } = makeTinyFiles(options);
  return openCheckpointFrom({
    location: "tiny checkpoint in memory",
    config,
    files: new Map([[SINGLE_FILE, memorySource(SINGLE_FILE, weights)]]),
  });
}

/** Writes a tiny checkpoint into `folder`, which is made if need be; there is no tokenizer. */
export async function writeTinyCheckpoint(folder: string, options: TinyOptions = {}): Promise<void> {
  const { config, weights } = makeTinyFiles(options);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), config);
  await writeFile(join(folder, SINGLE_FILE), weights);
}

function tinyConfig(options: TinyOptions, dtype: WeightType): string {
  const { family = "llama", layers = 3, width = 32, neurons = 48, queryHeads = 4, keyValueHeads = 2 } = options;
  const { headWidth = 8, vocabulary = 64, tied = false } = options;
  const architecture = FAMILIES.find(({ modelType }) => modelType === family)?.architecture;
  if (architecture === undefined) throw new RangeError(`Cannot make a tiny checkpoint of family ${family}`);
  return JSON.stringify({
    architectures: [architecture],
    model_type: family,
    hidden_act: "silu",
    hidden_size: width,
    intermediate_size: neurons,
    max_position_embeddings: 512,
    num_attention_heads: queryHeads,
    num_hidden_layers: layers,
    num_key_value_heads: keyValueHeads,
    head_dim: headWidth,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: tied,
    torch_dtype: { F32: "float32", F16: "float16", BF16: "bfloat16" }[dtype],
    vocab_size: vocabulary,
    ...(family === "mistral" || family === "phi3" ? { sliding_window: null } : {}),
    ...(family === "phi3" ? { original_max_position_embeddings: 512, pad_token_id: 0 } : {}),
    ...options.config,
  });
}

/**
 * Values that keep every part of the model at work: projections that keep the variance of a normed input, gates wide
 * enough to bend silu, norm weights about 1, and biases that matter.
 */
function randomValues(name: string, shape: readonly number[], uniform: () => number): Float32Array {
  const values = new Float32Array(shape.reduce((product, length) => product * length, 1));
  const isNorm = shape.length === 1 && name.endsWith("norm.weight");
  const isGate = name.endsWith("gate_proj.weight") || name.endsWith("gate_up_proj.weight");
  const deviation = isNorm ? 0.2 : shape.length === 1 ? 0.4 : (isGate ? 1.5 : 1) / Math.sqrt(shape[1]);
  for (let i = 0; i < values.length; i++) values[i] = (isNorm ? 1 : 0) + deviation * gaussian(uniform);
  return values;
}

/** A standard normal number, by the method of Box and Muller. */
export function gaussian(uniform: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Rounds to the nearest value of a storage type, ties to even. */
export function encode(values: Float32Array, dtype: WeightType): Float32Array | Float16Array | Uint16Array {
  if (dtype === "F32") return values.slice();
  if (dtype === "F16") return Float16Array.from(values);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
}

export function decode(stored: Float32Array | Float16Array | Uint16Array, dtype: WeightType): Float32Array {
  if (dtype !== "BF16") return Float32Array.from(stored);
  return new Float32Array(Uint32Array.from(stored, (half) => half << 16).buffer);
}
