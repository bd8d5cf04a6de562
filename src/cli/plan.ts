/** `secateur plan`: what a run would take, before it runs. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { WaveForecast } from "../engine/engine.ts";
import { createWebGpuForecaster } from "../engine/webgpu/forecaster.ts";
import { openEngine } from "../engine/open.ts";
import { capacityModel } from "../method/capacity.ts";
import { type ForecastInput, forecastJob, type StageForecast } from "../method/forecast.ts";
import { type JobSpeed, measureSpeed, stageSeconds, type TimedWork } from "../method/job_speed.ts";
import type { Jsonable } from "../method/json.ts";
import { formatBytes } from "../text/bytes.ts";
import { type OptionTable, type OptionValues } from "./arguments.ts";
import { clusterOptions, describeCapacity, formatDuration, readCluster, readShape } from "./cluster.ts";
import { type CommandContext, type CommandResult, defineCommand } from "./command.ts";
import { UsageError } from "./errors.ts";
import { formatFlops, summariseForecast } from "./forecast.ts";
import { engineOptions, modelOptions, runOptions, runSearchSettings, scoreSettings, taskOptions } from "./options.ts";
import { decidingMetric, drawExamples, engineSettings, withOpened } from "./session.ts";
import { testExamples } from "./test_rows.ts";
import { counted, formatAmount, formatEngine, formatTable } from "./text.ts";

/** Waves of a stage that are listed one by one. */
const shown = 8;

/** Layers of a wave whose rows are listed one by one. */
const shownLayers = 8;

function formatRows(rows: readonly number[]): string {
  const half = shownLayers / 2;
  const all = rows.length <= shownLayers ? [rows] : [rows.slice(0, half), rows.slice(-half)];
  return all.map((part) => part.join(" ")).join(" .. ");
}

/** `keep`, `recompute`, both with their numbers, or nothing for forward work. */
function formatResidency(waves: readonly WaveForecast[]): string {
  const counts = (["keep", "recompute"] as const)
    .map((residency) => [residency, waves.filter((wave) => wave.residency === residency).length] as const)
    .filter(([, count]) => count > 0);
  return counts.map(([residency, count]) => counts.length > 1 ? `${count} ${residency}` : residency).join(", ") || "-";
}

function sum(waves: readonly WaveForecast[]): number {
  return waves.reduce((flops, wave) => flops + wave.flops, 0);
}

/** Seconds as far as an estimate goes: two digits. */
function formatEstimate(seconds: number): string {
  return formatDuration(Number(seconds.toPrecision(2)));
}

/** What the whole job takes, and what that was taken from. */
function describeTime({ attribution, forward }: JobSpeed, least: number, most: number): string {
  const pace = (kind: string, timed: TimedWork | null) =>
    timed ? [`${kind} at ${formatAmount(timed.flops / timed.seconds, "FLOP/s")}`] : [];
  const paces = [...pace("scoring", attribution), ...pace("forward work", forward)].join(", ");
  const range = formatEstimate(least) === formatEstimate(most)
    ? formatEstimate(most)
    : `${formatEstimate(least)} if every path converges at once, ${formatEstimate(most)} if none does`;
  return `time: about ${range}; weights not counted. A wave of each kind was timed: ${paces}`;
}

function timedJson({ attribution, forward }: JobSpeed): Jsonable {
  return { attribution: attribution && { ...attribution }, forward: forward && { ...forward } };
}

function stageRow(forecast: StageForecast, speed: JobSpeed | null): string[] {
  const { stage, ifNeeded, waves } = forecast;
  return [
    ifNeeded ? `${stage}, if needed` : stage,
    String(waves.length),
    String(Math.max(0, ...waves.flatMap(({ rows }) => rows))),
    formatResidency(waves),
    formatFlops(sum(waves)),
    formatBytes(Math.max(0, ...waves.map(({ bytes }) => bytes))),
    ...(speed ? [formatEstimate(stageSeconds(forecast, speed))] : []),
  ];
}

