/** Ticks of logarithmic axes: powers of ten, few enough to be read. */

/** Powers of ten in [lowest, highest], at most six; where there is none, the ends. */
export function logTicks(lowest: number, highest: number): number[] {
  const from = Math.ceil(Math.log10(lowest)), to = Math.floor(Math.log10(highest));
  if (to < from) return [lowest, highest];
  const step = Math.max(1, Math.ceil((to - from) / 5));
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => 10 ** (to - i * step));
}

/**
 * Ticks for a scale that is linear up to `constant` and logarithmic outside: 0 and at most two powers of ten on each
 * side.
 */
export function symlogTicks(extent: number, constant: number): number[] {
  const first = Math.ceil(Math.log10(constant)), last = Math.floor(Math.log10(extent));
  const powers = Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => first + k);
  const kept = powers.filter((_, k) => (powers.length - 1 - k) % Math.ceil(powers.length / 2) === 0);
  const sizes = kept.map((power) => 10 ** power);
  return [...sizes.map((size) => -size).reverse(), 0, ...sizes];
}
