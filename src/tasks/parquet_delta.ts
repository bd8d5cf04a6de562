/**
 * A walk over numbers that a Parquet page stores as differences, before they are unpacked: a forged size of a block
 * makes the package go backwards for ever.
 */

/** Bytes of the longest number of 64 bits. */
const MAX_VARINT_BYTES = 10;

/** Widest difference. */
const MAX_BITS = 64;

/** The format packs so many values, or a multiple, into each part of a block. */
const PART_UNIT = 32;

class Walk {
  constructor(readonly bytes: Uint8Array, public offset: number) {}

  /** Ensures that some bytes are there. */
  need(length: number): void {
    if (length > this.bytes.length - this.offset) throw new Error("a block of differences is cut off");
  }

  varint(): number {
    let [value, factor] = [0, 1];
    for (let length = 1; length <= MAX_VARINT_BYTES; length++) {
      this.need(1);
      const byte = this.bytes[this.offset++];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new Error(`a number of more than ${MAX_VARINT_BYTES} bytes`);
  }
}

/**
 * Walks over the blocks of DELTA_BINARY_PACKED numbers: a header of four numbers (values of a block, parts of a block,
 * count of all values, first value), then blocks of the least difference, a width in bits for each part, and the parts.
 *
 * @param start Where the header begins.
 * @param count Values that will be unpacked.
 * @returns Where the bytes after the last part begin.
 * @throws {Error} If the header is not one of so many values, or bytes are missing. The message is meant to follow a
 * colon.
 */
export function walkDeltas(bytes: Uint8Array, start: number, count: number): number {
  const walk = new Walk(bytes, start);
  const [blockSize, parts, total] = [walk.varint(), walk.varint(), walk.varint()];
  walk.varint();
  // The header stands alone where all values are null, and nothing of it is used.
  if (count === 0) return walk.offset;
  const partSize = blockSize / parts;
  if (!(blockSize > 0 && blockSize < 2 ** 31 && Number.isInteger(partSize) && partSize % PART_UNIT === 0)) {
    throw new Error(
      `a block of ${blockSize} differences in ${parts} parts, expected a multiple of ${PART_UNIT} in each`,
    );
  }
  if (total !== count) throw new Error(`differences of ${total} values, expected ${count}`);
  for (let left = count - 1; left > 0;) {
    walk.varint();
    walk.need(parts);
    const widths = walk.offset;
    walk.offset += parts;
    for (let part = 0; part < parts && left > 0; part++) {
      const width = bytes[widths + part];
      if (width > MAX_BITS) throw new Error(`differences of ${width} bits, expected at most ${MAX_BITS}`);
      const values = Math.min(partSize, left);
      walk.need(Math.ceil(values * width / 8));
      walk.offset += partSize * width / 8;
      left -= values;
    }
  }
  return walk.offset;
}
