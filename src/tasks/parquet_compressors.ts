/** The decompressors of Parquet pages, where those of the package for LZ4 fail on empty pages or never end. */
import type { Compressors } from "hyparquet";
import { compressors as packaged } from "hyparquet-compressors";

/**
 * Whether blocks as Hadoop frames them, each behind its unpacked and packed length, have a length below zero: the
 * package would go back to where it was.
 */
function goesBack(input: Uint8Array): boolean {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  for (let at = 0; at < input.length - 8;) {
    const length = view.getInt32(at + 4);
    if (length < 0) return true;
    at += 8 + length;
  }
  return false;
}

const unpackRaw = packaged.LZ4_RAW!;

/** Decompressors by the name of the codec. */
export const compressors: Compressors = {
  ...packaged,
  LZ4_RAW: (input, size) => size === 0 ? new Uint8Array() : unpackRaw(input, size),
  // Without such frames the page is one raw block, as the package would find out.
  LZ4: (input, size) => {
    if (size === 0) return new Uint8Array();
    return goesBack(input) ? unpackRaw(input, size) : packaged.LZ4!(input, size);
  },
};
