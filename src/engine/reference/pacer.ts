/** Keeps long synchronous work polite: reports progress, obeys the abort signal, and lets the event loop run. */
import type { RunOptions } from "../engine.ts";

/** Milliseconds of computing between two turns of the event loop; short enough for Ctrl-C to feel immediate. */
const turnMilliseconds = 100;

/** Paces one call of the engine. */
export class Pacer {
  #done = 0;
  #lastTurn = performance.now();

  /** @param total How many `unit` the call will complete. */
  constructor(
    readonly options: RunOptions,
    readonly stage: string,
    readonly unit: string,
    readonly total: number,
  ) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ stage, unit, total, done: 0 });
  }

  /**
   * Called between forward passes.
   *
   * @throws The signal's reason, once it is aborted.
   */
  async pause(): Promise<void> {
    if (performance.now() - this.#lastTurn > turnMilliseconds) {
      // Only a timer lets signals and input through; a settled promise would not.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#lastTurn = performance.now();
    }
    this.options.signal?.throwIfAborted();
  }

  /** Reports that `count` more units are complete. */
  advance(count = 1): void {
    this.#done += count;
    const { stage, unit, total } = this;
    this.options.onProgress?.({ stage, unit, total, done: this.#done });
  }
}