function waveRows({ stage, waves }: StageForecast): string[][] {
  const rows = waves.slice(0, shown).map((wave, index) => [
    `${stage}, wave ${index + 1}`,
    formatRows(wave.rows),
    formatResidency([wave]),
    formatFlops(wave.flops),
    formatBytes(wave.bytes),
  ]);
  return waves.length > shown ? [...rows, [`and ${waves.length - shown} more`, "", "", "", ""]] : rows;
}

/** Options of a run that decide its work. */
type PlannedOptions =
  & OptionValues<typeof modelOptions>
  & OptionValues<typeof taskOptions>
  & OptionValues<typeof runOptions>
  & OptionValues<typeof engineOptions>;

/**
 * What a run with these options would take.
 *
 * @param measure Whether weights are loaded and waves timed, to tell how long; otherwise no weights are loaded.
 */
export async function describeWork(
  options: PlannedOptions,
  context: CommandContext,
  measure = false,
): Promise<{ readonly text: string; readonly json: { readonly [name: string]: Jsonable } }> {
  if (options.engine === "reference") {
    throw new UsageError(
      "the reference engine does not run in waves, so there is nothing to plan",
      "leave out --engine reference.",
    );
  }
  return await withOpened(options, context, async ({ checkpoint, task }) => {
    const { adaptation, selection } = await drawExamples(task, options);
    const test = await testExamples(task, options, [...adaptation, ...selection], context);
    const metric = decidingMetric(task, options.metric);
    const forecaster = await createWebGpuForecaster(checkpoint, engineSettings(options, context));
    try {
      const { info } = forecaster;
      const job = {
        adaptation,
        selection,
        test,
        score: { ...scoreSettings(options), metric },
        search: { ...runSearchSettings(options), metric },
        randomDraws: options["random-draws"],
      };
      const stages = forecastJob({ ...job, engine: forecaster });
      const speed = measure ? await measureOn(checkpoint, job, options, context) : null;
      const secondsOf = (stages: readonly StageForecast[]) =>
        speed && stages.reduce((sum, stage) => sum + stageSeconds(stage, speed), 0);
      const [least, most] = [secondsOf(stages.filter(({ ifNeeded }) => !ifNeeded)), secondsOf(stages)];
      const peakOf = (...names: string[]) =>
        summariseForecast(info, stages.filter(({ stage }) => names.some((name) => stage.startsWith(name)))).peakBytes;
      const all = summariseForecast(info, stages);
      const peaks = { score: peakOf("filter", "score"), search: peakOf("search"), run: all.peakBytes };
      const { weights, weightBytes, workingBudgetBytes } = info.details;
      const waves = all.leastWaves === all.mostWaves ? `${all.mostWaves}` : `${all.leastWaves} to ${all.mostWaves}`;
      const text = [
        `${formatEngine(info)}: ${formatBytes(weightBytes as number)} of weights, ${weights}; ${
          formatBytes(workingBudgetBytes as number)
        } for waves`,
        "",
        formatTable([
          ["stage", "waves", "most rows", "activations", "operations", "largest wave", ...(speed ? ["time"] : [])],
          ...stages.map((stage) => stageRow(stage, speed)),
        ]),
        "",
        formatTable([
          ["wave", "rows that leave each layer", "activations", "operations", "bytes"],
          ...stages.flatMap(waveRows),
        ]),
        "",
        `in all: ${waves} waves, ${formatFlops(all.leastFlops, all.mostFlops)}`,
        `peak on the GPU: score ${formatBytes(peaks.score)}, search ${formatBytes(peaks.search)}, run ${
          formatBytes(peaks.run)
        }`,
        `for ${counted(adaptation.length, "adaptation example")} and ${counted(test.length, "test example")}; ` +
        "plans to evaluate are taken to be in the lowest layer",
        ...(speed ? [describeTime(speed, least!, most!)] : []),
      ].join("\n");
      return {
        text: `${text}\n`,
        json: {
          engine: { ...info },
          examples: { adaptation: adaptation.length, selection: selection.length, test: test.length },
          stages: stages.map((forecast) => ({
            stage: forecast.stage,
            ifNeeded: forecast.ifNeeded,
            flops: sum(forecast.waves),
            ...(speed && { seconds: stageSeconds(forecast, speed) }),
            waves: forecast.waves.map(({ rows, residency, flops, bytes }) => ({
              rows: [...rows],
              residency,
              flops,
              bytes,
            })),
          })),
          total: { ...all },
          peakBytes: peaks,
          ...(speed && { time: { leastSeconds: least, mostSeconds: most, timed: timedJson(speed) } }),
        },
      };
    } finally {
      await forecaster.close();
    }
  });
}

