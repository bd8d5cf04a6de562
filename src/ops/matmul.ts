/**
 * x wᵀ and dy w with weights in their stored type: owns `matmul_nt_*` and `matmul_nn_*`, chooses the tile for
 * the rows there are, and walks the parts of split weights.
 */
import {
  matmulNnRows,
  matmulNnSubgroup,
  matmulNnSubgroupTall,
  matmulNnTile,
  matmulNnTileWide,
  matmulNtRows,
  matmulNtSubgroup,
  matmulNtSubgroupTall,
  matmulNtTile,
  matmulNtTileWide,
} from "../../kernels/mod.ts";
import type { Kernel, KernelConstants, KernelSource } from "../gpu/kernel.ts";
import { type KernelVariant, type MatmulTiling, type Matrix, type OpContext, padded, requireRows } from "./context.ts";
import { WEIGHT_TYPES, type WeightMatrix } from "./weight_matrix.ts";

/** The kernels of one tile shape. */
interface Tile {
  /** Rows and columns that a workgroup computes: of y, and of dx. */
  readonly rows: number;
  readonly columns: number;
  readonly backwardColumns?: number;
  readonly nt: KernelSource;
  readonly nn: KernelSource;
  readonly constants?: KernelConstants;
}

const WIDE = {
  nt: { name: "matmul_nt_tile_wide", code: matmulNtTileWide },
  nn: { name: "matmul_nn_tile_wide", code: matmulNnTileWide },
};

const TILES: Readonly<Record<MatmulTiling, Tile>> = {
  rows: {
    rows: 4,
    columns: 4,
    backwardColumns: 64,
    nt: { name: "matmul_nt_rows", code: matmulNtRows },
    nn: { name: "matmul_nn_rows", code: matmulNnRows },
  },
  plain: {
    rows: 64,
    columns: 64,
    nt: { name: "matmul_nt_tile", code: matmulNtTile },
    nn: { name: "matmul_nn_tile", code: matmulNnTile },
  },
  wide: { rows: 64, columns: 64, ...WIDE, constants: { SIDE: 8 } },
  large: { rows: 128, columns: 128, ...WIDE, constants: { SIDE: 16 } },
  low: {
    rows: 16,
    columns: 64,
    nt: { name: "matmul_nt_subgroup", code: matmulNtSubgroup },
    nn: { name: "matmul_nn_subgroup", code: matmulNnSubgroup },
  },
  tall: {
    rows: 32,
    columns: 64,
    nt: { name: "matmul_nt_subgroup_tall", code: matmulNtSubgroupTall },
    nn: { name: "matmul_nn_subgroup_tall", code: matmulNnSubgroupTall },
  },
};

/** The tilings of each variant. */
export const TILINGS: Readonly<Record<KernelVariant, readonly MatmulTiling[]>> = {
  tile: ["rows", "plain", "wide", "large"],
  subgroup: ["low", "tall"],
};

/** Rows up to which reading the weights is the whole cost. */
const FEW_ROWS = 16;

/** Workgroups below which large tiles leave most of a large GPU idle. */
const FEW_WORKGROUPS = 128;

/** How much longer a row takes in the lower of the two register tiles, measured. */
const LOW_TILE_COST = 1.25;

/** The tile for a product of so many rows and columns. */
function tileFor(context: OpContext, variant: KernelVariant, rows: number, columns: number): Tile {
  if (context.tiling) return TILES[context.tiling];
  if (variant === "subgroup") {
    // Rows that fill up the last tile cost as much as others.
    const filled = (height: number) => Math.ceil(rows / height) * height;
    return LOW_TILE_COST * filled(TILES.low.rows) < filled(TILES.tall.rows) ? TILES.low : TILES.tall;
  }
  if (rows <= FEW_ROWS && !context.batchInvariant) return TILES.rows;
  const many = TILES[context.manyRows];
  const workgroups = Math.ceil(rows / many.rows) * Math.ceil(columns / many.columns);
  return many.rows > TILES.plain.rows && workgroups < FEW_WORKGROUPS ? TILES.plain : many;
}

function kernelOf(context: OpContext, tile: Tile, product: "nt" | "nn", w: WeightMatrix): Kernel {
  return context.kernels.get(tile[product], { WEIGHT_TYPE: WEIGHT_TYPES[w.type], ...tile.constants });
}

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
  const tile = tileFor(context, w.variant, rows, w.rows);
  const kernel = kernelOf(context, tile, "nt", w);
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
  const tile = tileFor(context, w.variant, rows, columns);
  const kernel = kernelOf(context, tile, "nn", w);
  w.parts.forEach((part, index) => {
    context.recorder.dispatch(
      kernel,
      [dy.buffer, part.binding, dx.buffer],
      [rows, columns, part.rows, from, dy.stride, part.rowStart, to, dx.stride, accumulate || index > 0 ? 1 : 0],
      [Math.ceil(columns / (tile.backwardColumns ?? tile.columns)), Math.ceil(rows / tile.rows), 1],
      2 * rows * part.rows * columns,
    );
  });
}
