/**
 * Attribution methods side by side: Integrated Gradients with each option changed, gradient times activation, and, on
 * models small enough, exact ablation, Shapley values and Integrated Hessians.
 */
import { siteNeurons } from "../neuron_scores.ts";
import { decidingOptions } from "../score.ts";
import {
  type AttributionComparison,
  type AttributionVariant,
  compareAttributions,
  integratedGradientsVariants,
} from "../compare_attributions.ts";
import { dictionary, integer, list, nullable, number, record, type Schema, text } from "../schema.ts";
import { summarySchema } from "./comparison.ts";
import { meanOrNull, type RedrawSummary, summarise } from "./statistics.ts";
import { drawsOf, stepOf, type StudySubject } from "./subject.ts";

/** One method with its options, over the redraws. */
export interface VariantStudy {
  /** Such as `objective margin`. */
  readonly label: string;
  /** Test accuracy over the redraws; null where only rankings were compared. */
  readonly accuracy: RedrawSummary | null;
  /** Mean gain over the unmodified model; null as `accuracy`. */
  readonly gain: number | null;
  /**
   * Agreement with the first variant, means over redraws and layers; null for itself and for neurons of another kind.
   */
  readonly agreement: {
    /** Spearman's rho; null where scores are constant. */
    readonly spearman: number | null;
    /** Kendall's tau-b; null where scores are constant. */
    readonly kendall: number | null;
    /** Shared neurons among the first of both, by fraction. */
    readonly topOverlap: readonly number[];
  } | null;
  /** What the method says of itself in the first redraw, such as its error. */
  readonly details: Readonly<Record<string, number | string | null>>;
}

/** Attribution methods compared. */
export interface AttributionStudy {
  /** Redraws they were compared in. */
  readonly redraws: number;
  /** Test accuracy of the unmodified model. */
  readonly unpruned: number;
  /** Fractions of `topOverlap`. */
  readonly fractions: readonly number[];
  /** The first one is the study's own. */
  readonly variants: readonly VariantStudy[];
  /** Integrated Hessians beside Integrated Gradients on one example; null where they were left out. */
  readonly hessians: {
    /** Id of the example. */
    readonly example: string;
    /** The two, rankings only. */
    readonly variants: readonly VariantStudy[];
  } | null;
  /** What was left out, and why. */
  readonly leftOut: readonly string[];
  /** Configurations measured on adaptation examples. */
  readonly tried: number;
}

const details = dictionary((value, where) =>
  typeof value === "number" ? number(value, where) : value === null ? null : text(value, where)
);

const variantSchema: Schema<VariantStudy> = record({
  label: text,
  accuracy: nullable(summarySchema),
  gain: nullable(number),
  agreement: nullable(record({
    spearman: nullable(number),
    kendall: nullable(number),
    topOverlap: list(number),
  })),
  details,
});

/** Reads the comparison of attributions. */
export const attributionSchema: Schema<AttributionStudy> = record({
  redraws: integer,
  unpruned: number,
  fractions: list(number),
  variants: list(variantSchema),
  hessians: nullable(record({ example: text, variants: list(variantSchema) })),
  leftOut: list(text),
  tried: integer,
});

const fractions = [0.05, 0.1, 0.25];

/** Pairs of orders for each Shapley estimate; the error that this leaves is stated. */
const shapleyPairs = 4;

/** One variant over all comparisons. */
function describe(comparisons: readonly AttributionComparison[], index: number): VariantStudy {
  const [first] = comparisons;
  const { label } = first.variants[index];
  const accuracies = comparisons.flatMap(({ variants }) => variants[index].test?.accuracy ?? []);
  const agreements = comparisons.flatMap(({ agreement }) =>
    agreement.filter(({ a, b }) => a === first.variants[0].label && b === label)
  );
  const mean = (value: (agreement: typeof agreements[number]) => number | null) =>
    meanOrNull(agreements.map(value).filter((own) => own !== null));
  return {
    label,
    accuracy: accuracies.length === 0 ? null : summarise(accuracies),
    gain: accuracies.length === 0 ? null : meanOrNull(accuracies)! - first.unpruned.accuracy,
    agreement: agreements.length === 0 ? null : {
      spearman: mean(({ spearman }) => spearman),
      kendall: mean(({ kendall }) => kendall),
      topOverlap: fractions.map((_, place) => mean(({ topOverlap }) => topOverlap[place])!),
    },
    details: first.variants[index].details,
  };
}

/** Compares attribution methods over the first redraws. */
export async function studyAttributions(subject: StudySubject): Promise<AttributionStudy> {
  const { engine, checkpoint, test, referenceEngine, settings } = subject;
  const { score, search, attributionRedraws, exhaustiveNeurons } = settings;
  const neurons = score.layers.length * siteNeurons(engine.config, score.site);
  const isSmall = neurons <= exhaustiveNeurons;
  // The joint path scales all layers together.
  const isWhole = score.layers.length === engine.config.layers;
  const leftOut = [
    ...(isWhole ? [] : ["the joint path: only some layers are studied"]),
    ...(isSmall ? [] : [
      `ablation, Shapley values and Integrated Hessians: ${neurons} neurons exceed the limit of ${exhaustiveNeurons}`,
    ]),
  ];
  const variants: AttributionVariant[] = [
    ...integratedGradientsVariants().filter(({ method }) => isWhole || method !== "integrated-gradients-joint"),
    { label: "gradient x activation", method: "gradient-activation" },
    ...(isSmall
      ? [
        { label: "ablation", method: "ablation" } as const,
        { label: "shapley", method: "shapley", shapley: { pairs: shapleyPairs } } as const,
      ]
      : []),
  ];
  const draws = drawsOf(subject);
  const common = { engine, checkpoint, test, score: decidingOptions(score), search, fractions };
  const comparisons: AttributionComparison[] = [];
  for (const { seed, examples } of draws.slice(0, attributionRedraws)) {
    const step = stepOf(subject, `attributions, seed ${seed}`);
    comparisons.push(await compareAttributions({ ...common, ...step, adaptation: examples, variants, seed }));
  }

  let hessians: AttributionStudy["hessians"] = null;
  if (isSmall && !referenceEngine) leftOut.push("Integrated Hessians: they need a float64 engine");
  if (isSmall && referenceEngine) {
    const [example] = draws[0].examples;
    const comparison = await compareAttributions({
      ...common,
      ...stepOf(subject, "integrated hessians"),
      referenceEngine: await referenceEngine(),
      adaptation: [example],
      variants: [
        { label: "integrated gradients", method: "integrated-gradients", rankOnly: true },
        { label: "integrated hessians", method: "integrated-hessians", rankOnly: true, hessians: { nodes: 8 } },
      ],
    });
    hessians = { example: example.id, variants: comparison.variants.map((_, index) => describe([comparison], index)) };
  }
  return {
    redraws: comparisons.length,
    unpruned: comparisons[0].unpruned.accuracy,
    fractions,
    variants: variants.map((_, index) => describe(comparisons, index)),
    hessians,
    leftOut,
    tried: comparisons.reduce((sum, { tried }) => sum + tried, 0),
  };
}
