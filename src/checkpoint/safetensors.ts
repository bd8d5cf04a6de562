/**
 * The safetensors format: 8 bytes header length, a JSON header, then the bytes of all tensors without gaps.
 * Files come from strangers, so the reader checks everything the header claims before anything uses it, and is stricter
 * than the format where looseness could hide something. Attacks it refuses: a header longer than the file or than
 * 100 MB, names that occur twice, tensors that overlap, leave holes or reach past the end, shapes whose product
 * overflows or disagrees with the byte range, trailing bytes, metadata that is not text, fields it does not know.
 */
import { describeOtherContent } from "../text/other_content.ts";
import type { ByteSource } from "./byte_source.ts";
import { bitsPerElement, widenToF64 } from "./dtype.ts";
import { isJsonObject, type Json, type JsonObject, parseJsonObject } from "./strict_json.ts";

/** Longest header accepted, in bytes; the limit of the format. */
export const LONGEST_HEADER = 100_000_000;

/** Bytes of the length field before the header. */
const PREFIX = 8;

/** What the header says of one tensor. */
export interface SafetensorsEntry {
  /** Unique in the file. */
  readonly name: string;
  /** Type name as written, such as `BF16`; possibly one that is not known here. */
  readonly dtype: string;
  /** Row-major; empty for a scalar. */
  readonly shape: readonly number[];
  /** Offset of its first byte in the file. */
  readonly byteOffset: number;
  /** The bytes of its elements. */
  readonly byteLength: number;
}

/** A checked header. */
export interface SafetensorsHeader {
  /** Tensors by name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** The `__metadata__` of the file, in its order; empty when there is none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Offset of the first tensor byte in the file. */
  readonly dataOffset: number;
}

/** A tensor to write. */
export interface NewTensor {
  /** Unique in the file. */
  readonly name: string;
  /** One of the type names of the format. */
  readonly dtype: string;
  /** Row-major; empty for a scalar. */
  readonly shape: readonly number[];
  /** Its elements, little-endian; a typed array of the type or its bytes. */
  readonly data: ArrayBufferView;
}

/** A whole number from 0 to 2^53 - 1, or undefined. */
function size(value: Json | undefined): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
}

/** Number of elements of a shape (1 for a scalar); NaN when it is beyond 2^53 - 1. */
function elementCount(shape: readonly number[]): number {
  let product = 1;
  for (const length of shape) {
    product *= length;
    if (!Number.isSafeInteger(product)) return NaN;
  }
  return product;
}

/** Bytes of a tensor; undefined for a type that is not known; NaN when there is no such whole number up to 2^53 - 1. */
function byteCount(dtype: string, shape: readonly number[]): number | undefined {
  const bits = bitsPerElement(dtype);
  if (bits === undefined) return undefined;
  const total = elementCount(shape) * bits;
  return Number.isSafeInteger(total) && total % 8 === 0 ? total / 8 : NaN;
}

function parseEntry(file: string, name: string, value: Json, dataOffset: number, dataSize: number): SafetensorsEntry {
  const fail = (problem: string) => new SyntaxError(`Cannot read ${file}: tensor ${JSON.stringify(name)} ${problem}`);
  if (!name.isWellFormed()) throw fail("has half a surrogate pair in its name");
  if (!isJsonObject(value)) throw fail("is not an object");
  for (const field of Object.keys(value)) {
    if (field !== "dtype" && field !== "shape" && field !== "data_offsets") {
      throw fail(`has the field ${JSON.stringify(field)}, expected dtype, shape and data_offsets`);
    }
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string") throw fail("has no dtype");
  if (!Array.isArray(shape) || shape.some((length) => size(length) === undefined)) {
    throw fail(`has shape ${JSON.stringify(shape)}, expected whole numbers`);
  }
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets.map(size) : [];
  if (begin === undefined || end === undefined || begin > end) {
    throw fail(`has data_offsets ${JSON.stringify(offsets)}, expected two ascending whole numbers`);
  }
  if (end > dataSize) throw fail(`ends at byte ${end} of the data, which has ${dataSize} bytes`);
  const expected = byteCount(dtype, shape as number[]);
  if (Number.isNaN(expected) || Number.isNaN(elementCount(shape as number[]))) {
    throw fail(`of type ${dtype} and shape [${shape}] has no whole number of bytes below 2^53`);
  }
  if (expected !== undefined && expected !== end - begin) {
    throw fail(`of type ${dtype} and shape [${shape}] has ${end - begin} bytes, expected ${expected}`);
  }
  return { name, dtype, shape: shape as number[], byteOffset: dataOffset + begin, byteLength: end - begin };
}

function parseMetadata(file: string, value: Json | undefined): Map<string, string> {
  if (value === undefined) return new Map();
  if (!isJsonObject(value)) throw new SyntaxError(`Cannot read ${file}: __metadata__ is not an object`);
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text === "string") return [key, text];
      throw new SyntaxError(`Cannot read ${file}: __metadata__ ${JSON.stringify(key)} is not a string`);
    }),
  );
}

