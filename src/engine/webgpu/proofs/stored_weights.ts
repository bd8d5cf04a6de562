/** Multiples of 1/16 in the types that weights are stored in: each of them holds these exactly. */
import type { StoredType } from "../../../ops/weight_matrix.ts";

/** Bits of `value / 16` for |value| < 32. */
export function sixteenths(values: Int8Array, type: StoredType): Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer> {
  const floats = Float32Array.from(values, (value) => value / 16);
  if (type === "F32") return floats;
  const words = new Uint32Array(floats.buffer);
  if (type === "BF16") return Uint16Array.from(words, (word) => word >>> 16);
  // The exponent's bias is 15 instead of 127, and ten bits of the fraction stay.
  return Uint16Array.from(
    words,
    (word) =>
      (word & 0x7fffffff) === 0
        ? 0
        : (word >>> 16 & 0x8000) | (((word >>> 23 & 0xff) - 112) << 10) | (word >>> 13 & 0x3ff),
  );
}
