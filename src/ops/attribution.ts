/**
 * The Integrated Gradients sum over path nodes and positions: owns `attribution_fused_*` (with the down projection's
 * gradient inside) and `attribution_fold` (from a gradient that is in memory).
 */
import { attributionFold, attributionFusedSubgroup, attributionFusedTile } from "../../kernels/mod.ts";
import type { KernelSource } from "../gpu/kernel.ts";
import type { Binding } from "../gpu/recorder.ts";
import { type KernelVariant, type Matrix, type OpContext, padded, requireRows } from "./context.ts";
import { WEIGHT_TYPES, type WeightMatrix } from "./weight_matrix.ts";

/** 32-bit words of one variant entry: source row, alpha gate, alpha up, quadrature weight. */
export const VARIANT_WORDS = 4;

/** 32-bit words of one pair entry: first variant, number of variants, row of scores, 0. */
export const PAIR_WORDS = 4;

/** The sites, numbered as the kernels number them. */
export const SITES = { gate: 0, up: 1, down: 2 } as const;

/** Rows to fold and where their sums go. */
export interface FoldTables {
  readonly variants: Binding;
  readonly pairs: Binding;
  readonly pairCount: number;
  /** Rows of all pairs together. */
  readonly variantCount: number;
}

const FUSED: Record<KernelVariant, KernelSource> = {
  subgroup: { name: "attribution_fused_subgroup", code: attributionFusedSubgroup },
  tile: { name: "attribution_fused_tile", code: attributionFusedTile },
};

/** Neurons of one workgroup of the fused kernels. */
const FUSED_COLUMNS: Record<KernelVariant, number> = { subgroup: 64, tile: 32 };

/**
 * scores[pair] += Σ weight · (dy w) · factor over the pair's rows, with w the down projection `[D, H]`, in one kernel.
 * The sum is linear in dy w, so the parts of a split w add to it one after the other.
 *
 * @param dy Gradient of the layer's output; variant i belongs to its row `from + i`.
 */
export function foldThroughDown(
  context: OpContext,
  dy: Matrix,
  w: WeightMatrix,
  g: Matrix,
  u: Matrix,
  site: "gate" | "up",
  tables: FoldTables,
  scores: Matrix,
  from: number,
): void {
  requireRows("dy", dy, from + tables.variantCount);
  const columns = padded(w.columns);
  const kernel = context.kernels.get(FUSED[w.variant], { WEIGHT_TYPE: WEIGHT_TYPES[w.type] });
  for (const part of w.parts) {
    context.recorder.dispatch(
      kernel,
      [dy.buffer, part.binding, g.buffer, u.buffer, tables.variants, tables.pairs, scores.buffer],
      [columns, part.rows, from, dy.stride, g.stride, SITES[site], part.rowStart],
      [Math.ceil(columns / FUSED_COLUMNS[w.variant]), tables.pairCount, 1],
      2 * tables.variantCount * columns * part.rows,
    );
  }
}

/**
 * scores[pair] += Σ weight · d · factor over the pair's rows, from a gradient in memory: dh for gate and up neurons,
 * the gradient of the layer's output for output dimensions (`g` is then the block's output and `u` is not used).
 */
export function fold(
  context: OpContext,
  d: Matrix,
  g: Matrix,
  u: Matrix | undefined,
  site: "gate" | "up" | "down",
  tables: FoldTables,
  scores: Matrix,
  from: number,
): void {
  requireRows("d", d, from + tables.variantCount);
  context.recorder.dispatch(
    context.kernels.get({ name: "attribution_fold", code: attributionFold }),
    [d.buffer, g.buffer, u?.buffer ?? context.unusedInput, tables.variants, tables.pairs, scores.buffer],
    [scores.stride, from, SITES[site]],
    [Math.ceil(scores.stride / 4 / 64), tables.pairCount, 1],
    12 * tables.variantCount * scores.stride,
  );
}
