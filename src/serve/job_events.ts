/**
 * The events of one job, for callers that follow it. A bounded number of them is kept, so that a caller whose
 * connection broke can go on where it was; who missed more starts with the job's present state.
 */
import type { Progress } from "../engine/engine.ts";
import type { JobView } from "./job_state.ts";

/** Something that happened to a job. */
export type JobEvent =
  | { readonly id: string; readonly type: "state"; readonly data: JobView }
  | { readonly id: string; readonly type: "progress"; readonly data: Progress };

/** Events that are kept of a running job. */
const keptEvents = 256;
/** Least milliseconds between two progress events of one stage. */
const progressPause = 100;

/** Tells the events of this process from those of an earlier one, whose numbers mean nothing any more. */
const origin = crypto.randomUUID().slice(0, 8);

/** What happened to one job since this process knows it. */
export class JobEvents {
  readonly #kept: JobEvent[] = [];
  readonly #listeners = new Set<() => void>();
  #next = 1;
  #stage = "";
  #progressAt = 0;

  /** Number of callers that wait for the next event. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Takes note of a new state. A final one replaces what is kept: nobody needs the steps any more. */
  state(view: JobView, isFinal: boolean): void {
    if (isFinal) this.#kept.length = 0;
    this.#push({ id: this.#newId(), type: "state", data: view });
  }

  /** Takes note of a step; of steps that follow each other closely only some become events. */
  progress(progress: Progress, now = performance.now()): void {
    const isSoon = progress.stage === this.#stage && now - this.#progressAt < progressPause;
    if (isSoon && progress.done < progress.total) return;
    this.#stage = progress.stage;
    this.#progressAt = now;
    this.#push({ id: this.#newId(), type: "progress", data: progress });
  }

  /** The id of the latest event. */
  get latestId(): string {
    return `${origin}-${this.#next - 1}`;
  }

  /**
   * The events after one that a caller has seen.
   *
   * @returns Null if some of them are not kept any more, or the id is none of this process's.
   */
  after(id: string): readonly JobEvent[] | null {
    const [, from, digits] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(id) ?? [];
    if (from !== origin) return null;
    const missed = this.#next - 1 - Number(digits);
    if (missed < 0 || missed > this.#kept.length) return null;
    return missed === 0 ? [] : this.#kept.slice(-missed);
  }

  /** Calls `listener` at every event until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #newId(): string {
    return `${origin}-${this.#next++}`;
  }

  #push(event: JobEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > keptEvents) this.#kept.shift();
    for (const listener of [...this.#listeners]) listener();
  }
}
