/** The section about completeness: how far the attributions of each layer are from adding up. */
import * as Plot from "@observablehq/plot";
import type { PathCompleteness } from "../method/completeness.ts";
import { axisX, axisY, countedAxisX, xTitle, yTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure } from "./figure.ts";
import { type Html, html } from "./html.ts";
import { counted, significant } from "./numbers.ts";
import { ascending, quantile } from "../method/quantile.ts";
import { logTicks } from "./ticks.ts";
import type { RunResults } from "../method/run_results.ts";

/** The paths of one layer, or of one example on the joint path. */
interface Group {
  readonly name: string;
  readonly place: number;
  readonly paths: number;
  readonly least: number;
  readonly median: number;
  readonly worst: number;
  readonly unconverged: number;
  readonly nodes: number;
}

/** Errors below this are drawn at it: a logarithmic axis has no place for 0. */
const floor = 1e-9;

function group(
  paths: readonly PathCompleteness[],
  tolerance: number,
  keys: readonly number[],
  isJoint: boolean,
): Group[] {
  return keys.map((place) => {
    const members = paths.filter((path) => (isJoint ? path.example : path.layer) === place);
    const sorted = ascending(members.map(({ relativeError }) => relativeError));
    return {
      name: `${isJoint ? "example" : "layer"} ${place}`,
      place,
      paths: members.length,
      least: sorted[0],
      median: quantile(sorted, 0.5),
      worst: sorted[sorted.length - 1],
      unconverged: members.filter(({ relativeError }) => relativeError > tolerance).length,
      nodes: Math.max(...members.map(({ nodes }) => nodes)),
    };
  });
}

/** Paths that are drawn at most, those of largest error; and rows of the table of them. */
const mostDrawn = 300, mostListed = 30;

