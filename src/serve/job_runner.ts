/**
 * Runs jobs, one at a time: a Worker of the job's own makes examples of its rows, then the Worker that computes, which
 * outlives the job, goes through them.
 */
import { resolve } from "node:path";
import type { Progress } from "../engine/engine.ts";
import { inModelsName } from "./models.ts";
import type {
  FromEngineWorker,
  FromRowsWorker,
  JobEnd,
  JobPlace,
  JobTask,
  RunMessage,
  ToEngineWorker,
  ToRowsWorker,
} from "./protocol.ts";

/** What a runner tells while a job runs. */
export interface RunnerCallbacks {
  readonly onProgress: (progress: Progress) => void;
  /** The job was told to stop and has not done so in time; it goes on trying. */
  readonly onStuck: () => void;
}

/** A job that runs. */
export interface RunningJob {
  /** Resolves when the job has ended; never rejects. */
  readonly ended: Promise<JobEnd>;
  /** Tells the job to stop. */
  stop(): void;
}

const stopped: JobEnd = { outcome: "stopped", error: null, gpuLiveBytes: 0 };

function failed(error: string): JobEnd {
  return { outcome: "failed", error, gpuLiveBytes: 0 };
}

/**
 * Listens for errors that nobody caught, which have ended the Worker and unhandled would end the service too, and for
 * messages that cannot be read, which nothing else would follow.
 */
function onBreakdown(worker: Worker, tell: (reason: string) => void): void {
  worker.onerror = (event) => {
    event.preventDefault();
    tell(`The job broke off: ${event.message}`);
  };
  worker.onmessageerror = () => tell("The job broke off: a message of its Worker cannot be read");
}

/** A text in the words of the caller, who knows files of the job by their names in it, and the model by its own. */
function forCaller(text: string, { folder, modelFolder }: JobPlace): string {
  return inModelsName(text.replaceAll(`${resolve(folder)}/`, "").replaceAll(`${folder}/`, ""), modelFolder);
}

/** Makes examples of a job's rows in a Worker, which is ended when the signal says so. */
function makeRows(url: URL, place: ToRowsWorker, signal: AbortSignal): Promise<FromRowsWorker | "stopped"> {
  const worker = new Worker(url, { type: "module", name: "rows" });
  const { promise, resolve: answer } = Promise.withResolvers<FromRowsWorker | "stopped">();
  worker.onmessage = ({ data }: MessageEvent<FromRowsWorker>) => answer(data);
  onBreakdown(worker, (error) => answer({ type: "failed", error }));
  const end = () => {
    worker.terminate();
    answer("stopped");
  };
  signal.addEventListener("abort", end);
  worker.postMessage(place);
  return promise.finally(() => signal.removeEventListener("abort", end));
}

/** The modules of the two Workers. */
export interface WorkerModules {
  /** Speaks as `rows_worker.ts`. */
  readonly rows: URL;
  /** Speaks as `engine_worker.ts`. */
  readonly engine: URL;
}

const ownModules: WorkerModules = {
  rows: new URL("./rows_worker.ts", import.meta.url),
  engine: new URL("./engine_worker.ts", import.meta.url),
};

/** The two Workers. */
export class JobRunner {
  readonly #stopSeconds: number;
  readonly #modules: WorkerModules;
  #engine: Worker | null = null;

  /** @param stopSeconds Time for a job to stop in before it counts as stuck. */
  constructor(stopSeconds: number, modules: WorkerModules = ownModules) {
    this.#stopSeconds = stopSeconds;
    this.#modules = modules;
  }

  /** Starts a job. The one before it must have ended. */
  run(task: JobTask, callbacks: RunnerCallbacks): RunningJob {
    const stopping = new AbortController();
    const ended = this.#run(task, callbacks, stopping.signal).catch((error: Error) => failed(error.message));
    return {
      ended: ended.then((end) => ({ ...end, error: end.error === null ? null : forCaller(end.error, task) })),
      stop: () => stopping.abort(),
    };
  }

  /** Has the Worker that computes let go of the GPU and end. No job may run. */
  async close(): Promise<void> {
    const worker = this.#engine;
    if (worker === null) return;
    this.#engine = null;
    const { promise: closed, resolve: end } = Promise.withResolvers<void>();
    worker.onmessage = ({ data }: MessageEvent<FromEngineWorker>) => data.type === "closed" && end();
    onBreakdown(worker, () => end());
    this.#tell(worker, { type: "close" });
    await closed;
  }

  async #run(task: JobTask, callbacks: RunnerCallbacks, signal: AbortSignal): Promise<JobEnd> {
    const { folder, modelFolder } = task;
    const made = await makeRows(this.#modules.rows, { folder, modelFolder }, signal);
    if (made === "stopped" || signal.aborted) return stopped;
    if (made.type === "failed") return failed(made.error);
    if (made.rows === null) return { outcome: "done", error: null, gpuLiveBytes: 0 };
    return await this.#compute({ ...task, type: "run", rows: made.rows }, callbacks, signal);
  }

  #compute(message: RunMessage, { onProgress, onStuck }: RunnerCallbacks, signal: AbortSignal): Promise<JobEnd> {
    const worker = this.#engine ??= this.#startEngine();
    const { promise: ended, resolve: end } = Promise.withResolvers<JobEnd>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = () => {
      this.#tell(worker, { type: "stop" });
      timer = setTimeout(onStuck, 1000 * this.#stopSeconds);
    };
    worker.onmessage = ({ data }: MessageEvent<FromEngineWorker>) => {
      if (data.type === "progress") onProgress(data.progress);
      else if (data.type === "ended") end(data.end);
    };
    onBreakdown(worker, (error) => {
      this.#engine = null;
      end(failed(error));
    });
    signal.addEventListener("abort", stop);
    this.#tell(worker, message, [message.rows.buffer]);
    return ended.finally(() => {
      signal.removeEventListener("abort", stop);
      clearTimeout(timer);
    });
  }

  #startEngine(): Worker {
    return new Worker(this.#modules.engine, { type: "module", name: "engine" });
  }

  #tell(worker: Worker, message: ToEngineWorker, transfer: Transferable[] = []): void {
    worker.postMessage(message, transfer);
  }
}
