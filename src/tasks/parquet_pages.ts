/**
 * Checks of the pages of a Parquet file, before anything is decoded by what they say: a damaged or hostile header may
 * promise a thousand million values in a few bytes, which would be decoded for minutes.
 */
import type { AsyncBuffer, ColumnMetaData, Compressors, FileMetaData, SchemaTree } from "hyparquet";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } from "hyparquet/src/schema.js";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import type { ParquetBudget } from "./parquet_budget.ts";
import { walkDeltas } from "./parquet_delta.ts";
import { checkRuns, takeRuns } from "./parquet_runs.ts";
import { checkThriftSizes } from "./thrift_sizes.ts";

/** Numbers of Thrift's `PageType` that hold values. */
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const DATA_PAGE_V2 = 3;

/** Numbers of Thrift's `Encoding`; values of those that are not here are bounded by their bytes. */
const PLAIN = 0;
const PLAIN_DICTIONARY = 2;
const RLE = 3;
const DELTA_BINARY_PACKED = 5;
const DELTA_LENGTH_BYTE_ARRAY = 6;
const DELTA_BYTE_ARRAY = 7;
const RLE_DICTIONARY = 8;

/** Most bits of an index into a dictionary, and of a level: how deep a null is. */
const MAX_INDEX_BITS = 32;
const MAX_LEVEL_BITS = 8;

/** Longest decimal, 154 digits: the package takes the square of its length to read it. */
const MAX_DECIMAL_BYTES = 64;

/** A page may be so many times larger than its compressed bytes; text repeated over and over stays below. */
const MAX_RATIO = 100_000;

function whole(value: unknown, most: number, what: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  throw new Error(`a page has ${value} ${what}, expected at most ${most}`);
}

/** Bits of a number from 0 to `largest`. */
function bitWidth(largest: number): number {
  return whole(32 - Math.clz32(largest), MAX_LEVEL_BITS, "bits of levels");
}

/** A column of one row group. */
class ColumnPages {
  readonly #repetitionBits: number;
  readonly #definitionBits: number;
  /** Definition level of a value that is no null. */
  readonly #defined: number;
  readonly #isBoolean: boolean;
  readonly #isDecimal: boolean;
  /** Most bytes of a value behind its length. */
  readonly #longest: number;

  constructor(
    readonly meta: ColumnMetaData,
    path: SchemaTree[],
    readonly compressors: Compressors,
    readonly budget: ParquetBudget,
  ) {
    this.#defined = getMaxDefinitionLevel(path);
    this.#repetitionBits = bitWidth(getMaxRepetitionLevel(path));
    this.#definitionBits = bitWidth(this.#defined);
    this.#isBoolean = meta.type === "BOOLEAN";
    const { element } = path[path.length - 1];
    this.#isDecimal = element.converted_type === "DECIMAL";
    this.#longest = this.#isDecimal ? MAX_DECIMAL_BYTES : 2 ** 31 - 1;
    if (meta.type === "FIXED_LEN_BYTE_ARRAY") whole(element.type_length, this.#longest, "bytes of a value");
  }

  /** Lengths of values that are stored as differences, and where what follows them begins. */
  #lengths(bytes: Uint8Array, start: number, count: number): { lengths: Int32Array; end: number } {
    const end = walkDeltas(bytes, start, count);
    const lengths = new Int32Array(count);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (count > 0) deltaBinaryUnpack({ view, offset: start }, count, lengths);
    for (const length of lengths) whole(length, this.#longest, "bytes of a value");
    return { lengths, end };
  }

  /** Values of which only the ends are there, behind how much each takes from the one before. */
  #checkSpelt(bytes: Uint8Array, count: number): void {
    const { lengths, end } = this.#lengths(bytes, 0, count);
    for (const length of lengths) this.budget.speltBytes.take(length);
    this.#lengths(bytes, end, count);
  }

  /** Values as they are, each behind its length; others than decimals are bounded by their bytes. */
  #checkPlain(bytes: Uint8Array, count: number): void {
    if (!this.#isDecimal || this.meta.type !== "BYTE_ARRAY") return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0, at = 0; i < count; i++) {
      at += 4 + whole(view.getUint32(at, true), this.#longest, "bytes of a value");
    }
  }

