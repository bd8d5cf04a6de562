/** Weights in their stored types, as the kernels read them. */
import { padded } from "../../src/ops/context.ts";
import type { StoredType } from "../../src/ops/weight_matrix.ts";
import { decode, encode } from "../support/tiny_checkpoint.ts";

/** Rounds to the nearest values of a storage type. */
export function roundWeights(type: StoredType, values: Float64Array): Float64Array {
  return Float64Array.from(decode(encode(Float32Array.from(values), type), type));
}

/** Bytes of a row-major matrix in a storage type, rows padded with zeros to multiples of 8 weights. */
export function encodeWeights(type: StoredType, values: Float64Array, columns: number): Uint8Array<ArrayBuffer> {
  const rows = values.length / columns;
  const width = padded(columns);
  const wide = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) wide.set(values.subarray(row * columns, (row + 1) * columns), row * width);
  const stored = encode(wide, type);
  return new Uint8Array(stored.buffer as ArrayBuffer, 0, stored.byteLength);
}
