/** What two runs agree on and where they differ: settings, scores, plan, answers, time. Draws nothing. */
import { isDeepStrictEqual } from "node:util";
import { areComparable } from "../checkpoint/digest.ts";
import { layerScores } from "../method/neuron_scores.ts";
import { comparePaired, type PairedComparison } from "../method/paired.ts";
import type { RunResults } from "../method/run_results.ts";
import type { Metric } from "../tasks/scoring.ts";
import { rightAnswers } from "./changed_answers.ts";
import { explainPlans } from "./plan_difference.ts";

/** A setting that two runs do not share. */
export interface Difference {
  /** Such as `score.nodes`. */
  readonly name: string;
  /** In the first run, as JSON; of a long list its length, its first and its last entry. */
  readonly a: string;
  /** In the second run. */
  readonly b: string;
}

/** How far the scores of two runs are apart. */
export interface ScoreComparison {
  /** Layers that both scored. */
  readonly layers: readonly LayerScoreComparison[];
  /** Largest `worst` of a layer. */
  readonly worst: number;
}

/** How far the scores of one layer are apart. */
export interface LayerScoreComparison {
  readonly layer: number;
  /** Largest difference of a neuron's scores, relative to the layer's largest |score| in the first run. */
  readonly worst: number;
  /** The neuron where it is. */
  readonly neuron: number;
  /** Mean squared difference over mean squared score of the first run. */
  readonly normalisedMeanSquare: number;
}

/** How the plans of two runs overlap. */
export interface PlanComparison {
  /** Whether both switch off the same neurons. */
  readonly same: boolean;
  /** Neurons that both switch off. */
  readonly shared: number;
  readonly onlyA: number;
  readonly onlyB: number;
  /** Why the plans differ, in words; null where they do not, or where the runs were asked differently. */
  readonly reason: string | null;
}

/** How the answers of two pruned models, or of two unmodified ones, compare on the examples that both answered. */
export interface AnswerComparison {
  /** Largest difference of a log-probability. */
  readonly worst: number;
  /** The second run's answers against the first's. */
  readonly paired: PairedComparison;
}

/** Two runs side by side. */
export interface RunComparison {
  /** What was asked for differently; empty where only the circumstances differ. */
  readonly differences: readonly Difference[];
  /** Null where the models have different shapes, or the sites differ. */
  readonly scores: ScoreComparison | null;
  readonly plan: PlanComparison;
  /** The metric that decided the first run. */
  readonly metric: Metric;
  /** Null where no test example was answered in both. */
  readonly unpruned: AnswerComparison | null;
  readonly pruned: AnswerComparison | null;
}

/** Compares two runs; `a` is what `b` is measured against. */
export function compareRuns(a: RunResults, b: RunResults): RunComparison {
  const { metric } = a.searched.settings;
  const differences = findDifferences(a, b);
  const plan = comparePlans(a, b);
  return {
    differences,
    scores: compareScores(a, b),
    plan: { ...plan, reason: plan.same || differences.length > 0 ? null : explainPlans(a, b) },
    metric,
    unpruned: compareAnswers(a, b, "unpruned", metric),
    pruned: compareAnswers(a, b, "pruned", metric),
  };
}

/** How the examples were drawn, which only the command line says; `plain` where it says nothing. */
function samplingOf(words: readonly string[]): string {
  const option = "--sampling";
  const at = words.findIndex((word) => word === option || word.startsWith(`${option}=`));
  if (at < 0) return "plain";
  return words[at] === option ? words[at + 1] : words[at].slice(option.length + 1);
}

function findDifferences(a: RunResults, b: RunResults): Difference[] {
  const facts = ({ record, plan }: RunResults): Record<string, unknown> => {
    const { provenance, score, search, examples, seed, randomDraws } = record;
    const within = (name: string, fields: object) =>
      Object.fromEntries(Object.entries(fields).map(([field, value]) => [`${name}.${field}`, value]));
    return {
      ...provenance,
      versions: undefined,
      ...within("versions", provenance.versions),
      ...within("shape", plan.model),
      ...within("score", score),
      ...within("search", search),
      seed,
      sampling: samplingOf(record.arguments),
      randomDraws,
      ...within("examples", examples),
    };
  };
  const [first, second] = [facts(a), facts(b)];
  const weights = [a, b].flatMap(({ record }) => record.provenance.weights ?? []);
  // Made in different ways, two fingerprints of one model differ.
  if (weights.length === 2 && !areComparable(...weights)) delete first.weights, delete second.weights;
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return names.filter((name) => !isDeepStrictEqual(first[name], second[name]))
    .map((name) => ({ name, a: describeValue(first[name]), b: describeValue(second[name]) }));
}

