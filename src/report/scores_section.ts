/** The section about the scores: how they are spread in every layer, and where the plan cuts. */
import * as Plot from "@observablehq/plot";
import { layerScores } from "../method/neuron_scores.ts";
import { rankNeurons } from "../method/rank.ts";
import { axisX, axisY, layerTitle, xTitle, yTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure } from "./figure.ts";
import { type Html, html } from "./html.ts";
import { counted, grouped, percent, significant } from "./numbers.ts";
import { ascending, quantile } from "../method/quantile.ts";
import { symlogTicks } from "./ticks.ts";
import type { RunResults } from "../method/run_results.ts";

/** Scores of one layer in a few numbers. */
interface LayerSpread {
  readonly layer: number;
  readonly least: number;
  readonly low: number;
  readonly lowerQuartile: number;
  readonly median: number;
  readonly upperQuartile: number;
  readonly high: number;
  readonly most: number;
  readonly sum: number;
}

function spreadOf(layer: number, scores: Float32Array): LayerSpread {
  const sorted = ascending(scores);
  return {
    layer,
    least: sorted[0],
    low: quantile(sorted, 0.01),
    lowerQuartile: quantile(sorted, 0.25),
    median: quantile(sorted, 0.5),
    upperQuartile: quantile(sorted, 0.75),
    high: quantile(sorted, 0.99),
    most: sorted[sorted.length - 1],
    sum: scores.reduce((sum, score) => sum + score, 0),
  };
}

/** Where the ranking stops: the key of the last pruned neuron; null where nothing is pruned or layers vary. */
interface Cut {
  readonly layer: number;
  readonly neurons: number;
  /** The score, or for the ranking `absolute` its size, of the last pruned neuron. */
  readonly key: number;
}

function findCut({ scored, searched }: RunResults): Cut | null {
  const { layer, neurons } = searched.configurations[searched.chosen];
  if (layer === null || neurons === 0) return null;
  const scores = layerScores(scored.scores, layer);
  const last = scores[rankNeurons(scores, searched.settings.ranking)[neurons - 1]];
  return { layer, neurons, key: searched.settings.ranking === "absolute" ? Math.abs(last) : last };
}

