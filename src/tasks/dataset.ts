/** Splits of a dataset: the numbered rows of its data files. */
import { type RawRow, readDataFile } from "./data_file.ts";
import { quote } from "./python_value.ts";

/** One row of a split. */
export interface Row extends RawRow {
  /** Split and position, such as `test/17`, counted from 0. */
  readonly id: string;
}

/** All rows of one split, in the order of the files. */
export interface Split {
  readonly name: string;
  readonly rows: readonly Row[];
  /** Every column that some row has. */
  readonly columns: ReadonlySet<string>;
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
  const rows: Row[] = [];
  // One after the other: the parts of a large split need not be in memory as text at once.
  for (const path of paths) {
    for (const row of await readDataFile(path)) rows.push({ id: `${name}/${rows.length}`, ...row });
  }
  if (rows.length === 0) {
    throw new RangeError(`Cannot read split ${quote(name)}: no rows in ${paths.join(", ")}`);
  }
  const columns = new Set<string>();
  for (const row of rows) {
    for (const column of Object.keys(row.values)) columns.add(column);
  }
  return { name, rows, columns };
}
