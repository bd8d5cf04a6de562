/**
 * Models with random weights, generated from a shape and a seed: the same bytes everywhere, and none of them kept. A
 * model of any size takes a few megabytes of memory, because every tensor is read out of one repeating table of normal
 * numbers.
 */
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource } from "../src/checkpoint/byte_source.ts";
import type { Checkpoint, WeightType } from "../src/checkpoint/checkpoint.ts";
import { parseConfig } from "../src/checkpoint/config.ts";
import { bytesPerWeight } from "../src/checkpoint/dtype.ts";
import { openCheckpointFrom, SINGLE_FILE } from "../src/checkpoint/open_from.ts";
import { encodeSafetensorsHeader } from "../src/checkpoint/safetensors.ts";
import { createRandom } from "../src/tasks/random.ts";
import { encode, gaussian } from "../tests/support/tiny_checkpoint.ts";

/** The shape of a Llama model. */
export interface ModelShape {
  /** L */
  readonly layers: number;
  /** D */
  readonly width: number;
  /** H */
  readonly neurons: number;
  /** Q */
  readonly queryHeads: number;
  /** G */
  readonly keyValueHeads: number;
  /** K */
  readonly headWidth: number;
  /** V */
  readonly vocabulary: number;
  /** Whether the LM head is the embedding. */
  readonly tied: boolean;
  readonly dtype: WeightType;
}

/** The models of the bench. The last two are for real GPUs. */
export const MODELS = {
  tiny: shape(4, 256, 704, [4, 2, 64], 2048, false),
  small: shape(8, 512, 1408, [8, 4, 64], 8192, false),
  "llama-3.2-1b": shape(16, 2048, 8192, [32, 8, 64], 128256, true),
  "llama-3.1-8b": shape(32, 4096, 14336, [32, 8, 128], 128256, false),
} as const satisfies Record<string, ModelShape>;

/** Name of a bench model. */
export type ModelName = keyof typeof MODELS;

/** What `--quick` runs instead: it proves that the bench works and measures nothing. */
export const QUICK_MODEL: ModelShape = shape(2, 32, 48, [2, 1, 16], 64, false);

function shape(
  layers: number,
  width: number,
  neurons: number,
  [queryHeads, keyValueHeads, headWidth]: readonly [number, number, number],
  vocabulary: number,
  tied: boolean,
): ModelShape {
  return { layers, width, neurons, queryHeads, keyValueHeads, headWidth, vocabulary, tied, dtype: "BF16" };
}

/** Normal numbers in the table; prime, so that no two rows of a matrix are equal. */
const TABLE_LENGTH = 1_048_573;

/** Elements between the starts of consecutive tensors in the table. */
const TENSOR_STEP = 104_729;

/** `config.json` and the bytes of `model.safetensors`, which are made as they are read. */
export interface GeneratedModel {
  readonly config: string;
  readonly weights: ByteSource;
}

