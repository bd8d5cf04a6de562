/**
 * Reducing logits to what is asked, and the objective's gradient: owns `head_reduce`, `head_pick` and `head_gradient`.
 */
import { headGradient, headPick, headReduce } from "../../kernels/mod.ts";
import { type Binding, linearGrid } from "../gpu/recorder.ts";
import { type Matrix, type OpContext, requireRows, rowLanes } from "./context.ts";

/**
 * 32-bit words of a row's statistics: bits of the maximum, arg-max token, bits of the log-sum-exp, logits not finite.
 */
export const STATISTICS_WORDS = 4;

/** 32-bit words of a pick: row and token. */
export const PICK_WORDS = 2;

/** 32-bit words of a gradient seed: two tokens, two coefficients. */
export const SEED_WORDS = 4;

/** Token of a seed that stands for the row's own arg-max. */
export const ARGMAX = 0xffffffff;

/**
 * Maximum, arg-max, log-sum-exp and number of NaN and infinities of each row of logits. statistics are overwritten from
 * row `first` on.
 */
export function reduceLogits(
  context: OpContext,
  logits: Matrix,
  vocabulary: number,
  statistics: GPUBuffer,
  first: number,
  rows: number,
): void {
  requireRows("logits", logits, rows);
  const grid = linearGrid(rows);
  context.recorder.dispatch(
    context.kernels.get({ name: "head_reduce", code: headReduce }, { LANES: rowLanes(context) }),
    [logits.buffer, statistics],
    [rows, vocabulary, logits.stride, grid[0], first],
    grid,
    4 * rows * vocabulary,
  );
}

/** picked[first + i] = logits[row - firstRow, token] for `count` picks. picked is overwritten. */
export function pickLogits(
  context: OpContext,
  logits: Matrix,
  picks: Binding,
  picked: GPUBuffer,
  range: { readonly first: number; readonly count: number; readonly firstRow: number },
): void {
  const grid = linearGrid(Math.ceil(range.count / 64));
  context.recorder.dispatch(
    context.kernels.get({ name: "head_pick", code: headPick }),
    [logits.buffer, picks, picked],
    [range.count, logits.stride, grid[0], range.first, range.firstRow],
    grid,
    range.count,
  );
}

/** What {@link seedGradient} reads. */
export interface GradientSeeds {
  readonly statistics: GPUBuffer;
  /** Row of statistics for row 0 of logits. */
  readonly firstStatistics: number;
  readonly seeds: Binding;
  readonly firstSeed: number;
  /** Logits of the target tokens, read for `probability` only. */
  readonly picked: GPUBuffer;
  readonly firstPicked: number;
  /** Whether the objective is the target's probability instead of a sum of logits. */
  readonly probability: boolean;
}

/** Replaces logits by the objective's gradient with respect to them. logits are overwritten. */
export function seedGradient(
  context: OpContext,
  logits: Matrix,
  vocabulary: number,
  seeds: GradientSeeds,
  rows: number,
): void {
  requireRows("logits", logits, rows);
  const grid = linearGrid(Math.ceil(rows * logits.stride / 64));
  context.recorder.dispatch(
    context.kernels.get({ name: "head_gradient", code: headGradient }),
    [seeds.statistics, seeds.seeds, seeds.picked, logits.buffer],
    [
      rows,
      vocabulary,
      logits.stride,
      grid[0],
      seeds.firstStatistics,
      seeds.firstSeed,
      seeds.firstPicked,
      seeds.probability ? 1 : 0,
    ],
    grid,
    4 * rows * vocabulary,
  );
}
