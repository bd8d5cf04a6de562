/**
 * Rotary position embedding with the bias and head norm some families have in front of it: owns `rope` and
 * `rope_backward`.
 */
import { rope, ropeBackward } from "../../kernels/mod.ts";
import { type Binding, linearGrid } from "../gpu/recorder.ts";
import { type Matrix, type OpContext, requireRows, rowLanes } from "./context.ts";

/** How the heads of a projection are turned. */
export interface RopeHeads {
  /** Heads in a row. */
  readonly heads: number;
  /** How many of them, from the first, are rotated. */
  readonly rotated: number;
  /** K */
  readonly width: number;
  /** Elements of a rotated head that are rotated, from the first; even, and 0 for none. Default K. */
  readonly turned?: number;
  /** Bias of all heads, where there is one. */
  readonly bias?: GPUBuffer;
  /** Weight of the head norm `[K]`, where there is one. */
  readonly norm?: GPUBuffer;
  readonly epsilon: number;
}

/** Positions of rows and the table of angles. */
export interface RopePositions {
  /** u32 position of each row. */
  readonly positions: Binding;
  /** Entry of row 0. */
  readonly first: number;
  /** cos and sin of every position and pair, `[positions, turned/2, 2]`. */
  readonly angles: GPUBuffer;
}

/** out = rope(norm(x + bias)) on `rows` rows. out is overwritten. */
export function ropeForward(
  context: OpContext,
  x: Matrix,
  heads: RopeHeads,
  positions: RopePositions,
  out: Matrix,
  rows: number,
): void {
  requireRows("x", x, rows);
  requireRows("out", out, rows);
  const grid = linearGrid(rows * heads.heads);
  context.recorder.dispatch(
    context.kernels.get({ name: "rope", code: rope }, constants(context, heads)),
    [
      x.buffer,
      heads.bias ?? context.unusedInput,
      heads.norm ?? context.unusedInput,
      positions.positions,
      positions.angles,
      out.buffer,
    ],
    [
      rows,
      heads.heads,
      heads.rotated,
      heads.width,
      out.stride,
      grid[0],
      positions.first,
      { f32: heads.epsilon },
      turned(heads),
    ],
    grid,
    6 * rows * heads.heads * heads.width,
  );
}

/**
 * Turns d, the gradient of {@link ropeForward}'s result, into the gradient of its input, in place. Row r of d belongs
 * to row `from + r` of x and to position entry `positions.first + r`.
 */
export function ropeBackwardInPlace(
  context: OpContext,
  x: Matrix,
  heads: RopeHeads,
  positions: RopePositions,
  d: Matrix,
  rows: number,
  from = 0,
): void {
  requireRows("d", d, rows);
  const grid = linearGrid(rows * heads.heads);
  context.recorder.dispatch(
    context.kernels.get({ name: "rope_backward", code: ropeBackward }, constants(context, heads)),
    [
      heads.norm ? x.buffer : context.unusedInput,
      heads.bias ?? context.unusedInput,
      heads.norm ?? context.unusedInput,
      positions.positions,
      positions.angles,
      d.buffer,
    ],
    [
      rows,
      heads.heads,
      heads.rotated,
      heads.width,
      d.stride,
      grid[0],
      positions.first,
      { f32: heads.epsilon },
      from,
      turned(heads),
    ],
    grid,
    6 * rows * heads.heads * heads.width,
  );
}

function turned({ turned, width }: RopeHeads): number {
  return turned ?? width;
}

function constants(context: OpContext, heads: RopeHeads) {
  return { LANES: Math.min(32, rowLanes(context)), HAS_BIAS: heads.bias ? 1 : 0, HAS_NORM: heads.norm ? 1 : 0 };
}
