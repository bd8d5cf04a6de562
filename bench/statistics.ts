/** Medians, paired ratios and growth exponents of repeated measurements. */

/** A quantile of some values by linear interpolation; 0.5 is the median. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError("Cannot take a quantile of 0 values: expected at least one");
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Median over the rounds of a[i] / b[i]. A machine that is slow in one round is slow for both sides of it, so this
 * moves less than the ratio of the medians.
 *
 * @throws {RangeError} If the lengths differ.
 */
export function pairedRatio(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new RangeError(`Cannot pair ${a.length} rounds with ${b.length}: expected as many`);
  return median(a.map((value, i) => value / b[i]));
}

/** Exponent e and its standard error of the least-squares line through (log sizes, log seconds): seconds ~ sizes^e. */
export function fitExponent(
  sizes: readonly number[],
  seconds: readonly number[],
): { readonly exponent: number; readonly standardError: number } {
  if (sizes.length !== seconds.length || new Set(sizes).size < 2) {
    throw new RangeError(`Cannot fit an exponent to ${sizes.length} sizes: expected two different ones, each timed`);
  }
  const x = sizes.map(Math.log);
  const y = seconds.map(Math.log);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const spread = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  const exponent = x.reduce((sum, value, i) => sum + (value - meanX) * (y[i] - meanY), 0) / spread;
  const residual = y.reduce((sum, value, i) => sum + (value - meanY - exponent * (x[i] - meanX)) ** 2, 0);
  return { exponent, standardError: x.length > 2 ? Math.sqrt(residual / (x.length - 2) / spread) : 0 };
}

/** Normalised mean square error: Σ (actual - expected)² / Σ expected²; NaN if anything is. */
export function nmse(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || expected.length === 0) {
    throw new RangeError(`Cannot compare ${actual.length} values with ${expected.length}: expected as many, and some`);
  }
  let errors = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    errors += (actual[i] - expected[i]) ** 2;
    squares += expected[i] ** 2;
  }
  return errors === 0 ? 0 : errors / squares;
}
