/** Integrated Gradients of every neuron, averaged over examples, with a rule that is refined only where it must be. */
import type {
  AttributeOptions,
  Engine,
  Intervention,
  Objective,
  Pair,
  PairAttribution,
  PathEnds,
  RunOptions,
  Site,
} from "../engine/engine.ts";
import type { ModelConfig } from "../checkpoint/model_config.ts";
import type { Example } from "../tasks/example.ts";
import {
  type CompletenessError,
  type PathCompleteness,
  pathCompleteness,
  summariseCompleteness,
} from "./completeness.ts";
import { type OptionNames, refuseUnknownOptions } from "./known_options.ts";
import { checkLayers, type NeuronScores, type Normalisation, normaliseScores, siteNeurons } from "./neuron_scores.ts";
import type { PlanModel } from "./plan.ts";
import { forStage, secondsSince } from "./progress.ts";
import { maxRuleNodes, quadratureRule, type RuleName } from "./quadrature.ts";
import { defaultConfidence, filterExamples, type SampleFilter } from "./filter.ts";
import type { Metric } from "../tasks/scoring.ts";
import { OptionError } from "../text/option_error.ts";

/** What decides the scores: every field of `ScoreOptions` that changes the result, with its default filled in. */
export interface ScoreSettings {
  /** Whose neurons are scored. Default `gate`. */
  readonly site: Site;
  /** Which positions are scaled along the path. Default `all`. */
  readonly positions: "all" | "last";
  /** The number that is differentiated. Default `max-logit`. */
  readonly objective: Objective;
  /** One layer at a time, or all layers together. Default `layer`. */
  readonly path: "layer" | "joint";
  /** Layers to score. Default: all. Must be all of them for path `joint`. */
  readonly layers: readonly number[];
  /** Default `gauss-legendre`. */
  readonly rule: RuleName;
  /** A fixed number of nodes for every path, or null (default) for the adaptive rule. */
  readonly nodes: number | null;
  /** Nodes the adaptive rule starts with. Default 8. */
  readonly initialNodes: number;
  /** Nodes the adaptive rule ends with at the latest; 1..512. Default 64. */
  readonly maxNodes: number;
  /** Relative completeness error above which a path is run again with twice the nodes. Default 0.01. */
  readonly tolerance: number;
  /** Which examples are used, judged by the unmodified model. Default `all`. */
  readonly filter: SampleFilter;
  /** By which metric an answer counts as correct for the filter. Default `acc`. */
  readonly metric: Metric;
  /** Probability above which an answer counts as confident for the filter. Default 0.8. */
  readonly confidence: number;
  /** Default `none`. */
  readonly normalise: Normalisation;
}

/** Options of `scoreNeurons`. */
export interface ScoreOptions extends RunOptions, Partial<ScoreSettings> {
  /**
   * Neurons that are off while the others are scored: the model under this intervention takes the place of the
   * unmodified one everywhere, also in the filter, and these neurons score 0. It is not among the settings. Default:
   * none.
   */
  readonly base?: Intervention;
  /** Also return the scores of every single example. Default false. */
  readonly keepPerExample?: boolean;
  /**
   * Host memory for attributions that are held at once, in bytes; examples are worked on in groups that keep to it.
   * Default 128 MiB. It does not change the result.
   */
  readonly resultBudgetBytes?: number;
}

/** What scoring found. */
export interface ScoreResult {
  /** Mean attribution over the examples used, normalised if so asked. */
  readonly scores: NeuronScores;
  /** Attribution of each example used, `[N][L*H]`, not normalised; present with `keepPerExample`. */
  readonly perExample?: readonly Float32Array[];
  /** Ids of the examples used, in the order given. */
  readonly examples: readonly string[];
  /** For each example used, the token that M looks at. */
  readonly targets: Uint32Array;
  /** How far the attributions are from what they must add up to, path by path. */
  readonly completenessError: CompletenessError;
  /** Sum of nodes over all paths and attempts: the forward and backward passes paid for. */
  readonly nodesUsed: number;
  /** The options with their defaults filled in. */
  readonly settings: ScoreSettings;
  /** Wall time. */
  readonly seconds: number;
}

/** All objectives. */
export const objectives: readonly Objective[] = [
  "max-logit",
  "max-logit-moving",
  "choice",
  "gold",
  "margin",
  "max-prob",
];

function checkOneOf(what: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) {
    throw new OptionError(`Cannot score with ${what} "${value}": expected one of ${allowed.join(", ")}`, what);
  }
}

