/** Fractions so small that they switch nothing off: the search would compare the model with itself. */
import { emptyFractions, leastFraction } from "../method/fractions.ts";
import { UsageError } from "./errors.ts";
import { counted } from "./text.ts";

/**
 * Tells of fractions that are no neuron.
 *
 * @param fractions As asked for; undefined for the default ones.
 * @param neurons That a layer has at the site.
 * @throws {UsageError} If none of them is a neuron.
 */
export function remarkOnFractions(
  fractions: readonly number[] | undefined,
  neurons: number,
  note: (line: string) => void,
): void {
  if (fractions === undefined) return;
  const empty = emptyFractions(fractions, neurons);
  if (empty.length === 0) return;
  const least = `the smallest that switches one off is ${leastFraction(neurons)}`;
  if (empty.length === fractions.length) {
    throw new UsageError(
      `--fractions ${fractions.join(",")} switches off none of the ${counted(neurons, "neuron")} of a layer`,
      `${least}.`,
    );
  }
  note(`Fractions that switch off none of the ${neurons} neurons of a layer: ${empty.join(", ")}; ${least}.`);
}
