/** Sections of a study's Markdown about the questions that the paper left open. */
import type { AttributionStudy, VariantStudy } from "../method/study/attribution_study.ts";
import type { ContrastStudy } from "../method/study/contrast_study.ts";
import type { LayersStudy } from "../method/study/layers_study.ts";
import type { ShortcutStudy } from "../method/study/shortcut_study.ts";
import { decimal, fractionPercent, points, significant } from "./numbers.ts";
import { abouts, armCells, armHeader, share, table, triedText } from "./study_tables.ts";

/** What a method says of itself, the numbers rounded. */
function detailText({ details }: VariantStudy): string {
  return Object.entries(details).filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${typeof value === "number" ? significant(value) : value}`).join(", ");
}

function agreementCells({ agreement }: VariantStudy, fractions: number): string[] {
  if (agreement === null) return new Array(2 + fractions).fill("–");
  return [agreement.spearman, agreement.kendall, ...agreement.topOverlap].map((value) => decimal(value, 3));
}

/** Attribution methods. */
export function attributionSection(
  { redraws, unpruned, fractions, variants, hessians, leftOut }: AttributionStudy,
): string {
  const agreementHeader = ["Spearman", "Kendall", ...fractions.map((own) => `first ${fractionPercent(own)}`)];
  const parts = [
    "### Attribution methods",
    table([
      ["method", "accuracy", "sd", "gain", ...agreementHeader],
      ...variants.map((variant) => [
        variant.label,
        share(variant.accuracy?.mean ?? null),
        share(variant.accuracy?.standardDeviation ?? null),
        variant.gain === null ? "–" : points(variant.gain),
        ...agreementCells(variant, fractions.length),
      ]),
    ]),
    `Over the first ${redraws} redraws; unpruned: ${
      share(unpruned)
    }. Agreement is with the first row: rank correlations, and the shared\n` +
    "neurons among the first of both.",
    "What the methods say of themselves, in the first redraw:",
    variants.filter((variant) => detailText(variant) !== "")
      .map((variant) => `- **${variant.label}**: ${detailText(variant)}`).join("\n"),
  ];
  if (hessians) {
    const [, second] = hessians.variants;
    parts.push(
      `Integrated Hessians beside Integrated Gradients on ${hessians.example}, rankings only:`,
      table([["method", ...agreementHeader], [second.label, ...agreementCells(second, fractions.length)]]),
      `- **${second.label}**: ${detailText(second)}`,
    );
  }
  if (leftOut.length > 0) parts.push(`Left out: ${leftOut.join("; ")}.`);
  return parts.join("\n\n");
}

/** Plans over several layers. */
export function layersSection({ comparison, forward, heldOut, neurons }: LayersStudy): string {
  const stops = [...new Set(forward.map(({ arm }) => arm))].map((arm) => {
    const own = forward.filter((redraw) => redraw.arm === arm);
    const counts = own.map(({ steps }) => steps);
    const reasons = [...new Set(own.map(({ stopped }) => stopped))].sort()
      .map((reason) => `${reason} ${own.filter(({ stopped }) => stopped === reason).length}`);
    return `- **${arm}**: ${
      decimal(counts.reduce((sum, count) => sum + count, 0) / counts.length, 1)
    } layers on average; ended by ` +
      reasons.join(", ");
  });
  return [
    "### More than one layer",
    table([
      [...armHeader, "neurons"],
      ["unpruned", share(comparison.unpruned.accuracy), ...new Array(7).fill("–")],
      ...comparison.arms.map((arm, index) => [...armCells(arm), decimal(neurons[index], 1)]),
    ]),
    abouts(comparison),
    `Forward selection keeps a step if ${heldOut} held-out examples gain, which the other arms do not see:`,
    stops.join("\n"),
    triedText(comparison),
  ].join("\n\n");
}

/** Whether the pruned neurons are shortcuts. */
export function shortcutSection(study: ShortcutStudy): string {
  const { column, groups, before, after, correlation, responses, damage } = study;
  const parts = ["### Are they shortcuts?"];
  if (groups.length > 0) {
    parts.push(table([
      [`rows by ${column}`, "rows", "unpruned", "pruned", "sd", "worst"],
      ...groups.map(({ mark, rows, before: was, after: is }) => [
        mark,
        String(rows),
        share(was),
        share(is.mean),
        share(is.standardDeviation),
        share(is.lowest),
      ]),
    ]));
  }
  parts.push(table([
    ["", "mean confidence", "confidence when wrong", "calibration error"],
    ...([["unpruned", before], ["pruned", after]] as const).map(([name, own]) => [
      name,
      share(own.confidence),
      share(own.confidenceWrong),
      share(own.calibrationError),
    ]),
  ]));
  if (correlation) {
    parts.push(
      `Mean size of the correlation of activation and label (seed ${correlation.seed}, ${correlation.neurons} pruned neurons; ` +
        `${correlation.trainRows} rows like the training):`,
      table([
        ["neurons", "training-like rows", "test rows"],
        ["pruned", decimal(correlation.train, 3), decimal(correlation.test, 3)],
        ["others of the layer", decimal(correlation.others.train, 3), decimal(correlation.others.test, 3)],
      ]),
    );
  }
  if (responses.length > 0) {
    parts.push(
      "What the first pruned neurons respond to, on test rows:",
      responses.map(({ layer, neuron, rows, tokens }) =>
        `- layer ${layer}, neuron ${neuron}: tokens ${tokens.map((token) => `\`${token}\``).join(", ")}; rows ` +
        rows.map(({ example, context, activation }) =>
          `${example} (${decimal(activation, 2)}${context === "" ? "" : `, \`…${context}\``})`
        ).join(", ")
      ).join("\n"),
    );
  }
  const elsewhere = [
    ...damage.tasks.map(({ name, before: was, after: is }) => [
      `accuracy on ${name}`,
      share(was),
      share(is.mean),
      share(is.lowest),
    ]),
    ...damage.texts.map(({ name, before: was, after: is }) => [
      `perplexity of ${name}`,
      decimal(was, 3),
      decimal(is.mean, 3),
      decimal(is.highest, 3),
    ]),
  ];
  if (elsewhere.length > 0) parts.push(table([["elsewhere", "unpruned", "pruned", "worst"], ...elsewhere]));
  return parts.join("\n\n");
}

/** Contrast with a retained set. */
export function contrastSection({ retained, comparison, kept }: ContrastStudy): string {
  return [
    "### Contrast",
    table([
      [...armHeader, "retained", "worst retained"],
      ["unpruned", share(comparison.unpruned.accuracy), ...new Array(6).fill("–"), share(kept.unpruned), "–"],
      ...comparison.arms.map((arm, index) => [
        ...armCells(arm),
        share(kept.arms[index].mean),
        share(kept.arms[index].lowest),
      ]),
    ]),
    `Neurons that also matter for ${retained} are spared; \`retained\` is the accuracy on ${kept.rows} of its rows.`,
    abouts(comparison),
    triedText(comparison),
  ].join("\n\n");
}