/** Generates a model. */
export function generateModel(shape: ModelShape, seed = 1): GeneratedModel {
  const config = configText(shape);
  const { dtype } = shape;
  const size = bytesPerWeight(dtype);
  const entries = [...parseConfig(config).tensors].sort(([a], [b]) => a < b ? -1 : 1).map(([name, dimensions]) => ({
    name,
    dtype,
    shape: dimensions,
    byteLength: dimensions.reduce((product, length) => product * length, size),
  }));
  const header = encodeSafetensorsHeader(entries, [["format", "pt"]]);
  const tables = new WeightTables(dtype, seed);
  let end = header.length;
  const tensors = entries.map((entry, index) => {
    const start = end;
    end += entry.byteLength;
    return { start, end, first: (index * TENSOR_STEP % TABLE_LENGTH) * size, values: tables.of(entry) };
  });
  return {
    config,
    weights: {
      name: SINGLE_FILE,
      size: end,
      readInto(offset, target) {
        copyRange(header, 0, offset, target);
        for (const tensor of tensors) {
          if (tensor.end <= offset || tensor.start >= offset + target.length) continue;
          copyRepeated(tensor.values, tensor.first, tensor, offset, target);
        }
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    },
  };
}

/** Generates a model and opens it. */
export function openGeneratedModel(shape: ModelShape, seed?: number): Promise<Checkpoint> {
  const { config, weights } = generateModel(shape, seed);
  return openCheckpointFrom({
    location: `generated L${shape.layers} D${shape.width} H${shape.neurons}`,
    config,
    files: new Map([[SINGLE_FILE, weights]]),
  });
}

/** Writes a generated model into `folder`, which is made if need be, for programs that read files. */
export async function writeGeneratedModel(folder: string, shape: ModelShape, seed?: number): Promise<void> {
  const { config, weights } = generateModel(shape, seed);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), config);
  const file = await open(join(folder, SINGLE_FILE), "w");
  try {
    const chunk = new Uint8Array(16 * 2 ** 20);
    for (let offset = 0; offset < weights.size; offset += chunk.length) {
      const piece = chunk.subarray(0, Math.min(chunk.length, weights.size - offset));
      await weights.readInto(offset, piece);
      await file.write(piece);
    }
  } finally {
    await file.close();
  }
}

function configText(shape: ModelShape): string {
  return JSON.stringify({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_act: "silu",
    hidden_size: shape.width,
    intermediate_size: shape.neurons,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.queryHeads,
    num_key_value_heads: shape.keyValueHeads,
    head_dim: shape.headWidth,
    vocab_size: shape.vocabulary,
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    tie_word_embeddings: shape.tied,
    torch_dtype: { F32: "float32", F16: "float16", BF16: "bfloat16" }[shape.dtype],
  });
}

const normalTables = new Map<number, Float32Array>();

/** Standard normal numbers; kept, because a run opens many models of one seed. */
function normalTable(seed: number): Float32Array {
  let table = normalTables.get(seed);
  if (!table) {
    const { nextFloat } = createRandom(seed);
    normalTables.set(seed, table = Float32Array.from({ length: TABLE_LENGTH }, () => gaussian(nextFloat)));
  }
  return table;
}

/** One table of stored bytes for each mean and deviation. */
class WeightTables {
  readonly #dtype: WeightType;
  readonly #normal: Float32Array;
  readonly #tables = new Map<string, Uint8Array>();

  constructor(dtype: WeightType, seed: number) {
    this.#dtype = dtype;
    this.#normal = normalTable(seed);
  }

  /** Norm weights are about 1, projections keep the variance of a normed input, gates are wide enough to bend silu. */
  of({ name, shape }: { readonly name: string; readonly shape: readonly number[] }): Uint8Array {
    const [mean, deviation] = shape.length === 1
      ? [1, 0.2]
      : [0, (name.endsWith("gate_proj.weight") ? 1.5 : 1) / Math.sqrt(shape[1])];
    const key = `${mean} ${deviation}`;
    let table = this.#tables.get(key);
    if (!table) {
      table = new Uint8Array(encode(this.#normal.map((value) => mean + deviation * value), this.#dtype).buffer);
      this.#tables.set(key, table);
    }
    return table;
  }
}

/** Copies what lies at `start` of a file into a target that shows the file from `offset` on. */
function copyRange(bytes: Uint8Array, start: number, offset: number, target: Uint8Array): void {
  const from = Math.max(start, offset);
  const to = Math.min(start + bytes.length, offset + target.length);
  if (from < to) target.set(bytes.subarray(from - start, to - start), from - offset);
}

/** As {@link copyRange} for a tensor that repeats `values` from byte `first` of them on. */
function copyRepeated(
  values: Uint8Array,
  first: number,
  { start, end }: { readonly start: number; readonly end: number },
  offset: number,
  target: Uint8Array,
): void {
  const to = Math.min(end, offset + target.length);
  for (let at = Math.max(start, offset); at < to;) {
    const phase = (first + at - start) % values.length;
    const count = Math.min(to - at, values.length - phase);
    target.set(values.subarray(phase, phase + count), at - offset);
    at += count;
  }
}
