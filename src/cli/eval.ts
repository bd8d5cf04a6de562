/**
 * `secateur eval`: accuracy of a checkpoint, as it is or with a plan applied as a mask, alone or beside another one.
 */
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { isPrunedCheckpoint } from "../checkpoint/prune_checkpoint.ts";
import type { Intervention } from "../engine/engine.ts";
import { evaluate as evaluateExamples, type Evaluation } from "../method/evaluate.ts";
import { runFileNames } from "../method/files.ts";
import { describeHarnessResults } from "../method/harness_results.ts";
import { formatJson } from "../method/json.ts";
import { describePerformance } from "../method/performance.ts";
import { planToIntervention } from "../method/plan.ts";
import { describeSamples, serialiseSamples } from "../method/samples.ts";
import { splitGroupId } from "../tasks/group_task.ts";
import { scoreGroup } from "../tasks/group_scoring.ts";
import type { Example } from "../tasks/example.ts";
import type { Task } from "../tasks/task.ts";
import type { OptionTable, OptionValues } from "./arguments.ts";
import { type CommandContext, type CommandResult, defineCommand } from "./command.ts";
import { comparisonOptions, otherSide, reportComparison, type Side } from "./comparison.ts";
import { formatPerformance } from "./forecast.ts";
import { otherWeightsOptions, readPlanFor } from "./found_on.ts";
import { preparePlace, refuseSamePlace, requireFile } from "./input_file.ts";
import { findModel } from "./model.ts";
import { engineOptions, evaluatedOptions, modelOptions, seedOptions, taskOptions } from "./options.ts";
import {
  countSkipped,
  remarkOnCuts,
  type Session,
  withOpened,
  withSession,
  withWork,
  type Work,
  type WorkOptions,
} from "./session.ts";
import { type EvaluatedRows, evaluatedRows, type EvaluatedSide } from "./test_rows.ts";
import { counted, finite, formatEngine, formatShare, formatTable } from "./text.ts";

const evalOptions = {
  ...modelOptions,
  ...taskOptions,
  plan: { type: "text", placeholder: "FILE", description: `A ${runFileNames.plan} to apply.` },
  ...otherWeightsOptions,
  ...comparisonOptions,
  output: {
    type: "text",
    placeholder: "FILE",
    description: "Write the results as JSON in the layout of lm-evaluation-harness; an older file is replaced.",
  },
  "log-samples": {
    type: "text",
    placeholder: "FILE",
    description: "Write every row with the log-probability of each choice as JSON Lines; an older file is replaced.",
  },
  ...evaluatedOptions,
  ...seedOptions,
  ...engineOptions,
} as const satisfies OptionTable;

type EvalOptions = OptionValues<typeof evalOptions>;

/** What plans do to a model, and what must be said of it; null stands for no plan. */
async function readInterventions(
  plans: readonly (string | null)[],
  { checkpoint, provenance }: Pick<Work, "checkpoint" | "provenance">,
  allowed: boolean,
): Promise<{ readonly interventions: Intervention[]; readonly notes: string[] }> {
  const interventions: Intervention[] = [];
  const notes = new Set<string>();
  for (const path of plans) {
    const read = path === null ? null : await readPlanFor(path, checkpoint.config, provenance, allowed);
    interventions.push(read ? planToIntervention(read.plan) : []);
    for (const line of read?.notes ?? []) notes.add(line);
  }
  return { interventions, notes: [...notes] };
}

/** Which model is measured, and what is known of it before. */
interface MeasuredModel extends Pick<WorkOptions, "model" | "fingerprint"> {
  /** Ids of the rows that the model beside it can be asked; absent without one. */
  readonly others?: readonly string[] | undefined;
}

/**
 * Looks at the model of a side, which is found for that; what is wrong with its files is said where it is opened.
 */
async function inspectSide(side: Side, context: CommandContext): Promise<EvaluatedSide> {
  const { folder } = await findModel(side.model, context);
  return { ...side, isPruned: await isPrunedCheckpoint(folder).catch(() => false) };
}