/** What each path's scores add up to, against what they should. */
function sumFigure({ scored }: RunResults): Html {
  const { completenessError: { paths }, examples } = scored;
  const worstFirst = [...paths].sort((a, b) => b.relativeError - a.relativeError);
  const points = worstFirst.slice(0, mostDrawn).map((path) => ({
    ...path,
    change: path.objectiveAtOne - path.objectiveAtZero,
  }));
  const name = ({ layer, example }: PathCompleteness) =>
    `${layer === null ? "" : `layer ${layer}, `}${examples[example]}`;
  const describe = (point: typeof points[number]) =>
    `${name(point)}: scores add up to ${significant(point.attributionSum, 4)}, the change is ${
      significant(point.change, 4)
    }, relative error ${significant(point.relativeError, 2)}`;
  const ends = [
    Math.min(...points.map(({ change, attributionSum }) => Math.min(change, attributionSum))),
    Math.max(...points.map(({ change, attributionSum }) => Math.max(change, attributionSum))),
  ];
  const shown = points.length < paths.length ? `The ${points.length} paths of largest error of ${paths.length}.` : "";
  return renderFigure({
    title: "Sums of scores against what they explain",
    explanation: `A dot is a path; on the line, its scores add up exactly to the change of the objective. ${shown}`,
    chart: {
      alt: `Scatter plot of the sum of a path's scores against the change of the objective along it. Worst: ${
        describe(points[0])
      }.`,
      height: 230,
      plot: {
        marginLeft: 48,
        marginRight: 10,
        marginTop: 26,
        marginBottom: 40,
        x: { label: null, nice: true, grid: true },
        y: { label: null, nice: true, grid: true },
        marks: [
          axisX({ ticks: 6 }),
          axisY({ ticks: 5 }),
          Plot.line(ends.map((end) => [end, end]), { stroke: "var(--before)", strokeDasharray: "4 3" }),
          Plot.dot(points, {
            x: "change",
            y: "attributionSum",
            r: points.length > 100 ? 3 : 4,
            fill: "var(--after)",
            fillOpacity: 0.65,
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("M(1) \u2212 M(0)"),
          yTitle("sum of the scores", 48),
        ],
      },
    },
    table: {
      columns: ["path, worst first", "nodes", "sum of the scores", "M(1) \u2212 M(0)", "relative error"],
      rows: points.slice(0, mostListed).map((point) => [
        name(point),
        String(point.nodes),
        significant(point.attributionSum, 5),
        significant(point.change, 5),
        significant(point.relativeError),
      ]),
    },
  });
}

function errorFigure({ scored }: RunResults): Html {
  const { completenessError, settings, examples } = scored;
  const { paths, tolerance, worst, mean, unconverged } = completenessError;
  const isJoint = settings.path === "joint";
  const groups = group(paths, tolerance, isJoint ? examples.map((_, i) => i) : settings.layers, isJoint);
  const drawn = groups.map((one) => ({
    ...one,
    least: Math.max(floor, one.least),
    median: Math.max(floor, one.median),
    worst: Math.max(floor, one.worst),
  }));
  const lowest = Math.min(tolerance, ...drawn.map(({ least }) => least)) / 2;
  const highest = Math.max(tolerance, ...drawn.map(({ worst }) => worst)) * 2;
  const describe = ({ name, median, worst, nodes, unconverged }: Group) =>
    `${name}: median ${significant(median, 2)}, worst ${significant(worst, 2)}, ${counted(nodes, "node")} at most${
      unconverged > 0 ? `, ${unconverged} above the tolerance` : ""
    }`;
  const summary = `Worst ${significant(worst, 2)}, mean ${significant(mean, 2)}; ${unconverged} of ${
    counted(paths.length, "path")
  } above the tolerance of ${significant(tolerance)}.`;
  const ticks = logTicks(lowest, highest);
  return renderFigure({
    title: isJoint ? "Error of each example" : "Error of each layer",
    explanation:
      html`The scores of a path must add up to the change of the objective along it. A line spans the relative
errors of ${isJoint ? "an example's path" : "a layer's paths, one an example"}; the dot is the median. ${summary}`,
    legend: html`
      <ul class="legend">
        <li><span class="line dashed cut" aria-hidden="true"></span>tolerance</li>
      </ul>
    `,
    chart: {
      alt: `Relative completeness error on a logarithmic axis, by ${isJoint ? "example" : "layer"}. ${summary}`,
      height: 230,
      plot: {
        marginLeft: 48,
        marginRight: 10,
        marginTop: 26,
        marginBottom: 40,
        x: { type: "point", domain: drawn.map(({ place }) => place), label: null, padding: 0.5 },
        y: { type: "log", domain: [lowest, highest], label: null },
        marks: [
          Plot.gridY({ ticks, stroke: "var(--line)", strokeOpacity: 1 }),
          countedAxisX(drawn.length),
          axisY({ ticks, tickFormat: (value: number) => significant(value, 1) }),
          Plot.ruleY([tolerance], { stroke: "var(--cut)", strokeWidth: 1.5, strokeDasharray: "5 3" }),
          Plot.ruleX(drawn, {
            x: "place",
            y1: "least",
            y2: "worst",
            stroke: "var(--after)",
            strokeWidth: 2.5,
            strokeOpacity: 0.6,
            strokeLinecap: "round",
          }),
          Plot.dot(drawn, {
            x: "place",
            y: "median",
            r: drawn.length > 40 ? 3 : 5,
            fill: "var(--after)",
            stroke: "var(--card)",
            ariaLabel: (_: Group, index: number) => describe(groups[index]),
            className: tipsClass,
          }),
          xTitle(isJoint ? "example" : "layer"),
          yTitle("relative error", 48),
        ],
      },
    },
    table: {
      columns: [isJoint ? "example" : "layer", "paths", "least", "median", "worst", "above tolerance", "nodes"],
      rows: groups.map((one) => [
        isJoint ? examples[one.place] : String(one.place),
        String(one.paths),
        significant(one.least),
        significant(one.median),
        significant(one.worst),
        String(one.unconverged),
        String(one.nodes),
      ]),
    },
  });
}

/** The section as HTML. */
export function renderCompleteness(data: RunResults): Html {
  return html`
    <section aria-labelledby="completeness">
      <h2 id="completeness">Completeness</h2>
      <div class="grid">${errorFigure(data)}${sumFigure(data)}</div>
    </section>
  `;
}