/** All options of `scoreNeurons`. */
const optionNames: OptionNames<ScoreOptions> = {
  site: true,
  positions: true,
  objective: true,
  path: true,
  layers: true,
  rule: true,
  nodes: true,
  initialNodes: true,
  maxNodes: true,
  tolerance: true,
  filter: true,
  metric: true,
  confidence: true,
  normalise: true,
  base: true,
  keepPerExample: true,
  resultBudgetBytes: true,
  signal: true,
  onProgress: true,
};

const defaultMaxNodes = 64;

/** The number of nodes that the adaptive rule starts with where none is asked for. */
function defaultInitialNodes(maxNodes: number): number {
  return Math.min(8, maxNodes);
}

/** An option that says nothing beside others. */
interface IdleOption {
  readonly name: "initialNodes" | "maxNodes" | "confidence";
  /** What it would be by default. */
  readonly usual: number;
  /** Beside what it says nothing, and what to do. */
  readonly problem: string;
}

/** Options that say nothing beside these ones, whether they are given or not. */
function idleOptions({ nodes, filter = "all" }: Partial<ScoreSettings>): IdleOption[] {
  const idle: IdleOption[] = [];
  if (nodes !== undefined && nodes !== null) {
    const problem = `beside nodes ${nodes}: that is the number for every path, so leave out one of them`;
    idle.push(
      { name: "maxNodes", usual: defaultMaxNodes, problem },
      { name: "initialNodes", usual: defaultInitialNodes(defaultMaxNodes), problem },
    );
  }
  if (filter !== "confident") {
    const problem = `and the filter "${filter}": it is for the filter confident, so ask for that, or leave it out`;
    idle.push({ name: "confidence", usual: defaultConfidence, problem });
  }
  return idle;
}

/**
 * The same options without those that say nothing beside the others: for settings of which some were replaced, and for
 * what earlier versions kept, which took such.
 */
export function decidingOptions<Options extends Partial<ScoreSettings>>(options: Options): Partial<Options> {
  const idle: readonly string[] = idleOptions(options).map(({ name }) => name);
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => !idle.includes(name)),
  ) as unknown as Partial<Options>;
}

/**
 * Fills in the defaults of the options and checks them. What comes out can be given again. Of options that say nothing
 * beside others only the defaults are taken, so that nobody takes them for something.
 *
 * @throws {OptionError} If there is no such option, or one is out of its range, contradicts another one or says nothing
 * beside it.
 */
export function resolveScoreSettings(
  options: Partial<ScoreSettings>,
  engine: { readonly config: Pick<ModelConfig, "layers"> },
): ScoreSettings {
  refuseUnknownOptions<ScoreOptions>("score", options, optionNames);
  for (const { name, usual, problem } of idleOptions(options)) {
    const given = options[name] ?? usual;
    if (given !== usual) throw new OptionError(`Cannot score with ${name} ${given} ${problem}`, name);
  }
  return completeScoreSettings(options, engine);
}

/**
 * As `resolveScoreSettings`, for settings that were read from a file: nobody can be told to leave one out.
 *
 * @throws {OptionError} If one is out of its range or does not fit the model.
 */
export function completeScoreSettings(
  options: Partial<ScoreSettings>,
  engine: { readonly config: Pick<ModelConfig, "layers"> },
): ScoreSettings {
  const { maxNodes = defaultMaxNodes } = options;
  const settings: ScoreSettings = {
    site: options.site ?? "gate",
    positions: options.positions ?? "all",
    objective: options.objective ?? "max-logit",
    path: options.path ?? "layer",
    layers: checkLayers(options.layers, engine.config),
    rule: options.rule ?? "gauss-legendre",
    nodes: options.nodes ?? null,
    initialNodes: options.initialNodes ?? defaultInitialNodes(maxNodes),
    maxNodes,
    tolerance: options.tolerance ?? 0.01,
    filter: options.filter ?? "all",
    metric: options.metric ?? "acc",
    confidence: options.confidence ?? defaultConfidence,
    normalise: options.normalise ?? "none",
  };
  checkOneOf("site", settings.site, ["gate", "up", "down"]);
  checkOneOf("positions", settings.positions, ["all", "last"]);
  checkOneOf("objective", settings.objective, objectives);
  checkOneOf("path", settings.path, ["layer", "joint"]);
  checkOneOf("normalise", settings.normalise, ["none", "layer-max"]);
  if (settings.path === "joint" && settings.layers.length !== engine.config.layers) {
    throw new OptionError(
      `Cannot score ${settings.layers.length} of ${engine.config.layers} layers on the joint path: it needs all of them`,
      "path",
    );
  }
  if (!(settings.tolerance > 0)) {
    throw new OptionError(`Cannot score with tolerance ${settings.tolerance}: expected a number above 0`, "tolerance");
  }
  if (settings.initialNodes > settings.maxNodes || settings.maxNodes > maxRuleNodes) {
    throw new OptionError(
      `Cannot refine from ${settings.initialNodes} to ${settings.maxNodes} nodes: expected ascending numbers up to ` +
        `${maxRuleNodes}`,
      "maxNodes",
    );
  }
  for (const nodes of settings.nodes === null ? [settings.initialNodes, settings.maxNodes] : [settings.nodes]) {
    quadratureRule(settings.rule, nodes);
  }
  return settings;
}

