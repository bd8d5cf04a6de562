/** How far numbers are from what they should be. */
import { assertLess } from "@std/assert";

/**
 * Worst |actual - expected| divided by the largest |expected|: 0 for equal arrays. NaN anywhere gives NaN, which fails
 * every comparison.
 *
 * @throws {RangeError} If the lengths differ or there is nothing to compare.
 */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || actual.length === 0) {
    throw new RangeError(`Cannot compare ${actual.length} values with ${expected.length}: expected as many, and some`);
  }
  let difference = 0, largest = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** Fails unless {@link relativeError} is below `tolerance`; `what` names the numbers. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  const error = relativeError(actual, expected);
  assertLess(error, tolerance, `${what} is off by ${error}, expected less than ${tolerance}`);
}

/** Σ (actual - expected)² / Σ expected²: the mean square error, normalised (NMSE). */
export function meanSquareError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let errors = 0, squares = 0;
  for (let i = 0; i < expected.length; i++) {
    errors += (actual[i] - expected[i]) ** 2;
    squares += expected[i] ** 2;
  }
  return errors / squares;
}
