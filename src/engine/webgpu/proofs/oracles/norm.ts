/** RMSNorm with a residual sum, in float64.  arXiv:1910.07467 */
import type { RowEntry } from "../tables.ts";

/** n[r] = x[r] weight / sqrt(mean(x[r]²) + epsilon), shapes `[T, D]`. */
export function norm(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const D = weight.length;
  const n = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += D) {
    const rms = Math.sqrt(meanSquare(x.subarray(at, at + D)) + epsilon);
    for (let i = 0; i < D; i++) n[at + i] = x[at + i] * weight[i] / rms;
  }
  return n;
}

/** x'[r] = x[source_r] + alpha_r y[r], where the silenced dimensions of y count as 0. */
export function residual(x: Float64Array, y: Float64Array, rows: readonly RowEntry[], D: number): Float64Array {
  return y.map((value, i) => {
    const { source, alphaDown, outputs } = rows[Math.floor(i / D)];
    return x[source * D + i % D] + (outputs?.[i % D] ? 0 : alphaDown * value);
  });
}

/** Gradient of Σ dn norm(x) with respect to x. */
export function normGradient(x: Float64Array, dn: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const D = weight.length;
  const dx = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += D) {
    // d n_j / d x_i = w_j (δ_ij / r - x_i x_j / (D r³)), with r the root mean square.
    const rms = Math.sqrt(meanSquare(x.subarray(at, at + D)) + epsilon);
    let sum = 0;
    for (let j = 0; j < D; j++) sum += dn[at + j] * weight[j] * x[at + j];
    for (let i = 0; i < D; i++) dx[at + i] = dn[at + i] * weight[i] / rms - x[at + i] * sum / (D * rms ** 3);
  }
  return dx;
}

function meanSquare(row: Float64Array): number {
  return row.reduce((sum, value) => sum + value * value, 0) / row.length;
}
