/** Opens a checkpoint from byte sources: the same files as in a folder, wherever their bytes come from. */
import type { ByteSource } from "./byte_source.ts";
import type { Checkpoint, TensorInfo, WeightType } from "./checkpoint.ts";
import { parseConfig } from "./config.ts";
import { bytesPerWeight, isWeightType, widenToF32 } from "./dtype.ts";
import { findNotFinite, type NotFinite } from "./finite.ts";
import { HEAD_TENSOR, isDerivedTensor } from "./layout.ts";
import type { ModelConfig, WeightRef } from "./model_config.ts";
import { readSafetensorsHeader, type SafetensorsEntry } from "./safetensors.ts";
import { isJsonObject, parseJsonObject } from "./strict_json.ts";

/** The name of a checkpoint's only weight file. */
export const SINGLE_FILE = "model.safetensors";
/** The name of the file that lists the shards of a divided checkpoint. */
export const INDEX_FILE = "model.safetensors.index.json";

/** A file beside the index, on every system: no folder, no drive, no control character. */
// deno-lint-ignore no-control-regex
const SHARD_NAME = /^[^/\\:\x00-\x1f]+\.safetensors$/;

/** Bytes compared at a time. */
const COMPARED_BYTES = 1 << 22;

/** The parts of a checkpoint, wherever they come from. */
export interface CheckpointSources {
  /** Named in errors and in the checkpoint's `location`. */
  readonly location: string;
  /** `config.json`, as text or UTF-8 bytes. */
  readonly config: string | Uint8Array;
  /** `model.safetensors.index.json`, as text or UTF-8 bytes; absent when there is one weight file. */
  readonly index?: string | Uint8Array;
  /** The weight files by name: `model.safetensors`, or every file that the index names. */
  readonly files: ReadonlyMap<string, ByteSource>;
}

/** A tensor as found, whatever its type. */
type FoundTensor = SafetensorsEntry & { readonly file: string };

/**
 * Reads `model.safetensors.index.json`.
 *
 * @returns The file of each tensor, by tensor name.
 * @throws {SyntaxError} If it is not such an index, or names a file outside its own folder.
 */
export function parseIndex(what: string, text: string | Uint8Array): Map<string, string> {
  const { weight_map: map } = parseJsonObject(what, text);
  if (!isJsonObject(map)) throw new SyntaxError(`Cannot read ${what}: expected an object weight_map`);
  return new Map(
    Object.entries(map).map(([tensor, file]) => {
      // A name that leaves the folder could make a checkpoint from a stranger read any file of this machine.
      if (typeof file !== "string" || !SHARD_NAME.test(file)) {
        throw new SyntaxError(
          `Cannot read ${what}: tensor ${tensor} is in ${
            JSON.stringify(file)
          }, expected a *.safetensors file beside the index`,
        );
      }
      return [tensor, file];
    }),
  );
}

/** Lists some names, and how many more there are. */
function some(names: readonly string[]): string {
  return names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
}

/** Reads all headers, and checks them against each other and against the index. */
async function findTensors(sources: CheckpointSources): Promise<Map<string, FoundTensor>> {
  const found = new Map<string, FoundTensor>();
  for (const [file, source] of sources.files) {
    for (const entry of (await readSafetensorsHeader(source)).tensors.values()) {
      const other = found.get(entry.name);
      if (other) {
        throw new RangeError(
          `Cannot open ${sources.location}: tensor ${entry.name} is in ${other.file} and in ${file}`,
        );
      }
      found.set(entry.name, { ...entry, file });
    }
  }
  if (sources.index === undefined) return found;
  const listed = parseIndex(`${INDEX_FILE} of ${sources.location}`, sources.index);
  const absent = [...listed].filter(([tensor, file]) => found.get(tensor)?.file !== file);
  if (absent.length > 0) {
    const names = some(absent.map(([tensor, file]) => `${tensor} in ${file}`));
    throw new RangeError(`Cannot open ${sources.location}: the index lists tensors that are not there: ${names}`);
  }
  const unlisted = [...found.keys()].filter((tensor) => !listed.has(tensor));
  if (unlisted.length > 0) {
    throw new RangeError(`Cannot open ${sources.location}: tensors that the index does not list: ${some(unlisted)}`);
  }
  return found;
}

/** Compares what was found with what the configuration asks for; returns the tensors the model computes with. */
function matchTensors(
  location: string,
  expected: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, FoundTensor>,
): Map<string, TensorInfo> {
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  if (missing.length > 0) {
    throw new RangeError(`Cannot open ${location}: ${missing.length} tensors are missing: ${some(missing)}`);
  }
  const surplus = [...found.keys()].filter((name) =>
    !expected.has(name) && !isDerivedTensor(name) && name !== HEAD_TENSOR
  );
  if (surplus.length > 0) {
    throw new RangeError(
      `Cannot open ${location}: ${surplus.length} tensors that its configuration has no use for: ${some(surplus)}`,
    );
  }
  const tensors = new Map<string, TensorInfo>();
  for (const [name, shape] of expected) {
    const { file, dtype, shape: actual, byteOffset, byteLength } = found.get(name)!;
    if (actual.length !== shape.length || actual.some((length, axis) => length !== shape[axis])) {
      throw new RangeError(
        `Cannot open ${location}: tensor ${name} has shape [${actual}], its configuration says [${shape}]`,
      );
    }
    if (!isWeightType(dtype)) {
      throw new RangeError(`Cannot open ${location}: tensor ${name} has type ${dtype}, expected F32, F16 or BF16`);
    }
    tensors.set(name, { name, dtype, shape: actual, file, byteOffset, byteLength });
  }
  return tensors;
}

