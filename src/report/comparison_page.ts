/** Two runs side by side as a page. */
import * as Plot from "@observablehq/plot";
import type { RunResults } from "../method/run_results.ts";
import { type AnswerComparison, compareRuns, type RunComparison, type ScoreComparison } from "./compare_runs.ts";
import { axisX, axisY, countedAxisX, xTitle, yTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure, renderTable } from "./figure.ts";
import { commandLine } from "./command_line.ts";
import { type Html, html } from "./html.ts";
import { counted, duration, fractionPercent, grouped, percent, points, significant } from "./numbers.ts";
import { renderPage } from "./page.ts";
import { logTicks } from "./ticks.ts";
import { type Fact, renderVerdictBox } from "./verdict_box.ts";

/** One of the two runs. */
export interface ComparedRun {
  /** What to call it, such as its folder. */
  readonly name: string;
  readonly results: RunResults;
}

function engineName({ results: { record } }: ComparedRun): string {
  return record.engine.kind === "webgpu" ? `WebGPU on ${record.engine.adapter}` : record.engine.adapter;
}

function choice({ results: { record: { chosen } } }: ComparedRun): string {
  return chosen.layer === null
    ? "no pruning"
    : `layer ${chosen.layer}, ${fractionPercent(chosen.fraction)} (${counted(chosen.neurons, "neuron")})`;
}

function verdict(a: ComparedRun, b: ComparedRun, { plan, scores, pruned }: RunComparison): Html {
  const [slow, fast] = [a, b].sort((x, y) => y.results.record.seconds.total - x.results.record.seconds.total);
  const ratio = slow.results.record.seconds.total / fast.results.record.seconds.total;
  const first = plan.same
    ? `Both runs came to the same plan${
      plan.shared === 0 ? ", which prunes nothing" : ` of ${counted(plan.shared, "neuron")}`
    }.`
    : `The runs came to different plans: ${
      counted(plan.shared, "neuron")
    } in common, ${plan.onlyA} only in A, ${plan.onlyB} only in B.${plan.reason === null ? "" : ` ${plan.reason}`}`;
  const facts: Fact[] = [
    [
      "Worst score difference",
      scores ? significant(scores.worst, 2) : "–",
      scores ? "of the largest score of the layer" : "shapes or layers differ",
    ],
    [
      "Worst log-probability difference",
      pruned ? significant(pruned.worst, 2) : "–",
      pruned ? `pruned models, ${counted(pruned.paired.count, "common example")}` : "no test example in common",
    ],
    [
      "Time",
      `${duration(a.results.record.seconds.total)} and ${duration(b.results.record.seconds.total)}`,
      ratio >= 1.005 ? `${fast === a ? "A" : "B"} is ${significant(ratio, 3)} times as fast` : "equally fast",
    ],
  ];
  return renderVerdictBox(plan.same ? "better" : "unclear", first, facts);
}

function sideBySide(a: ComparedRun, b: ComparedRun, { metric }: RunComparison): Html {
  const accuracy = (run: ComparedRun, arm: "unpruned" | "pruned") =>
    percent(run.results.record.test[arm][metric].accuracy, 2);
  const rows: [string, (run: ComparedRun) => string][] = [
    ["folder", ({ name }) => name],
    ["engine", engineName],
    ["command", ({ results }) => commandLine(results.record.arguments)],
    ["started", ({ results }) => results.record.startedAt],
    ["chosen", choice],
    ["others tied with it", ({ results }) => grouped(results.record.tiedOnAccuracy - 1)],
    [`test accuracy (${metric}), unpruned`, (run) => accuracy(run, "unpruned")],
    [`test accuracy (${metric}), pruned`, (run) => accuracy(run, "pruned")],
    ["worst completeness error", ({ results }) => significant(results.record.completeness.worst)],
    ["nodes used", ({ results }) => grouped(results.record.completeness.nodesUsed)],
    [
      "speed",
      ({ results: { record: { performance } } }) =>
        performance ? `${significant(performance.gigaflopsPerSecond)} GFLOP/s` : "–",
    ],
  ];
  return html`
    <section class="card wide" aria-labelledby="sides"><h2 id="sides" class="first">Side by side</h2>${renderTable(
      "The two runs",
      { columns: ["what", "A", "B"], rows: rows.map(([name, value]) => [name, value(a), value(b)]) },
    )}</section>
  `;
}

