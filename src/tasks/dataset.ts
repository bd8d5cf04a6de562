/** Rows of local data files: JSON Lines, a JSON list, CSV or TSV. */
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { parseDelimited } from "./delimited.ts";
import { isRecord, quote, typeName, type Value, type ValueRecord } from "./python_value.ts";

/** One row of a split. */
export interface Row {
  /** Split and position, such as `test/17`, counted from 0. */
  readonly id: string;
  /** Where it stands, for error messages: `FILE, line 18`. */
  readonly place: string;
  /** Its cells by column. */
  readonly values: ValueRecord;
}

/** All rows of one split, in the order of the files. */
export interface Split {
  readonly name: string;
  readonly rows: readonly Row[];
  /** Every column that some row has. */
  readonly columns: ReadonlySet<string>;
}

/** A row that is not numbered yet. */
interface RawRow {
  readonly place: string;
  readonly values: ValueRecord;
}

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new RangeError(`Cannot read the data file ${path} (${code}): expected a readable file`, { cause: error });
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

function parseJson(place: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${place}: ${(error as Error).message}`, { cause: error });
  }
}

function readJsonLines(path: string, text: string): RawRow[] {
  const records: RawRow[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const place = `${path}, line ${i + 1}`;
    records.push(expectRow(place, parseJson(place, line)));
  }
  return records;
}

/** A `.json` file is a list of objects or, as in the `datasets` library, JSON Lines. */
function readJson(path: string, text: string): RawRow[] {
  if (!text.trimStart().startsWith("[")) return readJsonLines(path, text);
  const list = parseJson(path, text) as unknown[];
  return list.map((value, i) => expectRow(`${path}, row ${i}`, value));
}

/** Columns in which every cell is an integer become numbers, so that a label column can index the choices. */
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
  const repeated = columns.find((name, i) => columns.indexOf(name) !== i);
  if (repeated !== undefined) throw new SyntaxError(`Cannot read ${path}: two columns are named ${quote(repeated)}`);
  for (const { fields, line } of body) {
    if (fields.length !== columns.length) {
      throw new SyntaxError(
        `Cannot read ${path}, line ${line}: ${fields.length} fields, expected ${columns.length} as in the first line`,
      );
    }
  }
  const isInteger = columns.map((_, i) => body.every(({ fields }) => /^(?:0|-?[1-9]\d{0,14})$/.test(fields[i])));
  return body.map(({ fields, line }) => ({
    place: `${path}, line ${line}`,
    values: Object.fromEntries(columns.map((name, i) => [name, isInteger[i] ? Number(fields[i]) : fields[i]])),
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
    default:
      throw new RangeError(
        `Cannot read the data file ${path}: ${
          extension ? `the ending ${extension}` : `a name without an ending`
        } is not ` +
          "supported, expected .jsonl, .json, .csv or .tsv",
      );
  }
}

/**
 * Reads the rows of a split.
 *
 * @param name Name of the split, the first part of the row ids.
 * @param paths Its files; their rows follow each other.
 * @throws {RangeError} If a file cannot be read, has an unknown ending, or there is no row.
 * @throws {SyntaxError} If a file is malformed; the message names the line or row.
 */
export async function readSplit(name: string, paths: readonly string[]): Promise<Split> {
  const lists = await Promise.all(paths.map(readRows));
  const rows = lists.flat().map((row, i) => ({ id: `${name}/${i}`, ...row }));
  if (rows.length === 0) {
    throw new RangeError(`Cannot read split ${quote(name)}: no rows in ${paths.join(", ")}`);
  }
  const columns = new Set<string>();
  for (const row of rows) {
    for (const column of Object.keys(row.values)) columns.add(column);
  }
  return { name, rows, columns };
}
