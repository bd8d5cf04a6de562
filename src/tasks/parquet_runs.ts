/** A look over the runs of a Parquet page, repeated or packed numbers, before they are unpacked. */
import { readVarInt } from "hyparquet/src/thrift.js";

/** Counts how often a packed run of numbers has one; they are narrow enough to lie in two bytes. */
function countPacked(bytes: Uint8Array, start: number, width: number, values: number, wanted: number): number {
  const mask = (1 << width) - 1;
  let found = 0;
  for (let i = 0; i < values; i++) {
    const at = start + (i * width >> 3);
    if (((bytes[at] | bytes[at + 1] << 8) >> (i * width & 7) & mask) === wanted) found++;
  }
  return found;
}

/**
 * Checks that runs hold exactly `count` numbers of `width` bits, up to the padding of packed ones. What follows them is
 * not looked at.
 *
 * @param wanted A number to look for, where they have at most 8 bits.
 * @returns How many of the numbers are `wanted`.
 * @throws {Error} If a run is longer than what is left, or numbers are missing. The message is meant to follow a colon.
 */
export function checkRuns(bytes: Uint8Array, width: number, count: number, wanted = -1): number {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  let found = 0;
  for (let seen = 0; seen < count;) {
    if (reader.offset >= bytes.length) throw new Error(`runs of ${seen} values, expected ${count}`);
    const header = readVarInt(reader) >>> 0;
    const isPacked = (header & 1) === 1;
    const values = isPacked ? (header >>> 1) * 8 : header >>> 1;
    const left = count - seen;
    // Packed runs are bounded by their bytes, if they have any: DuckDB pads them to 256 values.
    const most = !isPacked ? left : width > 0 ? 2 ** 31 - 1 : left + 7;
    if (values > most) throw new Error(`a run of ${values} values where at most ${left} are left`);
    const start = reader.offset;
    reader.offset += isPacked ? (header >>> 1) * width : (width + 7) >> 3;
    if (reader.offset > bytes.length) throw new Error("a run is cut off");
    // The package takes a byte for a packed run without any, so that it would read the next one otherwise.
    if (isPacked && reader.offset === start && values < left) throw new Error("a packed run without bytes");
    if (wanted >= 0) {
      if (isPacked) found += countPacked(bytes, start, width, Math.min(values, left), wanted);
      else if (bytes[start] === wanted) found += values;
    }
    seen += values;
  }
  return found;
}

/** The runs behind a length of four bytes, and what follows them. */
export function takeRuns(page: Uint8Array): { runs: Uint8Array; rest: Uint8Array } {
  const length = new DataView(page.buffer, page.byteOffset, page.byteLength).getUint32(0, true);
  if (length > page.length - 4) throw new Error(`runs of ${length} bytes in a page of ${page.length}`);
  return { runs: page.subarray(4, 4 + length), rest: page.subarray(4 + length) };
}
