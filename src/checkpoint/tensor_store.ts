/**
 * Named tensors that outlive the process: a folder of safetensors files, each written whole or not at all, and an index
 * of what they hold. What was put together is in one file, so a killed writer loses only what it had not finished. A
 * file holds a digest of each of its tensors: numbers that changed since are not given back.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers, writeFileAtomic } from "./atomic_file.ts";
import type { ByteSource } from "./byte_source.ts";
import {
  encodeSafetensors,
  type NewTensor,
  readSafetensorsHeader,
  readTensorBytes,
  type SafetensorsHeader,
} from "./safetensors.ts";
import { openFileSource } from "./sources.ts";
import { widenToF64 } from "./dtype.ts";

/** Numbers as they were put in. */
export type StoredArray = Float32Array | Float64Array;

/** A map from names to arrays of numbers. A name is put once and never changes. */
export interface TensorStore {
  /** Whether a name is there. */
  has(name: string): boolean;
  /** The array of a name, or undefined. It must not be written to. */
  get(name: string): Promise<StoredArray | undefined>;
  /** Adds arrays under new names: all of them or, if the process dies, none. */
  put(entries: ReadonlyMap<string, StoredArray>): Promise<void>;
}

/** A store that ends with the process. */
export function createMemoryStore(): TensorStore {
  const arrays = new Map<string, StoredArray>();
  return {
    has: (name) => arrays.has(name),
    get: (name) => Promise.resolve(arrays.get(name)),
    put(entries) {
      for (const [name, array] of entries) arrays.set(name, array.slice());
      return Promise.resolve();
    },
  };
}

/** The digest of an array as a file of the store holds it, by the array's name. */
const digestKey = (name: string) => `digest ${name}`;

/** The bytes of an array. */
function bytesOf({ buffer, byteOffset, byteLength }: StoredArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Reads an array and holds it against its digest.
 *
 * @throws {SyntaxError} If it is not what was put.
 */
async function readArray(source: ByteSource, { tensors, metadata }: SafetensorsHeader, name: string) {
  const entry = tensors.get(name)!;
  const bytes = await readTensorBytes(source, entry);
  if (hashOf(bytes) !== metadata.get(digestKey(name))) {
    throw new SyntaxError(`Cannot read ${source.name}: ${name} is not what its digest says, so the file is damaged`);
  }
  const wide = widenToF64(entry.dtype, bytes);
  return entry.dtype === "F32" ? Float32Array.from(wide) : wide;
}

/** The file of arrays that are put together, in pieces. */
export function encodeArrays(entries: ReadonlyMap<string, StoredArray>): Uint8Array[] {
  const tensors = [...entries].map(([name, data]): NewTensor => ({
    name,
    dtype: data instanceof Float32Array ? "F32" : "F64",
    shape: [data.length],
    data,
  }));
  const digests = [...entries].map(([name, data]) => [digestKey(name), hashOf(bytesOf(data))] as const);
  return encodeSafetensors(tensors, Object.fromEntries(digests));
}

/** How a store is opened. */
export interface TensorStoreOptions {
  /** Most bytes of arrays in memory. Default 256 MiB. */
  readonly cacheBytes?: number;
  /**
   * What to do about a file that cannot be read, or has other numbers than were put. `remove` forgets what it held and
   * deletes it, for what can be computed again. Default `throw`.
   */
  readonly damaged?: "throw" | "remove";
}

/** Where an array lies. */
interface Place {
  readonly path: string;
  readonly header: SafetensorsHeader;
}

const extension = ".safetensors";

/**
 * Opens a store in a folder, which is made if it is not there. Nobody else may write into the folder meanwhile.
 *
 * Arrays that were read or put lately are kept in memory, up to `cacheBytes`.
 *
 * @throws {SyntaxError} If a file of the folder is damaged and is not to be removed; the message names it.
 */
export async function openTensorStore(
  folder: string,
  { cacheBytes = 256 * 2 ** 20, damaged = "throw" }: TensorStoreOptions = {},
): Promise<TensorStore> {
  await mkdir(folder, { recursive: true });
  await removeLeftovers(folder);
  const places = new Map<string, Place>();
  /** What `read` makes of a file; undefined if that cannot be done, and the file is gone then. */
  const readOrRemove = async <T>(path: string, read: (source: ByteSource) => Promise<T>): Promise<T | undefined> => {
    try {
      const source = await openFileSource(path);
      try {
        return await read(source);
      } finally {
        await source.close();
      }
    } catch (error) {
      if (damaged === "throw") throw error;
      for (const [name, place] of places) if (place.path === path) places.delete(name);
      await rm(path, { recursive: true, force: true });
      return undefined;
    }
  };
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(extension)).sort()) {
    const path = join(folder, file);
    const header = await readOrRemove(path, readSafetensorsHeader);
    for (const name of header?.tensors.keys() ?? []) places.set(name, { path, header: header! });
  }

  const recent = new Map<string, StoredArray>();
  let recentBytes = 0;
  const remember = (name: string, array: StoredArray) => {
    // Two readers may ask for a name at the same time.
    recentBytes += array.byteLength - (recent.get(name)?.byteLength ?? 0);
    recent.set(name, array);
    // A map keeps the order of insertion: the oldest go first.
    for (const [oldest, { byteLength }] of recent) {
      if (recentBytes <= cacheBytes) break;
      recent.delete(oldest);
      recentBytes -= byteLength;
    }
  };

  return {
    has: (name) => places.has(name),
    async get(name) {
      const kept = recent.get(name);
      if (kept) return kept;
      const place = places.get(name);
      if (!place) return undefined;
      const array = await readOrRemove(place.path, (source) => readArray(source, place.header, name));
      if (array) remember(name, array);
      return array;
    },
    async put(entries) {
      const path = join(folder, `${hashOf([...entries.keys()].sort().join("\n"))}${extension}`);
      await writeFileAtomic(path, encodeArrays(entries));
      const source = await openFileSource(path);
      try {
        const header = await readSafetensorsHeader(source);
        for (const [name, array] of entries) {
          places.set(name, { path, header });
          remember(name, array.slice());
        }
      } finally {
        await source.close();
      }
    },
  };
}

/** The first 128 bits of the SHA-256 of a text or bytes, in hexadecimal. */
export function hashOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 32);
}
