/** What a run cost, from the counters of its engine, beside what was forecast. */
import type { EngineInfo } from "../engine/engine.ts";
import type { RunPerformance } from "./run_record.ts";

/** A forecast in a few numbers. */
export interface ForecastSummary {
  /** Operations if every path converges at once. */
  readonly leastFlops: number;
  /** Operations if no path converges. */
  readonly mostFlops: number;
  /** Waves if every path converges at once. */
  readonly leastWaves: number;
  /** Waves if no path converges. */
  readonly mostWaves: number;
  /** Bytes on the GPU at most, weights included. */
  readonly peakBytes: number;
}

/**
 * A number among the details of an engine.
 *
 * @throws {TypeError} If the engine does not tell it.
 */
export function engineDetail({ details }: EngineInfo, name: string): number {
  const value = details[name];
  if (typeof value !== "number") throw new TypeError(`Cannot read ${name} of the engine: it is ${value}`);
  return value;
}

/**
 * What an engine has done since it was opened, beside what was forecast; null for an engine that does not run in waves.
 */
export function describePerformance(info: EngineInfo, forecast: ForecastSummary | null): RunPerformance | null {
  if (info.kind !== "webgpu") return null;
  const [flops, busySeconds] = [engineDetail(info, "flops"), engineDetail(info, "busySeconds")];
  return {
    flops,
    busySeconds,
    gigaflopsPerSecond: busySeconds > 0 ? flops / busySeconds / 1e9 : 0,
    peakBytes: engineDetail(info, "peakBytes"),
    waves: engineDetail(info, "waves"),
    forecast: forecast && { ...forecast },
  };
}
