/** Sections of a study's Markdown about the paper's own protocol: its parts, its spread, its choices. */
import type { ComparedArm, Comparison } from "../method/study/comparison.ts";
import type { FilterStudy } from "../method/study/example_filters.ts";
import type { GridStudy } from "../method/study/grid_profile.ts";
import type { ProjectionStudy } from "../method/study/projections.ts";
import type { SampleStudy } from "../method/study/samples.ts";
import type { SelectionStudy } from "../method/study/selection_study.ts";
import type { StabilityStudy } from "../method/study/stability.ts";
import { decimal, fractionPercent, points, significant } from "./numbers.ts";
import { abouts, armCells, armHeader, comparisonTable, pValue, share, table, triedText } from "./study_tables.ts";

/** The main table. */
export function mainSection(main: Comparison): string {
  return [
    "### Main table",
    comparisonTable(main),
    abouts(main),
    ...(main.leftOut === undefined ? [] : [`Left out: ${main.leftOut}.`]),
    "Every ranking goes through the same grid and the same selection rule. `sd` and `worst` are over the redraws; gain, in\n" +
    "points, is over the unpruned model, with interval and two-sided p of a paired test over the test rows; `harmed` counts\n" +
    "redraws below the unpruned model.",
    `By redraw, ${main.arms[0].name}:`,
    table([
      ["seed", "accuracy", "gained", "lost", "McNemar p", "chosen", "tied"],
      ...main.arms[0].redraws.map(({ seed, accuracy, gained, lost, pValue: p, chosen, tiedOnAccuracy }) => [
        String(seed),
        share(accuracy),
        String(gained),
        String(lost),
        pValue(p),
        cellText(chosen),
        tiedOnAccuracy === null ? "–" : String(tiedOnAccuracy),
      ]),
    ]),
    triedText(main),
  ].join("\n\n");
}

function cellText(chosen: ComparedArm["redraws"][number]["chosen"]): string {
  if (chosen === null) return "–";
  return chosen.layer === null ? "no pruning" : `layer ${chosen.layer}, ${fractionPercent(chosen.fraction)}`;
}

/** Gate, up and down. */
export function projectionSection({ comparison, gateUpDifference }: ProjectionStudy): string {
  return [
    "### Projections",
    comparisonTable(comparison),
    abouts(comparison),
    "A zeroed gate row and the same zeroed up row silence the same neuron, so gate and up differ in their ranking only" +
    (gateUpDifference === null
      ? "."
      : `: with\nthe same rows zeroed, their log-probabilities differ by at most ${significant(gateUpDifference)}.`) +
    " A zeroed down row removes a\ndimension of the residual stream, so its budget counts dimensions.",
    triedText(comparison),
  ].join("\n\n");
}

/** More and fewer examples. */
export function samplesSection({ comparison, tooLarge }: SampleStudy): string {
  const left = tooLarge.length === 0 ? [] : [`Left out, for the pool is smaller: ${tooLarge.join(", ")}.`];
  return [
    "### Sample efficiency",
    table([
      ["examples", ...armHeader.slice(1)],
      ...comparison.arms.map(armCells),
    ]),
    "The configuration is chosen on the same examples that are scored.",
    ...left,
    triedText(comparison),
  ].join("\n\n");
}

/** Accuracy by layer and fraction. */
export function gridSection({ unpruned, layers, choseUnmodified, testPlans }: GridStudy): string {
  return [
    "### Fraction curve and layer profile",
    table([
      ["fraction", ...layers.map(({ layer }) => `layer ${layer}`)],
      ...layers[0].fractions.map(({ fraction }, index) => [
        fractionPercent(fraction),
        ...layers.map(({ fractions }) => {
          const { mean, standardDeviation } = fractions[index].accuracy;
          return standardDeviation === null ? share(mean) : `${share(mean)} ± ${share(standardDeviation)}`;
        }),
      ]),
      ["best", ...layers.map(({ bestFraction, best }) => `${share(best.mean)} at ${fractionPercent(bestFraction)}`)],
      ["chosen in", ...layers.map(({ chosen }) => `${chosen} redraws`)],
    ]),
    `Test accuracy of every cell, mean and standard deviation over the redraws; unpruned: ${
      share(unpruned)
    }; no pruning was\n` +
    `chosen in ${choseUnmodified} redraws. This is a map of ${testPlans} plans, not a choice: the best cell of it is better than what\n` +
    "any rule that does not see the test rows could promise.",
  ].join("\n\n");
}