/**
 * Finds mistakes in what both sides of an evaluation name, before either model is asked anything.
 *
 * @returns The other side's model, and the rows that it can be asked; null where there is none but the first one.
 */
async function checkSides(
  options: EvalOptions,
  other: Side | null,
  sides: readonly EvaluatedSide[],
  context: CommandContext,
): Promise<{ readonly side: MeasuredModel; readonly candidates: readonly string[] } | null> {
  if (other === null || other.model === options.model) return null;
  const { model } = other;
  const side = { ...options, model };
  // It says what it has to say when it is measured.
  const quiet = { ...context, note: () => {} };
  if (other.plan === null) {
    return await withOpened(side, quiet, async (opened) => {
      const { candidates } = await evaluatedRows(opened, options, sides);
      return { side: { model }, candidates };
    });
  }
  return await withWork(side, quiet, async (work) => {
    await readInterventions([other.plan], work, options["other-weights"]);
    const { candidates } = await evaluatedRows(work, options, sides);
    return { side: { model, fingerprint: work.provenance.weights }, candidates };
  });
}

/** One model's answers to the rows, with what was there to answer them; nothing in it needs the engine any more. */
interface Measured extends EvaluatedRows {
  readonly session: Session;
  /** One for each plan. */
  readonly evaluations: readonly Evaluation[];
}

/**
 * Opens a model, asks it under each plan, and closes it: two models need not be in memory at once.
 *
 * @param sides All that is compared, which decides on which rows.
 */
function measure(
  options: EvalOptions,
  { others, ...model }: MeasuredModel,
  plans: readonly (string | null)[],
  sides: readonly EvaluatedSide[],
  context: CommandContext,
): Promise<Measured> {
  const { signal, onProgress } = context;
  const prepare = async (work: Work) => {
    const { interventions, notes } = await readInterventions(plans, work, options["other-weights"]);
    const rows = await evaluatedRows(work, options, sides, others);
    const cuts = remarkOnCuts(rows.examples, work.checkpoint.config.maxPositions);
    return { interventions, rows: { ...rows, notes: [...notes, ...rows.notes, ...cuts] } };
  };
  return withSession({ ...options, ...model }, context, prepare, async (session, { interventions, rows }) => {
    const { furtherMetrics } = session.task;
    const settings = { interventions, furtherMetrics, signal, onProgress };
    return { session, ...rows, evaluations: await evaluateExamples(session.engine, rows.examples, settings) };
  });
}

