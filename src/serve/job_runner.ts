/** Runs one job in a Worker: starts it, passes on its progress, stops it, and tells how it ended. */
import type { Progress } from "../engine/engine.ts";
import type { FromWorker, RunMessage, ToWorker } from "./protocol.ts";

/** How a job ended. */
export interface JobEnd {
  readonly outcome: "done" | "failed" | "stopped";
  readonly error: string | null;
  /** Bytes on the GPU after the engine was closed. */
  readonly gpuLiveBytes: number;
}

/** What a runner tells while its job runs. */
export interface RunnerCallbacks {
  readonly onProgress: (progress: Progress) => void;
  /** The job was told to stop and has not done so in time; it goes on trying. */
  readonly onStuck: () => void;
}

/** One job in a Worker. */
export class JobRunner {
  /** Resolves when the job has ended; never rejects. */
  readonly ended: Promise<JobEnd>;
  readonly #worker: Worker;
  readonly #stopSeconds: number;
  readonly #onStuck: () => void;
  #finish!: (end: JobEnd) => void;
  #hasEngine = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(message: RunMessage, stopSeconds: number, { onProgress, onStuck }: RunnerCallbacks) {
    this.#stopSeconds = stopSeconds;
    this.#onStuck = onStuck;
    this.ended = new Promise((resolve) => {
      this.#finish = (end) => {
        clearTimeout(this.#timer);
        resolve(end);
      };
    });
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "job" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === "progress") onProgress(data.progress);
      else if (data.type === "engine") this.#hasEngine = true;
      else this.#finish(data);
    };
    this.#worker.onerror = (event) => {
      // An error that nobody caught has ended the Worker; unhandled it would end the service too.
      event.preventDefault();
      this.#finish({ outcome: "failed", error: `The job broke off: ${event.message}`, gpuLiveBytes: 0 });
    };
    this.#post(message);
  }

  /** Tells the job to stop. A Worker that does not is ended from outside while it holds no GPU. */
  stop(): void {
    if (this.#timer !== undefined) return;
    this.#post({ type: "stop" });
    this.#timer = setTimeout(() => {
      if (this.#hasEngine) return this.#onStuck();
      this.#worker.terminate();
      this.#finish({ outcome: "stopped", error: null, gpuLiveBytes: 0 });
    }, 1000 * this.#stopSeconds);
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
