/** The whole job: score, search, and evaluate the chosen plan beside its baselines. */
import type { Engine, RunOptions } from "../engine/engine.ts";
import { refuseShared } from "../tasks/draw.ts";
import type { Example } from "../tasks/example.ts";
import { createRandom } from "../tasks/random.ts";
import { randomScores } from "./baselines.ts";
import { evaluate, type Evaluation } from "./evaluate.ts";
import { layerScores, negateScores, type NeuronScores } from "./neuron_scores.ts";
import { createPlan, type Plan, planToIntervention } from "./plan.ts";
import { forStage, runOptionsOf, secondsSince } from "./progress.ts";
import { firstNeurons, rankNeurons } from "./rank.ts";
import {
  resolveScoreSettings,
  scoreNeurons,
  type ScoreOptions,
  type ScoreResult,
  type ScoreSettings,
  scoresToCome,
} from "./score.ts";
import {
  checkSelectionExamples,
  planFromSearch,
  resolveSearchSettings,
  searchGrid,
  type SearchResult,
  type SearchSettings,
} from "./search.ts";

/** How plans are made from adaptation examples. */
export interface PlanningOptions extends RunOptions {
  /** Default: every default of `scoreNeurons`. */
  readonly score?: Partial<ScoreSettings> & Pick<ScoreOptions, "keepPerExample" | "resultBudgetBytes">;
  /** Default: every default of `searchGrid`. */
  readonly search?: Partial<SearchSettings>;
  /** Seed of the random baselines, an integer in [0, 2^53). Default 0. */
  readonly seed?: number;
  /** Random plans at the chosen cell. Default 5. */
  readonly randomDraws?: number;
  /** Whether a random order of neurons also goes through the same search. Default true. */
  readonly randomSearch?: boolean;
}

/** What `makePlans` works on. */
export interface PlanningInput extends PlanningOptions {
  /** The model. */
  readonly engine: Engine;
  /** The labelled examples that neurons are scored on. */
  readonly adaptation: readonly Example[];
  /** Held-out examples that the configuration is chosen on. Default: `adaptation`. */
  readonly selection?: readonly Example[];
  /** The result of an earlier scoring with the same settings, which is then not repeated. */
  readonly scored?: ScoreResult;
  /** The result of an earlier search with the same settings, which is then not repeated. */
  readonly searched?: SearchResult;
  /** Called, and awaited, with what was scored, before the search starts; not called for an earlier result. */
  readonly onScored?: (result: ScoreResult) => void | Promise<void>;
  /** Called, and awaited, with what was found; not called for an earlier result. */
  readonly onSearched?: (result: SearchResult, plan: Plan) => void | Promise<void>;
}

/** A plan and the baselines that switch off as many neurons. */
export interface Plans {
  /** What the search chose. */
  readonly pruned: Plan;
  /** The neurons of lowest score at the chosen layer, as many. */
  readonly lowest: Plan;
  /** Random neurons of the chosen layer, as many; one plan per draw. */
  readonly random: readonly Plan[];
  /** What the same grid and selection rule choose when the order of the neurons is random; null if not asked for. */
  readonly randomSearched: Plan | null;
}

/** What `makePlans` found. */
export interface PlanningResult {
  /** Scores of the adaptation examples. */
  readonly scored: ScoreResult;
  /** The search over those scores. */
  readonly searched: SearchResult;
  /** The search over a random order of neurons; null if not asked for. */
  readonly randomSearched: SearchResult | null;
  /** The chosen plan and its baselines. */
  readonly plans: Plans;
}

/** What `runPipeline` works on. */
export interface PipelineInput extends PlanningInput {
  /** The examples that nothing was chosen on. */
  readonly test: readonly Example[];
  /** What answers them, such as an engine that keeps its answers. Default: `engine`. */
  readonly answering?: Pick<Engine, "choiceLogProbs">;
}

/** How the unmodified model, the plan and its baselines answer the test examples. */
export interface TestResults {
  /** The unmodified model. */
  readonly unpruned: Evaluation;
  /** The chosen plan. */
  readonly pruned: Evaluation;
  /** The neurons of lowest score. */
  readonly lowest: Evaluation;
  /** One per random draw. */
  readonly random: readonly Evaluation[];
  /** The plan that a search over a random order chose; null if not asked for. */
  readonly randomSearched: Evaluation | null;
}

/** What `runPipeline` found. */
export interface PipelineResult extends PlanningResult {
  /** Answers to the test examples. */
  readonly test: TestResults;
  /** Wall time of each stage. */
  readonly seconds: {
    readonly score: number;
    readonly search: number;
    readonly randomSearch: number;
    readonly evaluate: number;
    readonly total: number;
  };
}

