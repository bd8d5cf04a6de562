/** The error of a device that computes wrongly. */

/** Thrown when a device gives results that are not those of the model. */
export class WrongResultsError extends Error {
  /** Tells this error from others by name. */
  override readonly name = "WrongResultsError";
}

/** How an error of the results is told. */
export function describeWrong(error: number, tolerance: number): string {
  return Number.isFinite(error)
    ? `that are off by ${error.toPrecision(2)} of the largest, expected at most ${tolerance}`
    : "that are not finite or in the wrong place";
}