/**
 * A tied checkpoint may repeat its embedding as LM head. Readers differ in which of the two they take, which is
 * harmless only while they are equal.
 */
async function checkRepeatedHead(
  sources: CheckpointSources,
  embedding: TensorInfo,
  head: FoundTensor,
): Promise<void> {
  let equal = head.dtype === embedding.dtype && head.byteLength === embedding.byteLength;
  for (let at = 0; equal && at < head.byteLength; at += COMPARED_BYTES) {
    const length = Math.min(COMPARED_BYTES, head.byteLength - at);
    const [one, other] = [new Uint8Array(length), new Uint8Array(length)];
    await sources.files.get(embedding.file)!.readInto(embedding.byteOffset + at, one);
    await sources.files.get(head.file)!.readInto(head.byteOffset + at, other);
    equal = one.every((byte, i) => byte === other[i]);
  }
  if (!equal) {
    throw new RangeError(
      `Cannot open ${sources.location}: tie_word_embeddings is true, but ${head.name} differs from ${embedding.name}`,
    );
  }
}

/** Where an element is in its tensor, and what it is: `[3, 17] is NaN`. */
export function describeNotFinite({ shape }: Pick<TensorInfo, "shape">, { index, value }: NotFinite): string {
  const place = shape.length === 1 ? [index] : [Math.floor(index / shape[1]), index % shape[1]];
  return `[${place.join(", ")}] is ${value}`;
}

/** A checkpoint over byte sources. */
class OpenCheckpoint implements Checkpoint {
  /**
   * Ranges of rows that were found to be finite, by tensor and first row: layers that take turns are read many times.
   */
  readonly #finite = new Map<string, number>();

  constructor(
    readonly location: string,
    readonly config: ModelConfig,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    private readonly files: ReadonlyMap<string, ByteSource>,
  ) {}

  /** The tensor behind a reference, after checking that the rows are inside it. */
  #tensor(ref: WeightRef, rowStart = 0, rowCount = ref.rows): TensorInfo {
    const tensor = this.tensors.get(ref.name);
    if (!tensor) throw new RangeError(`Cannot read weight ${ref.name}: ${this.location} does not have it`);
    const [rows, columns = 1] = tensor.shape;
    if (ref.columns !== columns || ref.rowStart < 0 || ref.rowStart + ref.rows > rows) {
      throw new RangeError(
        `Cannot read weight ${ref.name}: rows ${ref.rowStart} to ${
          ref.rowStart + ref.rows
        } of ${ref.columns} columns ` +
          `are not in its shape [${tensor.shape}]`,
      );
    }
    if (!Number.isInteger(rowStart) || rowStart < 0 || !Number.isInteger(rowCount) || rowStart + rowCount > ref.rows) {
      throw new RangeError(
        `Cannot read ${rowCount} rows at row ${rowStart} of weight ${ref.name}: it has ${ref.rows} rows`,
      );
    }
    return tensor;
  }

  typeOf(ref: WeightRef): WeightType {
    return this.#tensor(ref).dtype;
  }

  async readRows(ref: WeightRef, rowStart: number, rowCount: number, target: Uint8Array): Promise<void> {
    const tensor = this.#tensor(ref, rowStart, rowCount);
    const rowBytes = ref.columns * bytesPerWeight(tensor.dtype);
    if (target.byteLength !== rowCount * rowBytes) {
      throw new RangeError(
        `Cannot read ${rowCount} rows of weight ${ref.name} into ${target.byteLength} bytes: expected ${
          rowCount * rowBytes
        }`,
      );
    }
    const first = ref.rowStart + rowStart;
    await this.files.get(tensor.file)!.readInto(tensor.byteOffset + first * rowBytes, target);
    const range = `${first} ${ref.name}`;
    if ((this.#finite.get(range) ?? -1) >= rowCount) return;
    const found = findNotFinite(tensor.dtype, target);
    if (found) {
      const place = describeNotFinite(tensor, { ...found, index: first * ref.columns + found.index });
      throw new RangeError(`Cannot use ${this.location}: weight ${ref.name} ${place}, expected finite numbers`);
    }
    this.#finite.set(range, rowCount);
  }

  async readF32(ref: WeightRef): Promise<Float32Array> {
    const type = this.typeOf(ref);
    const bytes = new Uint8Array(ref.rows * ref.columns * bytesPerWeight(type));
    await this.readRows(ref, 0, ref.rows, bytes);
    return widenToF32(type, bytes);
  }

  async close(): Promise<void> {
    for (const source of this.files.values()) await source.close();
  }
}

/**
 * Opens a checkpoint from byte sources. Only headers are read now. Closing the checkpoint closes the sources; when
 * opening fails they stay open and belong to the caller.
 *
 * @throws {SyntaxError} If a file is malformed.
 * @throws {TypeError} If a field of the configuration has the wrong type.
 * @throws {RangeError} If the configuration is not supported, or its tensors are missing, surplus, of another shape,
 * of a type that is not computed with, or in two files; the message names them.
 */
export async function openCheckpointFrom(sources: CheckpointSources): Promise<Checkpoint> {
  const { config, tensors: expected } = parseConfig(sources.config);
  const found = await findTensors(sources);
  const tensors = matchTensors(sources.location, expected, found);
  const head = found.get(HEAD_TENSOR);
  if (config.tiedHead && head) await checkRepeatedHead(sources, tensors.get(config.embedding.name)!, head);
  return new OpenCheckpoint(sources.location, config, tensors, sources.files);
}