function spreadFigure(data: RunResults): Html {
  const { scores } = data.scored;
  const spreads = scores.scored.map((layer) => spreadOf(layer, layerScores(scores, layer)));
  const cut = findCut(data);
  const extent = spreads.reduce((most, { least, most: top }) => Math.max(most, Math.abs(least), Math.abs(top)), 0);
  const sizes = ascending(
    Float32Array.from(scores.scored.flatMap((layer) => [...layerScores(scores, layer)]), Math.abs),
  );
  const constant = Math.max(quantile(sizes, 0.5), extent / 1e4, Number.MIN_VALUE);
  const rowHeight = spreads.length <= 8 ? 30 : spreads.length <= 20 ? 20 : spreads.length <= 40 ? 14 : 10;
  const describe = (spread: LayerSpread) =>
    `layer ${spread.layer}: ${significant(spread.least)} to ${significant(spread.most)}, median ${
      significant(spread.median)
    }, middle half ${significant(spread.lowerQuartile)} to ${significant(spread.upperQuartile)}${
      cut?.layer === spread.layer ? `; cut at ${significant(cut.key)}` : ""
    }`;
  const absolute = data.searched.settings.ranking === "absolute";
  // What is pruned, as stretches of the axis.
  const pruned = cut === null
    ? []
    : spreads.filter(({ layer }) => layer === cut.layer).flatMap(({ layer, least, most }) => [
      ...(cut.key <= most ? [{ layer, from: cut.key, to: most }] : []),
      ...(absolute && -cut.key >= least ? [{ layer, from: least, to: -cut.key }] : []),
    ]);
  const cuts = pruned.map(({ layer, from, to }) => ({ layer, at: from === cut?.key ? from : to }));
  const summary = cut === null
    ? "Nothing is pruned, so there is no cut."
    : `In layer ${cut.layer} the ${counted(cut.neurons, "neuron")} at ${significant(cut.key)} and above${
      absolute ? " in size" : ""
    } are pruned.`;
  return renderFigure({
    title: "Scores in every layer",
    explanation:
      html`Thin line: all neurons; thick line: the middle 98\u00a0%; box: the middle half; tick: median. The axis is
linear near 0 and logarithmic outside. ${summary}`,
    legend: cut && html`
      <ul class="legend">
        <li><span class="line after" aria-hidden="true"></span>pruned</li>
        <li><span class="cut-mark" aria-hidden="true"></span>cut</li>
      </ul>
    `,
    chart: {
      alt: `Spread of the scores in each layer. ${
        spreads.length <= 12 ? `${spreads.map(describe).join(". ")}. ` : ""
      }${summary}`,
      height: 50 + rowHeight * spreads.length,
      start: Math.max(0, spreads.findIndex(({ layer }) => layer === cut?.layer)),
      plot: {
        marginLeft: 36,
        marginRight: 12,
        marginTop: 6,
        marginBottom: 40,
        x: { type: "symlog", constant, domain: [-extent, extent], label: null, nice: false },
        y: { type: "band", domain: spreads.map(({ layer }) => layer), label: null, padding: 0.25 },
        marks: [
          axisX({ ticks: symlogTicks(extent, constant), tickFormat: (value: number) => significant(value, 1) }),
          Plot.gridX({ ticks: symlogTicks(extent, constant), stroke: "var(--line)", strokeOpacity: 1 }),
          axisY({ fontSize: rowHeight > 12 ? 13 : 9, tickFormat: String }),
          Plot.ruleY(spreads, { y: "layer", x1: "least", x2: "most", stroke: "var(--other)", strokeWidth: 1 }),
          Plot.ruleY(spreads, { y: "layer", x1: "low", x2: "high", stroke: "var(--other)", strokeWidth: 3.5 }),
          Plot.ruleY(pruned, { y: "layer", x1: "from", x2: "to", stroke: "var(--after)", strokeWidth: 3.5 }),
          Plot.barX(spreads, {
            y: "layer",
            x1: "lowerQuartile",
            x2: "upperQuartile",
            fill: "var(--box)",
            stroke: "var(--muted)",
            rx: 2,
          }),
          Plot.tickX(spreads, { y: "layer", x: "median", stroke: "var(--ink)", strokeWidth: 2 }),
          Plot.tickX(cuts, {
            y: "layer",
            x: "at",
            stroke: "var(--cut)",
            strokeWidth: 2.5,
            insetTop: -3,
            insetBottom: -3,
          }),
          Plot.barX(spreads, {
            y: "layer",
            x1: () => -extent,
            x2: () => extent,
            fill: "transparent",
            insetTop: -rowHeight / 8,
            insetBottom: -rowHeight / 8,
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("score"),
          layerTitle(),
        ],
      },
    },
    table: {
      columns: ["layer", "least", "1 %", "25 %", "median", "75 %", "99 %", "most", "sum"],
      rows: spreads.map(({ layer, ...numbers }) => [
        String(layer),
        ...[
          numbers.least,
          numbers.low,
          numbers.lowerQuartile,
          numbers.median,
          numbers.upperQuartile,
          numbers.high,
          numbers.most,
          numbers.sum,
        ].map((value) => significant(value)),
      ]),
    },
  });
}

/** Points of the curve of one layer; a wide layer is thinned out, and the cut and both ends stay. */
const curvePoints = 160;

function rankedFigure(data: RunResults, cut: Cut): Html {
  const { scores } = data.scored;
  const { ranking } = data.searched.settings;
  const row = layerScores(scores, cut.layer);
  const order = rankNeurons(row, ranking === "positive" ? "signed" : ranking);
  const key = (neuron: number) => ranking === "absolute" ? Math.abs(row[neuron]) : row[neuron];
  const kept = [...order.keys()].filter((rank) =>
    rank === 0 || rank === cut.neurons - 1 || rank === cut.neurons || rank === order.length - 1 ||
    Math.floor(rank * curvePoints / order.length) !== Math.floor((rank - 1) * curvePoints / order.length)
  );
  const points = kept.map((rank) => ({ rank: rank + 1, neuron: order[rank], score: key(order[rank]) }));
  const prunedPoints = points.filter(({ rank }) => rank <= cut.neurons);
  const total = order.reduce((sum, neuron) => sum + Math.max(0, key(neuron)), 0);
  const share = order.subarray(0, cut.neurons).reduce((sum, neuron) => sum + Math.max(0, key(neuron)), 0) / total;
  const what = ranking === "absolute" ? "size of the score" : "score";
  const summary = `The cut is after ${grouped(cut.neurons)} of ${counted(order.length, "neuron")}, at ${
    significant(cut.key)
  }${total > 0 ? `; the pruned ones hold ${percent(share, 0)} of the layer's positive attribution` : ""}.`;
  const top = [...order.subarray(0, 20)];
  return renderFigure({
    title: `Layer ${cut.layer}, ranked`,
    explanation: summary,
    chart: {
      alt:
        `Curve of the ${what} of the neurons of layer ${cut.layer}, in the order in which they are pruned. ${summary}`,
      height: 230,
      plot: {
        marginLeft: 48,
        marginRight: 10,
        marginTop: 26,
        marginBottom: 40,
        x: { type: "linear", label: null, domain: [1, order.length] },
        y: { label: null, grid: true, nice: true },
        marks: [
          axisX({ ticks: 6, tickFormat: (value: number) => grouped(value) }),
          axisY({ ticks: 5, tickFormat: (value: number) => significant(value, 2) }),
          Plot.areaY(prunedPoints, { x: "rank", y: "score", fill: "var(--after)", fillOpacity: 0.35 }),
          Plot.ruleY([0], { stroke: "var(--muted)" }),
          Plot.lineY(points, { x: "rank", y: "score", stroke: "var(--after)", strokeWidth: 2 }),
          Plot.ruleX([cut.neurons + 0.5], { stroke: "var(--cut)", strokeWidth: 2 }),
          Plot.text([`cut: ${cut.neurons}`], {
            x: [cut.neurons + 0.5],
            frameAnchor: "top",
            textAnchor: cut.neurons > order.length * 0.7 ? "end" : "start",
            dx: cut.neurons > order.length * 0.7 ? -5 : 5,
            dy: -2,
            fontSize: 13,
            fill: "var(--cut)",
            fontWeight: "bold",
          }),
          Plot.dot(points.filter(({ rank }) => rank <= 20), {
            x: "rank",
            y: "score",
            r: 3,
            fill: "var(--after)",
            ariaLabel: ({ rank, neuron, score }: typeof points[number]) =>
              `rank ${rank}: neuron ${neuron}, ${what} ${significant(score)}`,
            className: tipsClass,
          }),
          xTitle("rank"),
          yTitle(what, 48),
        ],
      },
    },
    table: {
      columns: ["rank", "neuron", "score", "note"],
      rows: top.map((neuron, rank) => [
        String(rank + 1),
        String(neuron),
        significant(row[neuron], 4),
        rank < cut.neurons ? "pruned" : "",
      ]),
    },
  });
}

/** The section as HTML. */
export function renderScores(data: RunResults): Html {
  const cut = findCut(data);
  return html`
    <section aria-labelledby="scores">
      <h2 id="scores">The scores</h2>
      <div class="grid">${spreadFigure(data)}${cut && rankedFigure(data, cut)}</div>
    </section>
  `;
}
