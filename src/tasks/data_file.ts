/** Rows of one data file: JSON Lines, a JSON list, CSV, TSV or Parquet. */
import { extname } from "node:path";
import { parseDelimited } from "./delimited.ts";
import { readParquet } from "./parquet.ts";
import { isRecord, quote, typeName, type Value, type ValueRecord } from "./python_value.ts";
import { firstRepeated } from "./repeated.ts";
import { checkRegularFile, readRegularFile } from "./regular_file.ts";

/** A row that is not numbered yet. */
export interface RawRow {
  /** Where it stands, for error messages: `FILE, line 18`. */
  readonly place: string;
  /** Its cells by column. */
  readonly values: ValueRecord;
}

/** Largest text file, in bytes: what fits one string. */
const MAX_TEXT_BYTES = 500_000_000;

/** Largest Parquet file, in bytes, and so the largest data file. It is read in parts, and its rows are limited too. */
export const MAX_PARQUET_BYTES = 4_000_000_000;

/** Most rows of a file. */
const MAX_ROWS = 10_000_000;

/** Says what the file was for where the system only has a code. */
async function named<T>(path: string, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new RangeError(`Cannot read the data file ${path} (${code}): expected a readable file`, { cause: error });
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await named(path, readRegularFile(path, MAX_TEXT_BYTES));
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    throw new SyntaxError(`Cannot read ${path}: it is compressed with gzip, expected plain text: gunzip it first`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${path}: expected UTF-8 text`, { cause: error });
  }
}

function expectRow(place: string, value: unknown): RawRow {
  if (!isRecord(value)) {
    throw new SyntaxError(
      `Cannot read ${place}: ${quote(value)} is ${typeName(value as Value)}, expected a JSON object`,
    );
  }
  return { place, values: value };
}

/** Sixteen digits in a row may be an integer that a number cannot hold. */
const manyDigits = /\d{16}/;

/** Keeps the digits of an integer that is not exact as a number, so that a prompt shows them as they are. */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const isInexact = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return isInexact && /^-?\d+$/.test(context?.source ?? "") ? context!.source : value;
}

/** @param isLine Whether the text is a line of the file, so that the engine's own count of lines says nothing. */
function parseJson(place: string, text: string, isLine = false): unknown {
  try {
    return JSON.parse(text, manyDigits.test(text) ? keepDigits : undefined);
  } catch (error) {
    const { message } = error as Error;
    const problem = isLine ? message.replace(/ at position \d+ \(line 1 column (\d+)\)$/, ", column $1") : message;
    throw new SyntaxError(`Cannot read ${place}: ${problem}`, { cause: error });
  }
}

function readJsonLines(path: string, text: string): RawRow[] {
  const records: RawRow[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const place = `${path}, line ${i + 1}`;
    records.push(expectRow(place, parseJson(place, line, true)));
  }
  return records;
}

/** A `.json` file is a list of objects or, as in the `datasets` library, JSON Lines. */
function readJson(path: string, text: string): RawRow[] {
  if (!text.trimStart().startsWith("[")) return readJsonLines(path, text);
  const list = parseJson(path, text) as unknown[];
  return list.map((value, i) => expectRow(`${path}, row ${i}`, value));
}

/** Numbers that a cell may be: those that read back as they are written. */
const integer = /^(?:0|-?[1-9]\d{0,14})$/;

/**
 * Columns of integers become numbers, so that a label column can index the choices. Empty cells stay empty text, and do
 * not turn the others into text.
 */
function readTable(path: string, text: string, delimiter: string): RawRow[] {
  let records;
  try {
    records = parseDelimited(text, delimiter);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const [header, ...body] = records;
  if (header === undefined) return [];
  const columns = header.fields;
  const repeated = firstRepeated(columns);
  if (repeated !== undefined) throw new SyntaxError(`Cannot read ${path}: two columns are named ${quote(repeated)}`);
  for (const { fields, line } of body) {
    if (fields.length !== columns.length) {
      throw new SyntaxError(
        `Cannot read ${path}, line ${line}: ${fields.length} fields, expected ${columns.length} as in the first line`,
      );
    }
  }
  const isInteger = columns.map((_, i) => body.every(({ fields }) => fields[i] === "" || integer.test(fields[i])));
  return body.map(({ fields, line }) => ({
    place: `${path}, line ${line}`,
    values: Object.fromEntries(
      columns.map((name, i) => [name, isInteger[i] && fields[i] !== "" ? Number(fields[i]) : fields[i]]),
    ),
  }));
}

async function readRows(path: string): Promise<RawRow[]> {
  const extension = extname(path).toLowerCase();
  switch (extension) {
    case ".jsonl":
    case ".ndjson":
      return readJsonLines(path, await readText(path));
    case ".json":
      return readJson(path, await readText(path));
    case ".csv":
      return readTable(path, await readText(path), ",");
    case ".tsv":
      return readTable(path, await readText(path), "\t");
    case ".parquet":
      await named(path, checkRegularFile(path, MAX_PARQUET_BYTES));
      return (await named(path, readParquet(path, MAX_ROWS))).map((values, i) => ({
        place: `${path}, row ${i}`,
        values,
      }));
    default:
      throw new RangeError(
        `Cannot read the data file ${path}: ${
          extension ? `the ending ${extension}` : `a name without an ending`
        } is not ` +
          "supported, expected .jsonl, .json, .csv, .tsv or .parquet",
      );
  }
}

/**
 * Reads the rows of a file; its ending says what it is.
 *
 * @throws {RangeError} If it cannot be read, has an unknown ending, or is too large.
 * @throws {SyntaxError} If it is malformed; the message names the line or row.
 */
export async function readDataFile(path: string): Promise<RawRow[]> {
  const rows = await readRows(path);
  if (rows.length > MAX_ROWS) {
    throw new RangeError(`Cannot read the data file ${path}: ${rows.length} rows exceed the limit of ${MAX_ROWS}`);
  }
  return rows;
}
