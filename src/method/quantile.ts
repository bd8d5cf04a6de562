/** Quantiles of sorted numbers. */

/** A sorted copy. */
export function ascending(values: Iterable<number>): Float64Array {
  return Float64Array.from(values).sort();
}

/**
 * The value below which a share of the numbers lies, linear between neighbours (type 7 of Hyndman and Fan 1996); NaN of
 * none.
 *
 * @param sorted Ascending.
 * @param share In [0,1].
 */
export function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const value = sorted[below] ?? NaN;
  return below + 1 < sorted.length ? value + (place - below) * (sorted[below + 1] - value) : value;
}
