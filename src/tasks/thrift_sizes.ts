/**
 * A look over Thrift's compact encoding before a Parquet file is read: the reader allocates what a list promises, and a
 * file of five hundred bytes can promise more than any machine has.
 */

/** Structures and lists inside each other, more than any Parquet file has. */
const MAX_DEPTH = 32;

/** Codes of types; those of the others throw. */
const [TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12];

class Skimmer {
  /** Elements of all lists: each takes at least one byte, so there are never more than bytes. */
  #elements = 0;

  constructor(readonly bytes: Uint8Array, public offset: number) {}

  #byte(): number {
    if (this.offset >= this.bytes.length) throw new Error("a structure is cut off");
    return this.bytes[this.offset++];
  }

  #varint(): number {
    let [value, factor] = [0, 1];
    for (let length = 1; length <= 10; length++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return value;
    }
    throw new Error("a number of more than ten bytes");
  }

  #skip(length: number): void {
    if (length > this.bytes.length - this.offset) throw new Error("a structure is cut off");
    this.offset += length;
  }

  struct(depth = 0): void {
    if (depth > MAX_DEPTH) throw new Error(`structures more than ${MAX_DEPTH} deep`);
    for (let byte = this.#byte(); (byte & 0x0f) !== 0; byte = this.#byte()) {
      if (byte >> 4 === 0) this.#varint();
      this.#element(byte & 0x0f, depth + 1);
    }
  }

  #list(depth: number): void {
    if (depth > MAX_DEPTH) throw new Error(`lists more than ${MAX_DEPTH} deep`);
    const byte = this.#byte();
    const type = byte & 0x0f;
    const size = byte >> 4 === 15 ? this.#varint() : byte >> 4;
    this.#elements += size;
    if (this.#elements > this.bytes.length) {
      throw new Error(`a list of ${size} elements in ${this.bytes.length} bytes`);
    }
    for (let i = 0; i < size; i++) this.#element(type === TRUE || type === FALSE ? BYTE : type, depth + 1);
  }

  #element(type: number, depth: number): void {
    switch (type) {
      case TRUE:
      case FALSE:
        return;
      case BYTE:
        return this.#skip(1);
      case I16:
      case I32:
      case I64:
        this.#varint();
        return;
      case DOUBLE:
        return this.#skip(8);
      case BINARY:
        return this.#skip(this.#varint());
      case LIST:
        return this.#list(depth);
      case STRUCT:
        return this.struct(depth);
      default:
        throw new Error(`a value of the type ${type}`);
    }
  }
}

/**
 * Checks that the lists of the structure at an offset are no longer than its bytes allow.
 *
 * @throws {Error} If one is, or the structure is cut off or nested too deeply. The message is meant to follow a colon.
 */
export function checkThriftSizes(bytes: Uint8Array, offset = 0): void {
  new Skimmer(bytes, offset).struct();
}
