/** Random checkpoints of real sizes, written shard by shard as a stream: no tensor is ever whole in memory. */
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseConfig } from "../../src/checkpoint/config.ts";
import { INDEX_FILE } from "../../src/checkpoint/open_from.ts";
import { encodeSafetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import type { JsonObject } from "../../src/checkpoint/strict_json.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";
import { encode, gaussian } from "../support/tiny_checkpoint.ts";

/** A checkpoint to generate. */
export interface GeneratedModel {
  /** The fields of `config.json`; weights are bf16. */
  readonly config: JsonObject;
  /** Number of weight files. */
  readonly shards: number;
  /** Seed of every weight. */
  readonly seed: number;
}

/** Bytes written at a time. */
const PIECE = 1 << 22;

/** Different values that a tensor has: the quantiles of a normal distribution, as bf16. */
const LEVELS = 1 << 12;

/** Standard normal numbers, `[LEVELS]`: what the weights are drawn from. */
function normalLevels(seed: number): Float32Array {
  const { nextFloat } = createRandom(seed);
  return Float32Array.from({ length: LEVELS }, () => gaussian(nextFloat));
}

/** bf16 weights of one tensor in pieces: norms about 1, projections that keep the variance of a normed input. */
function* pieces(
  name: string,
  shape: readonly number[],
  levels: Float32Array,
  seed: number,
): Generator<Uint8Array> {
  const isNorm = shape.length === 1;
  const scale = isNorm ? 0.1 : 1 / Math.sqrt(shape[1]);
  const table = encode(levels.map((level) => level * scale + (isNorm ? 1 : 0)), "BF16") as Uint16Array;
  const buffer = new Uint16Array(PIECE / 2);
  let state = seed;
  for (let left = shape.reduce((product, length) => product * length, 1); left > 0;) {
    const count = Math.min(left, buffer.length);
    for (let i = 0; i < count; i++) {
      // A xorshift generator: two billion draws must not take minutes.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      buffer[i] = table[(state >>> 8) % LEVELS];
    }
    left -= count;
    yield new Uint8Array(buffer.buffer, 0, count * 2);
  }
  if (state === 0) throw new RangeError(`Cannot draw ${name}: its seed is 0`);
}

/**
 * Writes `config.json`, the shards with their index, and a byte-level tokenizer into a folder. The same bytes for the
 * same model.
 *
 * @returns Bytes of all weights.
 */
export async function writeGeneratedCheckpoint(folder: string, model: GeneratedModel): Promise<number> {
  const { config, shards, seed } = model;
  const shapes = [...parseConfig(JSON.stringify(config)).tensors];
  const levels = normalLevels(seed);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(config, null, 2));
  for (const [name, text] of Object.entries(tinyTokenizerFiles({ words: [" yes", " no"] }))) {
    await writeFile(join(folder, name), text);
  }
  const sizes = shapes.map(([, shape]) => 2 * shape.reduce((product, length) => product * length, 1));
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const shardOf: number[] = [];
  let before = 0;
  for (const bytes of sizes) {
    shardOf.push(Math.min(shards - 1, Math.floor((before / total) * shards)));
    before += bytes;
  }
  const fileName = (shard: number) =>
    `model-${String(shard + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;
  for (let shard = 0; shard < shards; shard++) {
    const members = shapes.map(([name, shape], index) => ({ name, shape, index })).filter(({ index }) =>
      shardOf[index] === shard
    );
    const entries = members.map(({ name, shape, index }) => ({ name, shape, dtype: "BF16", byteLength: sizes[index] }));
    const file = await open(join(folder, fileName(shard)), "w");
    try {
      await file.writeFile(encodeSafetensorsHeader(entries, [["format", "pt"]]));
      for (const { name, shape, index } of members) {
        for (const piece of pieces(name, shape, levels, seed * 4096 + index + 1)) await file.writeFile(piece);
      }
    } finally {
      await file.close();
    }
  }
  const weightMap = Object.fromEntries(shapes.map(([name], index) => [name, fileName(shardOf[index])]));
  await writeFile(
    join(folder, INDEX_FILE),
    JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2),
  );
  return total;
}
