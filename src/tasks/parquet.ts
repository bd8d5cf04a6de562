/** Rows of a Parquet file, its cells as the values of a dataset row. */
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "./parquet_compressors.ts";
import { type FileHandle, open } from "node:fs/promises";
import { MAX_UNPACKED_BYTES, ParquetBudget } from "./parquet_budget.ts";
import { describeOtherContent } from "../text/other_content.ts";
import { checkPages } from "./parquet_pages.ts";
import { firstRepeated } from "./repeated.ts";
import { checkThriftSizes } from "./thrift_sizes.ts";
import { quote, type Value, type ValueRecord } from "./python_value.ts";

/** Deepest nesting of lists and structures in a cell. */
const MAX_DEPTH = 32;

/** First and last bytes of a Parquet file. */
const MARK = "PAR1";

/** Bytes that are no UTF-8 text, such as an image: what no prompt can show. */
class BinaryCell extends Error {}

async function readFully(file: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(0, end - start));
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${start + done}, expected ${end - start - done} more`);
    done += bytesRead;
  }
  return bytes.buffer;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Error(`${bytes.length} bytes of a text column are no UTF-8`);
  }
}

const microsecondsPerDay = 86_400_000_000n;

/** A moment as Python's `str` of a `datetime`: no fraction where it is zero, else six digits. */
function momentText(microseconds: bigint): string {
  const milliseconds = Number(microseconds / 1000n - (microseconds % 1000n < 0n ? 1n : 0n));
  const text = new Date(milliseconds).toISOString().slice(0, -5).replace("T", " ");
  const fraction = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return fraction === 0n ? text : `${text}.${String(fraction).padStart(6, "0")}`;
}

/** Dates become the text that Python prints; everything else keeps the package's parsers. */
const parsers = {
  stringFromBytes: decodeText,
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && JSON.parse(decodeText(bytes)!),
  dateFromDays: (days: number | undefined) =>
    days === undefined ? undefined : momentText(BigInt(days) * microsecondsPerDay).slice(0, 10),
  timestampFromMilliseconds: (value: bigint | undefined) =>
    value === undefined ? undefined : momentText(BigInt(value) * 1000n),
  timestampFromMicroseconds: (value: bigint | undefined) => value === undefined ? undefined : momentText(BigInt(value)),
  timestampFromNanoseconds: (value: bigint | undefined) =>
    value === undefined ? undefined : momentText(BigInt(value) / 1000n),
};

/**
 * A cell as the package gives it, as a value; integers that no number can hold keep their digits as text.
 *
 * @param budget What is left of the file's allowances.
 */
function toValue(cell: unknown, budget: ParquetBudget, depth = 0): Value {
  if (depth > MAX_DEPTH) throw new Error(`lists and structures more than ${MAX_DEPTH} deep`);
  switch (typeof cell) {
    case "undefined":
      return null;
    case "string":
      budget.text.take(cell.length);
      return cell;
    case "number":
    case "boolean":
      return cell;
    case "bigint":
      return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell);
  }
  if (cell === null) return null;
  if (cell instanceof Uint8Array) {
    budget.decodedBytes.take(cell.length);
    try {
      return decoder.decode(cell);
    } catch {
      throw new BinaryCell();
    }
  }
  if (Array.isArray(cell) || ArrayBuffer.isView(cell)) {
    budget.items.take((cell as ArrayLike<unknown>).length);
    return Array.from(cell as ArrayLike<unknown>, (item) => toValue(item, budget, depth + 1));
  }
  const entries = Object.entries(cell as object);
  budget.items.take(entries.length);
  return Object.fromEntries(entries.map(([name, item]) => [name, toValue(item, budget, depth + 1)]));
}

/** A file that is something else is named for what it is, where that can be told. */
async function checkMark(file: AsyncBuffer): Promise<void> {
  const { byteLength } = file;
  const textAt = async (start: number, end: number) =>
    new TextDecoder("latin1").decode(await file.slice(start, Math.min(end, byteLength)));
  const other = describeOtherContent(new Uint8Array(await file.slice(0, Math.min(64, byteLength))), "a Parquet file");
  if (other !== undefined) throw new Error(other);
  if (byteLength < 12) throw new Error("it is too short to be a Parquet file");
  if (await textAt(byteLength - 4, byteLength) !== MARK) {
    const isCut = await textAt(0, 4) === MARK;
    throw new Error(
      isCut
        ? `it is cut off: it begins but does not end with ${MARK}`
        : `it is no Parquet file: it ends without ${MARK}`,
    );
  }
}

/** Lists of the footer are checked before they are read. */
async function checkFooter(file: AsyncBuffer): Promise<void> {
  const { byteLength } = file;
  const length = new DataView(await file.slice(byteLength - 8)).getUint32(0, true);
  if (length > byteLength - 8) throw new Error(`a footer of ${length} bytes in a file of ${byteLength}`);
  checkThriftSizes(new Uint8Array(await file.slice(byteLength - 8 - length, byteLength - 8)));
}

/** What the footer promises is checked before anything is allocated for it. */
function checkMetadata(metadata: FileMetaData, tree: SchemaTree, maxRows: number, byteLength: number): void {
  const rows = Number(metadata.num_rows);
  if (!(rows >= 0 && rows <= maxRows)) throw new RangeError(`${rows} rows exceed the limit of ${maxRows}`);
  let allPacked = 0;
  let unpacked = 0;
  let rowsOfGroups = 0;
  for (const { columns, num_rows } of metadata.row_groups) {
    rowsOfGroups += Number(num_rows);
    for (const { meta_data } of columns) {
      if (!meta_data) throw new Error("a column has no metadata");
      const packed = Number(meta_data.total_compressed_size);
      if (!(packed >= 0 && packed <= byteLength)) {
        throw new Error(`a column of ${packed} bytes in a file of ${byteLength}`);
      }
      allPacked += packed;
      unpacked += Number(meta_data.total_uncompressed_size);
    }
  }
  // Columns that overlap would be read again and again.
  if (allPacked > byteLength) throw new Error(`columns of ${allPacked} bytes in a file of ${byteLength}`);
  if (rowsOfGroups !== rows) throw new Error(`${rowsOfGroups} rows in its groups, expected ${rows}`);
  if (!(unpacked <= MAX_UNPACKED_BYTES)) {
    throw new RangeError(`${unpacked} bytes without compression exceed the limit of ${MAX_UNPACKED_BYTES}`);
  }
  const names = tree.children.map(({ element }) => element.name);
  const repeated = firstRepeated(names);
  if (repeated !== undefined) throw new Error(`two columns are named ${quote(repeated)}`);
}

/**
 * Reads all rows. Columns of bytes that are no text, such as images, are left out.
 *
 * @param maxRows Most rows to accept.
 * @throws {RangeError} If it has more rows or bytes than the limits. What the system says of a file that cannot be
 * opened is passed on.
 * @throws {SyntaxError} If it is no Parquet file, is damaged, or uses what cannot be read.
 */
export async function readParquet(path: string, maxRows: number): Promise<ValueRecord[]> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const file: AsyncBuffer = {
      byteLength: size,
      slice: (start, end = size) => {
        if (!(start >= 0 && start <= end && end <= size)) {
          throw new Error(`it points at bytes ${start} to ${end} of ${size}`);
        }
        return readFully(handle, start, end);
      },
    };
    await checkMark(file);
    await checkFooter(file);
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    const tree = parquetSchema(metadata);
    checkMetadata(metadata, tree, maxRows, size);
    if (metadata.num_rows === 0n) return [];
    const budget = new ParquetBudget();
    await checkPages(file, metadata, tree, compressors, budget);
    const rows = await parquetReadObjects({
      file,
      metadata,
      compressors,
      parsers,
      // Bytes that are not marked as text may be text or not; each is tried.
      utf8: false,
      geoparquet: false,
    });
    if (rows.length !== Number(metadata.num_rows)) {
      throw new Error(`${rows.length} rows, expected ${metadata.num_rows}`);
    }
    const leftOut = new Set<string>();
    const values = rows.map((row, index) => {
      const entries: [string, Value][] = [];
      for (const { element: { name: column } } of tree.children) {
        if (leftOut.has(column)) continue;
        try {
          entries.push([column, toValue(row[column], budget)]);
        } catch (error) {
          if (error instanceof RangeError) throw error;
          if (!(error instanceof BinaryCell)) {
            throw new Error(`row ${index}, column ${quote(column)}: ${(error as Error).message}`, { cause: error });
          }
          leftOut.add(column);
        }
      }
      return entries;
    });
    return values.map((entries) => Object.fromEntries(entries.filter(([column]) => !leftOut.has(column))));
  } catch (error) {
    if (error instanceof RangeError && /limit/.test(error.message)) {
      throw new RangeError(`Cannot read the data file ${path}: ${error.message}`, { cause: error });
    }
    // What the package stumbles over, as against what it or this file says of the data.
    const stumbled = error instanceof TypeError || error instanceof RangeError;
    const problem = stumbled ? "it is damaged" : (error as Error).message;
    throw new SyntaxError(`Cannot read ${path} as Parquet: ${problem}`, { cause: error });
  } finally {
    await handle.close();
  }
}
