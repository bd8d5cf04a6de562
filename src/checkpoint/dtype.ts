/** Number formats of safetensors files: their widths, and exact widening to f32 and f64. Little-endian throughout. */
import type { WeightType } from "./checkpoint.ts";

/** Bits per element of every type name the safetensors format defines. */
const BITS: Readonly<Record<string, number>> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
};

/** Bits per element of a safetensors type, or undefined when the name is not known. */
export function bitsPerElement(dtype: string): number | undefined {
  return Object.hasOwn(BITS, dtype) ? BITS[dtype] : undefined;
}

/** Bytes per element of a weight: 4 for `F32`, 2 for `F16` and `BF16`. */
export function bytesPerWeight(type: WeightType): 2 | 4 {
  return type === "F32" ? 4 : 2;
}

/** Whether Secateur computes with this type. */
export function isWeightType(dtype: string): dtype is WeightType {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** Copies `bytes` into storage of their own, so that a typed array of any width can view them. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy.buffer;
}

/** The value of an IEEE half-precision number given as its 16 bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The f32 bits of every half-precision number, `[65536]`; made on first use. */
let halfTable: Uint32Array | undefined;

function halfToFloatBits(): Uint32Array {
  if (halfTable) return halfTable;
  const values = Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  return halfTable = new Uint32Array(values.buffer);
}

/**
 * Widens stored weights to f32; exact for all three types.
 *
 * @param bytes Little-endian elements.
 * @returns `[elements]`, in storage of its own.
 * @throws {RangeError} If the byte length is not a whole number of elements.
 */
export function widenToF32(type: WeightType, bytes: Uint8Array): Float32Array {
  const size = bytesPerWeight(type);
  if (bytes.byteLength % size !== 0) {
    throw new RangeError(`Cannot widen ${bytes.byteLength} bytes of ${type}: expected a multiple of ${size}`);
  }
  if (type === "F32") return new Float32Array(aligned(bytes));
  const halves = bytes.byteOffset % 2 === 0
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
    : new Uint16Array(aligned(bytes));
  const bits = new Uint32Array(halves.length);
  if (type === "BF16") {
    for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  } else {
    const table = halfToFloatBits();
    for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]];
  }
  return new Float32Array(bits.buffer);
}

/**
 * Widens the elements of a tensor to f64; exact for every type accepted.
 *
 * @param dtype `F64`, `F32`, `F16`, `BF16`, `I64`, `U64`, `I32`, `U32`, `I16`, `U16`, `I8`, `U8` or `BOOL`.
 * @param bytes Little-endian elements, a whole number of them.
 * @returns `[elements]`
 * @throws {RangeError} If the type is another one, or a 64-bit integer is beyond ±(2^53 - 1).
 */
export function widenToF64(dtype: string, bytes: Uint8Array): Float64Array {
  if (isWeightType(dtype)) return Float64Array.from(widenToF32(dtype, bytes));
  const buffer = aligned(bytes);
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer);
    case "I64":
    case "U64": {
      const integers = dtype === "I64" ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
      const values = new Float64Array(integers.length);
      integers.forEach((integer, i) => {
        values[i] = Number(integer);
        if (!Number.isSafeInteger(values[i])) {
          throw new RangeError(`Cannot widen ${dtype} element ${i}: ${integer} is beyond 2^53 - 1`);
        }
      });
      return values;
    }
    case "I32":
      return Float64Array.from(new Int32Array(buffer));
    case "U32":
      return Float64Array.from(new Uint32Array(buffer));
    case "I16":
      return Float64Array.from(new Int16Array(buffer));
    case "U16":
      return Float64Array.from(new Uint16Array(buffer));
    case "I8":
      return Float64Array.from(new Int8Array(buffer));
    case "U8":
    case "BOOL":
      return Float64Array.from(new Uint8Array(buffer));
    default:
      throw new RangeError(`Cannot widen a tensor of type ${dtype}: expected a float, integer or BOOL of 8 to 64 bits`);
  }
}
