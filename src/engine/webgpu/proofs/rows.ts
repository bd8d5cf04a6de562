/** Proofs of `map_rows`, `keep_outputs`, `gather_columns` and `neuron_statistics`. */
import { NONE } from "../../../ops/row_table.ts";
import { copyRows, foldStatistics, keepOutputs, pickColumns } from "../../../ops/rows.ts";
import { drawRows, uploadRows } from "./row_tables.ts";
import type { Workbench } from "./workbench.ts";

/** Rows, and columns: more than a workgroup takes. */
const [T, D] = [7, 152];

/** Rows from elsewhere, and from nowhere. */
export async function proveCopy(bench: Workbench): Promise<void> {
  const [sources, from, first] = [4, 2, 3];
  const values = bench.values(sources * D);
  const map = bench.integers(T, sources).map((source, row) => row % 3 === 0 ? NONE : source);
  const entries = await bench.words(Uint32Array.of(...new Array(first).fill(NONE), ...map));
  const out = await bench.output(T, D);
  copyRows(bench.context, await bench.input(values, D, from), { entries, first }, out, T, from);
  const expected = new Float64Array(T * D);
  map.forEach((source, row) => {
    if (source !== NONE) expected.set(values.subarray(source * D, (source + 1) * D), row * D);
  });
  bench.expect(out, expected);
}

/** Silenced dimensions of some rows. */
export async function proveKeepOutputs(bench: Workbench): Promise<void> {
  const values = bench.values(T * D);
  const rows = drawRows(bench, T, D, { sources: T });
  const out = await bench.output(T, D);
  keepOutputs(bench.context, await bench.input(values, D), await uploadRows(bench, rows), out, T);
  bench.expect(out, values.map((value, i) => rows[Math.floor(i / D)].outputs?.[i % D] ? 0 : value));
}

/** Single columns, some of them twice. */
export async function proveGather(bench: Workbench): Promise<void> {
  const [count, first, outFirst] = [23, 2, 5];
  const values = bench.values(T * D);
  const columns = bench.integers(count, D);
  const entries = await bench.words(Uint32Array.of(...new Array(first).fill(NONE), ...columns));
  const out = await bench.output(T * count, 1, { first: outFirst, stride: 1 });
  const h = await bench.input(values, D);
  pickColumns(bench.context, h, { entries, first, count }, out.buffer, outFirst, T);
  bench.expect(
    out,
    Float64Array.from({ length: T * count }, (_, i) => values[Math.floor(i / count) * D + columns[i % count]]),
  );
}

/** Sums and largest values of neurons, on top of those of other rows. */
export async function proveStatistics(bench: Workbench): Promise<void> {
  const values = bench.values(T * D);
  const initial = bench.values(D * 4).map((value, i) => i % 4 === 3 ? 0 : i % 4 === 0 ? value : Math.abs(value) / 2);
  const statistics = await bench.output(D, 4, { stride: 4, initial });
  foldStatistics(bench.context, await bench.input(values, D), D, statistics.buffer, T);
  const expected = initial.slice();
  values.forEach((value, i) => {
    const at = 4 * (i % D);
    expected[at] += value;
    expected[at + 1] += Math.abs(value);
    expected[at + 2] = Math.max(expected[at + 2], Math.abs(value));
  });
  bench.expect(statistics, expected);
}
