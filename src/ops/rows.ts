/** Moving rows and columns: owns `map_rows`, `keep_outputs`, `gather_columns` and `neuron_statistics`. */
import { gatherColumns, keepOutputs as keepOutputsCode, mapRows, neuronStatistics } from "../../kernels/mod.ts";
import { type Binding, linearGrid } from "../gpu/recorder.ts";
import { type Matrix, type OpContext, requireRows } from "./context.ts";
import type { RowTable } from "./row_table.ts";

/** out[r] = x[from + map_r], or 0 where map_r is NONE, on `rows` rows of `columns` floats. out is overwritten. */
export function copyRows(
  context: OpContext,
  x: Matrix,
  map: { readonly entries: Binding; readonly first: number },
  out: Matrix,
  rows: number,
  from = 0,
): void {
  requireRows("out", out, rows);
  const columns = Math.min(x.stride, out.stride);
  const grid = linearGrid(Math.ceil(rows * columns / 4 / 64));
  context.recorder.dispatch(
    context.kernels.get({ name: "map_rows", code: mapRows }),
    [x.buffer, map.entries, out.buffer],
    [rows, columns, from, x.stride, out.stride, grid[0], map.first],
    grid,
    rows * columns,
  );
}

/** out[r] = x[r], 0 at the output dimensions that the row's mask silences, on `rows` rows. out is overwritten. */
export function keepOutputs(context: OpContext, x: Matrix, table: RowTable, out: Matrix, rows: number): void {
  requireRows("out", out, rows);
  const grid = linearGrid(Math.ceil(rows * out.stride / 4 / 64));
  context.recorder.dispatch(
    context.kernels.get({ name: "keep_outputs", code: keepOutputsCode }),
    [x.buffer, table.rows, table.masks, out.buffer],
    [rows, out.stride, grid[0], table.first],
    grid,
    rows * out.stride,
  );
}

/** Folds (Σ h, Σ |h|, max |h|) over `rows` rows into statistics `[H][4]`. statistics are accumulated into. */
export function foldStatistics(
  context: OpContext,
  h: Matrix,
  neurons: number,
  statistics: GPUBuffer,
  rows: number,
): void {
  requireRows("h", h, rows);
  const grid = linearGrid(Math.ceil(neurons / 64));
  context.recorder.dispatch(
    context.kernels.get({ name: "neuron_statistics", code: neuronStatistics }),
    [h.buffer, statistics],
    [rows, neurons, h.stride, grid[0]],
    grid,
    3 * rows * neurons,
  );
}

/**
 * out[r,i] = h[r, columns_i] for `rows` rows and `count` columns, written from element `outFirst` on. out is
 * overwritten.
 */
export function pickColumns(
  context: OpContext,
  h: Matrix,
  columns: { readonly entries: Binding; readonly first: number; readonly count: number },
  out: GPUBuffer,
  outFirst: number,
  rows: number,
): void {
  requireRows("h", h, rows);
  const grid = linearGrid(Math.ceil(rows * columns.count / 64));
  context.recorder.dispatch(
    context.kernels.get({ name: "gather_columns", code: gatherColumns }),
    [h.buffer, columns.entries, out],
    [rows, columns.count, h.stride, grid[0], columns.first, outFirst],
    grid,
    rows * columns.count,
  );
}
