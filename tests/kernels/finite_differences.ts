/** Central differences of a float64 function, to check a float64 gradient. */

/** Coordinates that are checked one by one. */
const COORDINATES = 12;

/**
 * Worst error of `gradient` at `point`: at evenly spread coordinates, relative to the gradient's largest element, and
 * along the gradient itself, relative to its length.
 *
 * @param step Distance of the evaluations; the error of the differences grows with its fourth power.
 */
export function gradientError(
  objective: (point: Float64Array) => number,
  point: Float64Array,
  gradient: Float64Array,
  step = 1e-3,
): number {
  const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const length = Math.hypot(...gradient);
  if (largest === 0) return Infinity;
  const along = (direction: (i: number) => number) => {
    const at = (distance: number) => objective(point.map((value, i) => value + distance * direction(i)));
    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
  };
  let worst = Math.abs(along((i) => gradient[i] / length) - length) / length;
  const count = Math.min(COORDINATES, point.length);
  for (let n = 0; n < count; n++) {
    const coordinate = Math.floor((n + 0.5) * point.length / count);
    const slope = along((i) => i === coordinate ? 1 : 0);
    worst = Math.max(worst, Math.abs(slope - gradient[coordinate]) / largest);
  }
  return worst;
}

/** Σ a b */
export function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
