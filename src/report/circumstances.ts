/** The section about how the results came about: the command, the device, the time, and every setting. */
import * as Plot from "@observablehq/plot";
import { axisX, axisY, xTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure, renderTable } from "./figure.ts";
import { commandLine } from "./command_line.ts";
import { type Html, html } from "./html.ts";
import { amount, bytes, counted, duration, grouped, percent, significant } from "./numbers.ts";
import type { RunResults } from "../method/run_results.ts";

function timings({ record }: RunResults): Html {
  const { score, search, randomSearch, evaluate, total } = record.seconds;
  const stages = [
    { stage: "score", seconds: score },
    { stage: "search", seconds: search },
    { stage: "random search", seconds: randomSearch },
    { stage: "evaluate", seconds: evaluate },
  ];
  const describe = ({ stage, seconds }: typeof stages[number]) =>
    `${stage}: ${duration(seconds)}${total > 0 ? `, ${percent(seconds / total, 0)}` : ""}`;
  return renderFigure({
    title: "Where the time went",
    explanation: `${duration(total)} in all, from the first score to the last answer; loading the model comes before.`,
    chart: {
      alt: `Bar chart of wall time by stage. ${stages.map(describe).join("; ")}. In all ${duration(total)}.`,
      height: 46 + 28 * stages.length,
      plot: {
        marginLeft: 110,
        marginRight: 16,
        marginTop: 6,
        marginBottom: 40,
        x: { label: null, grid: true, domain: [0, Math.max(...stages.map(({ seconds }) => seconds), 1e-3)] },
        y: { domain: stages.map(({ stage }) => stage), label: null, padding: 0.25 },
        marks: [
          axisX({ ticks: 5 }),
          axisY({ tickPadding: 8 }),
          Plot.barX(stages, {
            y: "stage",
            x: "seconds",
            fill: "var(--after)",
            rx: 3,
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle("seconds"),
        ],
      },
    },
    table: {
      columns: ["stage", "seconds"],
      rows: [...stages, { stage: "all", seconds: total }].map(({ stage, seconds }) => [stage, seconds.toFixed(3)]),
    },
  });
}

/** Numbers of rows by split. */
function describeRows(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([split, count]) => `${grouped(count)} of ${split}`).join(", ") || "none";
}

function device({ record, plan }: RunResults): Html {
  const { engine, performance } = record;
  const { family, layers, width, neurons } = plan.model;
  const { provenance: { data }, skippedRows, truncatedRows } = record;
  const facts: [string, string][] = [
    ["engine", engine.kind === "webgpu" ? "WebGPU" : "float64 reference, on the CPU"],
    ["adapter", engine.adapter],
    ...(performance
      ? [
        ["operations", amount(performance.flops, "FLOP")],
        ["speed", `${significant(performance.gigaflopsPerSecond)} GFLOP/s while busy`],
        ["most memory", `${bytes(performance.peakBytes)}, weights included`],
        ["waves", grouped(performance.waves)],
      ] as [string, string][]
      : []),
    ["model", `${family}: ${counted(layers, "layer")}, width ${grouped(width)}, ${counted(neurons, "neuron")} a layer`],
    ["started", record.startedAt],
    ...(data === undefined ? [] : [["rows", data]] as [string, string][]),
    ...(skippedRows === undefined ? [] : [["rows left out", describeRows(skippedRows)]] as [string, string][]),
    ...(truncatedRows === undefined ? [] : [["prompts cut", describeRows(truncatedRows)]] as [string, string][]),
    ["versions", Object.entries(record.provenance.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
  ];
  return html`
    <section class="card">
      <h3>Device and model</h3>
      <dl>${facts.map(([name, value]) =>
        html`
          <dt>${name}</dt>
          <dd>${value}</dd>
        `
      )}</dl>
    </section>
  `;
}

/** A setting's value in words. */
function settingText(value: unknown): string {
  if (value === null) return "automatic";
  if (Array.isArray(value)) return value.join(", ");
  return String(value);
}

function settings({ record }: RunResults): Html {
  const { examples, score, search, seed, randomDraws } = record;
  const rows = (prefix: string, values: object) =>
    Object.entries(values).map(([name, value]) => [`${prefix} ${name}`, settingText(value)]);
  return html`
    <details class="card wide">
      <summary>Every setting, and which examples</summary>
      ${renderTable("Settings", {
        columns: ["setting", "value"],
        rows: [
          ...rows("score", score),
          ...rows("search", search),
          ["seed", String(seed)],
          ["random draws", String(randomDraws)],
          ["adaptation examples", examples.adaptation.join(", ")],
          ["scored examples", examples.scored.join(", ")],
          ["selection examples", examples.selection.join(", ")],
          ["test examples", grouped(examples.test.length)],
        ],
      })}
    </details>
  `;
}

/** The section as HTML. */
export function renderCircumstances(data: RunResults): Html {
  return html`
    <section aria-labelledby="circumstances">
      <h2 id="circumstances">How it was run</h2>
      <div class="card"><h3>The command</h3>
      <pre class="command" tabindex="0"><code>${commandLine(data.record.arguments)}</code></pre></div>
      <div class="grid">${timings(data)}${device(data)}</div>
      ${settings(data)}
    </section>
  `;
}
