/**
 * The jobs of the service: those that wait, the one that runs, and those that have ended. What a caller was told is on
 * the disk first, so a service that is killed at any moment and started again loses no job.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "../checkpoint/atomic_file.ts";
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { readModelConfig } from "../checkpoint/open.ts";
import type { Progress } from "../engine/engine.ts";
import { runFileNames } from "../method/files.ts";
import { keptAnswersName } from "../method/earlier_run.ts";
import { checkRequest } from "./job_check.ts";
import { JobEvents } from "./job_events.ts";
import type { JobRequest } from "./job_request.ts";
import { JobRunner, type RunningJob } from "./job_runner.ts";
import { isFinal, type JobState, jobStates, type JobView, type SavedState } from "./job_state.ts";
import { JobStore } from "./job_store.ts";
import { inModelsName, listModels, type ServedModel } from "./models.ts";
import { ProblemError } from "./problem.ts";
import type { ServiceSettings } from "./settings.ts";

/**
 * Starts without a new result, while the service dies under the job: it may be what kills the service. After a few it
 * lets the others go first, after many it is given up.
 */
const mostFruitless = { first: 3, all: 20 } as const;

/** One job as this process knows it. */
interface Job {
  saved: SavedState;
  readonly events: JobEvents;
  progress: Progress | null;
  /** Whether somebody asked for it to be cancelled. */
  isStopping: boolean;
  /** The latest write of its state; they follow each other. */
  writing: Promise<void>;
}

/** A file among the results of a job. */
export interface ResultFile {
  readonly name: string;
  readonly bytes: number;
}

/** What the queue has counted since the service started. */
export interface QueueCounts {
  /** Jobs by state, now. */
  readonly jobs: Readonly<Record<JobState, number>>;
  /** Jobs that have ended, by final state. */
  readonly ended: Readonly<Record<string, number>>;
  /** Seconds that jobs have run. */
  readonly busySeconds: number;
  /** Bytes that were on the GPU after the last engine was closed. */
  readonly gpuLiveBytes: number;
}

/** Jobs, one of which runs at a time. */
export class JobQueue {
  readonly #jobs = new Map<string, Job>();
  readonly #waiting: string[] = [];
  readonly #ended: Record<string, number> = { done: 0, failed: 0, cancelled: 0 };
  #arriving = 0;
  readonly #runner: JobRunner;
  #running: { readonly job: Job; readonly work: RunningJob; readonly settled: Promise<void> } | null = null;
  #isStarting: Promise<void> | null = null;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  #stuck: string | null = null;
  #busySeconds = 0;
  #gpuLiveBytes = 0;

  private constructor(
    readonly settings: ServiceSettings,
    readonly version: string,
    readonly store: JobStore,
    readonly onError: (error: unknown) => void,
  ) {
    this.#runner = new JobRunner(settings.stopSeconds);
  }