/** What is known of scores before there are any: which layers have some, and for how many neurons each. */
export function scoresToCome(
  { layers, site }: Pick<ScoreSettings, "layers" | "site">,
  config: Pick<ModelConfig, "width" | "neurons">,
): Pick<NeuronScores, "scored" | "neurons"> {
  return { scored: layers, neurons: siteNeurons(config, site) };
}

/** Examples in groups whose attributions, f64, fit into `budgetBytes` of host memory. */
export function exampleGroups(
  config: ModelConfig,
  examples: readonly Example[],
  { layers, site }: Pick<ScoreSettings, "layers" | "site">,
  budgetBytes = 128 * 2 ** 20,
): Example[][] {
  const bytesPerExample = layers.length * siteNeurons(config, site) * Float64Array.BYTES_PER_ELEMENT;
  const size = Math.max(1, Math.floor(budgetBytes / bytesPerExample));
  return Array.from(
    { length: Math.ceil(examples.length / size) },
    (_, group) => examples.slice(group * size, (group + 1) * size),
  );
}

/** Nodes of every attempt at a path, in order: the last one is made only for paths that no earlier one resolved. */
export function nodeCounts({ nodes, initialNodes, maxNodes }: ScoreSettings): number[] {
  if (nodes !== null) return [nodes];
  const counts = [initialNodes];
  while (counts.at(-1)! < maxNodes) counts.push(Math.min(2 * counts.at(-1)!, maxNodes));
  return counts;
}

/** The attributions of one path and how complete they are. */
export interface PathResult {
  readonly parts: readonly PairAttribution[];
  readonly completeness: PathCompleteness;
}

/** One path: an example and the layer that is scaled, or null for all layers together. */
export interface ScoredPath {
  /** Index into the examples. */
  readonly example: number;
  readonly layer: number | null;
}

/** A path to run. */
interface Path extends ScoredPath {
  /** The ends of its parts, where an earlier attempt found them. */
  readonly ends?: readonly PathEnds[];
}

/**
 * Scores every neuron of a site by Integrated Gradients along the path that scales the site's pre-activations from 0
 * to their value, and averages over the examples.
 *
 * With the adaptive rule every path starts at `initialNodes`; those whose relative completeness error is above
 * `tolerance` are run again with twice the nodes, up to `maxNodes`, and the run with most nodes is kept. What is still
 * above the tolerance is counted in `completenessError.unconverged`; it is never an error.
 *
 * @throws {RangeError} If there is no example, an option is out of range, the filter keeps no example, or the engine
 * returns a number that is not finite.
 */
export async function scoreNeurons(
  engine: Engine,
  examples: readonly Example[],
  options: ScoreOptions = {},
): Promise<ScoreResult> {
  const start = performance.now();
  if (examples.length === 0) throw new RangeError("Cannot score 0 examples: expected at least one");
  const settings = resolveScoreSettings(options, engine);
  const kept = await filterExamples(engine, examples, { ...options, ...settings });

  const sum = createScoreSum(engine.config, kept, settings, options.keepPerExample);
  const groups = exampleGroups(engine.config, kept, settings, options.resultBudgetBytes);
  let first = 0;
  for (const group of groups) {
    const stage = groups.length === 1 ? "score" : `score examples ${first + 1}-${first + group.length}`;
    const attributed = await attributePathsAdaptively(
      engine,
      group,
      scoredPaths(group, settings),
      settings,
      options,
      stage,
    );
    sum.add(attributed, first);
    first += group.length;
  }
  return sum.finish(secondsSince(start));
}

/** Every path of some examples, by example and then layer. */
export function scoredPaths(
  examples: readonly unknown[],
  { path, layers }: Pick<ScoreSettings, "path" | "layers">,
): ScoredPath[] {
  return examples.flatMap((_, example) => (path === "joint" ? [null] : layers).map((layer) => ({ example, layer })));
}

/** What was attributed along some paths. */
export interface AttributedPaths {
  /** In the order of the paths. */
  readonly results: readonly PathResult[];
  /** Sum of nodes over all paths and attempts. */
  readonly nodes: number;
}