/** Agreement between redraws. */
export function stabilitySection(
  { redraws, configurations, tiedOnAccuracy, agreeOnCell, agreeOnLayer, pairs }: StabilityStudy,
): string {
  const count = redraws.length;
  const chosen = redraws.map(({ seed, layer, fraction, tiedOnAccuracy: tied }) =>
    `${seed}: ${layer === null ? "no pruning" : `layer ${layer}, ${fractionPercent(fraction)}`} (${tied} tied)`
  );
  const parts = [
    "### Stability",
    `Chosen by seed: ${chosen.join("; ")}.`,
    `${agreeOnLayer} of ${count} redraws choose the most frequent layer, ${agreeOnCell} the most frequent cell. On average ` +
    `${decimal(tiedOnAccuracy.mean, 1)} of ${configurations}\nconfigurations tie on accuracy.`,
  ];
  if (pairs) {
    parts.push(
      `Over ${pairs.count} pairs of redraws, the pruned neurons have a mean Jaccard index of ${
        decimal(pairs.jaccard, 3)
      }` +
        (pairs.jaccardOfSameLayer === null
          ? "."
          : ` (${decimal(pairs.jaccardOfSameLayer, 3)} where both choose one layer).`),
      table([
        ["layer", "rank correlation", "Jaccard of the first 20 %", "by chance"],
        ...pairs.layers.map(({ layer, spearman, topJaccard, topJaccardByChance }) => [
          String(layer),
          decimal(spearman, 3),
          decimal(topJaccard, 3),
          decimal(topJaccardByChance, 3),
        ]),
      ]),
    );
  }
  return parts.join("\n\n");
}

/** Which examples are scored. */
export function filterSection({ comparison, kept, leftOut }: FilterStudy): string {
  return [
    "### Which examples",
    comparisonTable(comparison),
    `Rows of the pool: ${
      kept.map(({ filter, rows }) => `${filter} ${rows}`).join(", ")
    }. Every arm scores as many examples and ` +
    "chooses its\ncell on the same ones, those of `all`, so only the ranking differs." +
    (leftOut.length === 0 ? "" : ` Left out, for too few rows: ${leftOut.join(", ")}.`),
    triedText(comparison),
  ].join("\n\n");
}

/** Rules of selection. */
export function selectionSection({ comparison, regret, bestCell, noHarmLevel }: SelectionStudy): string {
  return [
    "### Selection rules",
    table([
      ["rule", "accuracy", "sd", "worst", "harmed", "regret", "worst regret", "over paper"],
      ...comparison.arms.map((arm, index) => [
        arm.name,
        share(arm.accuracy.mean),
        share(arm.accuracy.standardDeviation),
        share(arm.accuracy.lowest),
        `${arm.harmed} of ${arm.redraws.length}`,
        points(regret[index].regret.mean),
        points(regret[index].regret.highest),
        points(regret[index].gainOverPaper.mean),
      ]),
      [
        "best cell",
        share(bestCell.mean),
        share(bestCell.standardDeviation),
        share(bestCell.lowest),
        "–",
        "0.0",
        "0.0",
        "–",
      ],
    ]),
    "All rules see the same answers to the same adaptation examples. Regret, in points, is the test accuracy of the best\n" +
    "cell of the redraw's grid minus that of the choice. A rule with `+no-harm` keeps the model unpruned unless a sign-flip\n" +
    `test on the adaptation examples gives p ≤ ${noHarmLevel}.`,
    triedText(comparison),
  ].join("\n\n");
}
