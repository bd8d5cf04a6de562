/** The grid search: which layer to prune, and how much of it. */
import type { Engine, Intervention, RunOptions, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { type Metric, metrics, scoreExamples } from "../tasks/scoring.ts";
import { OptionError } from "../text/option_error.ts";
import { emptyFractions, leastFraction } from "./fractions.ts";
import { type OptionNames, refuseUnknownOptions } from "./known_options.ts";
import { checkLayers, layerScores, type NeuronScores } from "./neuron_scores.ts";
import { createPlan, type Plan, type PlanModel } from "./plan.ts";
import { forStage, secondsSince } from "./progress.ts";
import { type CellAnswers, cellAnswers, chooseCell, type SelectionRule, selectionRules } from "./selection_rules.ts";
import { firstNeurons, neuronCount, type Ranking, rankings, rankNeurons } from "./rank.ts";

/** 5 % to 50 % by 5 %. */
export const defaultFractions: readonly number[] = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5];

/** The rules that a search can choose by; `leave-one-out` would have to score the neurons anew. */
export const searchRules: readonly SelectionRule[] = selectionRules.filter((rule) => !rule.startsWith("leave-one-out"));

/** What decides the search: every field of `SearchOptions` that changes the result, with its default filled in. */
export interface SearchSettings {
  /** Layers of the grid, ascending. Default: every layer that was scored. */
  readonly layers: readonly number[];
  /** Fractions of the grid, in (0,1], each once. Default 0.05 to 0.5 by 0.05. */
  readonly fractions: readonly number[];
  /** Which neurons go first. Default `signed`. */
  readonly ranking: Ranking;
  /** How answers are compared, for the accuracy and for the margin. Default `acc`. */
  readonly metric: Metric;
  /** How the configuration is chosen; not `leave-one-out`, which scores anew. Default `paper`. */
  readonly selectionRule: SelectionRule;
}

/** Options of `searchGrid`. */
export interface SearchOptions extends RunOptions, Partial<SearchSettings> {}

/** One cell of the grid, or the unmodified model. */
export interface Configuration {
  /** Null for the unmodified model. */
  readonly layer: number | null;
  /** The fraction as given; 0 for the unmodified model. */
  readonly fraction: number;
  /** Neurons switched off: round(fraction * neurons), or fewer where the ranking `positive` has no more. */
  readonly neurons: number;
  /** Examples answered rightly. */
  readonly correct: number;
  /** `correct` over the number of examples. */
  readonly accuracy: number;
  /** Mean over the examples of the gold choice's score minus the best other one's, in the unit of the metric. */
  readonly meanMargin: number;
}

/** What the search found. */
export interface SearchResult {
  /** Whose neurons were switched off. */
  readonly site: Site;
  /** The options with their defaults filled in. */
  readonly settings: SearchSettings;
  /** Ids of the examples the configurations were measured on. */
  readonly examples: readonly string[];
  /** The unmodified model first, then the grid by layer and by fraction as given. */
  readonly configurations: readonly Configuration[];
  /** Index of the chosen configuration. */
  readonly chosen: number;
  /** Neurons that the chosen configuration switches off, ascending; empty for the unmodified model. */
  readonly neurons: Uint32Array;
  /** Configurations with the accuracy of the chosen one, itself included. */
  readonly tiedOnAccuracy: number;
  /** Wall time. */
  readonly seconds: number;
}

/**
 * Negative if `a` is to be preferred to `b`: higher accuracy, then higher mean margin, then fewer neurons, then the
 * lower layer, with the unmodified model below layer 0.
 */
export function compareConfigurations(a: Configuration, b: Configuration): number {
  return b.correct - a.correct || descending(a.meanMargin, b.meanMargin) || a.neurons - b.neurons ||
    (a.layer ?? -1) - (b.layer ?? -1);
}

/** As `b - a`, but 0 for two equal infinities, whose difference would be NaN. */
function descending(a: number, b: number): number {
  return a === b ? 0 : b > a ? 1 : -1;
}

/** All options of `searchGrid`. */
const optionNames: OptionNames<SearchOptions> = {
  layers: true,
  fractions: true,
  ranking: true,
  metric: true,
  selectionRule: true,
  signal: true,
  onProgress: true,
};

/**
 * Fills in the defaults of the options and checks them.
 *
 * @param scores The scores, or what `scoresToCome` knows of them.
 * @throws {OptionError} If there is no such option, a layer is not scored, the fractions are none, repeated, not in
 * (0,1] or all too small to switch a neuron off, or the ranking, the metric or the rule is unknown.
 */
