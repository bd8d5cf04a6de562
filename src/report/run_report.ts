/** `report.html`: one run as a page. The same files give the same bytes. */
import { renderBeforeAfter } from "./before_after.ts";
import { renderCircumstances } from "./circumstances.ts";
import { renderCompleteness } from "./completeness_section.ts";
import { type Html, html } from "./html.ts";
import { counted, decimal, duration, fractionPercent, grouped, percent, points, significant } from "./numbers.ts";
import { renderPage } from "./page.ts";
import type { RunResults } from "../method/run_results.ts";
import { renderScores } from "./scores_section.ts";
import { renderSearch } from "./search_section.ts";
import { renderTraces } from "./traces_section.ts";
import { judge, type Verdict } from "./verdict.ts";
import { type Fact, renderVerdictBox } from "./verdict_box.ts";

/** The last part of a path or of a model's name. */
export function shortName(path: string): string {
  return path.replace(/[/\\]+$/, "").split(/[/\\]/).at(-1) || path;
}

function renderVerdict(data: RunResults, { direction, sentence, comparison }: Verdict): Html {
  const { record, searched, scored } = data;
  const { metric } = searched.settings;
  const { layer, fraction, neurons } = record.chosen;
  const random = record.test.random.map((test) => test[metric].accuracy);
  const mean = random.reduce((sum, accuracy) => sum + accuracy, 0) / random.length;
  const before = record.test.unpruned[metric].accuracy;
  const facts: Fact[] = [
    [
      "Test accuracy",
      `${decimal(100 * before, 1)} → ${percent(record.test.pruned[metric].accuracy)}`,
      `${metric}, ${counted(comparison.count, "example")}`,
    ],
    layer === null ? ["Pruned", "nothing", `of ${grouped(scored.scores.neurons * scored.scores.layers)} neurons`] : [
      "Pruned",
      `layer ${layer}, ${fractionPercent(fraction)}`,
      `${counted(neurons, "neuron")} of ${searched.site}_proj`,
    ],
    ...(random.length > 0
      ? [
        [
          "Random neurons instead",
          `${points(mean - before)} points`,
          `mean of ${counted(random.length, "draw")}, ${percent(Math.min(...random))} to ${
            percent(Math.max(...random))
          }`,
        ] as const,
      ]
      : []),
    [
      "Tied with the choice",
      `${counted(searched.tiedOnAccuracy - 1, "other")} of ${grouped(searched.configurations.length)}`,
      `on ${counted(searched.examples.length, "example")}${
        searched.tiedOnAccuracy > 1
          ? `; margin ${decimal(searched.configurations[searched.chosen].meanMargin, 3)} decided`
          : ""
      }`,
    ],
    [
      "Worst completeness error",
      significant(scored.completenessError.worst, 2),
      `${scored.completenessError.unconverged} of ${counted(scored.completenessError.paths.length, "path")} above ${
        significant(scored.completenessError.tolerance)
      }`,
    ],
    ["Time", duration(record.seconds.total), record.engine.kind === "webgpu" ? "WebGPU" : "reference engine"],
  ];
  return renderVerdictBox(direction, sentence, facts);
}

const chapters = [
  ["before-after", "Before and after"],
  ["search", "The search"],
  ["scores", "The scores"],
  ["completeness", "Completeness"],
  ["traces", "What the neurons respond to"],
  ["circumstances", "How it was run"],
] as const;

/** A run as the text of `report.html`. */
export function renderRunReport(data: RunResults): string {
  const { model, task } = data.record.provenance;
  const verdict = judge(data);
  const started = data.record.startedAt.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*$/, "$1, $2 UTC");
  return renderPage({
    title: `Secateur: ${shortName(model)} on ${shortName(task)}`,
    header: html`
      <p class="brand"><b>Secateur</b><span>run of ${started}</span></p>
      <h1><span>Model</span> ${model} <span>on</span> ${task}</h1>
    `,
    main: html`
      ${renderVerdict(data, verdict)}
      <nav aria-label="Sections">
        <ul>${chapters.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}</ul>
      </nav>
      ${renderBeforeAfter(data, verdict)}
      ${renderSearch(data)}
      ${renderScores(data)}
      ${renderCompleteness(data)}
      ${renderTraces(data)}
      ${renderCircumstances(data)}
    `,
    footer: html`
      <p>Made by Secateur ${data.record.provenance.versions.secateur ?? ""} from the files beside this page;
      <code>secateur report DIR</code> makes it again. Layers and neurons count from 0. The method is that of
      “Detecting and Pruning Prominent but Detrimental Neurons in Large Language Models” (arXiv 2507.09185).</p>
    `,
  });
}
