/** A study as Markdown: one section a task, one table a part, and what each number means beside it. */
import type { AttributionStudy, VariantStudy } from "../method/study/attribution_study.ts";
import type { ContrastStudy } from "../method/study/contrast_study.ts";
import type { LayersStudy } from "../method/study/layers_study.ts";
import type { ShortcutStudy } from "../method/study/shortcut_study.ts";
import type { ComparedArm, Comparison } from "../method/study/comparison.ts";
import type { FilterStudy } from "../method/study/example_filters.ts";
import type { GridStudy } from "../method/study/grid_profile.ts";
import type { ProjectionStudy } from "../method/study/projections.ts";
import type { SampleStudy } from "../method/study/samples.ts";
import type { SelectionStudy } from "../method/study/selection_study.ts";
import type { StabilityStudy } from "../method/study/stability.ts";
import type { StudyDocument } from "../method/study/study.ts";
import { decimal, fractionPercent, points, significant } from "./numbers.ts";

type TaskStudy = StudyDocument["tasks"][number];

/** A table; the first column leans left, the others right. */
function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = cells[0].map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join("\n");
}

const share = (value: number | null) => decimal(value, 4);

function pValue(value: number): string {
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** Accuracy, spread and gain of an arm. */
function armCells({ name, accuracy, gain, harmed, redraws }: ComparedArm): string[] {
  const [low, high] = gain.interval;
  return [
    name,
    share(accuracy.mean),
    share(accuracy.standardDeviation),
    share(accuracy.lowest),
    points(gain.mean),
    `${points(low)} to ${points(high)}`,
    pValue(gain.pValue),
    `${harmed} of ${redraws.length}`,
  ];
}

const armHeader = ["", "accuracy", "sd", "worst", "gain", "95 % interval", "p", "harmed"];

/** The table of a comparison, the unmodified model first. */
function comparisonTable({ unpruned, arms }: Comparison): string {
  const unmodified = ["unpruned", share(unpruned.accuracy), "–", "–", "–", "–", "–", "–"];
  return table([armHeader, unmodified, ...arms.map(armCells)]);
}

function triedText({ tried }: Comparison): string {
  return `Tried: ${tried.configurations} configurations on adaptation examples; ${tried.testPlans} different plans were ` +
    "then measured on the test rows, and none was chosen there.";
}

function abouts({ arms }: Comparison): string {
  return arms.map(({ name, about }) => `- **${name}**: ${about}`).join("\n");
}

function mainSection(main: Comparison): string {
  return [
    "### Main table",
    comparisonTable(main),
    abouts(main),
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

function projectionSection({ comparison, gateUpDifference }: ProjectionStudy): string {
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

function samplesSection({ comparison, tooLarge }: SampleStudy): string {
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

function gridSection({ unpruned, layers, choseUnmodified, testPlans }: GridStudy): string {
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

function stabilitySection(
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

function filterSection({ comparison, kept, leftOut }: FilterStudy): string {
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

function selectionSection({ comparison, regret, bestCell, noHarmLevel }: SelectionStudy): string {
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

/** What a method says of itself, the numbers rounded. */
function detailText({ details }: VariantStudy): string {
  return Object.entries(details).filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${typeof value === "number" ? significant(value) : value}`).join(", ");
}

function agreementCells({ agreement }: VariantStudy, fractions: number): string[] {
  if (agreement === null) return new Array(2 + fractions).fill("–");
  return [agreement.spearman, agreement.kendall, ...agreement.topOverlap].map((value) => decimal(value, 3));
}

function attributionSection({ redraws, unpruned, fractions, variants, hessians, leftOut }: AttributionStudy): string {
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

function layersSection({ comparison, forward, heldOut, neurons }: LayersStudy): string {
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

function shortcutSection(study: ShortcutStudy): string {
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

function contrastSection({ retained, comparison, kept }: ContrastStudy): string {
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

function taskSections({ task, settings, poolRows, leaked, test, results }: TaskStudy): string {
  const { redraws, size, seed, sampling, score, search } = settings;
  const sections = [
    `## ${task}`,
    `${redraws} redraws of ${size} examples (seeds ${seed} to ${
      seed + redraws - 1
    }, ${sampling}) from ${poolRows} pool rows; ` +
    `${test.length} test rows; metric ${search.metric}.\nScores: Integrated Gradients at ${score.site}, ` +
    `${
      score.nodes === null
        ? `adaptive ${score.rule} up to ${score.maxNodes} nodes`
        : `${score.nodes} ${score.rule} nodes`
    }, ` +
    `objective ${score.objective}. Grid:\nlayers ${search.layers.join(", ")}; fractions ` +
    `${
      search.fractions.map(fractionPercent).join(", ")
    }; ranking ${search.ranking}; selection rule ${search.selectionRule}.`,
    ...(leaked === 0 ? [] : [`**Leak**: ${leaked} pool rows have the prompt of a test row.`]),
  ];
  if (results.main) sections.push(mainSection(results.main));
  if (results.projection) sections.push(projectionSection(results.projection));
  if (results.samples) sections.push(samplesSection(results.samples));
  if (results.grid) sections.push(gridSection(results.grid));
  if (results.stability) sections.push(stabilitySection(results.stability));
  if (results.examples) sections.push(filterSection(results.examples));
  if (results.selection) sections.push(selectionSection(results.selection));
  if (results.attribution) sections.push(attributionSection(results.attribution));
  if (results.layers) sections.push(layersSection(results.layers));
  if (results.shortcuts) sections.push(shortcutSection(results.shortcuts));
  if (results.contrast) sections.push(contrastSection(results.contrast));
  return sections.join("\n\n");
}

/**
 * A study as Markdown.
 *
 * @param command The command that repeats it, or null.
 */
export function studyMarkdown(study: StudyDocument, command: string | null = null): string {
  const { model, engine, versions, tasks } = study;
  const versionText = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return [
    `# Study of ${model}`,
    `${engine.kind === "webgpu" ? `WebGPU on ${engine.adapter}` : engine.adapter}${versionText && `; ${versionText}`}.`,
    ...(command === null ? [] : [`    ${command}`]),
    ...tasks.map(taskSections),
  ].join("\n\n").replaceAll("\u00a0", " ") + "\n";
}
