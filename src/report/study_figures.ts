/** The charts of a study's parts: gains of arms, sample efficiency, the grid and how stable its draws are. */
import * as Plot from "@observablehq/plot";
import type { ComparedArm, Comparison } from "../method/study/comparison.ts";
import type { GridStudy } from "../method/study/grid_profile.ts";
import type { SampleStudy } from "../method/study/samples.ts";
import type { StabilityStudy } from "../method/study/stability.ts";
import type { StudyResults } from "../method/study/study.ts";
import { axisX, axisY, countedAxisX, xTitle, yTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure } from "./figure.ts";
import { type HeatMap, heatMapChart, heatMapLegend } from "./heat_map.ts";
import { type Html, html } from "./html.ts";
import { counted, decimal, fractionPercent, percent, points } from "./numbers.ts";

/** Gain of an arm in words. */
function describeGain({ name, gain, harmed, redraws }: ComparedArm): string {
  return `${name}: ${points(gain.mean)} points, 95\u00a0% interval ${points(gain.interval[0])} to ${
    points(gain.interval[1])
  }, below the unpruned model in ${harmed} of ${redraws.length}`;
}

/** Gain over the unmodified model, an arm a row. */
function gainFigure(title: string, { unpruned, arms, rows }: Comparison): Html {
  const longest = Math.max(...arms.map(({ name }) => name.length));
  const ends = arms.flatMap(({ gain: { interval } }) => interval).concat(0).map((share) => 100 * share);
  const drawn = arms.map((arm, index) => ({
    arm,
    name: arm.name,
    colour: index === 0 ? "var(--after)" : "var(--muted)",
    symbol: index === 0 ? "diamond" : "circle",
    mean: 100 * arm.gain.mean,
    low: 100 * arm.gain.interval[0],
    high: 100 * arm.gain.interval[1],
  }));
  return renderFigure({
    title: `${title}: gain over the unpruned model`,
    explanation: `Points of accuracy on ${
      counted(rows, "test row")
    }, mean over the redraws, with the 95\u00a0% interval over the rows. Unpruned: ${percent(unpruned.accuracy)}.`,
    chart: {
      alt: `Dot chart of the gain in accuracy over the unpruned model. ${arms.map(describeGain).join(". ")}.`,
      height: 58 + 27 * arms.length,
      plot: {
        marginLeft: Math.min(190, 20 + 7.4 * longest),
        marginRight: 14,
        marginTop: 6,
        marginBottom: 40,
        x: { label: null, grid: true, nice: true, domain: [Math.min(...ends), Math.max(...ends)] },
        y: { domain: arms.map(({ name }) => name), label: null, padding: 0.3 },
        color: { type: "identity" },
        symbol: { type: "identity" },
        marks: [
          axisX({ ticks: 6 }),
          axisY({ tickPadding: 8 }),
          Plot.ruleX([0], { stroke: "var(--before)", strokeDasharray: "3 3" }),
          Plot.ruleY(drawn, {
            y: "name",
            x1: "low",
            x2: "high",
            stroke: "colour",
            strokeWidth: 2,
            strokeLinecap: "round",
          }),
          Plot.dot(drawn, {
            y: "name",
            x: "mean",
            fill: "colour",
            stroke: "var(--card)",
            r: 6,
            symbol: "symbol",
            ariaLabel: ({ arm }: typeof drawn[number]) => describeGain(arm),
            className: tipsClass,
          }),
          xTitle("gain, points"),
        ],
      },
    },
    table: {
      columns: ["arm", "gain", "95 % interval", "accuracy", "harmed"],
      rows: arms.map(({ name, gain, accuracy, harmed, redraws }) => [
        name,
        points(gain.mean),
        `${points(gain.interval[0])} to ${points(gain.interval[1])}`,
        percent(accuracy.mean, 2),
        `${harmed} of ${redraws.length}`,
      ]),
    },
  });
}