  /**
   * Opens the folder of jobs; those that an earlier service left unfinished go on.
   *
   * @param onError Told what nobody waits for.
   * @throws {Error} If another service uses the folder, or it cannot be used.
   */
  static async open(
    settings: ServiceSettings,
    version: string,
    onError: (error: unknown) => void,
  ): Promise<JobQueue> {
    const store = await JobStore.open(settings.jobsFolder);
    try {
      const queue = new JobQueue(settings, version, store, onError);
      await queue.#takeOver(await store.load());
      queue.#startNext();
      return queue;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** Why no job can run any more; null while all is well. */
  get problem(): string | null {
    return this.#stuck;
  }

  get counts(): QueueCounts {
    const jobs = Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>;
    for (const job of this.#jobs.values()) jobs[this.#stateOf(job)]++;
    return { jobs, ended: this.#ended, busySeconds: this.#busySeconds, gpuLiveBytes: this.#gpuLiveBytes };
  }

  /**
   * Takes a job in.
   *
   * @throws {ProblemError} Status 400 if there is no such model or the job could only fail, 429 if too many jobs wait,
   * 503 if the service is closing, 507 if the disk is full.
   */
  async submit(request: JobRequest): Promise<JobView> {
    if (this.#isClosed) throw new ProblemError(503, "The service is closing", { "retry-after": "30" });
    const models = await listModels(this.settings.modelsFolder);
    const model = models.find(({ name }) => name === request.model);
    if (model === undefined) {
      const names = models.map(({ name }) => name).join(", ") || "none";
      throw new ProblemError(
        400,
        `Cannot start the job: there is no model ${JSON.stringify(request.model)}; there are ${names}`,
      );
    }
    checkRequest(request, await configOf(model));
    // The place is taken before the job is written: requests that come together cannot all find it free.
    const isIdle = this.#running === null && this.#isStarting === null && this.#stuck === null;
    const room = this.settings.queueLength + (isIdle ? 1 : 0);
    if (this.#waiting.length + this.#arriving >= room) {
      throw new ProblemError(429, `Cannot take another job: ${this.#waiting.length} jobs are waiting already`, {
        "retry-after": "60",
      });
    }
    this.#arriving++;
    try {
      const job = this.#know(await this.store.create(request));
      this.#waiting.push(job.saved.id);
      this.#startNext();
      return this.#view(job);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new ProblemError(507, "Cannot take another job: the disk of the jobs is full", { "retry-after": "60" });
    } finally {
      this.#arriving--;
    }
  }

  /** A job; undefined where there is none of that id. */
  find(id: string): { readonly events: JobEvents; view(): JobView } | undefined {
    const job = this.#jobs.get(id);
    return job && { events: job.events, view: () => this.#view(job) };
  }

  /** Jobs from the newest to the oldest, at most `limit`, only those older than `before` if that is given. */
  list(limit: number, before?: string): JobView[] {
    const ids = [...this.#jobs.keys()].filter((id) => before === undefined || id < before).sort().reverse();
    return ids.slice(0, limit).map((id) => this.#view(this.#jobs.get(id)!));
  }

  /**
   * Stops a job for good: one that waits at once, one that runs as soon as it can.
   *
   * @throws {ProblemError} Status 409 if it has ended.
   */
  async cancel(id: string): Promise<JobView> {
    const job = this.#jobs.get(id)!;
    if (isFinal(job.saved.state)) throw new ProblemError(409, `Cannot cancel job ${id}: it is ${job.saved.state}`);
    const place = this.#waiting.indexOf(id);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      await this.#end(job, "cancelled", null);
    } else {
      job.isStopping = true;
      // While it is starting nothing runs yet; the start looks at `isStopping`.
      if (this.#running?.job === job) this.#running.work.stop();
      await this.#save(job, { state: "stopping" });
    }
    return this.#view(job);
  }

  /**
   * Deletes a job that has ended.
   *
   * @throws {ProblemError} Status 409 if it has not ended.
   */
  async remove(id: string): Promise<void> {
    const state = this.#stateOf(this.#jobs.get(id)!);
    if (!isFinal(state)) throw new ProblemError(409, `Cannot delete job ${id}: it is ${state}; cancel it first`);
    this.#jobs.delete(id);
    await this.store.remove(id);
  }

  /** The results that a job has so far, by name. */
  async results(id: string): Promise<ResultFile[]> {
    const { results } = this.store.paths(id);
    const wanted: readonly string[] = Object.values(runFileNames);
    const present = await readdir(results).catch((error) => {
      // Deleted meanwhile.
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const names = present.filter((name) => wanted.includes(name)).sort();
    return await Promise.all(
      names.map(async (name) => ({ name, bytes: (await stat(join(results, name))).size })),
    );
  }

  /** Results of a job, and finished pieces of its evaluation: there are more of them when it gets on. */
  async #countFiles(id: string): Promise<number> {
    const pieces = await readdir(join(this.store.paths(id).results, keptAnswersName)).catch(() => []);
    return (await this.results(id)).length + pieces.length;
  }

  /** Stops the job that runs, which goes on when the folder is opened again, and lets go of the folder. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#isStarting;
    this.#running?.work.stop();
    await this.#running?.settled;
    await this.#runner.close();
    this.store.close();
  }

  #know(saved: SavedState): Job {
    const job: Job = { saved, events: new JobEvents(), progress: null, isStopping: false, writing: Promise.resolve() };
    this.#jobs.set(saved.id, job);
    return job;
  }

  async #takeOver(states: readonly SavedState[]): Promise<void> {
    const last: string[] = [];
    for (const saved of states) {
      const job = this.#know(saved);
      if (isFinal(saved.state)) continue;
      if (saved.state === "stopping") {
        await this.#end(job, "cancelled", null);
        continue;
      }
      const isFruitless = saved.state === "running" && await this.#countFiles(saved.id) <= saved.files;
      if (isFruitless && saved.fruitless >= mostFruitless.all) {
        const error = `The service ended ${saved.fruitless} times while this job ran without a new result`;
        await this.#end(job, "failed", error);
      } else if (isFruitless && saved.fruitless >= mostFruitless.first) last.push(saved.id);
      else if (saved.state === "running") this.#waiting.unshift(saved.id);
      else this.#waiting.push(saved.id);
    }
    this.#waiting.push(...last);
    await this.#forgetOldest();
  }

  #stateOf({ saved, isStopping }: Job): JobState {
    return isStopping && !isFinal(saved.state) ? "stopping" : saved.state;
  }

  #view(job: Job): JobView {
    const { id, model, task, createdAt, startedAt, finishedAt, attempts, error } = job.saved;
    const place = this.#waiting.indexOf(id);
    const ahead = place < 0 ? null : place + (this.#running ? 1 : 0);
    const state = this.#stateOf(job);
    const times = { createdAt, startedAt, finishedAt };
    return { id, state, model, task, ...times, attempts, error, ahead, progress: job.progress };
  }

  /** Changes the state of a job, on the disk first; a job that has ended stays as it is. */
  async #save(job: Job, change: Partial<SavedState>): Promise<void> {
    const write = async () => {
      if (isFinal(job.saved.state)) return;
      const saved = { ...job.saved, ...change };
      await this.store.save(saved);
      this.#note(job, saved);
    };
    const written = job.writing.then(write);
    job.writing = written.catch(() => {});
    await written;
  }

  #note(job: Job, saved: SavedState): void {
    job.saved = saved;
    job.events.state(this.#view(job), isFinal(saved.state));
  }

  async #end(job: Job, state: "done" | "failed" | "cancelled", error: string | null): Promise<void> {
    job.progress = null;
    this.#ended[state]++;
    const change = { state, error, finishedAt: new Date().toISOString() };
    try {
      await this.#save(job, change);
    } catch (problem) {
      // Such as a full disk. It has ended all the same; after a restart it is taken up again and ends at once.
      this.onError(problem);
      this.#note(job, { ...job.saved, ...change });
    }
    await this.#forgetOldest();
  }

  async #forgetOldest(): Promise<void> {
    const ended = [...this.#jobs.values()].filter(({ saved }) => isFinal(saved.state));
    const byAge = ended.sort((a, b) => a.saved.id < b.saved.id ? -1 : 1);
    for (const { saved } of byAge.slice(0, Math.max(0, ended.length - this.settings.keptJobs))) {
      // Another end may be forgetting at the same time.
      if (this.#jobs.has(saved.id)) await this.remove(saved.id);
    }
  }

  #startNext(): void {
    if (this.#isClosed || this.#running || this.#isStarting || this.#stuck !== null) return;
    const id = this.#waiting.shift();
    if (id === undefined) return;
    const job = this.#jobs.get(id)!;
    this.#isStarting = this.#start(job).catch(async (error) => {
      this.onError(error);
      // What the system says of folders is nobody's business but the operator's.
      const reason = error instanceof RangeError ? error.message : "The job could not be started";
      await this.#end(job, "failed", reason).catch(this.onError);
    }).finally(() => {
      this.#isStarting = null;
      this.#startNext();
    });
  }

  async #start(job: Job): Promise<void> {
    const { id, model, attempts, fruitless } = job.saved;
    const { settings, version } = this;
    const found = (await listModels(settings.modelsFolder)).find(({ name }) => name === model);
    if (!found) throw new RangeError(`Cannot run the job: there is no model ${JSON.stringify(model)} any more`);
    // Counted before the work starts: should the job take the service down, the next one knows.
    const files = await this.#countFiles(id);
    await this.#save(job, {
      state: "running",
      attempts: attempts + 1,
      fruitless: files > job.saved.files ? 1 : fruitless + 1,
      files,
      startedAt: new Date().toISOString(),
    });
    if (job.isStopping) return await this.#end(job, "cancelled", null);
    const began = performance.now();
    let isOverdue = false;
    const { folder } = this.store.paths(id);
    const task = { folder, modelFolder: found.folder, version, engine: engineOf(settings) };
    const work = this.#runner.run(task, {
      onProgress: (progress) => {
        job.progress = progress;
        job.events.progress(progress);
      },
      onStuck: () => this.#stuck = `Job ${id} does not stop: the service must be restarted`,
    });
    const limit = setTimeout(() => {
      isOverdue = true;
      work.stop();
    }, Math.min(2 ** 31 - 1, 1000 * settings.jobSeconds));
    const settled = work.ended.then(async ({ outcome, error, gpuLiveBytes }) => {
      clearTimeout(limit);
      this.#busySeconds += (performance.now() - began) / 1000;
      this.#gpuLiveBytes = gpuLiveBytes;
      this.#stuck = null;
      if (outcome !== "stopped") await this.#end(job, outcome, error);
      else if (job.isStopping) await this.#end(job, "cancelled", null);
      else if (isOverdue) await this.#end(job, "failed", `The job took longer than ${settings.jobSeconds} s`);
      // Stopped because the service closes: it waits again, and this start does not count.
      else await this.#save(job, { state: "queued", attempts, fruitless });
    }).catch(this.onError).finally(() => {
      this.#running = null;
      this.#startNext();
    });
    this.#running = { job, work, settled };
    if (this.#isClosed) work.stop();
  }
}

/** The shape of a model: all that is read of it before a job runs. */
async function configOf(model: ServedModel): Promise<ModelConfig> {
  try {
    return await readModelConfig(model.folder);
  } catch (error) {
    const reason = inModelsName((error as Error).message, model.folder);
    throw new ProblemError(400, `Cannot start the job: model ${JSON.stringify(model.name)} cannot be used: ${reason}`);
  }
}

function engineOf({ engine, memoryBudgetBytes, weightBudgetBytes }: ServiceSettings) {
  return { engine, memoryBudgetBytes, weightBudgetBytes };
}