/**
 * Scores the adaptation examples, searches for a configuration, and makes a plan of it and of its baselines. When the
 * search prefers the unmodified model, `pruned`, `lowest` and `random` are all empty plans.
 *
 * @throws {RangeError} As `scoreNeurons` and `searchGrid`, and if `randomDraws` is not an integer from 0.
 */
export async function makePlans(input: PlanningInput): Promise<PlanningResult> {
  const { engine, adaptation, selection = adaptation, seed = 0, randomDraws = 5, randomSearch = true } = input;
  if (!Number.isInteger(randomDraws) || randomDraws < 0) {
    throw new RangeError(`Cannot make ${randomDraws} random plans: expected an integer from 0`);
  }
  const random = createRandom(seed);
  const run = runOptionsOf(input);
  // Scoring may take hours: what would fail after it fails now.
  const settings = resolveScoreSettings(input.score ?? {}, engine);
  const scoresFor = input.scored?.scores ?? scoresToCome(settings, engine.config);
  resolveSearchSettings(input.search ?? {}, engine, scoresFor);
  checkSelectionExamples(selection);

  const scored = input.scored ?? await scoreNeurons(engine, adaptation, { ...input.score, ...run });
  if (!input.scored) await input.onScored?.(scored);
  input.signal?.throwIfAborted();

  const { scores } = scored;
  const searched = input.searched ?? await searchGrid(engine, selection, scores, { ...input.search, ...run });
  const pruned = planFromSearch(engine.config, searched);
  if (!input.searched) await input.onSearched?.(searched, pruned);
  input.signal?.throwIfAborted();

  // Drawn first and always, so that the later draws do not depend on whether it is used.
  const randomOrder: NeuronScores = { ...randomScores(engine.config, scores.site, random), scored: scores.scored };
  let randomSearched: SearchResult | null = null;
  if (randomSearch) {
    const settings = { ...searched.settings, ...forStage(run, "search random neurons") };
    randomSearched = await searchGrid(engine, selection, randomOrder, settings);
  }
  return {
    scored,
    searched,
    randomSearched,
    plans: {
      pruned,
      lowest: planAtCell(engine, searched, negateScores(scores), "lowest-attribution"),
      random: Array.from({ length: randomDraws }, () => {
        const order = { ...randomScores(engine.config, scores.site, random), scored: scores.scored };
        return planAtCell(engine, searched, order, "random");
      }),
      randomSearched: randomSearched && planFromSearch(engine.config, randomSearched, "random"),
    },
  };
}

/**
 * Makes plans as `makePlans` does, and evaluates them and the unmodified model on the test examples.
 *
 * @throws {RangeError} As `makePlans`, if there are no test examples, or one of them is also an adaptation example.
 */
export async function runPipeline(input: PipelineInput): Promise<PipelineResult> {
  const start = performance.now();
  const { engine, test, answering = engine } = input;
  if (test.length === 0) throw new RangeError("Cannot evaluate on 0 test examples: expected at least one");
  refuseShared([...input.adaptation, ...input.selection ?? []], test);
  const planning = await makePlans(input);
  input.signal?.throwIfAborted();

  const evaluationStart = performance.now();
  const { pruned, lowest, random, randomSearched } = planning.plans;
  const plans = [pruned, lowest, ...random, ...(randomSearched ? [randomSearched] : [])];
  const interventions = [[], ...plans.map(planToIntervention)];
  const evaluations = await evaluate(answering, test, { ...runOptionsOf(input), interventions });
  return {
    ...planning,
    test: {
      unpruned: evaluations[0],
      pruned: evaluations[1],
      lowest: evaluations[2],
      random: evaluations.slice(3, 3 + random.length),
      randomSearched: randomSearched && evaluations[3 + random.length],
    },
    seconds: {
      score: planning.scored.seconds,
      search: planning.searched.seconds,
      randomSearch: planning.randomSearched?.seconds ?? 0,
      evaluate: secondsSince(evaluationStart),
      total: secondsSince(start),
    },
  };
}

/** A plan at the cell that a search chose, with the first neurons of another order. */
function planAtCell(engine: Engine, searched: SearchResult, order: NeuronScores, by: string): Plan {
  const { layer, fraction, neurons } = searched.configurations[searched.chosen];
  if (layer === null) return createPlan(engine.config, [], { by });
  const chosen = firstNeurons(rankNeurons(layerScores(order, layer)), neurons);
  return createPlan(engine.config, [{ layer, site: searched.site, fraction, neurons: chosen }], { by });
}