/** Collects attributed paths, by example and then layer, and makes the result of them. */
export function createScoreSum(
  config: PlanModel,
  examples: readonly Pick<Example, "id">[],
  settings: ScoreSettings,
  keepPerExample = false,
): {
  /** @param first What the examples of the paths count from. */
  add(attributed: AttributedPaths, first?: number): void;
  finish(seconds: number): ScoreResult;
} {
  const neurons = siteNeurons(config, settings.site);
  const sums = new Float64Array(config.layers * neurons);
  const perExample: Float32Array[] = [];
  const targets = new Uint32Array(examples.length);
  const paths: PathCompleteness[] = [];
  let nodesUsed = 0;
  return {
    add({ results, nodes }, first = 0) {
      nodesUsed += nodes;
      for (const { parts, completeness } of results) {
        paths.push({ ...completeness, example: first + completeness.example });
        for (const { example, layer, scores, targetToken } of parts) {
          targets[first + example] = targetToken;
          for (let j = 0; j < neurons; j++) sums[layer * neurons + j] += scores[j];
          if (!keepPerExample) continue;
          (perExample[first + example] ??= new Float32Array(sums.length)).set(scores, layer * neurons);
        }
      }
    },
    finish(seconds) {
      const means = sums.map((sum) => sum / examples.length);
      normaliseScores(means, neurons, settings.normalise);
      return {
        scores: {
          site: settings.site,
          layers: config.layers,
          neurons,
          scored: settings.layers,
          values: Float32Array.from(means),
        },
        ...(keepPerExample && { perExample }),
        examples: examples.map(({ id }) => id),
        targets,
        completenessError: summariseCompleteness(paths, settings.tolerance),
        nodesUsed,
        settings,
        seconds,
      };
    },
  };
}

/** Runs paths until each has converged or has `maxNodes` nodes. */
export async function attributePathsAdaptively(
  engine: Engine,
  examples: readonly Example[],
  all: readonly ScoredPath[],
  settings: ScoreSettings,
  run: Pick<ScoreOptions, "signal" | "onProgress" | "base">,
  stage: string,
): Promise<AttributedPaths> {
  const results: PathResult[] = new Array(all.length);
  const ends: PathEnds[][] = new Array(all.length);
  let open = all.map((_, index) => index);
  let paid = 0;
  for (const nodes of nodeCounts(settings)) {
    run.signal?.throwIfAborted();
    // Their attributions will be replaced: two sets of them must not be held at once.
    for (const index of open) delete results[index];
    const attempt = await attributePaths(
      engine,
      examples,
      open.map((index) => ({ ...all[index], ...(index in ends && { ends: ends[index] }) })),
      nodes,
      settings,
      { ...forStage(run, `${stage}, ${nodes} nodes`), ...(run.base && { base: run.base }) },
    );
    open.forEach((index, i) => {
      results[index] = attempt[i];
      ends[index] ??= attempt[i].parts.map(({ objectiveAtOne, objectiveAtZero, targetToken, otherToken }) => ({
        objectiveAtOne,
        objectiveAtZero,
        targetToken,
        otherToken,
      }));
    });
    paid += open.length * nodes;
    open = open.filter((index) => results[index].completeness.relativeError > settings.tolerance);
    if (open.length === 0) break;
  }
  return { results, nodes: paid };
}

/** One engine call: the given paths with one number of nodes. Only examples that still have a path are handed over. */
async function attributePaths(
  engine: Engine,
  examples: readonly Example[],
  paths: readonly Path[],
  nodes: number,
  settings: ScoreSettings,
  run: Pick<AttributeOptions, "signal" | "onProgress" | "base">,
): Promise<PathResult[]> {
  const used = [...new Set(paths.map((path) => path.example))];
  const position = new Map(used.map((example, index) => [example, index]));
  const pairs: Pair[] = paths.flatMap(({ example, layer }) =>
    (layer === null ? settings.layers : [layer]).map((scaled) => ({ example: position.get(example)!, layer: scaled }))
  );
  const request: AttributeOptions = {
    ...run,
    pairs,
    rule: quadratureRule(settings.rule, nodes),
    site: settings.site,
    positions: settings.positions,
    objective: settings.objective,
    path: settings.path,
    ...(paths.every((path) => path.ends) && { ends: paths.flatMap((path) => path.ends!) }),
  };
  const attributions = await engine.attribute(used.map((example) => examples[example]), request);
  const layersPerPath = settings.path === "joint" ? settings.layers.length : 1;
  return paths.map(({ example, layer }, index) => {
    const parts = attributions
      .slice(index * layersPerPath, (index + 1) * layersPerPath)
      .map((part) => ({ ...part, example }));
    return { parts, completeness: pathCompleteness(layer, parts, nodes) };
  });
}
