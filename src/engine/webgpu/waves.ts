/**
 * Cuts work into waves that fit the memory budget: a wave is packed, measured exactly, and halved until it fits.
 */
import { totalBytes } from "../../model/buffers.ts";
import type { Sweep } from "../../model/sweep.ts";
import type { WaveRequest, WaveResult } from "../../model/wave_request.ts";
import { formatShortage } from "../../text/bytes.ts";
import { OptionError } from "../../text/option_error.ts";

/** What limits a wave. */
export interface WaveLimits {
  /** Bytes for all buffers of a wave together. */
  readonly bytes: number;
  /** Bytes of the largest buffer the adapter binds. */
  readonly bindingBytes: number;
  /** Whether every wave reads the layers from disk, so that fewer waves are worth recomputing activations for. */
  readonly streamed: boolean;
}

/** What tells how many bytes a wave takes. */
export type WaveSizer = Pick<Sweep, "sizes" | "overheadBytes">;

/**
 * Rows of a wave from which matrix products run at full speed; below, activations are recomputed rather than waves cut.
 */
export const FULL_WAVE_ROWS = 1024;

/** Why a request does not fit. */
interface Misfit {
  readonly reason: string;
  /** Whether a larger memory budget would do; an adapter binds no more than it does. */
  readonly isBudget: boolean;
}

/** Why a request does not fit, or null where it does. */
function misfit(sizer: WaveSizer, request: WaveRequest, limits: WaveLimits): Misfit | null {
  const sizes = sizer.sizes(request);
  for (const [name, bytes] of sizes) {
    if (bytes > limits.bindingBytes) {
      const [needed, most] = formatShortage(bytes, limits.bindingBytes);
      return { reason: `the buffer ${name} takes ${needed}, this adapter binds at most ${most}`, isBudget: false };
    }
  }
  const total = totalBytes(sizes) + sizer.overheadBytes(request);
  if (total <= limits.bytes) return null;
  const [needed, left] = formatShortage(total, limits.bytes);
  return { reason: `its buffers take ${needed}, the memory budget leaves ${left}`, isBudget: true };
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
  /**
   * Whether two neighbouring items belong together: waves are cut between others where that is possible, so that sums
   * over items that belong together do not depend on what else there is to do. Default: never.
   */
  readonly belong?: (item: T, next: T) => boolean;
  readonly onWave: (wave: FinishedWave<T, Request>) => void;
}

/** Rows a wave starts out with before it is measured. */
const FIRST_GUESS_ROWS = 8192;

/** The next wave: how many of the items it takes, and the request that fits. */
interface Cut<Request> {
  readonly count: number;
  readonly request: Request;
}

/**
 * Cuts items, in order, into waves that fit, without running them.
 *
 * @throws {OptionError} If a single item does not fit the memory budget.
 * @throws {RangeError} If it does not fit what the adapter binds.
 */
export function* cutWaves<T, Request extends WaveRequest>(
  sizer: WaveSizer,
  limits: WaveLimits,
  items: readonly T[],
  plan: Omit<WavePlan<T, Request>, "onWave">,
): Generator<{ readonly items: readonly T[]; readonly request: Request }> {
  // The next wave starts from the size that fitted, so that halving is rare, and grows back after a long example.
  let guess = Infinity;
  for (let at = 0; at < items.length;) {
    let count = 0;
    for (let rows = 0; at + count < items.length && count < guess; count++) {
      rows += plan.rows(items[at + count]);
      if (count > 0 && rows > FIRST_GUESS_ROWS) break;
    }
    count = cutBetween(items, at, count, plan.belong);
    const cut = cutOne(sizer, limits, items, at, count, plan);
    yield { items: items.slice(at, at + cut.count), request: cut.request };
    at += cut.count;
    guess = cut.count < count ? cut.count : 2 * cut.count;
  }
}

/**
 * At most `count` items from `at` on, so that items that belong together are not parted; `count` where all of them do.
 */
function cutBetween<T>(items: readonly T[], at: number, count: number, belong: WavePlan<T, never>["belong"]): number {
  if (!belong) return count;
  let cut = count;
  while (cut > 0 && at + cut < items.length && belong(items[at + cut - 1], items[at + cut])) cut--;
  return cut > 0 ? cut : count;
}

function cutOne<T, Request extends WaveRequest>(
  sizer: WaveSizer,
  limits: WaveLimits,
  items: readonly T[],
  at: number,
  most: number,
  plan: Omit<WavePlan<T, Request>, "onWave">,
): Cut<Request> {
  for (let count = most;; count = cutBetween(items, at, Math.ceil(count / 2), plan.belong)) {
    const requests = plan.requests(items.slice(at, at + count));
    const reasons = requests.map((request) => misfit(sizer, request, limits));
    // Recomputing (a later request) beats halving only while the halves would be too small to run at full speed.
    const fitting = reasons.findIndex((reason) => reason === null);
    const rows = requests[0].wave.layers.reduce((most, layer) => Math.max(most, layer.outRows), 0);
    if (fitting === 0 || (fitting > 0 && (limits.streamed || rows < 2 * FULL_WAVE_ROWS || count === 1))) {
      return { count, request: requests[fitting] };
    }
    if (count === 1) {
      const { reason, isBudget } = reasons.at(-1)!;
      const message = `Cannot run ${plan.describe(items[at])}: ${reason}`;
      throw isBudget ? new OptionError(`${message}; raise the memory budget`) : new RangeError(message);
    }
  }
}

/**
 * Runs all items, in order, in as few waves as fit.
 *
 * @throws {OptionError} If a single item does not fit the memory budget.
 * @throws {RangeError} If it does not fit what the adapter binds.
 */
export async function runWaves<T, Request extends WaveRequest>(
  sweep: Sweep,
  limits: WaveLimits,
  items: readonly T[],
  plan: WavePlan<T, Request>,
): Promise<void> {
  for (const { items: group, request } of cutWaves(sweep, limits, items, plan)) {
    plan.onWave({ items: group, request, result: await sweep.run(request, limits.bytes) });
  }
}
