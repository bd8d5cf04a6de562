/** Progress and cancellation of a long call: options handed down, with the stage named by who knows it. */
import type { RunOptions } from "../engine/engine.ts";

/** Only the run options of a larger set of options. */
export function runOptionsOf({ signal, onProgress }: RunOptions): RunOptions {
  return { ...(signal && { signal }), ...(onProgress && { onProgress }) };
}

/** The run options of a call, with every progress report renamed to `stage`. */
export function forStage(options: RunOptions, stage: string): RunOptions {
  return renameStages(options, () => stage);
}

/** The run options of a call, with the stage of every progress report renamed. */
export function renameStages({ signal, onProgress }: RunOptions, rename: (stage: string) => string): RunOptions {
  return {
    ...(signal && { signal }),
    ...(onProgress && { onProgress: (progress) => onProgress({ ...progress, stage: rename(progress.stage) }) }),
  };
}

/** Seconds since `start`, a reading of `performance.now()`. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
