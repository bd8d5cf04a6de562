/** The walk over differences and runs of Parquet ends where the package's reader does, and refuses what is short. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { walkDeltas } from "../../src/tasks/parquet_delta.ts";
import { checkRuns, takeRuns } from "../../src/tasks/parquet_runs.ts";

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  return [...bytes, Number(value)];
}

const zigzag = (value: bigint) => varint(BigInt.asUintN(64, value << 1n ^ value >> 63n));

/** Numbers from the lowest bit on, whole bytes. */
function pack(values: readonly bigint[], width: number): number[] {
  let bits = values.reduce((sum, value, i) => sum | value << BigInt(i * width), 0n);
  return Array.from({ length: Math.ceil(values.length * width / 8) }, () => {
    const byte = Number(bits & 255n);
    bits >>= 8n;
    return byte;
  });
}

/** Numbers as differences, as the format describes it. */
function encodeDeltas(values: readonly bigint[], parts: number, partSize: number): Uint8Array {
  const bytes = [parts * partSize, parts, values.length].flatMap((value) => varint(BigInt(value)));
  bytes.push(...zigzag(values[0] ?? 0n));
  const deltas = values.slice(1).map((value, i) => value - values[i]);
  for (let start = 0; start < deltas.length; start += parts * partSize) {
    const block = deltas.slice(start, start + parts * partSize);
    const least = block.reduce((a, b) => a < b ? a : b);
    const packed = Array.from({ length: parts }, (_, part) => {
      const rest = block.slice(part * partSize, (part + 1) * partSize).map((delta) => delta - least);
      const width = rest.reduce((a, b) => a > b ? a : b, 0n).toString(2).replace(/^0$/, "").length;
      const padding = new Array(rest.length === 0 ? 0 : partSize - rest.length).fill(0n);
      return { width, bytes: pack([...rest, ...padding], width) };
    });
    bytes.push(...zigzag(least), ...packed.map(({ width }) => width), ...packed.flatMap((part) => part.bytes));
  }
  return Uint8Array.from(bytes);
}

const readerOf = (bytes: Uint8Array) => ({ view: new DataView(bytes.buffer), offset: 0 });

const numbers = fc.oneof(
  fc.array(fc.bigInt(-9n, 9n), { maxLength: 300 }),
  fc.array(fc.bigInt(-(2n ** 31n), 2n ** 31n - 1n), { maxLength: 300 }),
  fc.array(fc.constant(7n), { maxLength: 600 }),
);

Deno.test("walkDeltas() ends where the package's reader ends, for numbers of both widths", () => {
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: 5 }), fc.constantFrom(32, 64, 96), (values, parts, partSize) => {
      const bytes = encodeDeltas(values, parts, partSize);
      const tail = Uint8Array.of(...bytes, 1, 2, 3);
      assertEquals(walkDeltas(tail, 0, values.length), bytes.length);
      for (const output of [new Int32Array(values.length), new BigInt64Array(values.length)]) {
        const reader = readerOf(tail);
        deltaBinaryUnpack(reader, values.length, output);
        assertEquals(reader.offset, bytes.length);
        assertEquals(Array.from(output, BigInt), values);
      }
      if (values.length > 0) assertThrows(() => walkDeltas(bytes, 0, values.length + 1), Error, "expected");
    }),
    { numRuns: 150 },
  );
});

Deno.test("walkDeltas() throws when bytes that the values need are missing", () => {
  const bytes = encodeDeltas(Array.from({ length: 129 }, (_, i) => BigInt(i * i)), 4, 32);
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => walkDeltas(bytes.subarray(0, length), 0, 129), Error, "cut off");
  }
});

/** A run of one number, or of packed numbers: how many of them are of the column, as the last ones may be padding. */
const run = (width: number) =>
  fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(2 ** width - 1)).map(([length, value]) => ({
      values: new Array<number>(length).fill(value),
      bytes: [...varint(BigInt(length << 1)), value],
    })),
    fc.array(fc.nat(2 ** width - 1), { minLength: 1, maxLength: 5 }).chain((seeds) =>
      fc.constant(seeds.flatMap((seed) => Array.from({ length: 8 }, (_, i) => (seed + i) % 2 ** width)))
    ).map((values) => ({
      values,
      bytes: [...varint(BigInt(values.length / 8 << 1 | 1)), ...pack(values.map(BigInt), width)],
    })),
  );

const runs = fc.integer({ min: 1, max: 8 }).chain((width) =>
  fc.record({
    width: fc.constant(width),
    list: fc.array(run(width), { minLength: 1, maxLength: 6 }),
    wanted: fc.nat(2 ** width - 1),
    padding: fc.nat(39),
  })
);

Deno.test("checkRuns() counts a level as the package's reader finds it, and misses nothing at the end", () => {
  fc.assert(
    fc.property(runs, ({ width, list, wanted, padding }) => {
      const all = list.flatMap(({ values }) => values);
      // Only a packed run may be longer than what is left, by as much as its writer likes.
      const isPacked = (list[list.length - 1].bytes[0] & 1) === 1;
      const values = all.slice(
        0,
        all.length - (isPacked ? Math.min(padding, list[list.length - 1].values.length - 1) : 0),
      );
      const bytes = Uint8Array.from(list.flatMap((one) => one.bytes));
      const found = new Array<number>(values.length);
      readRleBitPackedHybrid(readerOf(bytes), width, found, bytes.length);
      assertEquals(found, values);
      assertEquals(checkRuns(bytes, width, values.length, wanted), values.filter((value) => value === wanted).length);
      assertThrows(() => checkRuns(bytes, width, all.length + 1), Error, "expected");
      assertThrows(() => checkRuns(bytes.subarray(0, -1), width, values.length), Error);
    }),
    { numRuns: 300 },
  );
});

Deno.test("checkRuns() throws when a packed run has no bytes, which the package would read", () => {
  // A run of no groups, then one of eight values; and a group of values without bits, then a run of one.
  assertThrows(() => checkRuns(Uint8Array.of(1, 16, 0), 1, 8), Error, "without bytes");
  assertThrows(() => checkRuns(Uint8Array.of(3, 2), 0, 9), Error, "without bytes");
  assertEquals(checkRuns(Uint8Array.of(3), 0, 8), 0);
});

Deno.test("takeRuns() throws when the runs are longer than the page", () => {
  assertThrows(() => takeRuns(Uint8Array.of(3, 0, 0, 0, 1, 1)), Error, "runs of 3 bytes in a page of 6");
});
