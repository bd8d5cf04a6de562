/** What the service and the Worker that runs a job say to each other. */
import type { Progress } from "../engine/engine.ts";
import type { ServiceSettings } from "./settings.ts";

/** The first message to the Worker: what to run. */
export interface RunMessage {
  readonly type: "run";
  /** The job's folder. */
  readonly folder: string;
  /** Folder of the model's checkpoint. */
  readonly modelFolder: string;
  /** Version of this program, for what is written. */
  readonly version: string;
  readonly engine: Pick<ServiceSettings, "engine" | "memoryBudgetBytes" | "weightBudgetBytes">;
}

/** Tells the Worker to stop at the next chance. */
export interface StopMessage {
  readonly type: "stop";
}

/** Messages to the Worker. */
export type ToWorker = RunMessage | StopMessage;

/** Messages from the Worker; the last one is `ended`. */
export type FromWorker =
  | { readonly type: "progress"; readonly progress: Progress }
  /** From now on the Worker holds a GPU and must not be terminated. */
  | { readonly type: "engine" }
  | {
    readonly type: "ended";
    /** `stopped`: as it was told, with everything finished so far on disk. */
    readonly outcome: "done" | "failed" | "stopped";
    /** Why it failed. */
    readonly error: string | null;
    /** Bytes on the GPU after the engine was closed. */
    readonly gpuLiveBytes: number;
  };
