/**
 * What `eval` compares with: another checkpoint, another plan, or the model without a plan; and how the result reads.
 */
import { compareEvaluations, type EvaluationComparison } from "../method/compare.ts";
import type { Evaluation } from "../method/evaluate.ts";
import type { Jsonable } from "../method/json.ts";
import type { Metric } from "../tasks/scoring.ts";
import type { OptionTable, OptionValues } from "./arguments.ts";
import { finite, formatShare, formatTable } from "./text.ts";

export const comparisonOptions = {
  compare: {
    type: "flag",
    description: "Compare the plan with the model without it, row by row.",
  },
  against: {
    type: "text",
    placeholder: "MODEL",
    description: "Compare with another checkpoint, row by row: a folder, or org/name[@revision].",
  },
  "against-plan": {
    type: "text",
    placeholder: "FILE",
    description: "Compare with another plan, row by row; it is applied to --against if that is given.",
  },
} as const satisfies OptionTable;

/** One side of a comparison. */
export interface Side {
  readonly model: string;
  readonly plan: string | null;
}

/** The other side, or null where nothing is compared. */
export function otherSide(
  options: OptionValues<typeof comparisonOptions> & { readonly model: string },
): Side | null {
  const { compare, against, "against-plan": againstPlan, model } = options;
  if (!compare && against === undefined && againstPlan === undefined) return null;
  return { model: against ?? model, plan: againstPlan ?? null };
}

/** A side in words, as short as its difference from the other side allows. */
function nameSide(side: Side, other: Side): string {
  const plan = side.plan === null ? "no plan" : side.plan;
  if (side.model === other.model) return plan;
  return side.plan === null ? side.model : `${side.model} with ${plan}`;
}

/** Both evaluations compared by each metric. */
export interface ComparisonReport {
  readonly text: string;
  readonly json: Jsonable;
}

function formatPValue(value: number): string {
  return value < 0.0001 ? value.toExponential(1) : value.toFixed(4);
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(4)}`;
}

function formatComparison(comparison: EvaluationComparison): string {
  const { metric, difference, interval: [low, high], confidence, resamples, pValue, standardError } = comparison;
  return `difference of ${metric}, A - B: ${signed(difference)}, standard error ${formatShare(standardError)}, ` +
    `${+(100 * confidence).toFixed(2)} % interval ${signed(low)} to ${
      signed(high)
    } (${resamples} resamples of the rows); ` +
    `McNemar p = ${formatPValue(pValue)}`;
}

/** Compares and describes. */
export function reportComparison(
  { a, b, sides: [sideA, sideB], metrics, seed }: {
    readonly a: Evaluation;
    readonly b: Evaluation;
    readonly sides: readonly [Side, Side];
    readonly metrics: readonly Metric[];
    readonly seed: number;
  },
): ComparisonReport {
  const comparisons = metrics.map((metric) => compareEvaluations(a, b, { metric, seed }));
  const table = formatTable([
    ["rows answered right", ...metrics],
    ["by both", ...comparisons.map(({ bothRight }) => String(bothRight))],
    ["only by A", ...comparisons.map(({ onlyA }) => String(onlyA))],
    ["only by B", ...comparisons.map(({ onlyB }) => String(onlyB))],
    ["by neither", ...comparisons.map(({ bothWrong }) => String(bothWrong))],
    ["accuracy of A", ...comparisons.map(({ accuracyA }) => formatShare(accuracyA))],
    ["accuracy of B", ...comparisons.map(({ accuracyB }) => formatShare(accuracyB))],
  ]);
  return {
    text: `A: ${nameSide(sideA, sideB)}\nB: ${nameSide(sideB, sideA)}\n${table}\n${
      comparisons.map(formatComparison).join("\n")
    }\n`,
    json: {
      a: { ...sideA },
      b: { ...sideB },
      metrics: Object.fromEntries(
        comparisons.map(({ metric, standardError, ...rest }) => [
          metric,
          { ...rest, standardError: finite(standardError) },
        ]),
      ),
    },
  };
}
