/** The section about the search: the heat map of layers and fractions, and its rows as curves. */
import * as Plot from "@observablehq/plot";
import type { Configuration } from "../method/search.ts";
import { renderFigure, tipsClass, xTitle, yTitle } from "./chart.ts";
import { allSteps, divergingStep, stepColour, stepInk, stepName } from "./diverging.ts";
import { type Html, html } from "./html.ts";
import { counted, decimal, fractionPercent, percent, points } from "./numbers.ts";
import type { RunResults } from "../method/run_results.ts";

/** A cell of the heat map. */
interface Cell extends Configuration {
  readonly layer: number;
  readonly isChosen: boolean;
  readonly isTied: boolean;
  readonly step: number;
}

/** The grid without the unmodified model, which is its middle. */
function listCells({ searched }: RunResults): { cells: Cell[]; unmodified: Configuration; extent: number } {
  const { configurations, chosen } = searched;
  const unmodified = configurations.find(({ layer }) => layer === null)!;
  const grid = configurations.flatMap((configuration, index) => {
    const { layer } = configuration;
    return layer === null ? [] : [{ ...configuration, layer, isChosen: index === chosen }];
  });
  const difference = (configuration: Configuration) => configuration.accuracy - unmodified.accuracy;
  const extent = grid.reduce((most, cell) => Math.max(most, Math.abs(difference(cell))), 0);
  const cells = grid.map((cell): Cell => ({
    ...cell,
    isTied: cell.correct === configurations[chosen].correct,
    step: divergingStep(difference(cell), extent),
  }));
  return { cells, unmodified, extent };
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
  const { cells, unmodified, extent } = listCells(data);
  const { layers, fractions } = searched.settings;
  const columns = [...fractions].sort((a, b) => a - b);
  const rowHeight = layers.length <= 8 ? 32 : layers.length <= 20 ? 22 : layers.length <= 40 ? 16 : 11;
  const showsNumbers = rowHeight >= 16 && columns.length <= 12;
  const tied = cells.filter(({ isTied, isChosen }) => isTied && !isChosen);
  const chosen = cells.filter(({ isChosen }) => isChosen);
  const summary = `No pruning: ${percent(unmodified.accuracy)}, mean margin ${decimal(unmodified.meanMargin, 3)}${
    unmodified.correct === searched.configurations[searched.chosen].correct ? " (tied with the chosen one)" : ""
  }. ${
    chosen.length > 0 ? `Chosen: ${describeCell(chosen[0])}.` : "Chosen: no pruning."
  } ${searched.tiedOnAccuracy} of ${searched.configurations.length} configurations have the accuracy of the chosen one.`;
  const legend = html`<ul class="legend">${
    extent > 0 && html`<li><span class="scale" aria-hidden="true">${
      allSteps.map((step) => html`<span class="${stepName(step)}"></span>`)
    }</span>${points(-extent)} to ${points(extent)} points against no pruning</li>`
  }<li><span class="swatch chosen" aria-hidden="true"></span>chosen</li>
<li><span class="swatch tied" aria-hidden="true"></span>tied on accuracy</li></ul>`;
  return renderFigure({
    title: "Every layer and fraction",
    explanation: html`Accuracy on ${
      counted(searched.examples.length, "example")
    } after zeroing the highest-scored neurons of one layer. ${summary}`,
    legend,
    chart: {
      alt: `Heat map of accuracy by layer and pruned fraction. ${summary}`,
      height: 52 + rowHeight * layers.length,
      start: Math.max(0, cells.findIndex(({ isChosen }) => isChosen)),
      plot: {
        marginLeft: 36,
        marginRight: 2,
        marginTop: 8,
        marginBottom: 44,
        padding: 0,
        x: { domain: columns, type: "band", label: null },
        y: { domain: layers, type: "band", label: null },
        color: { type: "identity" },
        marks: [
          Plot.axisX({
            fontSize: 13,
            tickSize: 0,
            label: null,
            tickFormat: (fraction: number) => String(+(100 * fraction).toFixed(2)),
          }),
          Plot.axisY({ fontSize: rowHeight > 14 ? 13 : 9, tickSize: 0, label: null, tickFormat: String }),
          Plot.cell(cells, {
            x: "fraction",
            y: "layer",
            fill: ({ step }: Cell) => stepColour(step),
            inset: rowHeight > 14 ? 1 : 0.5,
            rx: 3,
            ariaLabel: describeMarkedCell,
            className: tipsClass,
          }),
          Plot.text(showsNumbers ? cells : [], {
            x: "fraction",
            y: "layer",
            text: ({ accuracy }: Cell) => decimal(100 * accuracy, 0),
            fill: ({ step }: Cell) => stepInk(step),
            fontSize: 12,
            pointerEvents: "none",
          }),
          Plot.cell(tied, {
            x: "fraction",
            y: "layer",
            fill: "none",
            stroke: "var(--ink)",
            strokeWidth: 1.5,
            strokeDasharray: "3 2",
            inset: rowHeight > 14 ? 2 : 1,
            rx: 3,
            pointerEvents: "none",
          }),
          Plot.cell(chosen, {
            x: "fraction",
            y: "layer",
            fill: "none",
            stroke: "var(--ink)",
            strokeWidth: 3,
            inset: rowHeight > 14 ? 1.5 : 1,
            rx: 3,
            pointerEvents: "none",
          }),
          xTitle("% of the layer's neurons"),
          Plot.text(["layer"], { frameAnchor: "bottom-left", dx: -34, dy: 38, fontSize: 13, fill: "var(--muted)" }),
        ],
      },
    },
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
          Plot.axisX({ fontSize: 13, tickSize: 0, label: null, ticks: 6 }),
          Plot.axisY({ fontSize: 13, tickSize: 0, label: null, ticks: 5 }),
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
