import { assert, assertEquals, assertThrows } from "@std/assert";
import { bitsPerElement, bytesPerWeight, isWeightType, widenToF32, widenToF64 } from "../../src/checkpoint/dtype.ts";

/** Every 16-bit pattern, little-endian. */
const everyHalf = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const everyHalfBytes = new Uint8Array(everyHalf.buffer);

Deno.test("widenToF32() equals Float16Array when every half-precision pattern is widened", () => {
  const expected = Float32Array.from(new Float16Array(everyHalf.buffer));
  const actual = widenToF32("F16", everyHalfBytes);
  assertEquals(actual.length, 65536);
  for (let i = 0; i < 65536; i++) assert(Object.is(actual[i], expected[i]), `pattern ${i}: ${actual[i]}`);
});

Deno.test("widenToF32() puts bfloat16 patterns into the upper half of an f32", () => {
  const actual = widenToF32("BF16", everyHalfBytes);
  assertEquals(actual[0x3f80], 1);
  assertEquals(actual[0xc049], -3.140625);
  assertEquals(actual[0x0001], 2 ** -133);
  assertEquals(actual[0x7f80], Infinity);
  assert(Object.is(actual[0x8000], -0));
  assert(Number.isNaN(actual[0x7fc0]));
});

Deno.test("widenToF32() copies f32 and reads bytes at any offset", () => {
  const bytes = new Uint8Array(13);
  bytes.set(new Uint8Array(Float32Array.of(1.5, -0, 3e38).buffer), 1);
  const actual = widenToF32("F32", bytes.subarray(1));
  assertEquals(actual, Float32Array.of(1.5, -0, 3e38));
  bytes.fill(0);
  assertEquals(actual[0], 1.5);
  const odd = Uint8Array.of(9, 0x80, 0x3f, 0x00, 0xc0);
  assertEquals(widenToF32("BF16", odd.subarray(1)), Float32Array.of(1, -2));
});

Deno.test("widenToF32() throws when the bytes are no whole number of elements", () => {
  assertThrows(() => widenToF32("BF16", new Uint8Array(3)), RangeError, "3 bytes of BF16");
  assertThrows(() => widenToF32("F32", new Uint8Array(6)), RangeError, "6 bytes of F32");
});

const arrays: readonly [dtype: string, data: ArrayBufferView, values: number[]][] = [
  ["F64", Float64Array.of(1e300, -0.1), [1e300, -0.1]],
  ["F32", Float32Array.of(0.5, -2), [0.5, -2]],
  ["F16", Uint16Array.of(0x3c00, 0xc000), [1, -2]],
  ["BF16", Uint16Array.of(0x3f80, 0xc000), [1, -2]],
  ["I64", BigInt64Array.of(-5n, 2n ** 53n - 1n), [-5, 2 ** 53 - 1]],
  ["U64", BigUint64Array.of(5n), [5]],
  ["I32", Int32Array.of(-(2 ** 31), 7), [-(2 ** 31), 7]],
  ["U32", Uint32Array.of(2 ** 32 - 1), [2 ** 32 - 1]],
  ["I16", Int16Array.of(-32768), [-32768]],
  ["U16", Uint16Array.of(65535), [65535]],
  ["I8", Int8Array.of(-128, 127), [-128, 127]],
  ["U8", Uint8Array.of(255), [255]],
  ["BOOL", Uint8Array.of(1, 0), [1, 0]],
];

for (const [dtype, data, values] of arrays) {
  Deno.test(`widenToF64() keeps the values of ${dtype} when they start at an odd offset`, () => {
    const shifted = new Uint8Array(data.byteLength + 1);
    shifted.set(new Uint8Array(data.buffer), 1);
    assertEquals(widenToF64(dtype, shifted.subarray(1)), Float64Array.from(values));
    assertEquals(data.byteLength * 8, values.length * bitsPerElement(dtype)!);
  });
}

Deno.test("widenToF64() throws when a 64-bit integer has no exact f64, or the type is not numeric here", () => {
  assertThrows(
    () => widenToF64("I64", new Uint8Array(BigInt64Array.of(2n ** 53n).buffer)),
    RangeError,
    "9007199254740992",
  );
  assertThrows(() => widenToF64("U64", new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer)), RangeError, "U64");
  assertThrows(() => widenToF64("F8_E4M3", new Uint8Array(1)), RangeError, "F8_E4M3");
});

Deno.test("isWeightType() holds for the three types that are computed with and for no other", () => {
  assertEquals(["F32", "F16", "BF16", "F64", "I8", "F8_E5M2", "f32", "toString"].filter(isWeightType), [
    "F32",
    "F16",
    "BF16",
  ]);
  assertEquals([bytesPerWeight("F32"), bytesPerWeight("F16"), bytesPerWeight("BF16")], [4, 2, 2]);
  assertEquals(bitsPerElement("toString"), undefined);
});