export function resolveSearchSettings(
  options: Partial<SearchSettings>,
  engine: { readonly config: Pick<PlanModel, "layers"> },
  { scored, neurons }: Pick<NeuronScores, "scored" | "neurons">,
): SearchSettings {
  refuseUnknownOptions<SearchOptions>("search", options, optionNames);
  const { fractions = defaultFractions, ranking = "signed", metric = "acc", selectionRule = "paper" } = options;
  if (fractions.length === 0) {
    throw new OptionError("Cannot search over 0 fractions: expected at least one", "fractions");
  }
  fractions.forEach((fraction, index) => {
    if (!(fraction > 0 && fraction <= 1)) {
      throw new OptionError(
        `Cannot search over the fraction ${fraction}: expected a number above 0 and up to 1`,
        "fractions",
      );
    }
    if (fractions.indexOf(fraction) < index) {
      throw new OptionError(`Cannot search over the fraction ${fraction} twice: name it once`, "fractions");
    }
  });
  if (emptyFractions(fractions, neurons).length === fractions.length) {
    throw new OptionError(
      `Cannot search over the fractions ${fractions.join(", ")}: they switch off none of the ${neurons} neurons of a ` +
        `layer; the smallest that switches one off is ${leastFraction(neurons)}`,
      "fractions",
    );
  }
  const layers = checkLayers(options.layers ?? scored, engine.config);
  const unscored = layers.find((layer) => !scored.includes(layer));
  if (unscored !== undefined) {
    throw new OptionError(`Cannot search layer ${unscored}: only layers ${scored.join(", ")} are scored`, "layers");
  }
  if (!rankings.includes(ranking)) {
    throw new OptionError(
      `Cannot search by the ranking "${ranking}": expected one of ${rankings.join(", ")}`,
      "ranking",
    );
  }
  if (!metrics.includes(metric)) {
    throw new OptionError(`Cannot search by the metric "${metric}": expected one of ${metrics.join(", ")}`, "metric");
  }
  if (!searchRules.includes(selectionRule)) {
    throw new OptionError(
      `Cannot search by the rule "${selectionRule}": expected one of ${searchRules.join(", ")}`,
      "selectionRule",
    );
  }
  return { layers, fractions, ranking, metric, selectionRule };
}

/**
 * Checks that a configuration can be chosen on these examples.
 *
 * @throws {RangeError} If there is none, or one has a single choice and so no margin.
 */
export function checkSelectionExamples(examples: readonly Example[]): void {
  if (examples.length === 0) throw new RangeError("Cannot search on 0 examples: expected at least one");
  const lonely = examples.find((example) => example.choices.length < 2);
  if (lonely) {
    throw new RangeError(
      `Cannot search on example ${lonely.id}: it has ${lonely.choices.length} choices, expected at least 2`,
    );
  }
}

/**
 * Measures every (layer, fraction) of a grid and the unmodified model on the examples, and chooses one. All
 * configurations go to the engine in one call; those that switch off the same neurons are measured once.
 *
 * By the rule `paper` the order of preference is that of `compareConfigurations`; of configurations equal in everything
 * the first is chosen. `selection_rules.ts` says what the other rules look at.
 *
 * @param examples What the choice is made on: the adaptation examples, or others held out from scoring. Each needs at
 * least two choices.
 * @throws {RangeError} If there is no example, one has a single choice, or an option is out of range.
 */
export async function searchGrid(
  engine: Engine,
  examples: readonly Example[],
  scores: NeuronScores,
  options: SearchOptions = {},
): Promise<SearchResult> {
  const start = performance.now();
  checkSelectionExamples(examples);
  const settings = resolveSearchSettings(options, engine, scores);

  const cells = listCells(scores, settings);
  const answers = await measureCells(engine, examples, distinctCells(cells), options);
  return concludeSearch(examples, scores.site, settings, cells, answers, secondsSince(start));
}

/** What the model answers under a cell's mask: log-probabilities `[example][choice]`, by the key of the cell. */
export type AnswersByCell = ReadonlyMap<string, readonly Float64Array[]>;

/** The first cell of each key: what has to be measured. */
export function distinctCells(cells: readonly Cell[]): Cell[] {
  return [...new Map(cells.map((cell) => [cell.key, cell])).values()];
}

