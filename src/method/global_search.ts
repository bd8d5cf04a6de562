/** Pruning over all layers at once: the neurons of highest score in the whole model, and how many of them. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import type { Engine, RunOptions, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { type Metric, metrics } from "../tasks/scoring.ts";
import { evaluate } from "./evaluate.ts";
import { measure, type Measured } from "./measured.ts";
import { layerScores, type NeuronScores, type Normalisation, normaliseScores } from "./neuron_scores.ts";
import { createPlan, type Plan, type PlanMask, plannedNeurons, planToIntervention } from "./plan.ts";
import { forStage, secondsSince } from "./progress.ts";
import { type Ranking, rankings, rankNeurons } from "./rank.ts";
import { checkSelectionExamples, compareConfigurations, defaultFractions } from "./search.ts";

/**
 * What decides the search: every field of `GlobalSearchOptions` that changes the result, with its default filled in.
 */
export interface GlobalSearchSettings {
  /**
   * Numbers of neurons to try, in the whole model. Default: 5 % to 50 % of ONE layer by 5 %, so that every plan has as
   * many neurons as a plan of the single-layer grid.
   */
  readonly counts: readonly number[];
  /** Which neurons go first. Default `signed`. */
  readonly ranking: Ranking;
  /** How layers are made comparable. Default `none`: every score is already a share of the same M. */
  readonly normalise: Normalisation;
  /** Default `acc`. */
  readonly metric: Metric;
}

/** Options of `searchGlobal`. */
export interface GlobalSearchOptions extends RunOptions, Partial<GlobalSearchSettings> {}

/** One number of neurons, and how it answers the examples. */
export interface GlobalConfiguration extends Measured {
  /**
   * Neurons switched off in the whole model; 0 is the unmodified model. Fewer than asked where `positive` has no more.
   */
  readonly neurons: number;
  /** Neurons switched off by layer `[L]`. */
  readonly perLayer: readonly number[];
}

/** What `searchGlobal` found. */
export interface GlobalSearchResult {
  /** Whose neurons were switched off. */
  readonly site: Site;
  /** The options with their defaults filled in. */
  readonly settings: GlobalSearchSettings;
  /** Ids of the examples the configurations were measured on. */
  readonly examples: readonly string[];
  /** The unmodified model first, then as the counts were given. */
  readonly configurations: readonly GlobalConfiguration[];
  /** Index of the chosen configuration. */
  readonly chosen: number;
  /** Configurations with the accuracy of the chosen one, itself included. */
  readonly tiedOnAccuracy: number;
  /** The chosen plan; empty for the unmodified model. */
  readonly plan: Plan;
  /** Wall time. */
  readonly seconds: number;
}

/**
 * The first `count` neurons of all scored layers together, as a plan: highest score first, equal scores by lower layer
 * and then lower index. The plan has at most one mask a layer.
 *
 * @throws {RangeError} If `count` is not an integer in 0..number of scored neurons, or a score is not finite.
 */
export function planOfHighest(
  config: ModelConfig,
  scores: NeuronScores,
  count: number,
  options: Partial<Pick<GlobalSearchSettings, "ranking" | "normalise">> = {},
): Plan {
  const { ranking = "signed", normalise = "none" } = options;
  const total = scores.scored.length * scores.neurons;
  if (!Number.isInteger(count) || count < 0 || count > total) {
    throw new RangeError(`Cannot prune ${count} neurons: expected an integer in 0..${total}`);
  }
  const values = Float64Array.from(scores.scored.flatMap((layer) => [...layerScores(scores, layer)]));
  normaliseScores(values, scores.neurons, normalise);
  const byLayer = new Map<number, number[]>();
  for (const place of rankNeurons(values, ranking).subarray(0, count)) {
    const layer = scores.scored[Math.floor(place / scores.neurons)];
    byLayer.set(layer, [...byLayer.get(layer) ?? [], place % scores.neurons]);
  }
  const masks = [...byLayer].map(([layer, neurons]): PlanMask => ({
    layer,
    site: scores.site,
    fraction: null,
    neurons: Uint32Array.from(neurons).sort(),
  }));
  return createPlan(config, masks, { by: "global-top", ranking, normalise, count });
}

/**
 * Measures plans of the highest-scored neurons of all layers together, and the unmodified model, and chooses one by the
 * order of `compareConfigurations`. Scores of the joint path fit it best; those of single layers can be used as well.
 *
 * @throws {RangeError} If there is no example, one has a single choice, or an option is out of range.
 */
export async function searchGlobal(
  engine: Engine,
  examples: readonly Example[],
  scores: NeuronScores,
  options: GlobalSearchOptions = {},
): Promise<GlobalSearchResult> {
  const start = performance.now();
  checkSelectionExamples(examples);
  const settings = resolveGlobalSettings(options, scores);
  const plans = [0, ...settings.counts].map((count) => planOfHighest(engine.config, scores, count, settings));
  const interventions = plans.map(planToIntervention);
  const evaluations = await evaluate(engine, examples, { ...forStage(options, "search all layers"), interventions });
  const configurations = plans.map((plan, index): GlobalConfiguration => {
    const perLayer = new Array<number>(scores.layers).fill(0);
    for (const { layer, neurons } of plan.masks) perLayer[layer] = neurons.length;
    return { neurons: plannedNeurons(plan), perLayer, ...measure(evaluations[index], settings.metric) };
  });
  let chosen = 0;
  const comparable = configurations.map((configuration) => ({ ...configuration, layer: null, fraction: 0 }));
  comparable.forEach((configuration, index) => {
    if (compareConfigurations(configuration, comparable[chosen]) < 0) chosen = index;
  });
  return {
    site: scores.site,
    settings,
    examples: examples.map((example) => example.id),
    configurations,
    chosen,
    tiedOnAccuracy: configurations.filter(({ correct }) => correct === configurations[chosen].correct).length,
    plan: plans[chosen],
    seconds: secondsSince(start),
  };
}

function resolveGlobalSettings(options: Partial<GlobalSearchSettings>, scores: NeuronScores): GlobalSearchSettings {
  const { ranking = "signed", normalise = "none", metric = "acc" } = options;
  const counts = options.counts ??
    [...new Set(defaultFractions.map((fraction) => Math.round(fraction * scores.neurons)))].filter((count) =>
      count > 0
    );
  if (counts.length === 0) throw new RangeError("Cannot search over 0 numbers of neurons: expected at least one");
  counts.forEach((count, index) => {
    if (!Number.isInteger(count) || count < 1) {
      throw new RangeError(`Cannot search over ${count} neurons: expected an integer from 1`);
    }
    if (counts.indexOf(count) < index) throw new RangeError(`Cannot search over ${count} neurons twice: name it once`);
  });
  if (!rankings.includes(ranking)) {
    throw new RangeError(`Cannot search by the ranking "${ranking}": expected one of ${rankings.join(", ")}`);
  }
  if (normalise !== "none" && normalise !== "layer-max") {
    throw new RangeError(`Cannot search with normalise "${normalise}": expected none or layer-max`);
  }
  if (!metrics.includes(metric)) {
    throw new RangeError(`Cannot search by the metric "${metric}": expected one of ${metrics.join(", ")}`);
  }
  return { counts, ranking, normalise, metric };
}