/** Accuracy by number of adaptation examples. */
function samplesFigure({ sizes, comparison: { arms, unpruned } }: SampleStudy): Html {
  const drawn = arms.map((arm, index) => ({
    size: sizes[index],
    mean: 100 * arm.accuracy.mean,
    low: 100 * arm.accuracy.lowest,
    high: 100 * arm.accuracy.highest,
  }));
  const describe = ({ size, mean, low, high }: typeof drawn[number]) =>
    `${counted(size, "example")}: mean ${decimal(mean, 1)}\u00a0%, ${decimal(low, 1)} to ${
      decimal(high, 1)
    }\u00a0% over the redraws`;
  return renderFigure({
    title: "Accuracy by number of adaptation examples",
    explanation: "The line is the mean over the redraws, the band goes from the worst to the best redraw.",
    legend: html`
      <ul class="legend">
        <li><span class="line after" aria-hidden="true"></span>pruned</li>
        <li><span class="line dashed" aria-hidden="true"></span>unpruned: ${percent(unpruned.accuracy)}</li>
      </ul>
    `,
    chart: {
      alt: `Line chart of test accuracy by number of adaptation examples. ${drawn.map(describe).join(". ")}.`,
      height: 230,
      plot: {
        marginLeft: 40,
        marginRight: 14,
        marginTop: 26,
        marginBottom: 40,
        x: { type: "point", domain: sizes, label: null },
        y: { label: null, grid: true, nice: true },
        marks: [
          axisX({ tickFormat: String }),
          axisY({ ticks: 5 }),
          Plot.areaY(drawn, { x: "size", y1: "low", y2: "high", fill: "var(--after)", fillOpacity: 0.2 }),
          Plot.ruleY([100 * unpruned.accuracy], { stroke: "var(--before)", strokeDasharray: "4 3", strokeWidth: 1.5 }),
          Plot.lineY(drawn, { x: "size", y: "mean", stroke: "var(--after)", strokeWidth: 2.5 }),
          Plot.dot(drawn, {
            x: "size",
            y: "mean",
            r: 5,
            fill: "var(--after)",
            stroke: "var(--card)",
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("adaptation examples"),
          yTitle("accuracy, %", 40),
        ],
      },
    },
    table: {
      columns: ["examples", "mean", "worst", "best"],
      rows: drawn.map((
        { size, mean, low, high },
      ) => [String(size), decimal(mean, 2), decimal(low, 2), decimal(high, 2)]),
    },
  });
}

/** Mean test accuracy of every cell. */
function gridFigure({ unpruned, layers }: GridStudy): Html {
  const map: HeatMap = {
    alt: `Heat map of mean test accuracy by layer and pruned fraction; unpruned ${percent(unpruned)}. ${
      layers.length <= 12
        ? layers.map(({ layer, bestFraction, best, chosen }) =>
          `Layer ${layer}: best ${percent(best.mean)} at ${fractionPercent(bestFraction)}, chosen in ${chosen} redraws`
        ).join(". ")
        : ""
    }`,
    layers: layers.map(({ layer }) => layer),
    fractions: layers[0].fractions.map(({ fraction }) => fraction),
    unpruned,
    cells: layers.flatMap(({ layer, bestFraction, fractions }) =>
      fractions.map(({ fraction, neurons, accuracy }) => ({
        layer,
        fraction,
        accuracy: accuracy.mean,
        label: `layer ${layer}, ${fractionPercent(fraction)} (${counted(neurons, "neuron")}): mean accuracy ${
          percent(accuracy.mean)
        }, ${percent(accuracy.lowest)} to ${percent(accuracy.highest)} over the redraws`,
        mark: fraction === bestFraction ? "tied" : null,
      }))
    ),
  };
  return renderFigure({
    title: "Test accuracy of every layer and fraction",
    explanation: `Mean over the redraws, on test rows; unpruned: ${
      percent(unpruned)
    }. A map, not a choice: nothing was chosen by it.`,
    legend: heatMapLegend(map, { tied: "best fraction of the layer" }),
    chart: heatMapChart(map),
    table: {
      columns: ["layer", ...map.fractions.map(fractionPercent)],
      rows: layers.map(({ layer, fractions }) => [
        String(layer),
        ...fractions.map(({ accuracy }) => percent(accuracy.mean)),
      ]),
    },
  });
}

/** How much of a layer's first neurons two draws share, against chance. */
function stabilityFigure({ pairs }: StabilityStudy): Html | null {
  if (pairs === null) return null;
  const { layers } = pairs;
  const describe = ({ layer, topJaccard, topJaccardByChance }: typeof layers[number]) =>
    `layer ${layer}: ${decimal(topJaccard, 3)}, by chance ${decimal(topJaccardByChance, 3)}`;
  return renderFigure({
    title: "Do two draws find the same neurons?",
    explanation:
      "Mean Jaccard index of the first 20\u00a0% of a layer's neurons over all pairs of redraws; 1 is the same neurons.",
    legend: html`
      <ul class="legend">
        <li><span class="swatch after" aria-hidden="true"></span>found</li>
        <li><span class="line dashed" aria-hidden="true"></span>by chance</li>
      </ul>
    `,
    chart: {
      alt: `Bar chart of the agreement of two draws by layer. ${
        layers.length <= 12 ? layers.map(describe).join(". ") : ""
      }`,
      height: 220,
      plot: {
        marginLeft: 40,
        marginRight: 10,
        marginTop: 26,
        marginBottom: 40,
        x: { type: "band", domain: layers.map(({ layer }) => layer), label: null, padding: 0.25 },
        y: { label: null, grid: true, domain: [0, 1] },
        marks: [
          countedAxisX(layers.length),
          axisY({ ticks: 5 }),
          Plot.barY(layers, {
            x: "layer",
            y: "topJaccard",
            fill: "var(--after)",
            rx: 3,
            ariaLabel: describe,
            className: tipsClass,
          }),
          Plot.tickY(layers, {
            x: "layer",
            y: "topJaccardByChance",
            stroke: "var(--ink)",
            strokeWidth: 2,
            strokeDasharray: "4 3",
          }),
          xTitle("layer"),
          yTitle("Jaccard index", 40),
        ],
      },
    },
    table: {
      columns: ["layer", "found", "by chance", "rank correlation"],
      rows: layers.map(({ layer, topJaccard, topJaccardByChance, spearman }) => [
        String(layer),
        decimal(topJaccard, 3),
        decimal(topJaccardByChance, 3),
        decimal(spearman, 3),
      ]),
    },
  });
}

/** The chart of a section of the Markdown, by its title; null where it has none. */
export function studyFigure(title: string, results: StudyResults): Html | null {
  const { main, projection, samples, grid, stability, examples, selection, layers } = results;
  const figures: Readonly<Record<string, () => Html | null>> = {
    "Main table": () => main && gainFigure(title, main),
    "Projections": () => projection && gainFigure(title, projection.comparison),
    "Sample efficiency": () => samples && samplesFigure(samples),
    "Fraction curve and layer profile": () => grid && gridFigure(grid),
    "Stability": () => stability && stabilityFigure(stability),
    "Which examples": () => examples && gainFigure(title, examples.comparison),
    "Selection rules": () => selection && gainFigure(title, selection.comparison),
    "More than one layer": () => layers && gainFigure(title, layers.comparison),
  };
  return Object.hasOwn(figures, title) ? figures[title]() : null;
}
