/**
 * Checks of the pages of a Parquet file, before anything is decoded by what they say: a damaged or hostile header may
 * promise a thousand million values in a few bytes, which would be decoded for minutes.
 */
import type { AsyncBuffer, ColumnMetaData, Compressors, FileMetaData, SchemaTree } from "hyparquet";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } from "hyparquet/src/schema.js";
import { deserializeTCompactProtocol, readVarInt } from "hyparquet/src/thrift.js";
import { checkThriftSizes } from "./thrift_sizes.ts";

/** Numbers of Thrift's `PageType` that hold values. */
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const DATA_PAGE_V2 = 3;

/** Numbers of Thrift's `Encoding` whose values are runs of a repeated or packed number. */
const RUN_ENCODINGS = [2, 3, 8];

/**
 * Number of Thrift's `Encoding` whose values begin like the one before: a few bytes may stand for a million long texts.
 */
const DELTA_BYTE_ARRAY = 7;

/** Most bytes of all values that are spelt that way. */
const MAX_SPELT_BYTES = 2 ** 30;

/** A page may be so many times larger than its compressed bytes; text repeated over and over stays below. */
const MAX_RATIO = 100_000;

function whole(value: unknown, most: number, what: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  throw new Error(`a page has ${value} ${what}, expected at most ${most}`);
}

/** Bits of a number from 0 to `largest`. */
function bitWidth(largest: number): number {
  return 32 - Math.clz32(largest);
}

/**
 * Checks runs of `width` bits for at most `count` values: none may be longer than what is left, up to the padding of
 * packed ones. How many values there are, where some are null, only the levels say: the runs may end earlier.
 */
function checkRuns(bytes: Uint8Array, width: number, count: number): void {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  for (let seen = 0; seen < count && reader.offset < bytes.length;) {
    const header = readVarInt(reader) >>> 0;
    const isPacked = (header & 1) === 1;
    const values = isPacked ? (header >>> 1) * 8 : header >>> 1;
    if (values > count - seen + (isPacked ? 7 : 0)) {
      throw new Error(`a run of ${values} values where at most ${count - seen} are left`);
    }
    reader.offset += isPacked ? (header >>> 1) * width : (width + 7) >> 3;
    seen += values;
  }
}

/** The bytes behind a length of four bytes, and what follows them. */
function takeRuns(page: Uint8Array): { runs: Uint8Array; rest: Uint8Array } {
  const length = new DataView(page.buffer, page.byteOffset, page.byteLength).getUint32(0, true);
  whole(length, page.length - 4, "bytes of levels");
  return { runs: page.subarray(4, 4 + length), rest: page.subarray(4 + length) };
}

/** A column of one row group. */
class ColumnPages {
  readonly #repetitionBits: number;
  readonly #definitionBits: number;
  readonly #isBoolean: boolean;
  #spelt = 0;

  constructor(readonly meta: ColumnMetaData, path: SchemaTree[], readonly compressors: Compressors) {
    this.#repetitionBits = bitWidth(getMaxRepetitionLevel(path));
    this.#definitionBits = bitWidth(getMaxDefinitionLevel(path));
    this.#isBoolean = meta.type === "BOOLEAN";
  }

  /** What the values are together, of which only the ends are there. */
  #checkLengths(bytes: Uint8Array, values: number): void {
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
    const lengths = new Int32Array(values);
    for (let part = 0; part < 2; part++) {
      deltaBinaryUnpack(reader, values, lengths);
      for (const length of lengths) this.#spelt += whole(length, MAX_SPELT_BYTES, "bytes of a value");
    }
    whole(this.#spelt, MAX_SPELT_BYTES, "bytes of all values");
  }

