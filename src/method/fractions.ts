/** Fractions of a layer's neurons that are so small that they switch nothing off. */
import { neuronCount } from "./rank.ts";

/** Those that are no neuron. */
export function emptyFractions(fractions: readonly number[], neurons: number): number[] {
  return fractions.filter((fraction) => neuronCount(fraction, neurons) === 0);
}

/** The smallest fraction of two digits that is a neuron. */
export function leastFraction(neurons: number): number {
  const least = 0.5 / neurons;
  const digits = 1 - Math.floor(Math.log10(least));
  // Upwards, as the number that is nearest may be too small.
  return Number((Math.ceil(least * 10 ** digits - 1e-6) / 10 ** digits).toPrecision(2));
}
