/** Matrix products in float64. */

/** y[T,N] = x[T,K] w[N,K]ᵀ */
export function product(x: Float64Array, w: Float64Array, [T, K, N]: readonly [number, number, number]): Float64Array {
  const y = new Float64Array(T * N);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[t * K + k] * w[n * K + k];
      y[t * N + n] = sum;
    }
  }
  return y;
}

/** dx[T,K] = dy[T,N] w[N,K]: the gradient of Σ dy y with respect to x. */
export function productGradient(
  dy: Float64Array,
  w: Float64Array,
  [T, K, N]: readonly [number, number, number],
): Float64Array {
  const dx = new Float64Array(T * K);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) dx[t * K + k] += dy[t * N + n] * w[n * K + k];
    }
  }
  return dx;
}