  /** Values behind the levels; those of other encodings are bounded by their bytes. */
  #checkValues(bytes: Uint8Array, encoding: number, values: number): void {
    if (encoding === DELTA_BYTE_ARRAY) this.#checkLengths(bytes, values);
    if (!RUN_ENCODINGS.includes(encoding) || values === 0) return;
    if (this.#isBoolean) checkRuns(takeRuns(bytes).runs, 1, values);
    else if (bytes[0] > 32) throw new Error(`a page has values of ${bytes[0]} bits, expected at most 32`);
    else if (bytes[0] > 0) checkRuns(bytes.subarray(1), bytes[0], values);
  }

  #unpack(bytes: Uint8Array, size: number): Uint8Array {
    return decompressPage(bytes, size, this.meta.codec, this.compressors);
  }

  #checkPage(bytes: Uint8Array, size: number, values: number, encoding: number): void {
    let page = this.#unpack(bytes, size);
    for (const bits of [this.#repetitionBits, this.#definitionBits]) {
      if (bits === 0) continue;
      const { runs, rest } = takeRuns(page);
      checkRuns(runs, bits, values);
      page = rest;
    }
    this.#checkValues(page, encoding, values);
  }

  /** Checks all pages of the column. */
  check(bytes: Uint8Array): void {
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
    const total = Number(this.meta.num_values);
    let seen = 0;
    while (reader.offset < bytes.length - 1 && seen < total) {
      checkThriftSizes(bytes, reader.offset);
      const header = deserializeTCompactProtocol(reader);
      const packed = whole(header.field_3, bytes.length - reader.offset, "bytes");
      const size = whole(header.field_2, Math.min(2 ** 31 - 1, (packed + 1) * MAX_RATIO), "unpacked bytes");
      const body = bytes.subarray(reader.offset, reader.offset + packed);
      reader.offset += packed;
      if (header.field_1 === DATA_PAGE) {
        const values = whole(header.field_5?.field_1, total - seen, "values");
        this.#checkPage(body, size, values, header.field_5.field_2);
        seen += values;
      } else if (header.field_1 === DATA_PAGE_V2) {
        const {
          field_1: values,
          field_2: nulls,
          field_3: rows,
          field_4: encoding,
          field_5: definition,
          field_6: repetition,
          field_7: isPacked,
        } = header.field_8 ?? {};
        seen += whole(values, total - seen, "values");
        whole(nulls, values, "nulls");
        whole(rows, values, "rows");
        whole(definition, packed, "bytes of levels");
        whole(repetition, packed - definition, "bytes of levels");
        if (this.#repetitionBits > 0) checkRuns(body.subarray(0, repetition), this.#repetitionBits, values);
        const levels = repetition + definition;
        if (this.#definitionBits > 0) checkRuns(body.subarray(repetition, levels), this.#definitionBits, values);
        const unpacked = isPacked === false || size === levels
          ? body.subarray(levels)
          : this.#unpack(body.subarray(levels), size - levels);
        this.#checkValues(unpacked, encoding, values - nulls);
      } else if (header.field_1 === DICTIONARY_PAGE) {
        whole(header.field_7?.field_1, total, "dictionary values");
      }
    }
    if (seen !== total) throw new Error(`a column has ${seen} values, expected ${total}`);
  }
}

/**
 * Checks every page of a file.
 *
 * @param tree Its schema.
 * @throws {Error} If one promises more values or bytes than its column has, or cannot be unpacked. The message is meant
 * to follow a colon.
 */
export async function checkPages(
  file: AsyncBuffer,
  metadata: FileMetaData,
  tree: SchemaTree,
  compressors: Compressors,
): Promise<void> {
  for (const { columns } of metadata.row_groups) {
    for (const { meta_data: meta } of columns) {
      if (!meta) throw new Error("a column has no metadata");
      // Some writers leave 0 where there is no dictionary.
      const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
      const end = start + Number(meta.total_compressed_size);
      const pages = new ColumnPages(meta, getTreePath(tree, meta.path_in_schema), compressors);
      pages.check(new Uint8Array(await file.slice(start, end)));
    }
  }
}