/** Longest value that is written out, in characters. */
const longest = 60;

/** A value as JSON, of a long list its length, its first and its last entry; `-` for none. */
function describeValue(value: unknown): string {
  if (value === undefined) return "-";
  const text = JSON.stringify(value);
  if (text.length <= longest) return text;
  if (Array.isArray(value)) return `${value.length} entries: ${value[0]}, …, ${value[value.length - 1]}`;
  return `${text.slice(0, longest - 1)}…`;
}

function compareScores({ scored: a }: RunResults, { scored: b }: RunResults): ScoreComparison | null {
  const fits = a.scores.site === b.scores.site && a.scores.neurons === b.scores.neurons &&
    a.scores.layers === b.scores.layers;
  const common = a.scores.scored.filter((layer) => b.scores.scored.includes(layer));
  if (!fits || common.length === 0) return null;
  const layers = common.map((layer) => compareLayer(layer, layerScores(a.scores, layer), layerScores(b.scores, layer)));
  return { layers, worst: Math.max(...layers.map(({ worst }) => worst)) };
}

function compareLayer(layer: number, a: Float32Array, b: Float32Array): LayerScoreComparison {
  let largest = 0, worst = 0, neuron = 0, squares = 0, squaredDifferences = 0;
  a.forEach((score, j) => {
    const difference = Math.abs(b[j] - score);
    largest = Math.max(largest, Math.abs(score));
    squares += score ** 2;
    squaredDifferences += difference ** 2;
    if (difference > worst) [worst, neuron] = [difference, j];
  });
  // Where the first run has only zeros, any difference is as large as can be.
  const relative = (part: number, whole: number) => part === 0 ? 0 : whole === 0 ? Infinity : part / whole;
  return {
    layer,
    worst: relative(worst, largest),
    neuron,
    normalisedMeanSquare: relative(squaredDifferences, squares),
  };
}

function comparePlans({ plan: a }: RunResults, { plan: b }: RunResults): Omit<PlanComparison, "reason"> {
  const neurons = ({ masks }: RunResults["plan"]) =>
    masks.flatMap(({ layer, site, neurons }) => [...neurons].map((neuron) => `${layer} ${site} ${neuron}`));
  const [first, second] = [new Set(neurons(a)), new Set(neurons(b))];
  const shared = first.intersection(second).size;
  return {
    same: isDeepStrictEqual(a.model, b.model) && shared === first.size && shared === second.size,
    shared,
    onlyA: first.size - shared,
    onlyB: second.size - shared,
  };
}

function compareAnswers(
  { answers: a }: RunResults,
  { answers: b }: RunResults,
  model: "unpruned" | "pruned",
  metric: Metric,
): AnswerComparison | null {
  const others = new Map(b.examples.map((example) => [example.id, example]));
  // The same id of another task may have other choices; such examples have nothing to compare.
  const pairs = a.examples.flatMap((one) => {
    const other = others.get(one.id);
    return other && isDeepStrictEqual([other.golds, other.characters], [one.golds, one.characters])
      ? [{ one, other }]
      : [];
  });
  if (pairs.length === 0) return null;
  let worst = 0;
  for (const { one, other } of pairs) {
    one[model].forEach((logProb, choice) => {
      const [x, y] = [logProb ?? -Infinity, other[model][choice] ?? -Infinity];
      worst = Math.max(worst, x === y ? 0 : Math.abs(x - y));
    });
  }
  return {
    worst,
    paired: comparePaired(
      rightAnswers(pairs.map(({ one }) => one), model, metric),
      rightAnswers(pairs.map(({ other }) => other), model, metric),
    ),
  };
}
