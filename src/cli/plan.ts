/** `secateur plan`: what a run would take, before it runs. */
import type { WaveForecast } from "../engine/engine.ts";
import { createWebGpuForecaster } from "../engine/webgpu/forecaster.ts";
import { forecastJob, type StageForecast } from "../method/forecast.ts";
import type { Jsonable } from "../method/json.ts";
import { formatBytes, type OptionValues } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { UsageError } from "./errors.ts";
import { formatFlops, summariseForecast } from "./forecast.ts";
import { engineOptions, modelOptions, runOptions, scoreSettings, searchSettings, taskOptions } from "./options.ts";
import { decidingMetric, drawExamples, engineSettings, testExamples, withWork } from "./session.ts";
import { counted, formatEngine, formatTable } from "./text.ts";

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

function stageRow({ stage, ifNeeded, waves }: StageForecast): string[] {
  return [
    ifNeeded ? `${stage}, if needed` : stage,
    String(waves.length),
    String(Math.max(0, ...waves.flatMap(({ rows }) => rows))),
    formatResidency(waves),
    formatFlops(sum(waves)),
    formatBytes(Math.max(0, ...waves.map(({ bytes }) => bytes))),
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

/** What a run with these options would take. No weights are loaded. */
export function describeWork(
  options: PlannedOptions,
  context: CommandContext,
): Promise<{ readonly text: string; readonly json: { readonly [name: string]: Jsonable } }> {
  return withWork(options, context, async ({ checkpoint, task }) => {
    if (options.engine === "reference") {
      throw new UsageError(
        "the reference engine does not run in waves, so there is nothing to plan",
        "leave out --engine reference.",
      );
    }
    const { adaptation, selection } = await drawExamples(task, options);
    const test = await testExamples(task, options, [...adaptation, ...selection]);
    const metric = decidingMetric(task, options.metric);
    const forecaster = await createWebGpuForecaster(checkpoint, engineSettings(options, context));
    try {
      const { info } = forecaster;
      const stages = forecastJob({
        engine: forecaster,
        adaptation,
        selection,
        test,
        score: { ...scoreSettings(options), metric },
        search: { ...searchSettings(options), metric },
        randomDraws: options["random-draws"],
      });
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
          ["stage", "waves", "most rows", "activations", "operations", "largest wave"],
          ...stages.map(stageRow),
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
      ].join("\n");
      return {
        text: `${text}\n`,
        json: {
          engine: { ...info },
          examples: { adaptation: adaptation.length, selection: selection.length, test: test.length },
          stages: stages.map(({ stage, ifNeeded, waves }) => ({
            stage,
            ifNeeded,
            flops: sum(waves),
            waves: waves.map(({ rows, residency, flops, bytes }) => ({ rows: [...rows], residency, flops, bytes })),
          })),
          total: { ...all },
          peakBytes: peaks,
        },
      };
    } finally {
      await forecaster.close();
    }
  });
}

export const plan = defineCommand({
  name: "plan",
  summary: "Print what a run would take, without running it.",
  description:
    "Lists the waves that `run` with the same options would send through the layers: rows of each layer, whether activations\n" +
    "are kept or recomputed, operations and bytes; and the most GPU memory that scoring and searching would take. The adapter\n" +
    "is asked for its limits, and no weights are loaded.",
  example: "plan --model examples/demo/model --task examples/demo/task/demo.yaml --memory-budget 16MiB",
  options: { ...modelOptions, ...taskOptions, ...runOptions, ...engineOptions },
  run: describeWork,
});
