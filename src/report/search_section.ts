/** The section about the search: the heat map of layers and fractions, and its rows as curves. */
import * as Plot from "@observablehq/plot";
import type { Configuration } from "../method/search.ts";
import { axisX, axisY, xTitle, yTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure } from "./figure.ts";
import { type HeatMap, heatMapChart, heatMapLegend } from "./heat_map.ts";
import { type Html, html } from "./html.ts";
import { counted, decimal, fractionPercent, percent } from "./numbers.ts";
import type { RunResults } from "../method/run_results.ts";

/** A cell of the heat map. */
interface Cell extends Configuration {
  readonly layer: number;
  readonly isChosen: boolean;
  readonly isTied: boolean;
}

/** The grid without the unmodified model, which is its middle. */
function listCells({ searched }: RunResults): { cells: Cell[]; unmodified: Configuration } {
  const { configurations, chosen } = searched;
  const unmodified = configurations.find(({ layer }) => layer === null)!;
  const cells = configurations.flatMap((configuration, index): Cell[] => {
    const { layer } = configuration;
    if (layer === null) return [];
    const isTied = configuration.correct === configurations[chosen].correct;
    return [{ ...configuration, layer, isChosen: index === chosen, isTied }];
  });
  return { cells, unmodified };
}

function describeCell({ layer, fraction, neurons, accuracy, meanMargin }: Cell): string {
  return `layer ${layer}, ${fractionPercent(fraction)} (${counted(neurons, "neuron")}): accuracy ${
    percent(accuracy)
  }, ` +
    `mean margin ${decimal(meanMargin, 3)}`;
}

function describeMarkedCell(cell: Cell): string {
  return describeCell(cell) + (cell.isChosen ? "; chosen" : cell.isTied ? "; tied with the chosen one" : "");
}

function heatMap(data: RunResults): Html {
  const { searched } = data;
  const { cells, unmodified } = listCells(data);
  const { layers, fractions } = searched.settings;
  const chosen = cells.find(({ isChosen }) => isChosen);
  const summary = `No pruning: ${percent(unmodified.accuracy)}, mean margin ${decimal(unmodified.meanMargin, 3)}${
    unmodified.correct === searched.configurations[searched.chosen].correct ? " (tied with the chosen one)" : ""
  }. ${chosen ? `Chosen: ${describeCell(chosen)}.` : "Chosen: no pruning."} ${
    counted(searched.tiedOnAccuracy - 1, "other")
  } of ${searched.configurations.length} configurations tied with it.`;
  const map: HeatMap = {
    alt: `Heat map of accuracy by layer and pruned fraction. ${summary}`,
    layers,
    fractions,
    unpruned: unmodified.accuracy,
    cells: cells.map((cell) => ({
      layer: cell.layer,
      fraction: cell.fraction,
      accuracy: cell.accuracy,
      label: describeMarkedCell(cell),
      mark: cell.isChosen ? "chosen" : cell.isTied ? "tied" : null,
    })),
  };
  return renderFigure({
    title: "Every layer and fraction",
    explanation: html`Accuracy on ${
      counted(searched.examples.length, "example")
    } after zeroing the highest-scored neurons of one layer. ${summary}`,
    legend: heatMapLegend(map, { chosen: "chosen", tied: "tied on accuracy" }),
    chart: heatMapChart(map),
    table: {
      columns: ["layer", "fraction", "neurons", "right", "accuracy", "mean margin", "note"],
      rows: searched.configurations.map((configuration, index) => [
        configuration.layer === null ? "none" : String(configuration.layer),
        fractionPercent(configuration.fraction),
        String(configuration.neurons),
        String(configuration.correct),
        percent(configuration.accuracy),
        decimal(configuration.meanMargin, 3),
        index === searched.chosen
          ? "chosen"
          : configuration.correct === searched.configurations[searched.chosen].correct
          ? "tied"
          : "",
      ]),
    },
  });
}

