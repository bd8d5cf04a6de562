/**
 * x wᵀ and dy w with weights in their stored type: owns `matmul_nt_*` and `matmul_nn_*`, chooses between the variants, and
 * walks the parts of split weights.
 */
import { matmulNnSubgroup, matmulNnTile, matmulNtSubgroup, matmulNtTile } from "../../kernels/mod.ts";
import type { KernelSource } from "../gpu/kernel.ts";
import { type KernelVariant, type Matrix, type OpContext, padded, requireRows } from "./context.ts";
import { WEIGHT_TYPES, type WeightMatrix } from "./weight_matrix.ts";

/** Rows and columns of a tile of each variant. */
const TILES: Record<KernelVariant, { readonly rows: number; readonly columns: number }> = {
  subgroup: { rows: 16, columns: 64 },
  tile: { rows: 64, columns: 64 },
};

const NT: Record<KernelVariant, KernelSource> = {
  subgroup: { name: "matmul_nt_subgroup", code: matmulNtSubgroup },
  tile: { name: "matmul_nt_tile", code: matmulNtTile },
};

const NN: Record<KernelVariant, KernelSource> = {
  subgroup: { name: "matmul_nn_subgroup", code: matmulNnSubgroup },
  tile: { name: "matmul_nn_tile", code: matmulNnTile },
};

/** Which rows of the operands take part. */
export interface MatmulRows {
  /** R: rows of the product. */
  readonly rows: number;
  /** First row of the left operand. Default 0. */
  readonly from?: number;
  /** First row of the result. Default 0. */
  readonly to?: number;
  /** Add to the result instead of overwriting it. Default false. */
  readonly accumulate?: boolean;
}

/**
 * y[R,N] = x[R,K] w[N,K]ᵀ, or += with `accumulate`. Columns of y beyond N up to the next multiple of 8 become 0.
 *
 * @throws {RangeError} If a matrix is too small.
 */
export function matmul(context: OpContext, x: Matrix, w: WeightMatrix, y: Matrix, options: MatmulRows): void {
  const { rows, from = 0, to = 0, accumulate = false } = options;
  const depth = padded(w.columns);
  requireRows("x", x, from + rows);
  requireRows("y", y, to + rows);
  if (x.stride < depth || y.stride < padded(w.rows)) {
    throw new RangeError(
      `Cannot multiply by ${w.name} [${w.rows}, ${w.columns}]: strides ${x.stride} and ${y.stride} are too small`,
    );
  }
  const { variant } = w;
  const kernel = context.kernels.get(NT[variant], { WEIGHT_TYPE: WEIGHT_TYPES[w.type] });
  const tile = TILES[variant];
  for (const part of w.parts) {
    context.recorder.dispatch(
      kernel,
      [x.buffer, part.binding, y.buffer],
      [rows, part.rows, depth, from, x.stride, to, y.stride, part.rowStart, accumulate ? 1 : 0],
      [Math.ceil(part.rows / tile.columns), Math.ceil(rows / tile.rows), 1],
      2 * rows * part.rows * depth,
    );
  }
}

/**
 * dx[R,K] = dy[R,N] w[N,K], or += with `accumulate`: the input gradient of {@link matmul}.
 *
 * @throws {RangeError} If a matrix is too small.
 */
export function matmulBackward(context: OpContext, dy: Matrix, w: WeightMatrix, dx: Matrix, options: MatmulRows): void {
  const { rows, from = 0, to = 0, accumulate = false } = options;
  const columns = padded(w.columns);
  requireRows("dy", dy, from + rows);
  requireRows("dx", dx, to + rows);
  if (dx.stride < columns || dy.stride < padded(w.rows)) {
    throw new RangeError(
      `Cannot multiply by ${w.name} [${w.rows}, ${w.columns}]: strides ${dy.stride} and ${dx.stride} are too small`,
    );
  }
  const { variant } = w;
  const kernel = context.kernels.get(NN[variant], { WEIGHT_TYPE: WEIGHT_TYPES[w.type] });
  const tile = TILES[variant];
  w.parts.forEach((part, index) => {
    context.recorder.dispatch(
      kernel,
      [dy.buffer, part.binding, dx.buffer],
      [rows, columns, part.rows, from, dy.stride, part.rowStart, to, dx.stride, accumulate || index > 0 ? 1 : 0],
      [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows), 1],
      2 * rows * part.rows * columns,
    );
  });
}
