/**
 * A study as a page: for every task the verdict over the redraws, a chart of each part that has one, and under it the
 * words and tables of the study's Markdown. The same study gives the same bytes.
 */
import * as Plot from "@observablehq/plot";
import type { StudyDocument } from "../method/study/study.ts";
import { axisX, axisY, xTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure } from "./figure.ts";
import { type Html, html } from "./html.ts";
import { markdownSections, renderMarkdown } from "./markdown.ts";
import { counted, decimal, percent, points } from "./numbers.ts";
import { renderPage } from "./page.ts";
import { studyFigure } from "./study_figures.ts";
import { studyMarkdown } from "./study_markdown.ts";
import { renderVerdictBox } from "./verdict_box.ts";

type TaskStudy = StudyDocument["tasks"][number];

/** What pruning did over the redraws, in one sentence; null where the study has no main part. */
export function judgeStudy({ task, results: { main }, settings }: TaskStudy): {
  readonly direction: "better" | "worse" | "unclear";
  readonly sentence: string;
} | null {
  const arm = main?.arms[0];
  if (!main || !arm) return null;
  const { gain: { mean, interval: [low, high] }, harmed, accuracy } = arm;
  const direction = low > 0 ? "better" : high < 0 ? "worse" : "unclear";
  const verb = { better: "raised", worse: "lowered", unclear: "did not clearly change" }[direction];
  return {
    direction,
    sentence: `Over ${counted(settings.redraws, "redraw")} of ${
      counted(settings.size, "example")
    }, pruning ${verb} accuracy on ${counted(main.rows, "test row")} of ${task}: ${
      percent(main.unpruned.accuracy)
    } before, ${percent(accuracy.mean)} after on average, ${points(mean)} points, 95\u00a0% interval ${
      points(low)
    } to ${points(high)}; below the unpruned model in ${harmed} of ${settings.redraws} redraws.`,
  };
}

/** Before and after by task, where there are several. */
function tasksFigure(tasks: readonly TaskStudy[]): Html | null {
  const drawn = tasks.flatMap(({ task, results: { main } }) =>
    main
      ? [{
        task,
        before: 100 * main.unpruned.accuracy,
        after: 100 * main.arms[0].accuracy.mean,
        gain: main.arms[0].gain,
      }]
      : []
  );
  if (drawn.length < 2) return null;
  const describe = ({ task, before, after, gain }: typeof drawn[number]) =>
    `${task}: ${decimal(before, 1)}\u00a0% before, ${decimal(after, 1)}\u00a0% after, ${points(gain.mean)} points`;
  const short = (task: string) => task.length <= 26 ? task : `…${task.slice(-25)}`;
  return html`
    <section aria-labelledby="tasks">
      <h2 id="tasks">Before and after by task</h2>
      <div class="grid">${renderFigure({
        title: "Test accuracy by task",
        explanation:
          "The grey circle is the unpruned model, the blue diamond the mean of the pruned ones over the redraws.",
        chart: {
          alt: `Dot chart of test accuracy by task, before and after. ${drawn.map(describe).join(". ")}.`,
          height: 58 + 30 * drawn.length,
          plot: {
            marginLeft: Math.min(190, 20 + 7.4 * Math.max(...drawn.map(({ task }) => short(task).length))),
            marginRight: 14,
            marginTop: 6,
            marginBottom: 40,
            x: { label: null, grid: true, nice: true },
            y: { domain: drawn.map(({ task }) => task), label: null, padding: 0.3 },
            marks: [
              axisX({ ticks: 6 }),
              axisY({ tickPadding: 8, tickFormat: short }),
              Plot.ruleY(drawn, { y: "task", x1: "before", x2: "after", stroke: "var(--other)", strokeWidth: 2 }),
              Plot.dot(drawn, { y: "task", x: "before", r: 5, fill: "var(--before)" }),
              Plot.dot(drawn, {
                y: "task",
                x: "after",
                r: 6,
                symbol: "diamond",
                fill: "var(--after)",
                ariaLabel: describe,
                className: tipsClass,
              }),
              xTitle("accuracy, %"),
            ],
          },
        },
        table: {
          columns: ["task", "before", "after", "gain", "95 % interval"],
          rows: drawn.map(({ task, before, after, gain }) => [
            task,
            decimal(before, 2),
            decimal(after, 2),
            points(gain.mean),
            `${points(gain.interval[0])} to ${points(gain.interval[1])}`,
          ]),
        },
      })}</div>
    </section>
  `;
}

function renderTask(study: TaskStudy, markdown: string, place: number): Html {
  const sections = markdownSections(markdown, 3);
  const verdict = judgeStudy(study);
  const protocol = markdown.split("\n### ")[0];
  return html`
    <section aria-labelledby="task-${place}"><h2 id="task-${place}">${study.task}</h2>
    ${verdict && renderVerdictBox(verdict.direction, verdict.sentence)}<div class="lead">${renderMarkdown(
      protocol,
      "Protocol",
    )}</div>
    ${sections.map(({ title, body }) => {
      const figure = studyFigure(title, study.results);
      return html`
        <div class="part">
          <h3 class="part">${title}</h3>
          <div class="grid">${figure}<div class="card study">${renderMarkdown(body, title)}</div></div>
        </div>
      `;
    })}</section>
  `;
}

/**
 * A study as the text of a page.
 *
 * @param command The command that repeats it, or null.
 */
export function renderStudyReport(study: StudyDocument, command: string | null = null): string {
  const { model, engine, versions, tasks } = study;
  const texts = tasks.map((task) => markdownSections(studyMarkdown({ ...study, tasks: [task] }), 2)[0].body);
  return renderPage({
    title: `Secateur: study of ${model}`,
    header: html`
      <p class="brand"><b>Secateur</b><span>study</span></p>
      <h1><span>Model</span> ${model}</h1>
    `,
    main: html`
      <nav aria-label="Tasks">
        <ul>${tasks.map(({ task }, place) =>
          html`<li><a href="#task-${place}">${task}</a></li>`
        )}<li><a href="#how">How it was run</a></li></ul>
      </nav>
      ${tasksFigure(tasks)}${tasks.map((task, place) => renderTask(task, texts[place], place))}
      <section aria-labelledby="how">
        <h2 id="how">How it was run</h2>
        <div class="card">
      ${command !== null && html`<pre class="command" tabindex="0"><code>${command}</code></pre>`}
      <dl><dt>engine</dt><dd>${engine.kind === "webgpu" ? "WebGPU" : "float64 reference, on the CPU"}</dd>
      <dt>adapter</dt><dd>${engine.adapter}</dd>
      <dt>versions</dt><dd>${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(
        ", ",
      )}</dd></dl></div>
      </section>
    `,
    footer: html`<p>Made by Secateur ${
      versions.secateur ?? ""
    } from <code>study.json</code>; <code>secateur report DIR</code> makes it
again. Nothing was chosen on test rows. Layers and neurons count from 0.</p>`,
  });
}
