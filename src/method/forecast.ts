/** How the stages of a job would run, before they run: their waves, from the settings alone. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import type { Forecaster, Intervention, WaveForecast } from "../engine/engine.ts";
import { siteNeurons } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { quadratureRule } from "./quadrature.ts";
import { neuronCount } from "./rank.ts";
import { exampleGroups, nodeCounts, resolveScoreSettings, type ScoreSettings, scoresToCome } from "./score.ts";
import { resolveSearchSettings, type SearchSettings } from "./search.ts";

/** Waves of one stage of a job. */
export interface StageForecast {
  /** Such as `score, 8 nodes` or `search`. */
  readonly stage: string;
  /** Whether it goes there and back along paths, or only forward. */
  readonly kind: "attribution" | "forward";
  /** Whether the stage runs only for paths that fewer nodes did not resolve; its waves are then those of all paths. */
  readonly ifNeeded: boolean;
  /**
   * Whether what runs depends on what was found before, such as which paths are left or where a plan is. Less work is
   * then cut into waves at other places, so one of several waves may be fuller than any of these.
   */
  readonly varies: boolean;
  /** In the order in which they run. */
  readonly waves: readonly WaveForecast[];
}

/** A job to forecast: scoring, the search over it, and the evaluation of what it finds. */
export interface ForecastInput {
  /** What forecasts: an engine that runs in waves, or what was opened for planning alone. */
  readonly engine: Pick<Forecaster, "config" | "forecast">;
  /** The examples that are scored; empty where nothing is. */
  readonly adaptation: readonly Example[];
  /** The examples the configuration is chosen on; empty where none is. */
  readonly selection: readonly Example[];
  /** The examples that nothing is chosen on; empty where nothing is evaluated. */
  readonly test: readonly Example[];
  /** As `scoreNeurons` takes them. */
  readonly score?: Partial<ScoreSettings>;
  /** As `searchGrid` takes them. */
  readonly search?: Partial<SearchSettings>;
  /** Random plans to evaluate. Default 5. */
  readonly randomDraws?: number;
  /** Whether a random order of neurons is searched too. Default true. */
  readonly randomSearch?: boolean;
  /**
   * `all` (default): every number of nodes that the adaptive rule may come to; `first`: only the one it starts with.
   */
  readonly attempts?: "all" | "first";
}

/**
 * Forecasts a job in the order of its stages. What is not known yet is taken at its most: no path converges early, a
 * filter keeps every example, and plans are in the lowest layer of the grid.
 *
 * @throws {RangeError} If a setting is out of range, or a single unit of work does not fit the memory budget.
 */
export function forecastJob(input: ForecastInput): StageForecast[] {
  const { engine, adaptation, selection, test, randomDraws = 5, randomSearch = true } = input;
  const score = resolveScoreSettings(input.score ?? {}, engine);
  const search = resolveSearchSettings(input.search ?? {}, engine, scoresToCome(score, engine.config));
  const stages: StageForecast[] = [];
  const forward = (
    stage: string,
    examples: readonly Example[],
    interventions: readonly Intervention[],
    varies = false,
  ) => {
    const waves = engine.forecast(examples, { interventions });
    stages.push({ stage, kind: "forward", ifNeeded: false, varies, waves });
  };
  if (adaptation.length > 0) {
    if (score.filter !== "all") forward("filter", adaptation, [[]]);
    const attempts = nodeCounts(score).slice(0, input.attempts === "first" ? 1 : undefined);
    stages.push(...forecastScoring(engine, adaptation, score, attempts));
  }
  const grid = gridInterventions(engine.config, score, search);
  if (selection.length > 0) {
    forward("search", selection, grid);
    if (randomSearch) forward("random search", selection, grid);
  }
  if (test.length > 0) {
    // The plan, the lowest and the random neurons, and the random search's plan; where they are is not known yet.
    const plans = 2 + randomDraws + (randomSearch ? 1 : 0);
    const largest = grid.slice(1).filter(([{ layer }]) => layer === search.layers[0]).at(-1);
    forward("evaluate", test, [[], ...Array.from({ length: largest ? plans : 0 }, () => largest!)], true);
  }
  return stages;
}

const unknownEnds = { objectiveAtOne: 0, objectiveAtZero: 0, targetToken: 0, otherToken: null };

function forecastScoring(
  engine: ForecastInput["engine"],
  examples: readonly Example[],
  settings: ScoreSettings,
  attempts: readonly number[],
): StageForecast[] {
  const { rule, site, positions, objective, path, layers } = settings;
  const groups = exampleGroups(engine.config, examples, settings);
  return attempts.map((nodes, attempt) => ({
    stage: `score, ${nodes} nodes`,
    kind: "attribution",
    ifNeeded: attempt > 0,
    varies: attempt > 0,
    waves: groups.flatMap((group) => {
      const pairs = group.flatMap((_, example) => layers.map((layer) => ({ example, layer })));
      // The first attempt finds the ends of the paths; which they are makes no difference to the work.
      const ends = attempt > 0 && { ends: pairs.map(() => unknownEnds) };
      const attribute = { pairs, rule: quadratureRule(rule, nodes), site, positions, objective, path, ...ends };
      return engine.forecast(group, { attribute });
    }),
  }));
}

/**
 * The unmodified model and one mask for every cell of the grid; which neurons are masked makes no difference to the
 * work.
 */
export function gridInterventions(
  config: ModelConfig,
  { site }: ScoreSettings,
  { layers, fractions }: SearchSettings,
): Intervention[] {
  const neurons = siteNeurons(config, site);
  const counts = [...new Set(fractions.map((fraction) => neuronCount(fraction, neurons)))].filter((count) => count > 0);
  const first = (count: number) => Uint32Array.from({ length: count }, (_, neuron) => neuron);
  return [[], ...layers.flatMap((layer) => counts.map((count) => [{ layer, site, neurons: first(count) }]))];
}