/**
 * Reads and checks the header of a safetensors file; no tensor bytes are read. Types that are not known here pass,
 * with their byte range checked against the file but not against their shape.
 *
 * @throws {SyntaxError} If the file breaks a rule of the format; the message names the file, the tensor and the rule.
 */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const fail = (problem: string) => new SyntaxError(`Cannot read ${source.name}: ${problem}`);
  if (source.size < PREFIX) {
    throw fail(`it has ${source.size} bytes, expected a safetensors file of at least ${PREFIX}`);
  }
  const prefix = new Uint8Array(PREFIX);
  await source.readInto(0, prefix);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > source.size - PREFIX) {
    const head = new Uint8Array(Math.min(64, source.size));
    await source.readInto(0, head);
    const other = describeOtherContent(head, "a safetensors file");
    if (other !== undefined) throw fail(other);
  }
  if (length > LONGEST_HEADER) throw fail(`its header claims ${length} bytes, at most ${LONGEST_HEADER} are accepted`);
  if (length > source.size - PREFIX) throw fail(`its header claims ${length} bytes of the ${source.size} in the file`);
  const bytes = new Uint8Array(length);
  await source.readInto(PREFIX, bytes);
  if (bytes[0] !== 0x7b) throw fail("its header does not start with {");
  // The format pads with spaces only; other white space after the object would be read differently by other readers.
  let end = length;
  while (end > 0 && bytes[end - 1] === 0x20) end--;
  if (bytes[end - 1] !== 0x7d) throw fail("its header does not end with } and spaces");
  const object = parseJsonObject(`the header of ${source.name}`, bytes);

  const dataOffset = PREFIX + length;
  const dataSize = source.size - dataOffset;
  const entries = Object.entries(object)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => parseEntry(source.name, name, value, dataOffset, dataSize))
    .sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let next = dataOffset;
  for (const entry of entries) {
    if (entry.byteOffset !== next) {
      const relation = entry.byteOffset < next ? "overlaps the tensor before it" : "leaves a hole before it";
      throw fail(`tensor ${JSON.stringify(entry.name)} ${relation}, expected its bytes at ${next - dataOffset}`);
    }
    next += entry.byteLength;
  }
  if (next !== source.size) {
    throw fail(`its tensors end at byte ${next} and the file at ${source.size}, expected the same`);
  }
  return {
    tensors: new Map(entries.map((entry) => [entry.name, entry])),
    metadata: parseMetadata(source.name, object.__metadata__),
    dataOffset,
  };
}

/** Reads the bytes of one tensor, or of a part of it counted in bytes from its start. */
export async function readTensorBytes(
  source: ByteSource,
  entry: SafetensorsEntry,
  range: { readonly offset: number; readonly length: number } = { offset: 0, length: entry.byteLength },
): Promise<Uint8Array> {
  if (range.offset < 0 || range.length < 0 || range.offset + range.length > entry.byteLength) {
    throw new RangeError(
      `Cannot read ${range.length} bytes at ${range.offset} of tensor ${entry.name}: it has ${entry.byteLength} bytes`,
    );
  }
  const bytes = new Uint8Array(range.length);
  await source.readInto(entry.byteOffset + range.offset, bytes);
  return bytes;
}

/**
 * Reads one tensor and widens it to f64, row-major.
 *
 * @throws {RangeError} If there is no such tensor, or its type is not one that `widenToF64` takes (named in the
 * message).
 */
export async function readTensorF64(
  source: ByteSource,
  header: SafetensorsHeader,
  name: string,
): Promise<{ shape: readonly number[]; data: Float64Array }> {
  const entry = header.tensors.get(name);
  if (!entry) throw new RangeError(`Cannot read tensor ${JSON.stringify(name)}: ${source.name} does not have it`);
  return { shape: entry.shape, data: widenToF64(entry.dtype, await readTensorBytes(source, entry)) };
}

/**
 * Serialises a header: length field, JSON, spaces up to a multiple of 8 bytes.
 *
 * @param entries In the order of their bytes; offsets are counted anew from 0.
 */
export function encodeSafetensorsHeader(
  entries: Iterable<Pick<SafetensorsEntry, "name" | "dtype" | "shape" | "byteLength">>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const object: JsonObject = Object.create(null);
  const texts = Object.fromEntries(metadata);
  if (Object.keys(texts).length > 0) object.__metadata__ = texts;
  let offset = 0;
  for (const { name, dtype, shape, byteLength } of entries) {
    if (name in object || name === "__metadata__") {
      throw new RangeError(`Cannot write tensor ${name}: the name is taken`);
    }
    object[name] = { dtype, shape: [...shape], data_offsets: [offset, offset + byteLength] };
    offset += byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(object));
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(PREFIX + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, PREFIX);
  return header;
}

/** Order of UTF-16 code units: the same on every machine. */
function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The pieces of a safetensors file, in order. The bytes depend on the arguments only, not on their order: wide types
 * come first, so that every tensor is aligned to its type, then names ascending; metadata is sorted by key.
 *
 * @throws {RangeError} If two tensors have one name, a type is not known, or data and shape disagree.
 */
export function encodeSafetensors(
  tensors: readonly NewTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const sorted = tensors.map((tensor) => {
    const expected = byteCount(tensor.dtype, tensor.shape);
    if (expected !== tensor.data.byteLength) {
      const { name, dtype, shape, data } = tensor;
      throw new RangeError(
        `Cannot write tensor ${name} of type ${dtype} and shape [${shape}]: got ${data.byteLength} bytes, ` +
          (expected === undefined ? "expected a known type" : `expected ${expected}`),
      );
    }
    return { ...tensor, byteLength: expected };
  }).sort((a, b) => bitsPerElement(b.dtype)! - bitsPerElement(a.dtype)! || byCodeUnits(a.name, b.name));
  const texts = Object.entries(metadata).sort(([a], [b]) => byCodeUnits(a, b));
  return [
    encodeSafetensorsHeader(sorted, texts),
    ...sorted.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ];
}
