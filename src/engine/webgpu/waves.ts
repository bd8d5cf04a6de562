/**
 * Cuts work into waves that fit the memory budget: a wave is packed, measured exactly, and halved until it fits.
 */
import { totalBytes } from "../../model/buffers.ts";
import type { Sweep, WaveRequest, WaveResult } from "../../model/sweep.ts";

/** What limits a wave. */
export interface WaveLimits {
  /** Bytes for all buffers of a wave together. */
  readonly bytes: number;
  /** Bytes of the largest buffer the adapter binds. */
  readonly bindingBytes: number;
}

/** Rows of a wave from which matrix products run at full speed; below, activations are recomputed rather than waves cut. */
export const FULL_WAVE_ROWS = 1024;

/** Why a request does not fit, or null where it does. */
export function misfit(sweep: Sweep, request: WaveRequest, limits: WaveLimits): string | null {
  const sizes = sweep.sizes(request);
  for (const [name, bytes] of sizes) {
    if (bytes > limits.bindingBytes) {
      return `the buffer ${name} takes ${bytes} bytes, this adapter binds at most ${limits.bindingBytes}`;
    }
  }
  const total = totalBytes(sizes);
  return total > limits.bytes ? `its buffers take ${total} bytes, the memory budget leaves ${limits.bytes}` : null;
}

/** One wave that was run: the items in it and what came back. */
export interface FinishedWave<T, Request extends WaveRequest> {
  readonly items: readonly T[];
  readonly request: Request;
  readonly result: WaveResult;
}

/** How {@link runWaves} turns items into requests. */
export interface WavePlan<T, Request extends WaveRequest> {
  /** Requests for the items in order of preference; the first that fits runs. */
  readonly requests: (items: readonly T[]) => readonly Request[];
  /** Rough number of rows an item adds, to start with waves of a sensible size. */
  readonly rows: (item: T) => number;
  readonly describe: (item: T) => string;
  readonly onWave: (wave: FinishedWave<T, Request>) => void;
}

/** Rows a wave starts out with before it is measured. */
const FIRST_GUESS_ROWS = 8192;

/**
 * Runs all items, in order, in as few waves as fit.
 *
 * @throws {RangeError} If a single item does not fit.
 */
export async function runWaves<T, Request extends WaveRequest>(
  sweep: Sweep,
  limits: WaveLimits,
  items: readonly T[],
  plan: WavePlan<T, Request>,
): Promise<void> {
  let at = 0;
  // A size that fitted is tried first for the next wave, so that halving happens about once.
  let guess = Infinity;
  while (at < items.length) {
    let count = 0;
    for (let rows = 0; at + count < items.length && count < guess; count++) {
      rows += plan.rows(items[at + count]);
      if (count > 0 && rows > FIRST_GUESS_ROWS) break;
    }
    for (;;) {
      const group = items.slice(at, at + count);
      const requests = plan.requests(group);
      const reasons = requests.map((request) => misfit(sweep, request, limits));
      // Recomputing (a later request) beats halving only while the halves would be too small to run at full speed.
      const fitting = reasons.findIndex((reason) => reason === null);
      const small = requests[0].wave.layers.reduce((most, layer) =>
        Math.max(most, layer.outRows), 0) < 2 * FULL_WAVE_ROWS;
      if (fitting === 0 || (fitting > 0 && (small || count === 1))) {
        const result = await sweep.run(requests[fitting], limits.bytes);
        plan.onWave({ items: group, request: requests[fitting], result });
        at += count;
        guess = count;
        break;
      }
      if (count === 1) {
        throw new RangeError(`Cannot run ${plan.describe(group[0])}: ${reasons.at(-1)}; raise the memory budget`);
      }
      count = Math.ceil(count / 2);
    }
  }
}