/** Measures cells of different keys. */
export async function measureCells(
  engine: Engine,
  examples: readonly Example[],
  cells: readonly Cell[],
  run: RunOptions,
): Promise<Map<string, readonly Float64Array[]>> {
  const interventions = cells.map(({ intervention }) => intervention);
  const logProbs = await engine.choiceLogProbs(examples, interventions, forStage(run, "search"));
  return new Map(cells.map(({ key }, index) => [key, logProbs[index]]));
}

/** Chooses among cells that have all been measured. */
export function concludeSearch(
  examples: readonly Example[],
  site: Site,
  settings: SearchSettings,
  cells: readonly Cell[],
  answers: AnswersByCell,
  seconds: number,
): SearchResult {
  const measured = new Map(
    [...answers].map(([key, logProbs]) => {
      const { correct, accuracy, meanMargin } = scoreExamples(examples, logProbs, settings.metric);
      return [key, { correct: correct.filter(Boolean).length, accuracy, meanMargin }];
    }),
  );
  const configurations = cells.map(({ layer, fraction, neurons, key }): Configuration => ({
    layer,
    fraction,
    neurons: neurons.length,
    ...measured.get(key)!,
  }));
  const chosen = choose(configurations, settings, (index) => {
    const { layer, fraction, neurons, key } = cells[index];
    const place = { layer, fraction, neurons: neurons.length };
    return cellAnswers(place, examples, answers.get(key)!, settings.metric);
  });
  return {
    site,
    settings,
    examples: examples.map((example) => example.id),
    configurations,
    chosen,
    neurons: cells[chosen].neurons,
    tiedOnAccuracy: configurations.filter(({ correct }) => correct === configurations[chosen].correct).length,
    seconds,
  };
}

/** The index of the configuration that the rule prefers. */
function choose(
  configurations: readonly Configuration[],
  { selectionRule: rule }: SearchSettings,
  answersOf: (index: number) => CellAnswers,
): number {
  const places = [...configurations.keys()];
  if (rule === "paper") {
    return places.reduce((best, index) =>
      compareConfigurations(configurations[index], configurations[best]) < 0 ? index : best
    );
  }
  // Rules that look at neighbours want each layer's fractions ascending.
  const order = places.sort((a, b) => {
    const [one, other] = [configurations[a], configurations[b]];
    return (one.layer ?? -1) - (other.layer ?? -1) || one.fraction - other.fraction;
  });
  return order[chooseCell(rule, { cells: order.map(answersOf) })];
}

/** A configuration before it is measured. */
export interface Cell {
  readonly layer: number | null;
  readonly fraction: number;
  readonly neurons: Uint32Array;
  readonly intervention: Intervention;
  /** Equal for cells that switch off the same neurons. */
  readonly key: string;
}

/** The unmodified model, then the grid by layer and by fraction as given. */
export function listCells(scores: NeuronScores, settings: SearchSettings): Cell[] {
  const unmodified: Cell = { layer: null, fraction: 0, neurons: new Uint32Array(0), intervention: [], key: "" };
  const grid = settings.layers.flatMap((layer) => {
    const order = rankNeurons(layerScores(scores, layer), settings.ranking);
    return settings.fractions.map((fraction): Cell => {
      const neurons = firstNeurons(order, neuronCount(fraction, scores.neurons));
      if (neurons.length === 0) return { ...unmodified, layer, fraction };
      const intervention = [{ layer, site: scores.site, neurons }];
      return { layer, fraction, neurons, intervention, key: `${layer} ${neurons.length}` };
    });
  });
  return [unmodified, ...grid];
}

/** The chosen configuration as a plan. `by` names what the scores were, such as `integrated-gradients`. */
export function planFromSearch(config: PlanModel, result: SearchResult, by = "integrated-gradients"): Plan {
  const { layer, fraction, accuracy, meanMargin } = result.configurations[result.chosen];
  const { selectionRule } = result.settings;
  const masks = layer === null ? [] : [{ layer, site: result.site, fraction, neurons: result.neurons }];
  return createPlan(config, masks, {
    by,
    ranking: result.settings.ranking,
    metric: result.settings.metric,
    ...(selectionRule !== "paper" && { selectionRule }),
    accuracy,
    meanMargin,
    configurations: result.configurations.length,
    tiedOnAccuracy: result.tiedOnAccuracy,
    examples: result.examples.length,
  });
}
