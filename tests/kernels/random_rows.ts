/** Random row tables for the cases of kernels. */
import type { RowEntry } from "../../src/engine/webgpu/proofs/tables.ts";
import type { CaseData } from "./kernel_case.ts";

/** What the entries of a random row table have. */
export interface RowOptions {
  /** Rows of the inputs; entries continue random ones. Default: row r continues row r. */
  readonly sources?: number;
  /** Whether the factors differ from 1; then some are 0. */
  readonly alphas?: boolean;
  /** Whether a third of the neurons or dimensions is silenced in every other row. */
  readonly masks?: boolean;
}

/** A random row table for `count` rows of matrices `width` wide. */
export function randomRows(data: CaseData, count: number, width: number, options: RowOptions): RowEntry[] {
  const sources = options.sources ? data.integers(count, options.sources) : Array.from({ length: count }, (_, r) => r);
  const alpha = () => options.alphas ? data.integers(1, 5)[0] / 4 : 1;
  const mask = () => data.integers(width, 3).map((draw) => draw === 0);
  return sources.map((source, row) => ({
    source,
    alphaGate: alpha(),
    alphaUp: alpha(),
    alphaDown: alpha(),
    ...(options.masks && row % 2 === 0 && { neurons: mask(), outputs: mask() }),
  }));
}