/** Times waves of a job on the engine that a run with these options would open. */
async function measureOn(
  checkpoint: Checkpoint,
  job: Omit<ForecastInput, "engine">,
  options: PlannedOptions,
  context: CommandContext,
): Promise<JobSpeed> {
  const engine = await openEngine(checkpoint, { engine: "webgpu", ...engineSettings(options, context) });
  try {
    return await measureSpeed({ ...job, engine }, context);
  } finally {
    await engine.close();
  }
}

const planOptions = {
  model: { ...modelOptions.model, required: false },
  ...taskOptions,
  task: { ...taskOptions.task, required: false },
  ...clusterOptions,
  ...runOptions,
  ...engineOptions,
  measure: {
    type: "flag",
    description: "Also load the weights, time a wave of each kind, and say how long a run takes.",
  },
} as const satisfies OptionTable;

/** @throws {UsageError} If the model or the task is left out. */
function requireWork<T extends { readonly model: string | undefined; readonly task: string | undefined }>(options: T) {
  const { model, task } = options;
  for (const [name, value] of Object.entries({ model, task })) {
    if (value === undefined) {
      throw new UsageError(`--${name} is missing`, "run `secateur plan --help` for the options.");
    }
  }
  return { ...options, model: model!, task: task! };
}

/** Nodes that most paths take by default: those of the first try. */
const usualNodes = 8;

/** Test examples of a shape without a task. */
const usualTestExamples = 1000;

/** The job on a cluster, from a shape alone or from a model and a task. */
async function planCluster(
  options: OptionValues<typeof planOptions>,
  text: string,
  context: CommandContext,
): Promise<CommandResult> {
  const cluster = readCluster(text);
  const settings = {
    ...(options.layers && { layers: options.layers }),
    nodes: options.nodes ?? usualNodes,
    path: options.path,
    positions: options.positions,
    fractions: options.fractions?.length ?? 10,
    tasks: options.tasks,
  };
  if (options.shape !== undefined) {
    return describeCapacity(await readShape(options.shape), {
      ...settings,
      promptTokens: Array.from({ length: options["adaptation-examples"] }, () => options["prompt-tokens"]),
      choiceTokens: 4,
      testExamples: options.limit ?? usualTestExamples,
    }, cluster);
  }
  return await withOpened(requireWork(options), context, async ({ checkpoint, task }) => {
    const { adaptation, selection } = await drawExamples(task, options);
    const test = await testExamples(task, options, [...adaptation, ...selection], context);
    const choiceTokens = adaptation.map(({ choices }) => choices.reduce((sum, { length }) => sum + length, 0));
    return describeCapacity(capacityModel(checkpoint.config), {
      ...settings,
      promptTokens: adaptation.map(({ prompt }) => prompt.length),
      choiceTokens: choiceTokens.reduce((sum, count) => sum + count, 0) / adaptation.length,
      testExamples: test.length,
    }, cluster);
  });
}

export const plan = defineCommand({
  name: "plan",
  summary: "Print what a run would take, without running it.",
  description:
    "Lists the waves that `run` with the same options would send through the layers: rows of each layer, whether activations\n" +
    "are kept or recomputed, operations and bytes; and the most GPU memory that scoring and searching would take. The adapter\n" +
    "is asked for its limits, and no weights are loaded. With --measure they are, and waves are timed. With --cluster: how long the job of `submit` takes on many GPUs, how\n" +
    "well they are used, and what limits it; docs/cluster.md says what the model of that is.",
  example: "plan --model examples/demo/model --task examples/demo/task/demo.yaml --memory-budget 16MiB",
  options: planOptions,
  run: async (options, context) => {
    if (options.cluster !== undefined) return await planCluster(options, options.cluster, context);
    return await describeWork(requireWork(options), context, options.measure);
  },
});
