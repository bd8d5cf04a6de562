/** Forecasts as a person and as a program read them, and what then happened beside them. */
import type { Engine, EngineInfo } from "../engine/engine.ts";
import { predictPeakBytes } from "../engine/webgpu/forecast.ts";
import { type ForecastInput, forecastJob, type StageForecast } from "../method/forecast.ts";
import { engineDetail, type ForecastSummary } from "../method/performance.ts";
import type { RunPerformance } from "../method/run_record.ts";
import { formatBytes } from "../text/bytes.ts";
import { counted, formatAmount } from "./text.ts";

/** Sums up stages that run one after the other on an engine that has run nothing. */
export function summariseForecast(info: EngineInfo, stages: readonly StageForecast[]): ForecastSummary {
  const certain = stages.filter(({ ifNeeded }) => !ifNeeded);
  const count = (some: readonly StageForecast[]) => some.reduce((sum, { waves }) => sum + waves.length, 0);
  const flops = (some: readonly StageForecast[]) =>
    some.reduce((sum, { waves }) => waves.reduce((inner, wave) => inner + wave.flops, sum), 0);
  const [fixedBytes, workingBudgetBytes] = ["fixedBytes", "workingBudgetBytes"].map((name) => engineDetail(info, name));
  const peakBytes = predictPeakBytes(stages.flatMap(({ waves }) => waves), { fixedBytes, workingBudgetBytes });
  const mayFillUp = stages.some(({ varies, waves }) => varies && waves.length > 1);
  return {
    leastFlops: flops(certain),
    mostFlops: flops(stages),
    leastWaves: count(certain),
    mostWaves: count(stages),
    // Waves are halved until they fit, so one that is cut elsewhere has less than twice the bytes.
    peakBytes: mayFillUp ? fixedBytes + Math.min(workingBudgetBytes, 2 * (peakBytes - fixedBytes)) : peakBytes,
  };
}

/**
 * The forecast of what an engine that has run nothing is about to do; null where the engine does not run in waves.
 *
 * @param skip Whether a stage will not run.
 */
export function forecastWork(
  engine: Engine,
  work: Partial<Omit<ForecastInput, "engine">>,
  skip: (stage: string) => boolean = () => false,
): ForecastSummary | null {
  const forecast = engine.forecast?.bind(engine);
  if (!forecast) return null;
  const nothing = { adaptation: [], selection: [], test: [] };
  const stages = forecastJob({ ...nothing, ...work, engine: { config: engine.config, forecast } });
  return summariseForecast(engine.info, stages.filter(({ stage }) => !skip(stage)));
}

/** Operations in words, such as `1.2 TFLOP`, or a range of them. */
export function formatFlops(least: number, most = least): string {
  return least === most
    ? formatAmount(least, "FLOP")
    : `${formatAmount(least, "FLOP")} to ${formatAmount(most, "FLOP")}`;
}

/**
 * A line with achieved operations per second and peak bytes, and the forecast behind each; nothing where they are
 * unknown.
 */
export function formatPerformance(performance: RunPerformance | null): string {
  if (performance === null) return "";
  const { flops, busySeconds, gigaflopsPerSecond, peakBytes, waves, forecast } = performance;
  const done = `${formatFlops(flops)} in ${counted(waves, "wave")} and ${busySeconds.toFixed(1)} s`;
  const expected = forecast && formatFlops(forecast.leastFlops, forecast.mostFlops);
  return `${formatAmount(gigaflopsPerSecond * 1e9, "FLOP/s")}: ${done}${expected ? `, forecast ${expected}` : ""}\n` +
    `peak ${formatBytes(peakBytes)} on the GPU${forecast ? `, forecast ${formatBytes(forecast.peakBytes)}` : ""}\n`;
}
