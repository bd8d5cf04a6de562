/** The SwiGLU activation and what Integrated Gradients sums over it, in float64.  arXiv:2002.05202, arXiv:1703.01365 */
import type { RowEntry, VariantEntry } from "../tables.ts";

function logistic(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

/** silu(z) = z σ(z) */
export function silu(z: number): number {
  return z * logistic(z);
}

/** silu'(z) = σ(z) (1 + z (1 - σ(z))), with 1 - σ(z) = σ(-z). */
export function siluSlope(z: number): number {
  return logistic(z) * (1 + z * logistic(-z));
}

/** h[r] = silu(alphaGate g[source_r]) alphaUp u[source_r], 0 for silenced neurons; g and u `[.., H]`. */
export function swiglu(g: Float64Array, u: Float64Array, rows: readonly RowEntry[], H: number): Float64Array {
  const h = new Float64Array(rows.length * H);
  rows.forEach(({ source, alphaGate, alphaUp, neurons }, r) => {
    for (let j = 0; j < H; j++) {
      const at = source * H + j;
      h[r * H + j] = neurons?.[j] ? 0 : silu(alphaGate * g[at]) * alphaUp * u[at];
    }
  });
  return h;
}

/**
 * Gradients of Σ_r dh[r] alphaDown_r h[r] with respect to the g and the u that row r reads; both `[rows, H]`, 0 for
 * silenced neurons.
 */
export function swigluGradient(
  g: Float64Array,
  u: Float64Array,
  dh: Float64Array,
  rows: readonly RowEntry[],
  H: number,
): { dg: Float64Array; du: Float64Array } {
  const dg = new Float64Array(dh.length);
  const du = new Float64Array(dh.length);
  rows.forEach(({ source, alphaGate, alphaUp, alphaDown, neurons }, r) => {
    for (let j = 0; j < H; j++) {
      const at = source * H + j;
      const d = neurons?.[j] ? 0 : alphaDown * dh[r * H + j];
      dg[r * H + j] = d * alphaGate * siluSlope(alphaGate * g[at]) * alphaUp * u[at];
      du[r * H + j] = d * silu(alphaGate * g[at]) * alphaUp;
    }
  });
  return { dg, du };
}

/**
 * Σ_r weight_r d[r] ∂(output)/∂alpha: what rows `from` to `to - 1` of the variants add to a score row `[H]`.
 *
 * `gate`: the output is h = silu(alpha g) alphaUp u. `up`: it is silu(alphaGate g) alpha u. `down`: it is alpha g,
 * where g is the block's output.
 */
export function attribution(
  site: "gate" | "up" | "down",
  g: Float64Array,
  u: Float64Array,
  d: Float64Array,
  variants: readonly VariantEntry[],
  [from, to]: readonly [number, number],
  H: number,
): Float64Array {
  const scores = new Float64Array(H);
  for (let r = from; r < to; r++) {
    const { source, alphaGate, alphaUp, weight } = variants[r];
    for (let j = 0; j < H; j++) {
      const at = source * H + j;
      const slope = site === "gate"
        ? siluSlope(alphaGate * g[at]) * g[at] * alphaUp * u[at]
        : site === "up"
        ? silu(alphaGate * g[at]) * u[at]
        : g[at];
      scores[j] += weight * d[r * H + j] * slope;
    }
  }
  return scores;
}
