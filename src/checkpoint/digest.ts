/** A digest of a model's weights: what results are kept under, so that another model never gets them. */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { bytesPerWeight } from "./dtype.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { WeightRef } from "./model_config.ts";

/** Bytes read at once. */
const pieceBytes = 16 * 2 ** 20;

/** Every weight that a part of the configuration names, however deep. */
function weightRefs(value: unknown): WeightRef[] {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  if ("rowStart" in value) return [value as WeightRef];
  return Object.values(value).flatMap(weightRefs);
}

/** What is needed to read a model's weights as they are stored. */
type Readable = Pick<Checkpoint, "config" | "readRows" | "typeOf">;

/** A hash that has taken in the configuration. */
function startHash({ config }: Readable): Hash {
  const plain = (_: string, value: unknown) => ArrayBuffer.isView(value) ? Array.from(value as never) : value;
  return createHash("sha256").update(JSON.stringify(config, plain));
}

/** The first 128 bits in hexadecimal. */
function finish(hash: Hash): string {
  return hash.digest("hex").slice(0, 32);
}

/** The first rows of a weight, piece by piece, as they are stored. */
async function* pieces(checkpoint: Readable, ref: WeightRef, rows: number, signal?: AbortSignal) {
  const rowBytes = ref.columns * bytesPerWeight(checkpoint.typeOf(ref));
  const step = Math.max(1, Math.floor(pieceBytes / rowBytes));
  for (let row = 0; row < rows; row += step) {
    signal?.throwIfAborted();
    const count = Math.min(step, rows - row);
    const bytes = new Uint8Array(count * rowBytes);
    await checkpoint.readRows(ref, row, count, bytes);
    yield { bytes, rowBytes };
  }
}

/**
 * The first 128 bits, in hexadecimal, of the SHA-256 of the configuration and of every weight as it is stored. It reads
 * the whole model once.
 */
export async function digestWeights(
  checkpoint: Readable,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<string> {
  const hash = startHash(checkpoint);
  for (const ref of weightRefs(checkpoint.config)) {
    for await (const { bytes } of pieces(checkpoint, ref, ref.rows, signal)) hash.update(bytes);
  }
  return finish(hash);
}

/** Rows of each weight that a fingerprint has in full. */
const fullRows = 4;
/** Bytes that a fingerprint has of every row of a projection. */
const leadingBytes = 64;

/** What fingerprints begin with, so that one that was made in another way is not taken for one of another model. */
const fingerprintVersion = "1:";

/** Whether fingerprints can tell models apart: all are made as this version makes them. */
export function areComparable(...fingerprints: readonly string[]): boolean {
  return fingerprints.every((fingerprint) => fingerprint.startsWith(fingerprintVersion));
}

/**
 * As `digestWeights`, but of the configuration, of the first rows of every weight, and of every row of the three
 * projections its start and whether it is nothing but zeros. So a row that becomes zero changes it wherever it is and
 * whatever it began with, and another shape or storage type does, and another training that leaves no projection as it
 * was. It does not show an edit that is elsewhere in a weight alone. About two thirds of the model are read and next to
 * nothing hashed, since telling models apart must not take as long as using them.
 */
export async function fingerprintWeights(checkpoint: Readable, signal?: AbortSignal): Promise<string> {
  const hash = startHash(checkpoint);
  for (const ref of weightRefs(checkpoint.config)) {
    for await (const { bytes } of pieces(checkpoint, ref, Math.min(ref.rows, fullRows), signal)) hash.update(bytes);
  }
  for (const { gate, up, down } of checkpoint.config.layerWeights) {
    for (const ref of [gate, up, down]) {
      const zeros = new Uint8Array(ref.columns * bytesPerWeight(checkpoint.typeOf(ref)));
      for await (const { bytes, rowBytes } of pieces(checkpoint, ref, ref.rows, signal)) {
        const width = Math.min(rowBytes, leadingBytes);
        const rows = bytes.length / rowBytes;
        const facts = new Uint8Array(rows * (width + 1));
        for (let row = 0; row < rows; row++) {
          const whole = bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
          facts.set(whole.subarray(0, width), row * (width + 1));
          if (Buffer.compare(whole, zeros) === 0) facts[row * (width + 1) + width] = 1;
        }
        hash.update(facts);
      }
    }
  }
  return fingerprintVersion + finish(hash);
}
