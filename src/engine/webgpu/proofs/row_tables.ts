/** Row tables of proofs: rows that continue others, path factors, and silenced neurons and dimensions. */
import type { RowTable } from "../../../ops/row_table.ts";
import { packRowTable, type RowEntry } from "./tables.ts";
import type { Workbench } from "./workbench.ts";

/** Entries before the first that is used. */
const FIRST = 2;

/** `count` entries over `sources` rows, `width` wide; plain ones continue their own row and change nothing. */
export function drawRows(
  bench: Workbench,
  count: number,
  width: number,
  { sources, isPlain = false }: { readonly sources: number; readonly isPlain?: boolean },
): RowEntry[] {
  const factor = () => isPlain ? 1 : bench.integers(1, 5)[0] / 4;
  const mask = () => bench.integers(width, 3).map((draw) => draw === 0);
  return Array.from({ length: count }, (_, row) => ({
    source: isPlain ? row : bench.integers(1, sources)[0],
    alphaGate: factor(),
    alphaUp: factor(),
    alphaDown: factor(),
    ...(!isPlain && row % 2 === 0 && { neurons: mask(), outputs: mask() }),
  }));
}

/** Uploads entries. */
export async function uploadRows(bench: Workbench, entries: readonly RowEntry[]): Promise<RowTable> {
  const { rows, masks } = packRowTable(entries, FIRST);
  return { rows: await bench.words(rows), masks: await bench.words(masks), first: FIRST };
}
