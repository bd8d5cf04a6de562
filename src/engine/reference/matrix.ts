/**
 * The two products of the reference engine: `x Wᵀ` on the way up and `dy W` on the way down.
 *
 * Every element is one float64 sum taken in index order, whatever the number of rows, so a row's result does not depend
 * on the rows beside it. The blocks of two rows by four outputs only give the processor independent sums to overlap.
 */

/**
 * `y[t,o] = sum_i x[t,i] * w[o,i]` (+ `bias[o]`) for rows `firstRow <= t < rows`; other rows of the result are zero.
 *
 * @param x `[rows, inner]`
 * @param w `[outer, inner]`, widened to float64 as it is read.
 * @returns A new array `[rows, outer]`.
 */
export function timesTransposed(
  x: Float64Array,
  rows: number,
  firstRow: number,
  w: Float32Array,
  outer: number,
  inner: number,
  bias?: Float32Array,
): Float64Array {
  const y = new Float64Array(rows * outer);
  for (let t = firstRow; t < rows; t += 2) {
    // At an odd end the last row or output is computed again into the same place rather than treated apart.
    const second = Math.min(t + 1, rows - 1);
    const a = t * inner, b = second * inner;
    for (let o = 0; o < outer; o += 4) {
      const o1 = Math.min(o + 1, outer - 1), o2 = Math.min(o + 2, outer - 1), o3 = Math.min(o + 3, outer - 1);
      const w0 = o * inner, w1 = o1 * inner, w2 = o2 * inner, w3 = o3 * inner;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let i = 0; i < inner; i++) {
        const xa = x[a + i], xb = x[b + i];
        const v0 = w[w0 + i], v1 = w[w1 + i], v2 = w[w2 + i], v3 = w[w3 + i];
        a0 += xa * v0;
        a1 += xa * v1;
        a2 += xa * v2;
        a3 += xa * v3;
        b0 += xb * v0;
        b1 += xb * v1;
        b2 += xb * v2;
        b3 += xb * v3;
      }
      const p = t * outer, q = second * outer;
      y[p + o] = a0;
      y[p + o1] = a1;
      y[p + o2] = a2;
      y[p + o3] = a3;
      y[q + o] = b0;
      y[q + o1] = b1;
      y[q + o2] = b2;
      y[q + o3] = b3;
    }
  }
  if (bias !== undefined) {
    for (let t = firstRow; t < rows; t++) {
      for (let o = 0; o < outer; o++) y[t * outer + o] += bias[o];
    }
  }
  return y;
}

/**
 * Adds `sum_o dy[t,o] * w[o,i]` to `dx[t,i]` for rows `firstRow <= t < rows`: the gradient of {@linkcode
 * timesTransposed} with respect to `x`.
 *
 * @param dy `[rows, outer]`
 * @param w `[outer, inner]`
 * @param dx `[rows, inner]`, accumulated into.
 */
export function addTimes(
  dy: Float64Array,
  rows: number,
  firstRow: number,
  w: Float32Array,
  outer: number,
  inner: number,
  dx: Float64Array,
): void {
  for (let t = firstRow; t < rows; t += 2) {
    // An odd last row stands in for its missing neighbour with gradient zero; so do the weights past the last output.
    const pair = t + 1 < rows;
    const a = t * inner, b = pair ? a + inner : a;
    for (let o = 0; o < outer; o += 4) {
      const n = outer - o;
      const p = t * outer + o, q = p + outer;
      const d0 = dy[p], d1 = n > 1 ? dy[p + 1] : 0, d2 = n > 2 ? dy[p + 2] : 0, d3 = n > 3 ? dy[p + 3] : 0;
      const e0 = pair ? dy[q] : 0, e1 = pair && n > 1 ? dy[q + 1] : 0;
      const e2 = pair && n > 2 ? dy[q + 2] : 0, e3 = pair && n > 3 ? dy[q + 3] : 0;
      // Most logits have no gradient, and the LM head has many rows.
      if (d0 === 0 && d1 === 0 && d2 === 0 && d3 === 0 && e0 === 0 && e1 === 0 && e2 === 0 && e3 === 0) continue;
      const w0 = o * inner, w1 = n > 1 ? w0 + inner : w0, w2 = n > 2 ? w1 + inner : w0, w3 = n > 3 ? w2 + inner : w0;
      for (let i = 0; i < inner; i++) {
        const v0 = w[w0 + i], v1 = w[w1 + i], v2 = w[w2 + i], v3 = w[w3 + i];
        dx[a + i] += d0 * v0 + d1 * v1 + d2 * v2 + d3 * v3;
        dx[b + i] += e0 * v0 + e1 * v1 + e2 * v2 + e3 * v3;
      }
    }
  }
}
