/** RMSNorm with the residual sum in front of it, and its gradient: owns `residual_rmsnorm` and `rmsnorm_backward`. */
import { residualRmsnorm, rmsnormBackward } from "../../kernels/mod.ts";
import { linearGrid } from "../gpu/recorder.ts";
import { type Matrix, type OpContext, requireRows, rowLanes } from "./context.ts";
import type { RowTable } from "./row_table.ts";

/** A norm's learned weight, padded with zeros to the stride of its input. */
export interface NormWeight {
  readonly buffer: GPUBuffer;
  /** D, the number of elements that are averaged. */
  readonly width: number;
  readonly epsilon: number;
}

/** n = norm(x) over the first `rows` rows. n is overwritten. */
export function rmsnorm(context: OpContext, x: Matrix, weight: NormWeight, n: Matrix, rows: number): void {
  record(context, x, undefined, undefined, weight, undefined, n, rows);
}

/**
 * x_out[r] = x[source_r] + alpha_r y[r], n[r] = norm(x_out[r]); source_r = r and alpha_r = 1 without a row table.
 * x_out and n are overwritten.
 */
export function residualNorm(
  context: OpContext,
  x: Matrix,
  y: Matrix,
  table: RowTable | undefined,
  weight: NormWeight,
  xOut: Matrix,
  n: Matrix,
  rows: number,
): void {
  record(context, x, y, table, weight, xOut, n, rows);
}

function record(
  context: OpContext,
  x: Matrix,
  y: Matrix | undefined,
  table: RowTable | undefined,
  weight: NormWeight,
  xOut: Matrix | undefined,
  n: Matrix,
  rows: number,
): void {
  for (const [name, matrix] of Object.entries({ y, xOut, n })) if (matrix) requireRows(name, matrix, rows);
  const kernel = context.kernels.get({ name: "residual_rmsnorm", code: residualRmsnorm }, {
    HAS_Y: y ? 1 : 0,
    HAS_ROWS: table ? 1 : 0,
    LANES: rowLanes(context),
  });
  const grid = linearGrid(rows);
  context.recorder.dispatch(
    kernel,
    [
      x.buffer,
      y?.buffer ?? context.unusedInput,
      table?.rows ?? context.unusedInput,
      table?.masks ?? context.unusedInput,
      weight.buffer,
      xOut?.buffer ?? context.unusedOutput,
      n.buffer,
    ],
    [rows, weight.width, n.stride, grid[0], table?.first ?? 0, { f32: weight.epsilon }],
    grid,
    8 * rows * weight.width,
  );
}

/**
 * dx[r] += gradient of norm(x) given dn[r]; row r of dn and dx belongs to row `from + r` of x. dx is accumulated into,
 * or overwritten where `accumulate` is false.
 */
export function rmsnormGradient(
  context: OpContext,
  x: Matrix,
  dn: Matrix,
  weight: NormWeight,
  dx: Matrix,
  options: { readonly rows: number; readonly from?: number; readonly accumulate?: boolean },
): void {
  const { rows, from = 0, accumulate = true } = options;
  requireRows("x", x, from + rows);
  requireRows("dn", dn, rows);
  requireRows("dx", dx, rows);
  const grid = linearGrid(rows);
  context.recorder.dispatch(
    context.kernels.get({ name: "rmsnorm_backward", code: rmsnormBackward }, { LANES: rowLanes(context) }),
    [x.buffer, dn.buffer, weight.buffer, dx.buffer],
    [rows, weight.width, dx.stride, grid[0], from, accumulate ? 1 : 0, { f32: weight.epsilon }],
    grid,
    12 * rows * weight.width,
  );
}
