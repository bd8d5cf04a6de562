/**
 * RMSNorm: `y[i] = x[i] * r * weight[i]` with `r = 1 / sqrt(mean(x^2) + epsilon)`, and its gradient. arXiv:1910.07467
 */

/**
 * Normalises rows `firstRow <= t < rows`; other rows of the result are zero.
 *
 * @param x `[rows, width]`
 * @param weight `[width]`
 * @returns A new array `[rows, width]`.
 */
export function rmsNorm(
  x: Float64Array,
  rows: number,
  firstRow: number,
  width: number,
  weight: Float32Array,
  epsilon: number,
): Float64Array {
  const y = new Float64Array(rows * width);
  for (let t = firstRow; t < rows; t++) {
    const r = inverseRms(x, t * width, width, epsilon);
    for (let i = t * width, j = 0; j < width; i++, j++) y[i] = x[i] * r * weight[j];
  }
  return y;
}

/**
 * Adds the gradient with respect to `x` of {@linkcode rmsNorm}: with `g = dy * weight`,
 * `dx[i] += r * g[i] - x[i] * r^3 * mean(g * x)`.
 *
 * @param x The normalised input `[rows, width]`.
 * @param dy `[rows, width]`
 * @param dx `[rows, width]`, accumulated into.
 */
export function addRmsNormGradient(
  x: Float64Array,
  dy: Float64Array,
  rows: number,
  firstRow: number,
  width: number,
  weight: Float32Array,
  epsilon: number,
  dx: Float64Array,
): void {
  for (let t = firstRow; t < rows; t++) {
    const start = t * width;
    const r = inverseRms(x, start, width, epsilon);
    let dot = 0;
    for (let j = 0; j < width; j++) dot += dy[start + j] * weight[j] * x[start + j];
    const shrink = (r * r * r * dot) / width;
    for (let j = 0; j < width; j++) dx[start + j] += r * dy[start + j] * weight[j] - shrink * x[start + j];
  }
}

function inverseRms(x: Float64Array, start: number, width: number, epsilon: number): number {
  let squares = 0;
  for (let i = start; i < start + width; i++) squares += x[i] * x[i];
  return 1 / Math.sqrt(squares / width + epsilon);
}