/** One number of the grid by fraction, a line a layer. */
function curves(
  data: RunResults,
  what: {
    readonly title: string;
    readonly explanation: string;
    readonly label: string;
    readonly value: (configuration: Configuration) => number;
    readonly format: (value: number) => string;
    readonly asPercent: boolean;
  },
): Html {
  const { title, explanation, label, value, format, asPercent } = what;
  const { cells, unmodified } = listCells(data);
  const { layers, fractions } = data.searched.settings;
  // An infinite margin, of an impossible choice, has no place on an axis.
  const drawn = cells.filter((cell) => Number.isFinite(value(cell)));
  // Where nothing was chosen, the layer of the best cell stands out.
  const featured = cells.find(({ isChosen }) => isChosen)?.layer ??
    cells.reduce((best, cell) => value(cell) > value(best) ? cell : best).layer;
  const line = drawn.filter(({ layer }) => layer === featured).sort((a, b) => a.fraction - b.fraction);
  const others = drawn.filter(({ layer }) => layer !== featured).sort((a, b) => a.fraction - b.fraction);
  const describe = (cell: Cell) => `layer ${cell.layer}, ${fractionPercent(cell.fraction)}: ${format(value(cell))}`;
  const columns = [...fractions].sort((a, b) => a - b);
  return renderFigure({
    title,
    explanation,
    legend: html`<ul class="legend"><li><span class="line after" aria-hidden="true"></span>layer ${featured}</li>
${
      layers.length > 1 && html`
        <li><span class="line other" aria-hidden="true"></span>other layers</li>
      `
    }<li><span class="line dashed" aria-hidden="true"></span>no pruning: ${format(value(unmodified))}</li></ul>`,
    chart: {
      alt: `Line chart of ${label} by pruned fraction, one line a layer; layer ${featured} stands out. ` +
        `No pruning: ${format(value(unmodified))}. ${line.map(describe).join("; ")}.`,
      height: 230,
      plot: {
        marginLeft: 40,
        marginRight: 10,
        marginTop: 26,
        marginBottom: 40,
        x: { type: "linear", label: null, domain: [0, 100 * columns[columns.length - 1]], percent: true },
        y: { label: null, grid: true, nice: true, percent: asPercent },
        marks: [
          axisX({ ticks: 6 }),
          axisY({ ticks: 5 }),
          Plot.line(others, { x: "fraction", y: value, z: "layer", stroke: "var(--other)", strokeWidth: 1.2 }),
          Plot.ruleY([value(unmodified)].filter(Number.isFinite), {
            stroke: "var(--before)",
            strokeDasharray: "4 3",
            strokeWidth: 1.5,
          }),
          Plot.line(line, { x: "fraction", y: value, stroke: "var(--after)", strokeWidth: 2.5 }),
          Plot.dot(line, {
            x: "fraction",
            y: value,
            r: ({ isChosen }: Cell) => isChosen ? 6.5 : 4,
            fill: "var(--after)",
            stroke: "var(--card)",
            strokeWidth: 1.5,
            symbol: ({ isChosen }: Cell) => isChosen ? "diamond" : "circle",
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("% of the layer's neurons"),
          yTitle(asPercent ? `${label}, %` : label, 40),
        ],
        r: { type: "identity" },
        symbol: { type: "identity" },
      },
      start: Math.max(0, line.findIndex(({ isChosen }) => isChosen)),
    },
    table: {
      columns: ["layer", ...columns.map(fractionPercent)],
      rows: layers.map((layer) => [
        String(layer),
        ...columns.map((fraction) => {
          const cell = cells.find((one) => one.layer === layer && one.fraction === fraction);
          return cell ? format(value(cell)) : "–";
        }),
      ]),
    },
  });
}

/** The section as HTML. */
export function renderSearch(data: RunResults): Html {
  const { metric } = data.searched.settings;
  const unit = metric === "acc" ? "log-probability" : "log-probability per character";
  return html`
    <section aria-labelledby="search">
      <h2 id="search">The search</h2>
      <div class="grid">${heatMap(data)}<div class="stack">${curves(data, {
        title: "Accuracy as more is pruned",
        explanation: "The rows of the heat map as lines. The diamond is the chosen configuration.",
        label: "accuracy",
        value: ({ accuracy }) => accuracy,
        format: (accuracy) => percent(accuracy),
        asPercent: true,
      })}${curves(data, {
        title: "Margin as more is pruned",
        explanation:
          `How far the right choice is ahead of the best other one, on average, in ${unit}. It breaks ties on accuracy.`,
        label: "mean margin",
        value: ({ meanMargin }) => meanMargin,
        format: (margin) => decimal(margin, 3),
        asPercent: false,
      })}</div></div>
    </section>
  `;
}
