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

/** Both chose the same layer and fraction: the neurons around the cut have nearly the same score. */
function explainNeurons(a: RunResults, b: RunResults, layer: number): string {
  const [first, second] = [new Set(a.searched.neurons), new Set(b.searched.neurons)];
  const others = [...first.symmetricDifference(second)];
  const key = a.searched.settings.ranking === "absolute" ? Math.abs : (score: number) => score;
  const [x, y] = [a, b].map(({ scored }) => others.map((neuron) => key(layerScores(scored.scores, layer)[neuron])));
  const apart = Math.max(...x.map((score, i) => Math.abs(score - y[i])));
  const range = Math.max(...x) - Math.min(...x);
  const facts = `Both chose ${nameOf(chosenOf(a))}. The scores of the ${
    counted(others.length, "neuron")
  } that only one of them switches off lie within ${significant(range, 2)} of each other in A, and differ by up to ${
    significant(apart, 2)
  } between the runs`;
  return range <= 2 * apart
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
