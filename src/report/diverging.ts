/**
 * Steps of the scale from worse (orange) over no difference (grey) to better (blue), which colour-blind readers can
 * tell apart.
 */

/** Steps on either side of the middle. */
export const divergingSteps = 4;

/**
 * The step of a value on a scale that ends at `-extent` and `extent`: -4 to 4, and 0 only for a value of 0 or next to
 * it.
 */
export function divergingStep(value: number, extent: number): number {
  if (!(extent > 0) || Math.abs(value) < 1e-12 * extent) return 0;
  const size = Math.ceil(Math.min(1, Math.abs(value) / extent) * divergingSteps - 1e-9);
  return Math.sign(value) * Math.max(1, size);
}

/** Name of a step in classes and variables: `n4` to `n1`, `zero`, `p1` to `p4`. */
export function stepName(step: number): string {
  return step === 0 ? "zero" : `${step < 0 ? "n" : "p"}${Math.abs(step)}`;
}

/** Colour of an area of that step. */
export function stepColour(step: number): string {
  return `var(--${stepName(step)})`;
}

/** Colour of text on it. */
export function stepInk(step: number): string {
  return `var(--on-${stepName(step)})`;
}

/** Every step, from the lowest. */
export const allSteps: readonly number[] = Array.from({ length: 2 * divergingSteps + 1 }, (_, i) => i - divergingSteps);
