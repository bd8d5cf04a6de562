/** The error of a computation whose numbers are not finite: which example, under what, and where it began. */
import type { Example } from "../tasks/example.ts";
import type { Intervention } from "./engine.ts";

/**
 * Thrown when logits or attributions of an example are NaN or infinite: no result that follows from them could be
 * trusted.
 */
export class NotFiniteError extends RangeError {
  /** Tells this error from others by name. */
  override readonly name = "NotFiniteError";

  /**
   * Words the message.
   *
   * @param what Such as `logits` or `scores`.
   * @param place Which layer is changed, if any; see `describeIntervention`.
   * @param origin Where the numbers stop being finite, as far as is known.
   */
  constructor(readonly what: string, readonly example: Example, readonly place: string, origin?: string) {
    super(
      `Cannot use the ${what} of example ${example.id} (${place}): they are not finite${origin ? `; ${origin}` : ""}`,
    );
  }
}

/** What an intervention changes: `the unmodified model`, or `masks in layer 2, 3`. */
export function describeIntervention(intervention: Intervention): string {
  const layers = [...new Set(intervention.map((mask) => mask.layer))];
  return layers.length === 0 ? "the unmodified model" : `masks in layer ${layers.join(", ")}`;
}

/** @throws {NotFiniteError} If a number is NaN or infinite. */
export function requireFinite(what: string, values: ArrayLike<number>, example: Example, place: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw new NotFiniteError(what, example, place);
  }
}