/** Numbers of rows of the evaluated split, by task. */
async function countRows(task: Task, split: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { id } of await task.rows(split)) {
    const name = task.group === null ? task.name : splitGroupId(id).task;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Writes the files that were asked for. */
async function writeResults(
  options: EvalOptions,
  { task, provenance, engine }: Session,
  { examples, notes, evaluation, against, comparison, startedAt }: {
    readonly examples: readonly Example[];
    readonly notes: readonly string[];
    readonly evaluation: Evaluation;
    readonly against: Evaluation | null;
    readonly comparison: ReturnType<typeof reportComparison> | null;
    readonly startedAt: number;
  },
): Promise<string[]> {
  const { output, "log-samples": logSamples } = options;
  if (output === undefined && logSamples === undefined) return [];
  const split = options.split ?? task.evaluationSplit;
  const ids = examples.map(({ id }) => id);
  const samples = describeSamples({
    requests: await task.requests(split, { ids }),
    examples,
    rows: await task.rows(split, { ids }),
    evaluation,
    ...(against && { against }),
    metrics: task.metrics,
  });
  if (logSamples !== undefined) await writeFileAtomic(logSamples, serialiseSamples(samples));
  if (output !== undefined) {
    const results = describeHarnessResults({
      task,
      examples,
      evaluation,
      samples,
      rowsInSplit: await countRows(task, split),
      model: provenance.model,
      limit: options.limit ?? null,
      date: startedAt / 1000,
      seconds: (Date.now() - startedAt) / 1000,
      secateur: {
        ...provenance,
        plan: options.plan ?? null,
        split,
        notes: [...notes],
        engine: { ...engine.info },
        ...(options["skip-bad-rows"] && { skippedRows: countSkipped(task) }),
        ...(comparison && { comparison: comparison.json }),
      },
    });
    await writeFileAtomic(output, formatJson(results));
  }
  return [output, logSamples].filter((file) => file !== undefined);
}

/** Says every line once: two models may have the same to say of the rows. */
function sayOnce(context: CommandContext): CommandContext {
  const said = new Set<string>();
  return {
    ...context,
    note: (line) => {
      if (!said.has(line)) context.note(line);
      said.add(line);
    },
  };
}

async function evaluateTask(options: EvalOptions, surroundings: CommandContext): Promise<CommandResult> {
  const startedAt = Date.now();
  const context = sayOnce(surroundings);
  // Mistakes in the options show before the model is read.
  const other = otherSide(options);
  refuseSamePlace(options, ["output", "log-samples"]);
  await preparePlace(options.output);
  await preparePlace(options["log-samples"]);
  const { model, plan = null, "against-plan": againstPlan } = options;
  if (plan !== null) await requireFile(plan, "plan", runFileNames.plan);
  if (againstPlan !== undefined) await requireFile(againstPlan, "against-plan", runFileNames.plan);
  const isSameModel = other?.model === model;
  const sides: EvaluatedSide[] = [];
  for (const side of [{ model, plan }, ...(other ? [other] : [])]) sides.push(await inspectSide(side, context));
  const opposite = await checkSides(options, other, sides, context);
  const plans = other && isSameModel ? [plan, other.plan] : [plan];
  const measured = await measure(options, { model, others: opposite?.candidates }, plans, sides, context);
  const beside = other && opposite
    ? await measure(options, { ...opposite.side, others: measured.candidates }, [other.plan], sides, context)
    : measured;
  const { session, examples, evaluations: [result] } = measured;
  // Of two models, each has its own plan to say something of.
  const notes = [...new Set([...measured.notes, ...beside.notes])];
  for (const line of notes) context.note(line);
  const { engine, task, provenance } = session;
  const against = other === null ? null : beside.evaluations.at(-1)!;
  const comparison = other === null || against === null ? null : reportComparison({
    a: result,
    b: against,
    sides: [{ model: provenance.model, plan }, { model: beside.session.provenance.model, plan: other.plan }],
    metrics: task.metrics,
    seed: options.seed,
  });
  context.signal.throwIfAborted();
  const written = await writeResults(options, session, {
    examples,
    evaluation: result,
    against,
    comparison,
    notes,
    startedAt,
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
    }${table}\n${partTable}${comparison ? `\n${comparison.text}` : ""}${
      written.length > 0 ? `\nwritten: ${written.join(", ")}\n` : ""
    }`,
    json: {
      task: task.name,
      model: provenance.model,
      data: provenance.data ?? null,
      plan,
      split: options.split ?? task.evaluationSplit,
      notes: [...notes],
      engine: { ...engine.info },
      performance: performance && { ...performance },
      ...(options["skip-bad-rows"] && { skippedRows: countSkipped(task) }),
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
      ...(comparison && { comparison: comparison.json }),
      files: written,
      examples: examples.map(({ id, gold }, index) => ({
        id,
        gold,
        logProbs: Array.from(result.logProbs[index], finite),
        prediction: result.scores[task.metrics[0]].predictions[index],
      })),
    },
  };
}

export const evaluate = defineCommand({
  name: "eval",
  summary: "Measure accuracy, of a checkpoint or of a plan applied to it, alone or beside another one.",
  description:
    "Scores every choice by its log-probability, as lm-evaluation-harness does. A plan is applied as a mask, which gives\n" +
    "the same numbers as evaluating the pruned checkpoint. --compare, --against and --against-plan count the rows that only\n" +
    "one of two answers right, with an exact McNemar test and a bootstrap interval of the difference.",
  example: "eval --model examples/demo/model --task examples/demo/task/demo.yaml --plan out/demo/plan.json --compare",
  options: evalOptions,
  run: evaluateTask,
});
