/** `secateur eval`: accuracy of a checkpoint, as it is or with a plan applied as a mask. */
import { evaluate as evaluateExamples } from "../method/evaluate.ts";
import { readPlan, runFileNames } from "../method/files.ts";
import { describePerformance } from "../method/performance.ts";
import { planToIntervention } from "../method/plan.ts";
import { scoreGroup } from "../tasks/group_scoring.ts";
import { defineCommand } from "./command.ts";
import { formatPerformance } from "./forecast.ts";
import { engineOptions, modelOptions, seedOptions, taskOptions, testOptions } from "./options.ts";
import { testExamples, withSession } from "./session.ts";
import { counted, finite, formatEngine, formatShare, formatTable } from "./text.ts";

export const evaluate = defineCommand({
  name: "eval",
  summary: "Measure accuracy, of a checkpoint or of a plan applied to it.",
  description:
    "Scores every choice by its log-probability, as lm-evaluation-harness does. A plan is applied as a mask, which gives\n" +
    "the same numbers as evaluating the pruned checkpoint.",
  example: "eval --model examples/demo/model --task examples/demo/task/demo.yaml --plan out/demo/plan.json",
  options: {
    ...modelOptions,
    ...taskOptions,
    plan: { type: "text", placeholder: "FILE", description: `A ${runFileNames.plan} to apply.` },
    ...testOptions,
    ...seedOptions,
    ...engineOptions,
  },
  run: (options, { signal, onProgress, note }) =>
    withSession(options, { signal, onProgress, note }, async ({ engine, task, provenance }) => {
      const plan = options.plan === undefined ? null : await readPlan(options.plan, engine.config);
      const examples = await testExamples(task, options);
      const interventions = [plan === null ? [] : planToIntervention(plan)];
      const [result] = await evaluateExamples(engine, examples, {
        interventions,
        furtherMetrics: task.furtherMetrics,
        signal,
        onProgress,
      });

      const performance = describePerformance(engine.info, null);
      const reported = task.metrics.map((metric) => result.scores[metric]);
      const table = formatTable([
        ["metric", "accuracy", "standard error", "mean margin"],
        ...reported.map(({ metric, accuracy, standardError, meanMargin }) => [
          metric,
          formatShare(accuracy),
          formatShare(standardError),
          meanMargin.toFixed(6),
        ]),
        ...result.further.map(({ metric, value, standardError }) => [
          metric,
          formatShare(value),
          formatShare(standardError),
          "-",
        ]),
      ]);
      const parts = task.group === null ? [] : scoreGroup(task.group, examples, result.logProbs, task.metrics[0]);
      const partTable = parts.length === 0 ? "" : `\n${
        formatTable([
          ["task", "examples", task.metrics[0], "standard error"],
          ...parts.map(({ name, isGroup, count, accuracy, standardError }) => [
            isGroup ? `${name} (group)` : name,
            String(count),
            formatShare(accuracy),
            formatShare(standardError),
          ]),
        ])
      }\n`;
      return {
        text: `${task.name}, ${counted(examples.length, "example")}, ${formatEngine(engine.info)}\n${
          formatPerformance(performance)
        }${table}\n${partTable}`,
        json: {
          task: task.name,
          model: provenance.model,
          data: provenance.data ?? null,
          plan: options.plan ?? null,
          engine: { ...engine.info },
          performance: performance && { ...performance },
          metrics: Object.fromEntries(reported.map(({ metric, accuracy, standardError, meanMargin }) => [
            metric,
            { accuracy, standardError: finite(standardError), meanMargin: finite(meanMargin) },
          ])),
          further: Object.fromEntries(
            result.further.map(({ metric, value, standardError }) => [
              metric,
              { value, standardError: finite(standardError) },
            ]),
          ),
          parts: parts.map((part) => ({ ...part, standardError: finite(part.standardError) })),
          examples: examples.map(({ id, gold }, index) => ({
            id,
            gold,
            logProbs: Array.from(result.logProbs[index], finite),
            prediction: result.scores.acc.predictions[index],
          })),
        },
      };
    }),
});
