/** The per-row table of a layer's output rows, as `swiglu`, `residual_rmsnorm` and the backward kernels read it. */
import type { Binding } from "../gpu/recorder.ts";

/** No row, no mask. */
export const NONE = 0xffffffff;

/** 32-bit words of one entry: `Row` in the kernels. */
export const ROW_WORDS = 8;

/** Where the entries of some rows are. */
export interface RowTable {
  /** Entries of `Row`: source, alpha gate, alpha up, alpha down, mask, down mask, 0, 0. */
  readonly rows: Binding;
  /** Bits of silenced neurons, 32 a word. */
  readonly masks: Binding;
  /** Entry of row 0. */
  readonly first: number;
}
