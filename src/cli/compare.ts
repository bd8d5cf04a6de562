/** `secateur compare`: two runs side by side, such as the same job on two adapters. */
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import type { Jsonable } from "../method/json.ts";
import type { RunResults } from "../method/run_results.ts";
import { type AnswerComparison, compareRuns, type RunComparison } from "../report/compare_runs.ts";
import { defineCommand } from "./command.ts";
import { checkFolders, readCompleteRun } from "./report.ts";
import { counted, formatConfiguration, formatEngine, formatShare, formatTable } from "./text.ts";

/** The facts of a run that stand beside those of the other. */
function describeRunColumn({ record, searched }: RunResults): [name: string, value: string][] {
  const { metric } = searched.settings;
  const { score, search, evaluate, total } = record.seconds;
  return [
    ["engine", formatEngine(record.engine)],
    ["chosen", formatConfiguration(record.chosen)],
    ["others tied with it", String(record.tiedOnAccuracy - 1)],
    [`test ${metric}, unpruned`, formatShare(record.test.unpruned[metric].accuracy)],
    [`test ${metric}, pruned`, formatShare(record.test.pruned[metric].accuracy)],
    ["worst completeness error", record.completeness.worst.toExponential(1)],
    ["seconds, score", score.toFixed(2)],
    ["seconds, search", search.toFixed(2)],
    ["seconds, evaluate", evaluate.toFixed(2)],
    ["seconds, total", total.toFixed(2)],
    ["GFLOP/s", record.performance ? record.performance.gigaflopsPerSecond.toPrecision(3) : "-"],
  ];
}

function formatAnswers(model: string, answers: AnswerComparison | null): string {
  if (answers === null) return `${model} models: no test example in common`;
  const { worst, paired } = answers;
  return `${model} models: worst log-probability difference ${worst.toExponential(1)}; of ${
    counted(paired.count, "common example")
  }, ${paired.gained} right only in B, ${paired.lost} right only in A`;
}

/** A comparison as a person reads it. */
function formatComparison(a: RunResults, b: RunResults, comparison: RunComparison): string {
  const [first, second] = [describeRunColumn(a), describeRunColumn(b)];
  const { plan, scores, differences } = comparison;
  const worst = scores?.layers.reduce((most, layer) => layer.worst > most.worst ? layer : most);
  return [
    formatTable([["", "A", "B"], ...first.map(([name, value], row) => [name, value, second[row][1]])]),
    "",
    plan.same
      ? `plans: the same, ${counted(plan.shared, "neuron")}`
      : `plans: not the same; ${
        counted(plan.shared, "neuron")
      } in both, ${plan.onlyA} only in A, ${plan.onlyB} only in B`,
    ...(plan.reason === null ? [] : [`  ${plan.reason}`]),
    worst
      ? `scores: worst difference ${
        worst.worst.toExponential(1)
      } of the layer's largest, at layer ${worst.layer}, neuron ${worst.neuron}`
      : "scores: not comparable, the shapes or the layers differ",
    formatAnswers("unpruned", comparison.unpruned),
    formatAnswers("pruned", comparison.pruned),
    differences.length === 0
      ? "asked for: the same"
      : `asked for differently:\n${
        formatTable([["", "A", "B"], ...differences.map(({ name, a, b }) => [name, a, b])])
      }`,
  ].join("\n");
}

export const compare = defineCommand({
  name: "compare",
  summary: "Put two runs side by side, such as one job on two adapters.",
  description:
    "Says whether the runs in the folders DIR_A and DIR_B came to the same plan, how far their scores and answers are apart,\n" +
    "what each took, and what was asked for differently. A is what B is measured against. The models are not needed.",
  example: "compare out/gpu out/cpu --html out/gpu-and-cpu.html",
  words: "DIR_A DIR_B",
  options: {
    html: { type: "text", placeholder: "FILE", description: "Also write the comparison as a page." },
  },
  run: async ({ html }, _context, words) => {
    await checkFolders(words, ["DIR_A", "DIR_B"], "compare");
    const [first, second] = words;
    const [a, b] = [await readCompleteRun(first), await readCompleteRun(second)];
    const comparison = compareRuns(a, b);
    if (html !== undefined) {
      const { renderComparison } = await import("../report/comparison_page.ts");
      await writeFileAtomic(html, renderComparison({ name: first, results: a }, { name: second, results: b }));
    }
    const side = (folder: string, { record }: RunResults) => ({
      folder,
      engine: record.engine,
      chosen: record.chosen,
      test: record.test,
      seconds: record.seconds,
      performance: record.performance,
    });
    return {
      text: `${formatComparison(a, b, comparison)}\n${html === undefined ? "" : `\nwritten: ${html}\n`}`,
      json: {
        a: side(first, a),
        b: side(second, b),
        ...comparison,
        files: html === undefined ? [] : [html],
      } as unknown as Jsonable,
    };
  },
});
