/** The section that compares the pruned model with the unmodified one and with the baselines, on the test examples. */
import * as Plot from "@observablehq/plot";
import { type AnsweredExample, type AnsweringModel, answerScores, findAnswer } from "../method/answers_file.ts";
import { axisX, axisY, xTitle, yTitle } from "./axes.ts";
import { tipsClass } from "./chart.ts";
import { renderFigure, renderLegend, renderTable } from "./figure.ts";
import { type Html, html } from "./html.ts";
import { wilsonInterval } from "./interval.ts";
import { counted, decimal, grouped, percent, points } from "./numbers.ts";
import type { RunResults } from "../method/run_results.ts";
import type { Verdict } from "./verdict.ts";

/** One model of the comparison. */
interface Arm {
  readonly name: string;
  readonly remark: string;
  readonly accuracy: number;
  readonly meanMargin: number | null;
  readonly interval: readonly [low: number, high: number];
  readonly colour: string;
  readonly symbol: "circle" | "diamond" | "square";
}

function listArms({ record, searched }: RunResults): Arm[] {
  const { metric } = searched.settings;
  const { unpruned, pruned, lowest, random, randomSearched } = record.test;
  const count = record.examples.test.length;
  const arm = (name: string, remark: string, test: typeof unpruned, look: Pick<Arm, "colour" | "symbol">): Arm => {
    const { accuracy, meanMargin } = test[metric];
    return { name, remark, accuracy, meanMargin, interval: wilsonInterval(accuracy, count), ...look };
  };
  const baseline = { colour: "var(--muted)", symbol: "square" } as const;
  return [
    arm("unpruned", "the model as it is", unpruned, { colour: "var(--before)", symbol: "circle" }),
    arm("pruned", "the plan of this run", pruned, { colour: "var(--after)", symbol: "diamond" }),
    ...random.map((test, draw) =>
      arm(`random ${draw + 1}`, "as many neurons of the same layer, drawn at random", test, baseline)
    ),
    ...(randomSearched
      ? [arm("random, searched", "a random order of neurons through the same search", randomSearched, baseline)]
      : []),
    arm("lowest scores", "as many neurons of the same layer, those of lowest score", lowest, baseline),
  ];
}

function accuracyFigure(data: RunResults): Html {
  const arms = listArms(data);
  const { metric } = data.searched.settings;
  const describe = ({ name, accuracy, interval: [low, high] }: Arm) =>
    `${name}: ${percent(accuracy)}, 95\u00a0% interval ${percent(low)} to ${percent(high)}`;
  return renderFigure({
    title: "Accuracy on the test examples",
    explanation:
      "A mark is a model's accuracy, its line the 95\u00a0% interval of that accuracy alone. Differences between " +
      "models on the same examples are surer than two overlapping lines suggest: see the changed answers.",
    chart: {
      alt: `Dot chart of test accuracy. ${arms.map(describe).join(". ")}.`,
      height: 58 + 26 * arms.length,
      plot: {
        marginLeft: 124,
        marginRight: 16,
        marginTop: 6,
        marginBottom: 40,
        x: { label: `accuracy (${metric}), %`, percent: true, grid: true, nice: true, labelAnchor: "right" },
        y: { domain: arms.map(({ name }) => name), label: null, padding: 0.3 },
        marks: [
          axisX({ ticks: 6 }),
          axisY({ tickPadding: 8 }),
          Plot.ruleX([arms[0].accuracy], { stroke: "var(--before)", strokeDasharray: "3 3" }),
          Plot.ruleY(arms, {
            y: "name",
            x1: ({ interval }: Arm) => interval[0],
            x2: ({ interval }: Arm) => interval[1],
            stroke: "colour",
            strokeWidth: 2,
            strokeLinecap: "round",
          }),
          Plot.dot(arms, {
            y: "name",
            x: "accuracy",
            fill: "colour",
            stroke: "var(--card)",
            r: 6,
            symbol: "symbol",
            ariaLabel: describe,
            className: tipsClass,
          }),
          xTitle(`accuracy (${metric}), %`),
        ],
        color: { type: "identity" },
        symbol: { type: "identity" },
      },
      start: 1,
    },
    table: {
      columns: ["model", "accuracy", "95 % interval", "mean margin", "what it is"],
      rows: arms.map(({ name, accuracy, interval, meanMargin, remark }) => [
        name,
        percent(accuracy, 2),
        `${percent(interval[0])} to ${percent(interval[1])}`,
        decimal(meanMargin, 3),
        remark,
      ]),
    },
  });
}

