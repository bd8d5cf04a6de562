/**
 * Attribution methods side by side: how far their rankings agree, and the accuracy that each leads to under the same
 * grid.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Engine, RunOptions, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { type Agreement, rankAgreement } from "./agreement.ts";
import { type AttributionInput, type AttributionMethodName, scoreByMethod } from "./attribution_methods.ts";
import { evaluate } from "./evaluate.ts";
import { measure, type Measured } from "./measured.ts";
import type { NeuronScores } from "./neuron_scores.ts";
import { type Plan, planToIntervention } from "./plan.ts";
import { renameStages, secondsSince } from "./progress.ts";
import type { Ranking } from "./rank.ts";
import { decidingOptions, objectives, resolveScoreSettings, type ScoreSettings, scoresToCome } from "./score.ts";
import {
  type Configuration,
  planFromSearch,
  resolveSearchSettings,
  searchGrid,
  type SearchSettings,
} from "./search.ts";

/** One method with its options. */
export interface AttributionVariant extends Pick<AttributionInput, "shapley" | "hessians"> {
  /** Names it in the result; each label once. */
  readonly label: string;
  /** The method. */
  readonly method: AttributionMethodName;
  /** Differs from the common settings in these. */
  readonly score?: Partial<ScoreSettings>;
  /** Which neurons of it go first. Default: as the search says. */
  readonly ranking?: Ranking;
  /** Only its scores are compared: no search, no test. Default false. */
  readonly rankOnly?: boolean;
}

/** What `compareAttributions` works on. */
export interface CompareAttributionsInput extends RunOptions {
  /** The model. */
  readonly engine: Engine;
  /** Its weights, for methods that look at them. */
  readonly checkpoint?: Pick<Checkpoint, "config" | "readF32">;
  /** Where `engine` cannot take second differences: one that can, over the same checkpoint. */
  readonly referenceEngine?: Engine;
  /** The examples that neurons are scored on. */
  readonly adaptation: readonly Example[];
  /** The examples that configurations are chosen on. Default: `adaptation`. */
  readonly selection?: readonly Example[];
  /** The examples that nothing is chosen on. */
  readonly test: readonly Example[];
  /** What is compared; the first one is what `agreement` measures the others against. */
  readonly variants: readonly AttributionVariant[];
  /** Common settings of the scoring. */
  readonly score?: Partial<ScoreSettings>;
  /** The grid, the same for all. */
  readonly search?: Partial<SearchSettings>;
  /** Seed of methods that draw. Default 0. */
  readonly seed?: number;
  /** Fractions at which the first neurons are compared. Default 0.05, 0.1, 0.25. */
  readonly fractions?: readonly number[];
}

/** Where one variant led. */
export interface AttributionOutcome {
  /** As given. */
  readonly label: string;
  /** As given. */
  readonly method: AttributionMethodName;
  /** Whose neurons it scores. */
  readonly site: Site;
  /** Errors and settings of the method's own. */
  readonly details: Readonly<Record<string, number | string | null>>;
  /** Wall time of the scoring. */
  readonly seconds: number;
  /** What its search chose; null where only the ranking was asked for. */
  readonly chosen: Configuration | null;
  /** Configurations as accurate as the chosen one, itself included; null as `chosen`. */
  readonly tiedOnAccuracy: number | null;
  /** On the test examples; null as `chosen`. */
  readonly test: Measured | null;
}

/** Agreement of two variants. */
export interface VariantAgreement extends Agreement {
  /** Label of the one. */
  readonly a: string;
  /** Label of the other. */
  readonly b: string;
}

/** What `compareAttributions` found. */
export interface AttributionComparison {
  /** In the order given. */
  readonly variants: readonly AttributionOutcome[];
  /** Every pair that scores neurons of the same number and has a layer in common; the first variant's pairs first. */
  readonly agreement: readonly VariantAgreement[];
  /** The unmodified model on the test examples. */
  readonly unpruned: Measured;
  /** Configurations measured on the selection examples, over all variants. */
  readonly tried: number;
  /** Scores of each variant, in the order given; not plain data. */
  readonly scores: readonly NeuronScores[];
  /** Plans of the variants that were searched, by label; not plain data. */
  readonly plans: ReadonlyMap<string, Plan>;
  /** Wall time. */
  readonly seconds: number;
}

/**
 * Integrated Gradients as the common settings say, and once more for every single option changed: positions, each other
 * site and objective, the joint path, each other ranking, normalised layers, and each plain rule at as many nodes.
 */
export function integratedGradientsVariants(nodes = 16): AttributionVariant[] {
  const method = "integrated-gradients";
  const change = (label: string, score: Partial<ScoreSettings>): AttributionVariant => ({ label, method, score });
  return [
    { label: "default", method },
    change("positions last", { positions: "last" }),
    ...(["up", "down"] as const).map((site) => change(`site ${site}`, { site })),
    ...objectives.slice(1).map((objective) => change(`objective ${objective}`, { objective })),
    { label: "path joint", method: "integrated-gradients-joint" },
    { label: "ranking absolute", method, ranking: "absolute" },
    { label: "ranking positive", method, ranking: "positive" },
    change("normalise layer-max", { normalise: "layer-max" }),
    ...(["gauss-legendre", "midpoint", "left", "right", "trapezoid"] as const).map((rule) =>
      change(`${rule}, ${nodes} nodes`, { rule, nodes })
    ),
  ];
}

