/**
 * Pruning in several layers against the best single layer: the same examples, the same scores, equal numbers of
 * neurons.
 */
import type { Engine, Intervention, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import type { Metric } from "../tasks/scoring.ts";
import { evaluate } from "./evaluate.ts";
import { type ForwardResult, type ForwardSettings, selectForward } from "./forward_selection.ts";
import { type GlobalSearchResult, searchGlobal } from "./global_search.ts";
import { measure, type Measured } from "./measured.ts";
import { layerScores, type NeuronScores, type Normalisation } from "./neuron_scores.ts";
import { createPlan, type Plan, plannedNeurons, planToIntervention } from "./plan.ts";
import { renameStages, secondsSince } from "./progress.ts";
import { firstNeurons, type Ranking, rankNeurons } from "./rank.ts";
import { scoreNeurons, type ScoreSettings } from "./score.ts";
import {
  checkSelectionExamples,
  compareConfigurations,
  type Configuration,
  planFromSearch,
  searchGrid,
  type SearchResult,
  type SearchSettings,
} from "./search.ts";

/** What `compareLayers` works on. */
export interface CompareLayersInput extends RunOptions, Partial<Pick<ForwardSettings, "maxSteps" | "minimumGain">> {
  /** The model. */
  readonly engine: Engine;
  /** The examples that neurons are scored on. */
  readonly adaptation: readonly Example[];
  /** The examples that every configuration is chosen on. Default: `adaptation`. */
  readonly selection?: readonly Example[];
  /** The examples that end a forward selection; no row of `adaptation` or `selection` should be among them. */
  readonly heldOut: readonly Example[];
  /** The examples that nothing is chosen on. */
  readonly test: readonly Example[];
  /** Settings of the scoring; `path` is not used, since both paths are compared. */
  readonly score?: Partial<ScoreSettings>;
  /** The grid. */
  readonly search?: Partial<SearchSettings>;
  /** Numbers of neurons for the strategies over all layers. Default: those of the single-layer grid. */
  readonly counts?: readonly number[];
  /** How these make layers comparable. Default `none`. */
  readonly normalise?: Normalisation;
}

/**
 * How a plan was found.
 *
 * - `single`: the best cell of the grid, one layer
 * - `forward`: greedy forward selection, the first scores serving every step
 * - `forward-rescored`: the same, neurons scored anew under the plan so far
 * - `global`: the neurons of highest score in all layers, each layer scored along its own path
 * - `global-joint`: the same, scored along the joint path
 */
export type LayerStrategy = "single" | "forward" | "forward-rescored" | "global" | "global-joint";

/** Where one strategy led. */
export interface LayerOutcome {
  /** How the plan was found. */
  readonly strategy: LayerStrategy;
  /** Neurons that the plan switches off by layer `[L]`. */
  readonly perLayer: readonly number[];
  /** Their sum. */
  readonly neurons: number;
  /** Configurations measured to find it. */
  readonly tried: number;
  /** On the test examples. */
  readonly test: Measured;
  /**
   * The best single layer with as many neurons, chosen on the same examples; null for an empty plan, and where no layer
   * has that many neurons to give.
   */
  readonly singleAtEqualNeurons: { readonly layer: number; readonly test: Measured } | null;
  /** Wall time of scoring and search; the scores that several strategies share count for each. */
  readonly seconds: number;
}

/** What `compareLayers` found. */
export interface LayersComparison {
  /** How answers were judged. */
  readonly metric: Metric;
  /** In the order of `LayerStrategy`. */
  readonly outcomes: readonly LayerOutcome[];
  /** The unmodified model on the test examples. */
  readonly unpruned: Measured;
  /** Details of the searches. */
  readonly searches: {
    readonly single: SearchResult;
    readonly forward: ForwardResult;
    readonly forwardRescored: ForwardResult;
    readonly global: GlobalSearchResult;
    readonly globalJoint: GlobalSearchResult;
  };
  /** Plans by strategy. */
  readonly plans: Readonly<Record<LayerStrategy, Plan>>;
  /** Wall time. */
  readonly seconds: number;
}

/**
 * Finds a plan by every strategy and evaluates all of them, and the best single layer with as many neurons as each, on
 * the test examples in one call.
 *
 * @throws {RangeError} If one of the lists of examples is empty; and as the scoring and the searches throw.
 */
export async function compareLayers(input: CompareLayersInput): Promise<LayersComparison> {
  const start = performance.now();
  const { engine, adaptation, selection = adaptation, heldOut, test } = input;
  if (test.length === 0) throw new RangeError("Cannot evaluate on 0 test examples: expected at least one");
  checkSelectionExamples(selection);
  checkSelectionExamples(heldOut);
  const { scores, searches, found } = await findPlans(input);
  const { ranking, metric } = searches.single.settings;

  const strategies = Object.keys(found) as LayerStrategy[];
  const plans = strategies.map((strategy) => found[strategy].plan);
  const equals = await bestSingleLayers(engine, selection, scores, plans.map(plannedNeurons), {
    ranking,
    metric,
    ...stagesOf(input, "single layer at equal neurons"),
  });
  const compared = [...plans, ...equals.flatMap((equal) => equal?.plan ?? [])];
  const interventions = [[], ...compared.map(planToIntervention)];
  const evaluations = await evaluate(engine, test, { ...stagesOf(input, "test"), interventions });
  const [unpruned, ...measured] = evaluations.map((evaluation) => measure(evaluation, metric));
  const testOf = new Map(compared.map((plan, index) => [plan, measured[index]]));
  return {
    metric,
    outcomes: strategies.map((strategy, index): LayerOutcome => {
      const { plan, tried, seconds } = found[strategy];
      const equal = equals[index];
      const perLayer = new Array<number>(engine.config.layers).fill(0);
      for (const { layer, neurons } of plan.masks) perLayer[layer] = neurons.length;
      return {
        strategy,
        perLayer,
        neurons: plannedNeurons(plan),
        tried,
        seconds,
        test: testOf.get(plan)!,
        singleAtEqualNeurons: equal && { layer: equal.layer, test: testOf.get(equal.plan)! },
      };
    }),
    unpruned,
    searches,
    plans: Object.fromEntries(strategies.map((strategy, index) => [strategy, plans[index]])) as Record<
      LayerStrategy,
      Plan
    >,
    seconds: secondsSince(start),
  };
}

/** A plan, and what it took to find it. */
interface Found {
  readonly plan: Plan;
  readonly tried: number;
  readonly seconds: number;
}

/** Scores along both paths and searches by every strategy. */
async function findPlans(input: CompareLayersInput) {
  const { engine, adaptation, selection = adaptation, heldOut, maxSteps, minimumGain, counts, normalise } = input;
  const { path: _path, ...score } = input.score ?? {};
  // The joint path scales every layer; which layers are pruned is decided by its ranking.
  const { layers: _layers, ...jointScore } = score;
  const timed = async <T>(stage: string, work: (run: RunOptions) => Promise<T>) => {
    input.signal?.throwIfAborted();
    const started = performance.now();
    return { result: await work(stagesOf(input, stage)), seconds: secondsSince(started) };
  };

  const layerPath = await timed("single layers", (run) => scoreNeurons(engine, adaptation, { ...score, ...run }));
  const jointPath = await timed(
    "joint path",
    (run) => scoreNeurons(engine, adaptation, { ...jointScore, path: "joint", ...run }),
  );
  const { scores } = layerPath.result;
  const jointScores = { ...jointPath.result.scores, scored: scores.scored };

  const single = await timed(
    "single layer",
    (run) => searchGrid(engine, selection, scores, { ...input.search, ...run }),
  );
  const forwardInput = {
    ...input.search,
    ...(maxSteps !== undefined && { maxSteps }),
    ...(minimumGain !== undefined && { minimumGain }),
    engine,
    scores,
    selection,
    heldOut,
  };
  const forward = await timed("forward", (run) => selectForward({ ...forwardInput, ...run }));
  const rescore = async (base: Intervention, run: RunOptions) =>
    (await scoreNeurons(engine, adaptation, { ...score, ...run, base })).scores;
  const forwardRescored = await timed(
    "forward, scored anew",
    (run) => selectForward({ ...forwardInput, ...run, rescore }),
  );
  const { ranking, metric } = single.result.settings;
  const settings = {
    ranking,
    metric,
    ...(normalise && { normalise }),
    counts: counts ?? distinctCounts(single.result),
  };
  const global = await timed("all layers", (run) => searchGlobal(engine, selection, scores, { ...settings, ...run }));
  const globalJoint = await timed(
    "all layers, joint path",
    (run) => searchGlobal(engine, selection, jointScores, { ...settings, ...run }),
  );

  const found: Record<LayerStrategy, Found> = {
    "single": {
      plan: planFromSearch(engine.config, single.result),
      tried: single.result.configurations.length,
      seconds: layerPath.seconds + single.seconds,
    },
    "forward": {
      plan: forward.result.plan,
      tried: forward.result.tried,
      seconds: layerPath.seconds + forward.seconds,
    },
    "forward-rescored": {
      plan: forwardRescored.result.plan,
      tried: forwardRescored.result.tried,
      seconds: layerPath.seconds + forwardRescored.seconds,
    },
    "global": {
      plan: global.result.plan,
      tried: global.result.configurations.length,
      seconds: layerPath.seconds + global.seconds,
    },
    "global-joint": {
      plan: globalJoint.result.plan,
      tried: globalJoint.result.configurations.length,
      seconds: jointPath.seconds + globalJoint.seconds,
    },
  };
  const searches: LayersComparison["searches"] = {
    single: single.result,
    forward: forward.result,
    forwardRescored: forwardRescored.result,
    global: global.result,
    globalJoint: globalJoint.result,
  };
  return { scores, searches, found };
}

/** The run options of the whole, with the part's name in front of every stage. */
function stagesOf(input: RunOptions, part: string): RunOptions {
  return renameStages(input, (stage) => `${part}: ${stage}`);
}

/** Every number of neurons that a cell of the grid switches off, ascending. */
function distinctCounts({ configurations }: SearchResult): number[] {
  const counts = new Set(configurations.map(({ neurons }) => neurons).filter((count) => count > 0));
  return [...counts].sort((a, b) => a - b);
}

/**
 * For each number of neurons, the layer whose first so many neurons are best switched off, by the order of
 * `compareConfigurations`; null for no neurons, and where no layer has as many.
 */
export async function bestSingleLayers(
  engine: Engine,
  examples: readonly Example[],
  scores: NeuronScores,
  counts: readonly number[],
  options: RunOptions & { readonly ranking?: Ranking; readonly metric?: Metric } = {},
): Promise<({ readonly layer: number; readonly plan: Plan } | null)[]> {
  const { ranking = "signed", metric = "acc" } = options;
  const orders = scores.scored.map((layer) => ({ layer, order: rankNeurons(layerScores(scores, layer), ranking) }));
  const candidates = counts.map((count) =>
    orders.filter(({ order }) => count > 0 && order.length >= count).map(({ layer, order }) => ({
      layer,
      plan: createPlan(
        engine.config,
        [{ layer, site: scores.site, fraction: null, neurons: firstNeurons(order, count) }],
        { by: "single-layer-at-count", ranking, metric, count },
      ),
    }))
  );
  const all = candidates.flat();
  if (all.length === 0) return counts.map(() => null);
  const interventions = all.map(({ plan }) => planToIntervention(plan));
  const evaluations = await evaluate(engine, examples, { ...renameStages(options, (stage) => stage), interventions });
  const configurations = new Map(all.map(({ layer, plan }, index): [Plan, Configuration] => [
    plan,
    { layer, fraction: 0, neurons: plannedNeurons(plan), ...measure(evaluations[index], metric) },
  ]));
  return candidates.map((group) =>
    group.toSorted((a, b) => compareConfigurations(configurations.get(a.plan)!, configurations.get(b.plan)!))[0] ?? null
  );
}
