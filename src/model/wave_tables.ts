/** The tables of a wave: 32-bit words that go to the GPU as one buffer, and each mask among them once. */
import { NONE } from "../ops/row_table.ts";
import type { LayerMask } from "./segments.ts";

/** Collects words into one growing table. */
export class TableWriter {
  #words = new Uint32Array(4096);
  #length = 0;

  /** Appends words at a multiple of `alignment` words; returns where. */
  words(values: ArrayLike<number>, alignment = 1): number {
    const at = Math.ceil(this.#length / alignment) * alignment;
    const end = at + values.length;
    if (end > this.#words.length) {
      // A multiple of 64, so that `take` finds room for the padding it promises.
      const grown = new Uint32Array(Math.max(Math.ceil(end / 64) * 64, this.#words.length * 2));
      grown.set(this.#words.subarray(0, this.#length));
      this.#words = grown;
    }
    this.#words.set(values, at);
    this.#length = end;
    return at;
  }

  /** All words, padded to a multiple of 64 and at least 64, so that every part can be bound. */
  take(): Uint32Array<ArrayBuffer> {
    return this.#words.slice(0, Math.max(64, Math.ceil(this.#length / 64) * 64));
  }
}

/** Stores each distinct mask once. */
export class MaskTable {
  readonly #tables: TableWriter;
  readonly #offsets = new Map<NonNullable<LayerMask["neurons"]>, number>();

  constructor(tables: TableWriter) {
    this.#tables = tables;
  }

  /** Word offset of a mask, which is written when it is first asked for; NONE where there is none. */
  offset(bits: Uint32Array | null | undefined): number {
    if (!bits) return NONE;
    let offset = this.#offsets.get(bits);
    if (offset === undefined) {
      offset = this.#tables.words(bits);
      this.#offsets.set(bits, offset);
    }
    return offset;
  }
}