function timeFigure(a: ComparedRun, b: ComparedRun): Html {
  const stages = ["score", "search", "randomSearch", "evaluate"] as const;
  const names = { score: "score", search: "search", randomSearch: "random search", evaluate: "evaluate" };
  const bars = stages.flatMap((stage) =>
    [["A", a, "var(--before)"] as const, ["B", b, "var(--after)"] as const].map(([run, { results }, colour]) => ({
      stage: names[stage],
      run,
      colour,
      seconds: results.record.seconds[stage],
    }))
  );
  const describe = ({ stage, run, seconds }: typeof bars[number]) => `${stage}, ${run}: ${duration(seconds)}`;
  return renderFigure({
    title: "Time of each stage",
    explanation: "Wall time, without the loading of the model. Runs on a busy machine say little about speed.",
    legend: html`
      <ul class="legend">
        <li><span class="swatch before" aria-hidden="true"></span>A: ${engineName(a)}</li>
        <li><span class="swatch after" aria-hidden="true"></span>B: ${engineName(b)}</li>
      </ul>
    `,
    chart: {
      alt: `Bar chart of wall time by stage and run. ${bars.map(describe).join("; ")}.`,
      height: 50 + 44 * stages.length,
      plot: {
        marginLeft: 110,
        marginRight: 12,
        marginTop: 6,
        marginBottom: 40,
        x: { label: null, grid: true, domain: [0, Math.max(1e-3, ...bars.map(({ seconds }) => seconds))] },
        y: { domain: ["A", "B"], axis: null, padding: 0 },
        fy: { domain: stages.map((stage) => names[stage]), label: null, padding: 0.25 },
        color: { type: "identity" },
        marks: [
          axisX({ ticks: 5 }),
          Plot.axisFy({ anchor: "left", fontSize: 13, label: null, tickSize: 0 }),
          Plot.barX(bars, {
            fy: "stage",
            y: "run",
            x: "seconds",
            fill: "colour",
            rx: 2,
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("seconds", { fy: () => names.evaluate }),
        ],
      },
    },
    table: {
      columns: ["stage", "A, seconds", "B, seconds", "A / B"],
      rows: [...stages, "total" as const].map((stage) => {
        const [x, y] = [a.results.record.seconds[stage], b.results.record.seconds[stage]];
        return [stage === "total" ? "all" : names[stage], x.toFixed(3), y.toFixed(3), significant(x / y)];
      }),
    },
  });
}

function scoreFigure({ layers }: ScoreComparison): Html {
  const floor = 1e-12;
  const drawn = layers.map((layer) => ({ ...layer, shown: Math.min(1e6, Math.max(floor, layer.worst)) }));
  const describe = ({ layer, worst, neuron }: typeof drawn[number]) =>
    `layer ${layer}: ${significant(worst, 2)} of its largest score, at neuron ${neuron}`;
  const worst = drawn.reduce((most, one) => one.worst > most.worst ? one : most);
  const [lowest, highest] = [Math.min(...drawn.map(({ shown }) => shown)) / 3, worst.shown * 3];
  const ticks = logTicks(lowest, highest);
  return renderFigure({
    title: "Worst score difference of each layer",
    explanation: `Relative to the largest score of the layer in A. Worst: ${describe(worst)}.`,
    chart: {
      alt: `Dot chart of the largest relative score difference by layer, on a logarithmic axis. Worst: ${
        describe(worst)
      }.`,
      height: 230,
      plot: {
        marginLeft: 52,
        marginRight: 10,
        marginTop: 26,
        marginBottom: 40,
        x: { type: "point", domain: drawn.map(({ layer }) => layer), label: null, padding: 0.5 },
        y: { type: "log", domain: [lowest, highest], label: null },
        marks: [
          countedAxisX(drawn.length),
          axisY({ ticks, tickFormat: (value: number) => significant(value, 1) }),
          Plot.gridY({ ticks, stroke: "var(--line)", strokeOpacity: 1 }),
          Plot.dot(drawn, {
            x: "layer",
            y: "shown",
            r: drawn.length > 40 ? 3 : 5,
            fill: "var(--after)",
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("layer"),
          yTitle("worst difference", 52),
        ],
      },
    },
    table: {
      columns: ["layer", "worst, relative", "at neuron", "normalised mean square"],
      rows: layers.map(({ layer, worst, neuron, normalisedMeanSquare }) => [
        String(layer),
        significant(worst),
        String(neuron),
        significant(normalisedMeanSquare),
      ]),
    },
  });
}

function answersTable({ unpruned, pruned }: RunComparison): Html {
  const row = (name: string, answers: AnswerComparison | null) =>
    answers === null ? [name, "–", "–", "–", "–", "–"] : [
      name,
      grouped(answers.paired.count),
      significant(answers.worst),
      grouped(answers.paired.lost),
      grouped(answers.paired.gained),
      `${points(answers.paired.difference)} (${points(answers.paired.interval[0])} to ${
        points(answers.paired.interval[1])
      })`,
    ];
  return html`
    <section
      class="card"><h3>Answers to the common test examples</h3>${renderTable("Answers of both runs", {
        columns: [
          "models",
          "examples",
          "worst log-probability difference",
          "right only in A",
          "right only in B",
          "points, B − A",
        ],
        rows: [row("unpruned", unpruned), row("pruned", pruned)],
      })}<p>In brackets the 95 % interval of the difference (Bonett and Price).</p></section>
  `;
}

function differencesTable({ differences }: RunComparison): Html {
  if (differences.length === 0) {
    return html`
      <section class="card">
        <h3>What was asked for</h3>
        <p>The same: model, task, settings and examples.</p>
      </section>
    `;
  }
  return html`
    <section class="card wide"><h3>What was asked for differently</h3>${renderTable("Differences", {
      columns: ["what", "A", "B"],
      rows: differences.map(({ name, a, b }) => [name, a, b]),
    })}</section>
  `;
}

/** Two runs as the text of a page; `b` is measured against `a`. */
export function renderComparison(a: ComparedRun, b: ComparedRun): string {
  const comparison = compareRuns(a.results, b.results);
  const version = b.results.record.provenance.versions.secateur ?? "";
  return renderPage({
    title: `Secateur: ${a.name} and ${b.name}`,
    header: html`<p class="brand"><b>Secateur</b><span>two runs side by side</span></p>
<h1><span>A</span> ${a.name} <span>and B</span> ${b.name}</h1>`,
    main: html`${verdict(a, b, comparison)}
<div class="stack spaced">${sideBySide(a, b, comparison)}
<div class="grid">${comparison.scores && scoreFigure(comparison.scores)}${timeFigure(a, b)}</div>
${answersTable(comparison)}${differencesTable(comparison)}</div>`,
    footer:
      html`<p>Made by <code>secateur compare</code> ${version} from the files of both runs. Layers and neurons count from 0.</p>`,
  });
}
