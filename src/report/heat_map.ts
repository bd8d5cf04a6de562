/** A heat map of layers and fractions: accuracy against no pruning, with cells that stand out. */
import * as Plot from "@observablehq/plot";
import { axisX, axisY, layerTitle, xTitle } from "./axes.ts";
import { type Chart, tipsClass } from "./chart.ts";
import { allSteps, divergingStep, stepColour, stepInk, stepName } from "./diverging.ts";
import { type Html, html } from "./html.ts";
import { decimal, points } from "./numbers.ts";

/** One cell. */
export interface HeatCell {
  readonly layer: number;
  readonly fraction: number;
  readonly accuracy: number;
  /** What it says when pointed at or focused. */
  readonly label: string;
  /** How it stands out: a thick outline, a dashed one, or none. */
  readonly mark: "chosen" | "tied" | null;
}

/** What to draw. */
export interface HeatMap {
  readonly alt: string;
  readonly layers: readonly number[];
  readonly fractions: readonly number[];
  /** Accuracy of the unmodified model, which is the middle of the scale. */
  readonly unpruned: number;
  readonly cells: readonly HeatCell[];
}

/** The largest distance of a cell from the unmodified model. */
function extentOf({ cells, unpruned }: HeatMap): number {
  return cells.reduce((most, { accuracy }) => Math.max(most, Math.abs(accuracy - unpruned)), 0);
}

/** The heat map as a chart; the focus enters at the chosen cell. */
export function heatMapChart(map: HeatMap): Chart {
  const { alt, layers, fractions, unpruned, cells } = map;
  const extent = extentOf(map);
  const step = ({ accuracy }: HeatCell) => divergingStep(accuracy - unpruned, extent);
  const columns = [...fractions].sort((a, b) => a - b);
  const rowHeight = layers.length <= 8 ? 32 : layers.length <= 20 ? 22 : layers.length <= 40 ? 16 : 11;
  const isRoomy = rowHeight > 14;
  const showsNumbers = isRoomy && columns.length <= 12;
  const place = { x: "fraction", y: "layer", rx: 3 };
  const outline = { ...place, fill: "none", pointerEvents: "none" } as const;
  return {
    alt,
    height: 52 + rowHeight * layers.length,
    start: Math.max(0, cells.findIndex(({ mark }) => mark === "chosen")),
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
        axisX({ tickFormat: (fraction: number) => String(+(100 * fraction).toFixed(2)) }),
        axisY({ fontSize: isRoomy ? 13 : 9, tickFormat: String }),
        Plot.cell(cells, {
          ...place,
          fill: (cell: HeatCell) => stepColour(step(cell)),
          inset: isRoomy ? 1 : 0.5,
          ariaLabel: "label",
          className: tipsClass,
        }),
        Plot.text(showsNumbers ? cells : [], {
          x: "fraction",
          y: "layer",
          text: ({ accuracy }: HeatCell) => decimal(100 * accuracy, 0),
          fill: (cell: HeatCell) => stepInk(step(cell)),
          fontSize: 12,
          pointerEvents: "none",
        }),
        Plot.cell(cells.filter(({ mark }) => mark === "tied"), {
          ...outline,
          // Inside the cell, in the colour of its text; the chosen one's lies around it.
          stroke: (cell: HeatCell) => stepInk(step(cell)),
          strokeWidth: 1.5,
          strokeDasharray: "3 2",
          inset: isRoomy ? 2 : 1,
        }),
        Plot.cell(cells.filter(({ mark }) => mark === "chosen"), {
          ...outline,
          stroke: "var(--ink)",
          strokeWidth: 3,
          inset: -0.5,
        }),
        xTitle("% of the layer's neurons"),
        layerTitle(),
      ],
    },
  };
}

/** The legend of the scale and of the outlines that occur. */
export function heatMapLegend(map: HeatMap, meanings: Readonly<Partial<Record<"chosen" | "tied", string>>>): Html {
  const extent = extentOf(map);
  return html`<ul class="legend">${
    extent > 0 && html`<li><span class="scale" aria-hidden="true">${
      allSteps.map((step) => html`<span class="${stepName(step)}"></span>`)
    }</span>${points(-extent)} to ${points(extent)} points against no pruning</li>`
  }${
    Object.entries(meanings).map(([mark, meaning]) =>
      html`<li><span class="swatch ${mark}" aria-hidden="true"></span>${meaning}</li>`
    )
  }</ul>`;
}
