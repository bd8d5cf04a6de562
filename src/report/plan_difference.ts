/**
 * Why two runs of the same work came to different plans, as far as their files tell: what was as good as equal in them.
 */
import type { Configuration } from "../method/search.ts";
import { layerScores } from "../method/neuron_scores.ts";
import type { RunResults } from "../method/run_results.ts";
import { counted, fractionPercent, percent, significant } from "./numbers.ts";

const chosenOf = ({ searched }: RunResults): Configuration => searched.configurations[searched.chosen];

/** The same layer and fraction in another run. */
function findSame({ searched }: RunResults, { layer, fraction }: Configuration): Configuration | undefined {
  return searched.configurations.find((other) => other.layer === layer && other.fraction === fraction);
}

function nameOf({ layer, fraction }: Configuration): string {
  return layer === null ? "no pruning" : `layer ${layer}, ${fractionPercent(fraction)}`;
}

/** What two engines may differ by in a score, relative to the largest of its layer. */
const tieTolerance = 1e-4;

/** Both chose the same layer and fraction, so their scores put other neurons first. */
function explainNeurons(a: RunResults, b: RunResults, layer: number): string {
  const [first, second] = [new Set(a.searched.neurons), new Set(b.searched.neurons)];
  const others = [...first.symmetricDifference(second)];
  const key = a.searched.settings.ranking === "absolute" ? Math.abs : (score: number) => score;
  const [x, y] = [a, b].map(({ scored }) => layerScores(scored.scores, layer));
  const largest = x.reduce((most, score, neuron) => Math.max(most, Math.abs(score), Math.abs(y[neuron])), 0);
  const apart = Math.max(...others.map((neuron) => Math.abs(key(x[neuron]) - key(y[neuron])))) / (largest || 1);
  const inA = others.map((neuron) => key(x[neuron]));
  const range = (Math.max(...inA) - Math.min(...inA)) / (largest || 1);
  const facts =
    `Both chose ${nameOf(chosenOf(a))}. The scores of the ${
      counted(others.length, "neuron")
    } that only one of them switches off lie within ${
      significant(range, 2)
    } of the layer's largest of each other in A, ` +
    `and differ by up to ${significant(apart, 2)} of it between the runs`;
  return Math.max(range, apart) <= tieTolerance
    ? `${facts}: a tie at the cut, which the last bits decide.`
    : `${facts}: this is no tie, the scores themselves differ.`;
}

/**
 * The reason in a sentence or two, for runs that were asked the same and came to different plans.
 */
export function explainPlans(a: RunResults, b: RunResults): string {
  const [first, second] = [chosenOf(a), chosenOf(b)];
  if (first.layer !== null && first.layer === second.layer && first.fraction === second.fraction) {
    return explainNeurons(a, b, first.layer);
  }
  const [secondInA, firstInB] = [findSame(a, second), findSame(b, first)];
  if (secondInA === undefined || firstInB === undefined) {
    return "Each chose a configuration that the other did not try.";
  }
  const names = `${nameOf(first)} (A) and ${nameOf(second)} (B)`;
  const { selectionRule } = a.searched.settings;
  if (selectionRule !== "paper") {
    return `The rule ${selectionRule} chose ${names}: their accuracies are ${percent(first.accuracy)} and ${
      percent(secondInA.accuracy)
    } in A, ${percent(firstInB.accuracy)} and ${percent(second.accuracy)} in B, and their mean margins ${
      significant(first.meanMargin, 6)
    } and ${significant(secondInA.meanMargin, 6)} in A, ${significant(firstInB.meanMargin, 6)} and ${
      significant(second.meanMargin, 6)
    } in B.`;
  }
  if (first.correct === secondInA.correct && firstInB.correct === second.correct) {
    const margins = [first.meanMargin - secondInA.meanMargin, second.meanMargin - firstInB.meanMargin];
    return `${names} tie on accuracy in both runs; their mean margins differ by ${
      significant(Math.abs(margins[0]), 2)
    } in A and by ${significant(Math.abs(margins[1]), 2)} in B, which decides between them.`;
  }
  return `${names} do not tie: their accuracies are ${percent(first.accuracy)} and ${
    percent(secondInA.accuracy)
  } in A, ${percent(firstInB.accuracy)} and ${percent(second.accuracy)} in B, so an answer is another.`;
}
