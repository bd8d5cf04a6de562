/** LZ4 pages that are empty, framed as Hadoop does, or forged. */
import { assertEquals, assertThrows } from "@std/assert";
import { compressors } from "../../src/tasks/parquet_compressors.ts";

/** A raw block: a token of three literals, and these. */
const block = [0x30, 1, 2, 3];
const values = Uint8Array.of(1, 2, 3);

Deno.test("LZ4 and LZ4_RAW give nothing when a page is empty, which is one byte when it is packed", () => {
  for (const codec of ["LZ4", "LZ4_RAW"] as const) {
    assertEquals(compressors[codec]!(Uint8Array.of(0), 0), new Uint8Array());
  }
});

Deno.test("LZ4 reads raw blocks and those that Hadoop frames, one or two", () => {
  const frame = [0, 0, 0, 3, 0, 0, 0, 4, ...block];
  assertEquals(compressors.LZ4!(Uint8Array.from(block), 3), values);
  assertEquals(compressors.LZ4!(Uint8Array.from(frame), 3), values);
  assertEquals(compressors.LZ4!(Uint8Array.of(...frame, ...frame), 6), Uint8Array.of(...values, ...values));
});

Deno.test("LZ4 ends when a frame has a length of -8 bytes, its own", () => {
  const forged = Uint8Array.of(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf8, ...block);
  assertThrows(() => compressors.LZ4!(forged, 3), Error, "lz4 offset out of range");
});
