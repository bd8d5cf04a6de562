/** The SwiGLU activation with path factors and masks, and its gradient: owns `swiglu` and `swiglu_backward`. */
import { swiglu, swigluBackward } from "../../kernels/mod.ts";
import { type Grid, linearGrid } from "../gpu/recorder.ts";
import { type Matrix, type OpContext, requireRows } from "./context.ts";
import type { RowTable } from "./row_table.ts";

/** h[r] = silu(alpha_gate g[source_r]) * alpha_up u[source_r], 0 where masked, on `rows` rows. h is overwritten. */
export function swigluForward(
  context: OpContext,
  g: Matrix,
  u: Matrix,
  table: RowTable,
  h: Matrix,
  rows: number,
): void {
  requireRows("h", h, rows);
  const grid = walkGrid(rows, h.stride);
  context.recorder.dispatch(
    context.kernels.get({ name: "swiglu", code: swiglu }),
    [g.buffer, u.buffer, table.rows, table.masks, h.buffer],
    [rows, h.stride, grid[0], table.first],
    grid,
    6 * rows * h.stride,
  );
}

/** dg (in place of dh) and du of {@link swigluForward} on `rows` rows, 0 where masked. du is overwritten. */
export function swigluBackwardInPlace(
  context: OpContext,
  g: Matrix,
  u: Matrix,
  table: RowTable,
  dh: Matrix,
  du: Matrix,
  rows: number,
): void {
  requireRows("dh", dh, rows);
  requireRows("du", du, rows);
  const grid = walkGrid(rows, dh.stride);
  context.recorder.dispatch(
    context.kernels.get({ name: "swiglu_backward", code: swigluBackward }),
    [g.buffer, u.buffer, table.rows, table.masks, dh.buffer, du.buffer],
    [rows, dh.stride, grid[0], table.first],
    grid,
    15 * rows * dh.stride,
  );
}

/** One invocation for up to sixteen columns of a row, 64 a workgroup. */
function walkGrid(rows: number, stride: number): Grid {
  return linearGrid(Math.ceil(rows * Math.ceil(stride / 16) / 64));
}