  /** Indices into the dictionary. Pages of version 1 have no runs for those of no bits. */
  #checkIndices(bytes: Uint8Array, count: number, haveRuns: boolean): void {
    if (count === 0) return;
    const width = whole(bytes[0], MAX_INDEX_BITS, "bits of an index");
    if (width > 0 || haveRuns) checkRuns(bytes.subarray(1), width, count);
  }

  /**
   * Values behind the levels.
   *
   * @param count How many there are without the nulls.
   */
  #checkValues(bytes: Uint8Array, encoding: number, count: number, version: 1 | 2): void {
    switch (encoding) {
      case PLAIN_DICTIONARY:
      case RLE_DICTIONARY:
        if (this.#isBoolean) throw new Error("a page of booleans has a dictionary");
        return this.#checkIndices(bytes, count, version === 2);
      case RLE:
        if (!this.#isBoolean) throw new Error("a page has runs of values that are no booleans");
        if (count > 0) checkRuns(takeRuns(bytes).runs, 1, count);
        return;
      case PLAIN:
        return this.#checkPlain(bytes, count);
      case DELTA_BINARY_PACKED:
        walkDeltas(bytes, 0, count);
        return;
      case DELTA_LENGTH_BYTE_ARRAY:
        this.#lengths(bytes, 0, count);
        return;
      case DELTA_BYTE_ARRAY:
        return this.#checkSpelt(bytes, count);
    }
  }

  #unpack(bytes: Uint8Array, size: number): Uint8Array {
    return decompressPage(bytes, size, this.meta.codec, this.compressors);
  }

  #checkPage(bytes: Uint8Array, size: number, values: number, encoding: number): void {
    let page = this.#unpack(bytes, size);
    let count = values;
    if (this.#repetitionBits > 0) {
      const { runs, rest } = takeRuns(page);
      checkRuns(runs, this.#repetitionBits, values);
      page = rest;
    }
    if (this.#definitionBits > 0) {
      const { runs, rest } = takeRuns(page);
      count = checkRuns(runs, this.#definitionBits, values, this.#defined);
      page = rest;
    }
    this.#checkValues(page, encoding, count, 1);
  }

  /** Checks all pages of the column. */
  check(bytes: Uint8Array): void {
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
    const total = Number(this.meta.num_values);
    let seen = 0;
    this.budget.cells.take(total);
    // All of it, as pages of lists are read even when there are values enough.
    while (reader.offset < bytes.length - 1) {
      checkThriftSizes(bytes, reader.offset);
      const header = deserializeTCompactProtocol(reader);
      const packed = whole(header.field_3, bytes.length - reader.offset, "bytes");
      const size = whole(header.field_2, Math.min(2 ** 31 - 1, (packed + 1) * MAX_RATIO), "unpacked bytes");
      this.budget.unpackedBytes.take(size);
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
        this.#checkValues(unpacked, encoding, values - nulls, 2);
      } else if (header.field_1 === DICTIONARY_PAGE) {
        const values = whole(header.field_7?.field_1, total, "dictionary values");
        if (this.#isDecimal) this.#checkPlain(this.#unpack(body, size), values);
      }
    }
    if (seen !== total) throw new Error(`a column has ${seen} values, expected ${total}`);
  }
}

/**
 * Checks every page of a file.
 *
 * @param tree Its schema.
 * @param budget What is left of the file's allowances.
 * @throws {RangeError} If the file exceeds one.
 * @throws {Error} If one promises more values or bytes than its column has, or cannot be unpacked. The message is meant
 * to follow a colon.
 */
export async function checkPages(
  file: AsyncBuffer,
  metadata: FileMetaData,
  tree: SchemaTree,
  compressors: Compressors,
  budget: ParquetBudget,
): Promise<void> {
  for (const { columns } of metadata.row_groups) {
    for (const { meta_data: meta } of columns) {
      if (!meta) throw new Error("a column has no metadata");
      // Some writers leave 0 where there is no dictionary.
      const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
      const end = start + Number(meta.total_compressed_size);
      const pages = new ColumnPages(meta, getTreePath(tree, meta.path_in_schema), compressors, budget);
      pages.check(new Uint8Array(await file.slice(start, end)));
    }
  }
}