/** How a variant scores: as all do, but for what it changes. */
function scoreOf(input: CompareAttributionsInput, { score }: AttributionVariant): Partial<ScoreSettings> {
  return decidingOptions({ ...input.score, ...score });
}

/**
 * Scores with every variant, searches the same grid with each, and evaluates the chosen plans on the test examples in
 * one call. Agreement is measured on what the rankings make of the scores: sizes for `absolute`, and for `positive`
 * nothing below zero.
 *
 * @throws {RangeError} If there is no variant, a label repeats, there is no test example; and as the methods and the
 * search throw.
 */
export async function compareAttributions(input: CompareAttributionsInput): Promise<AttributionComparison> {
  const start = performance.now();
  const { engine, adaptation, selection = adaptation, test, variants, seed = 0 } = input;
  if (variants.length === 0) throw new RangeError("Cannot compare 0 attributions: expected at least one");
  if (test.length === 0) throw new RangeError("Cannot evaluate on 0 test examples: expected at least one");
  const labels = variants.map(({ label }) => label);
  const repeated = labels.find((label, index) => labels.indexOf(label) < index);
  if (repeated !== undefined) {
    throw new RangeError(`Cannot compare two attributions labelled "${repeated}": name it once`);
  }
  // What one variant would fail by after the others have run shows before any has.
  resolveScoreSettings(input.score ?? {}, engine);
  for (const variant of variants) {
    const settings = resolveScoreSettings(scoreOf(input, variant), engine);
    if (!variant.rankOnly) resolveSearchSettings(input.search ?? {}, engine, scoresToCome(settings, engine.config));
  }

  const outcomes: Omit<AttributionOutcome, "test">[] = [];
  const allScores: NeuronScores[] = [];
  const plans = new Map<string, Plan>();
  let tried = 0;
  for (const variant of variants) {
    input.signal?.throwIfAborted();
    const { label, method, ranking, rankOnly = false } = variant;
    const run = renameStages(input, (stage) => `${label}: ${stage}`);
    const scoring = performance.now();
    const { scores, details } = await scoreByMethod(method, {
      ...run,
      engine: method === "integrated-hessians" ? input.referenceEngine ?? engine : engine,
      examples: adaptation,
      ...(input.checkpoint && { checkpoint: input.checkpoint }),
      score: scoreOf(input, variant),
      ...(variant.shapley && { shapley: variant.shapley }),
      ...(variant.hessians && { hessians: variant.hessians }),
      seed,
    });
    const seconds = secondsSince(scoring);
    allScores.push(scores);
    let found: Pick<AttributionOutcome, "chosen" | "tiedOnAccuracy"> = { chosen: null, tiedOnAccuracy: null };
    if (!rankOnly) {
      const searched = await searchGrid(engine, selection, scores, {
        ...input.search,
        ...(ranking && { ranking }),
        ...run,
      });
      tried += searched.configurations.length;
      plans.set(label, planFromSearch(engine.config, searched, method));
      found = { chosen: searched.configurations[searched.chosen], tiedOnAccuracy: searched.tiedOnAccuracy };
    }
    outcomes.push({ label, method, site: scores.site, details, seconds, ...found });
  }

  const metric = input.search?.metric ?? "acc";
  const interventions = [[], ...[...plans.values()].map(planToIntervention)];
  const evaluations = await evaluate(engine, test, { ...renameStages(input, (stage) => stage), interventions });
  const [unpruned, ...answers] = evaluations.map((evaluation) => measure(evaluation, metric));
  const answersOf = new Map([...plans.keys()].map((label, index) => [label, answers[index]]));
  return {
    variants: outcomes.map((outcome) => ({ ...outcome, test: answersOf.get(outcome.label) ?? null })),
    agreement: compareEveryPair(input, allScores),
    unpruned,
    tried,
    scores: allScores,
    plans,
    seconds: secondsSince(start),
  };
}

function compareEveryPair(
  { variants, search, fractions }: CompareAttributionsInput,
  scores: readonly NeuronScores[],
): VariantAgreement[] {
  const keys = scores.map((own, index) => rankingKeys(own, variants[index].ranking ?? search?.ranking ?? "signed"));
  return variants.flatMap((a, i) =>
    variants.slice(i + 1).flatMap((b, offset): VariantAgreement[] => {
      const [first, second] = [keys[i], keys[i + 1 + offset]];
      const comparable = first.neurons === second.neurons &&
        first.scored.some((layer) => second.scored.includes(layer));
      if (!comparable) return [];
      return [{ a: a.label, b: b.label, ...rankAgreement(first, second, { ...(fractions && { fractions }) }) }];
    })
  );
}

/** Scores whose signed order is that of the ranking. */
function rankingKeys(scores: NeuronScores, ranking: Ranking): NeuronScores {
  if (ranking === "signed") return scores;
  return { ...scores, values: scores.values.map(ranking === "absolute" ? Math.abs : (value) => Math.max(0, value)) };
}
