/** The section about completeness: how far the attributions of each layer are from adding up. */
import * as Plot from "@observablehq/plot";
import type { PathCompleteness } from "../method/completeness.ts";
import { renderFigure, tipsClass } from "./chart.ts";
import { type Html, html } from "./html.ts";
import { counted, significant } from "./numbers.ts";
import { ascending, quantile } from "./quantile.ts";
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

/** The section as HTML. */
export function renderCompleteness({ scored }: RunResults): Html {
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
  const exponents = { from: Math.ceil(Math.log10(lowest)), to: Math.floor(Math.log10(highest)) };
  const step = Math.max(1, Math.ceil((exponents.to - exponents.from) / 5));
  const ticks = Array.from(
    { length: Math.floor((exponents.to - exponents.from) / step) + 1 },
    (_, i) => 10 ** (exponents.to - i * step),
  );
  return html`
    <section aria-labelledby="completeness">
      <h2 id="completeness">Completeness</h2>
      <div class="grid">${renderFigure({
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
          height: 220,
          plot: {
            marginLeft: 48,
            marginRight: 10,
            marginTop: 8,
            marginBottom: 40,
            x: { type: "point", domain: drawn.map(({ place }) => place), label: null, padding: 0.5 },
            y: { type: "log", domain: [lowest, highest], label: null },
            marks: [
              Plot.gridY({ ticks, stroke: "var(--line)", strokeOpacity: 1 }),
              Plot.axisX({
                fontSize: drawn.length > 24 ? 9 : 12,
                tickSize: 0,
                label: null,
                tickFormat: (place: number) => drawn.length > 24 && place % 4 !== 0 ? "" : String(place),
              }),
              Plot.axisY({
                fontSize: 12,
                tickSize: 0,
                label: null,
                ticks,
                tickFormat: (value: number) => significant(value, 1),
              }),
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
              Plot.text([isJoint ? "example" : "layer"], {
                frameAnchor: "bottom-right",
                dy: 36,
                fontSize: 12,
                fill: "var(--muted)",
              }),
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
      })}</div>
    </section>
  `;
}
