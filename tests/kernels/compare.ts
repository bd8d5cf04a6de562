/** How far a kernel's result is from the oracle's. */
import { assert } from "@std/assert";
import { type ToleranceName, TOLERANCES } from "./tolerances.ts";

/** Values a kernel computed and the float64 values they should be. */
export interface Result {
  /** What the values are, such as `dx`. */
  readonly name: string;
  readonly tolerance: ToleranceName;
  readonly actual: ArrayLike<number>;
  readonly expected: ArrayLike<number>;
}

/** Distance between a result and its oracle. */
export interface Difference {
  /** Normalised mean square error: Σ (actual - expected)² / Σ expected². */
  readonly nmse: number;
  /** Largest |actual - expected| over the root mean square of the expected values. */
  readonly worst: number;
  /** Where it is. */
  readonly at: number;
}

/**
 * Measures a result.
 *
 * @throws {Error} If a value is not finite where the oracle's is, or the other way round: that is a bug, not a
 * distance.
 */
export function difference({ name, actual, expected }: Result): Difference {
  assert(
    actual.length === expected.length && actual.length > 0,
    `${name}: ${actual.length} values, ${expected.length}`,
  );
  let errors = 0;
  let squares = 0;
  let largest = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i]) || !Number.isFinite(expected[i])) {
      assert(Object.is(actual[i], expected[i]), `${name}: value ${i} is ${actual[i]}, expected ${expected[i]}`);
      continue;
    }
    const error = Math.abs(actual[i] - expected[i]);
    errors += error ** 2;
    squares += expected[i] ** 2;
    if (error > largest) [largest, at] = [error, i];
  }
  if (errors === 0) return { nmse: 0, worst: 0, at };
  return { nmse: errors / squares, worst: largest / Math.sqrt(squares / expected.length), at };
}

/** Throws unless a result is within its tolerance. */
export function assertWithin(result: Result): void {
  const { nmse, worst, at } = difference(result);
  const tolerance = TOLERANCES[result.tolerance];
  assert(
    nmse <= tolerance.nmse && worst <= tolerance.worst,
    `${result.name}: NMSE ${nmse.toExponential(1)} (tolerance ${tolerance.nmse}), worst element ${
      worst.toExponential(1)
    } of the root mean square (tolerance ${tolerance.worst}): value ${at} is ${result.actual[at]}, expected ${
      result.expected[at]
    }`,
  );
}