/** The two-by-two table of right and wrong answers. */
function changedAnswers({ comparison }: Verdict): Html {
  const { count, bothRight, gained, lost, bothWrong, difference, interval, pValue } = comparison;
  const chance = pValue < 0.0001 ? "less than 1 in 10,000" : decimal(pValue, 4);
  return html`
    <section class="card"><h3>Changed answers</h3>
    <p>The same ${counted(count, "test example")}, answered by both models.</p>
    ${renderTable("Answers before and after pruning", {
      columns: ["before pruning", "right after", "wrong after"],
      rows: [
        ["right", grouped(bothRight), html`<strong class="lost">${grouped(lost)} lost</strong>`],
        ["wrong", html`<strong class="gained">${grouped(gained)} gained</strong>`, grouped(bothWrong)],
      ],
    })}
    <p>Net ${points(difference)} points, 95 % interval ${points(interval[0])} to ${points(
      interval[1],
    )} (Bonett and Price).
    If gains and losses were equally likely, a split as uneven as this would have probability ${chance} (exact McNemar
    test). Both count the test examples only: other adaptation examples may lead to another plan.</p></section>
  `;
}

/** Shares of a whole, as probabilities of the choices of an example. */
function choiceProbabilities(example: AnsweredExample, model: AnsweringModel): number[] {
  // Probabilities are of the text of the choices, whatever the metric.
  const scores = [...answerScores(example, model, "acc")];
  const largest = Math.max(...scores);
  // Choices that are all impossible share the blame.
  const weights = scores.map((score) => largest === -Infinity ? 1 : Math.exp(score - largest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** How sure a model is of the right choice, in tenths, and how many of its wrong answers are confident. */
function confidenceOf({ answers, searched }: RunResults, model: AnsweringModel, threshold: number) {
  const bins = new Array<number>(10).fill(0);
  let confidentlyWrong = 0;
  for (const example of answers.examples) {
    const probabilities = choiceProbabilities(example, model);
    const right = example.golds.reduce((sum, gold) => sum + probabilities[gold], 0);
    bins[Math.min(9, Math.floor(10 * right + 1e-9))]++;
    const { choice, isRight } = findAnswer(example, model, searched.settings.metric);
    if (!isRight && probabilities[choice] > threshold) confidentlyWrong++;
  }
  return { bins, confidentlyWrong };
}

function confidenceFigure(data: RunResults): Html {
  const threshold = data.record.score.confidence;
  const count = data.answers.examples.length;
  const models = [
    { model: "unpruned", colour: "var(--before)", ...confidenceOf(data, "unpruned", threshold) },
    { model: "pruned", colour: "var(--after)", ...confidenceOf(data, "pruned", threshold) },
  ] as const;
  const labels = Array.from({ length: 10 }, (_, bin) => `${10 * bin}–${10 * bin + 10}`);
  const bars = labels.flatMap((label, bin) =>
    models.map(({ model, colour, bins }) => ({ label, model, colour, number: bins[bin], share: bins[bin] / count }))
  );
  const describe = ({ label, model, number, share }: typeof bars[number]) =>
    `${model}, right choice at ${label}\u00a0%: ${counted(number, "example")}, ${percent(share)}`;
  const wrong =
    `Answers that are wrong and above ${percent(threshold, 0)}: ${grouped(models[0].confidentlyWrong)} before, ` +
    `${grouped(models[1].confidentlyWrong)} after.`;
  return renderFigure({
    title: "How sure of the right choice",
    explanation:
      html`The probability that each model gives to the right choice, among the choices of the example. ${wrong}`,
    legend: renderLegend([{ swatch: "before", text: "unpruned" }, { swatch: "after", text: "pruned" }]),
    chart: {
      alt: `Bar chart of how many test examples have the right choice at which probability, for the unpruned and the ` +
        `pruned model. ${wrong}`,
      height: 228,
      plot: {
        marginLeft: 40,
        marginRight: 4,
        marginTop: 26,
        marginBottom: 40,
        // The room between bins is within them: grid lines are drawn bin by bin, and would have gaps.
        fx: { domain: labels, axis: null, padding: 0 },
        x: { domain: ["unpruned", "pruned"], axis: null, paddingInner: 0, paddingOuter: 0.12 },
        y: { label: null, grid: true, nice: true, percent: true },
        color: { type: "identity" },
        marks: [
          axisY({ ticks: 5 }),
          Plot.barY(bars, {
            fx: "label",
            x: "model",
            y: "share",
            fill: "colour",
            ariaLabel: describe,
            className: tipsClass,
          }),
          Plot.axisFx({
            fontSize: 12,
            anchor: "bottom",
            label: null,
            tickSize: 0,
            tickFormat: (text: string, bin: number) => bin % 2 === 0 ? text : "",
          }),
          xTitle("probability of the right choice, %", { fx: () => labels[9] }),
          yTitle("examples, %", 40, { fx: () => labels[0] }),
        ],
      },
    },
    table: {
      columns: ["probability, %", "unpruned", "pruned"],
      rows: labels.map((label, bin) => [label, ...models.map(({ bins }) => grouped(bins[bin]))]),
    },
  });
}

/** The section as HTML. */
export function renderBeforeAfter(data: RunResults, verdict: Verdict): Html {
  return html`
    <section aria-labelledby="before-after">
      <h2 id="before-after">Before and after</h2>
      <div class="grid">${accuracyFigure(data)}<div class="stack">${changedAnswers(verdict)}${confidenceFigure(
        data,
      )}</div></div>
    </section>
  `;
}
