/** What the service and its two Workers say to each other: one makes examples of a job's rows, the other computes. */
import type { Progress } from "../engine/engine.ts";
import type { ServiceSettings } from "./settings.ts";

/** Where a job is. */
export interface JobPlace {
  /** The job's folder. */
  readonly folder: string;
  /** Folder of the model's checkpoint. */
  readonly modelFolder: string;
}

/**
 * The `JobRows` of a job as bytes (`node:v8`), which change hands without a copy: there may be many small arrays, and
 * the thread between the Workers answers callers meanwhile.
 */
export type PackedRows = Uint8Array<ArrayBuffer>;

/** To the Worker of the rows, as its only message. */
export type ToRowsWorker = JobPlace;

/** From the Worker of the rows, as its only message. */
export type FromRowsWorker =
  /** `null`: the job's results are complete already. */
  | { readonly type: "rows"; readonly rows: PackedRows | null }
  | { readonly type: "failed"; readonly error: string };

/** What to run, and how. */
export interface JobTask extends JobPlace {
  /** Version of this program, for what is written. */
  readonly version: string;
  readonly engine: Pick<ServiceSettings, "engine" | "memoryBudgetBytes" | "weightBudgetBytes">;
}

/** Tells the Worker that computes to run a job. */
export interface RunMessage extends JobTask {
  readonly type: "run";
  readonly rows: PackedRows;
}

/** Messages to the Worker that computes. */
export type ToEngineWorker =
  | RunMessage
  /** Stop the job that runs at the next chance. */
  | { readonly type: "stop" }
  /** Let go of the GPU and end; only while no job runs. */
  | { readonly type: "close" };

/** How a job ended. */
export interface JobEnd {
  /** `stopped`: as it was told, with everything finished so far on disk. */
  readonly outcome: "done" | "failed" | "stopped";
  /** Why it failed. */
  readonly error: string | null;
  /** Bytes on the GPU after the job's engine was closed. */
  readonly gpuLiveBytes: number;
}

/** Messages from the Worker that computes. */
export type FromEngineWorker =
  | { readonly type: "progress"; readonly progress: Progress }
  | { readonly type: "ended"; readonly end: JobEnd }
  | { readonly type: "closed" };
