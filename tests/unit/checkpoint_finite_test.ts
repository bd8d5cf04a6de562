import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { widenToF32 } from "../../src/checkpoint/dtype.ts";
import { findNotFinite } from "../../src/checkpoint/finite.ts";

const types = ["F32", "F16", "BF16"] as const;

Deno.test("findNotFinite() finds the first such element, and none else, whatever the bits", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(5),
      fc.nat(3),
      (type, raw, shift, lead) => {
        // Exponents of all ones are rare among random bits: some bytes are made so.
        const bytes = new Uint8Array(lead + raw.length);
        bytes.set(raw.map((byte, i) => (raw[0] + i) % 7 === shift ? 0x7f | byte : byte & 0xbf), lead);
        const size = type === "F32" ? 4 : 2;
        const whole = bytes.subarray(lead, lead + Math.floor(raw.length / size) * size);
        const values = [...widenToF32(type, whole)];
        const index = values.findIndex((value) => !Number.isFinite(value));
        assertEquals(findNotFinite(type, whole), index < 0 ? null : { index, value: values[index] });
      },
    ),
    { seed: 3, numRuns: 2000 },
  );
});

Deno.test("findNotFinite() tells every half-precision pattern that is not finite from those that are", () => {
  for (const type of ["F16", "BF16"] as const) {
    const patterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const values = widenToF32(type, new Uint8Array(patterns.buffer));
    values.forEach((value, bits) => {
      const found = findNotFinite(type, new Uint8Array(Uint16Array.of(0, bits, 0).buffer));
      assertEquals(found, Number.isFinite(value) ? null : { index: 1, value });
    });
  }
});

Deno.test("findNotFinite() finds an element beyond the first block, at an odd place too", () => {
  const values = new Float32Array(100_003);
  values[100_001] = -Infinity;
  const bytes = new Uint8Array(values.buffer);
  assertEquals(findNotFinite("F32", bytes), { index: 100_001, value: -Infinity });
  const odd = new Uint8Array(bytes.length + 1);
  odd.set(bytes, 1);
  assertEquals(findNotFinite("F32", odd.subarray(1)), { index: 100_001, value: -Infinity });
  assertEquals(findNotFinite("BF16", new Uint8Array(0)), null);
});
