/**
 * Finds NaN and infinities in stored weights, fast enough to look at every weight that is read: one operation for each
 * 32 bits, on the exponent's bits alone.
 */
import type { WeightType } from "./checkpoint.ts";
import { bytesPerWeight, widenToF32 } from "./dtype.ts";

/**
 * How to tell from 32 bits whether an element in them is not finite: its exponent is all ones, and then adding one to
 * the exponent carries into the sign's place, which the mask has cleared.
 */
const PATTERNS: Readonly<
  Record<WeightType, { readonly exponent: number; readonly one: number; readonly sign: number }>
> = {
  F32: { exponent: 0x7f800000, one: 0x00800000, sign: 0x80000000 },
  BF16: { exponent: 0x7f807f80, one: 0x00800080, sign: 0x80008000 },
  F16: { exponent: 0x7c007c00, one: 0x04000400, sign: 0x80008000 },
};

/** Words looked at before it is asked whether one of them was not finite. */
const BLOCK = 4096;

/** An element that is NaN or infinite. */
export interface NotFinite {
  /** Counted in elements from the start of the bytes. */
  readonly index: number;
  /** NaN, Infinity or -Infinity. */
  readonly value: number;
}

function isNotFinite(words: Int32Array, type: WeightType): boolean {
  const { exponent, one, sign } = PATTERNS[type];
  let carries = 0;
  let i = 0;
  // Four at a time, truncated to 32 bits at once, which keeps the loop in integers.
  for (; i + 4 <= words.length; i += 4) {
    carries |= (((words[i] & exponent) + one) | 0) | (((words[i + 1] & exponent) + one) | 0) |
      (((words[i + 2] & exponent) + one) | 0) | (((words[i + 3] & exponent) + one) | 0);
  }
  for (; i < words.length; i++) carries |= ((words[i] & exponent) + one) | 0;
  return (carries & sign) !== 0;
}

/** Finds the first such element by its value. */
function firstIn(type: WeightType, bytes: Uint8Array, from: number): NotFinite | null {
  const values = widenToF32(type, bytes);
  const at = values.findIndex((value) => !Number.isFinite(value));
  return at < 0 ? null : { index: from + at, value: values[at] };
}

/**
 * The first element that is NaN or infinite, or null.
 *
 * @param bytes Little-endian elements, a whole number of them.
 */
export function findNotFinite(type: WeightType, bytes: Uint8Array): NotFinite | null {
  const size = bytesPerWeight(type);
  const words = bytes.byteOffset % 4 === 0 ? Math.floor(bytes.byteLength / 4) : 0;
  const all = new Int32Array(bytes.buffer, words > 0 ? bytes.byteOffset : 0, words);
  for (let start = 0; start < words; start += BLOCK) {
    const end = Math.min(words, start + BLOCK);
    if (isNotFinite(all.subarray(start, end), type)) {
      return firstIn(type, bytes.subarray(start * 4, end * 4), start * 4 / size);
    }
  }
  // Bytes that no whole words lie in.
  return firstIn(type, bytes.subarray(words * 4), words * 4 / size);
}
