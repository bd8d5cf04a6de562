/**
 * How far each kernel's result may be from float64: the one table of tolerances.
 *
 * Each entry is the noise floor that `floors.ts` measured over the whole case table (llvmpipe of Mesa 22.3, LLVM 15,
 * 256 bits, both kernel variants; the floor is in the comment), times 16 for the NMSE and times 4 for the worst
 * element, rounded up. Widening one needs a line in `bench/LOG.md`.
 */

/** Limits on a result's difference from float64; see `difference` in `compare.ts`. */
export interface Tolerance {
  /** Σ (actual - expected)² / Σ expected² */
  readonly nmse: number;
  /** Largest |actual - expected| over the root mean square of the expected values. */
  readonly worst: number;
}

/** The table. */
export const TOLERANCES = {
  /** Copies, indices, and sums that f32 holds exactly. */
  exact: { nmse: 0, worst: 0 }, // 0, 0
  matmul: { nmse: 3e-12, worst: 1.1e-5 }, // 1.6e-13, 2.7e-6
  attribution: { nmse: 8e-13, worst: 7e-6 }, // 4.4e-14, 1.7e-6
  attention: { nmse: 6e-13, worst: 8e-6 }, // 3.7e-14, 1.8e-6
  /** |q| = 150: scores of several hundred, whose f32 spacing is 3e-5, in an exponent. */
  attentionLarge: { nmse: 3e-11, worst: 1.4e-4 }, // 1.7e-12, 3.4e-5
  attentionGradient: { nmse: 1.8e-12, worst: 1.4e-5 }, // 1.1e-13, 3.3e-6
  /** As `attentionLarge`, with the rounding of the kept log-sum-exp, in gradients that nearly cancel. */
  attentionGradientLarge: { nmse: 5e-9, worst: 1.4e-3 }, // 2.6e-10, 3.3e-4
  residual: { nmse: 1.6e-14, worst: 1.1e-6 }, // 9.5e-16, 2.6e-7
  norm: { nmse: 3e-13, worst: 3e-6 }, // 1.6e-14, 7.0e-7
  normGradient: { nmse: 4e-13, worst: 4.2e-6 }, // 2.3e-14, 1.0e-6
  rope: { nmse: 1.1e-13, worst: 1.6e-6 }, // 6.6e-15, 3.8e-7
  ropeGradient: { nmse: 9e-14, worst: 2.5e-6 }, // 5.4e-15, 6.0e-7
  swiglu: { nmse: 1.6e-13, worst: 6e-6 }, // 9.4e-15, 1.5e-6
  swigluGradient: { nmse: 4e-13, worst: 1e-5 }, // 2.4e-14, 2.3e-6
  logSumExp: { nmse: 4e-14, worst: 3.2e-7 }, // 2.1e-15, 7.7e-8
  /** exp of a difference of logits that were rounded to f32. */
  probabilityGradient: { nmse: 8e-12, worst: 8e-5 }, // 4.9e-13, 2.0e-5
  neuronSums: { nmse: 4e-12, worst: 1e-5 }, // 2.5e-13, 2.3e-6
} as const satisfies Readonly<Record<string, Tolerance>>;

/** An entry of the table. */
export type ToleranceName = keyof typeof TOLERANCES;
