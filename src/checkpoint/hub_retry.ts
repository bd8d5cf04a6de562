/** Repeating what may go better the next time, and giving up on what has fallen silent. */
import { setTimeout as pause } from "node:timers/promises";
import { HubError, TransientError } from "./hub_error.ts";

/** How long to wait for what. The defaults suit the public hub; tests use shorter times. */
export interface HubTiming {
  /** An attempt is given up when nothing has come for so long, in milliseconds. Default 30 000. */
  readonly stallMs: number;
  /** How often a failed attempt is repeated while nothing comes forward. Default 5. */
  readonly retries: number;
  /** Pause before the first repetition, in milliseconds; it doubles with each one. Default 500. */
  readonly backoffMs: number;
  /**
   * The longest pause that a server may ask for, in milliseconds; if it asks for more, that is an error. Default 330
   * 000.
   */
  readonly longestWaitMs: number;
  /**
   * How often a download tells other processes that it is alive, in milliseconds. One that was silent six times is
   * taken over. Default 5000.
   */
  readonly heartbeatMs: number;
}

/** The times used where none are given. */
export const defaultTiming: HubTiming = {
  stallMs: 30_000,
  retries: 5,
  backoffMs: 500,
  longestWaitMs: 330_000,
  heartbeatMs: 5_000,
};

/** Waits; rejects with the signal's reason when it is aborted. */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/**
 * Repeats an attempt until it succeeds, fails for good, or has failed too often in a row.
 *
 * @param what The beginning of the error, such as `Cannot download org/name`.
 * @throws {HubError} If it fails too often, or a server asks to wait for too long.
 */
export async function retry<Result>(
  what: string,
  attempt: () => Promise<Result>,
  timing: HubTiming,
  signal: AbortSignal,
): Promise<Result> {
  for (let failures = 0;;) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      failures = error.progressed ? 1 : failures + 1;
      const waitMs = error.waitMs ?? timing.backoffMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
      if (waitMs > timing.longestWaitMs) {
        const problem = `${what}: ${error.message}, and asks to wait ${Math.ceil(waitMs / 1000)} seconds`;
        throw new HubError(problem, "try again later; with HF_TOKEN the limits are wider", undefined, { cause: error });
      }
      if (failures > timing.retries) {
        const problem = `${what}: ${error.message} (attempt ${failures})`;
        throw new HubError(problem, "check the connection or try again later; what was downloaded is kept", undefined, {
          cause: error,
        });
      }
      await sleep(waitMs, signal);
    }
  }
}

/** The pause that a response asks for, in milliseconds, by `Retry-After` or by the hub's `RateLimit`. */
export function requestedWait(headers: Headers): number | undefined {
  const after = headers.get("retry-after")?.trim();
  if (after !== undefined && /^\d+$/.test(after)) return Number(after) * 1000;
  const date = Date.parse(after ?? "");
  if (!Number.isNaN(date)) return Math.max(0, date - Date.now());
  const limit = /;\s*r=0\s*;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "");
  return limit ? Number(limit[1]) * 1000 : undefined;
}

/** Aborts an attempt when nothing has been heard for a while. `stop` it when the attempt is over. */
export class StallGuard {
  /** Aborted by a stall or by the caller's own signal. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #heardAt = performance.now();

  constructor(readonly stallMs: number, outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#controller.signal]);
    this.#timer = setInterval(() => {
      if (performance.now() - this.#heardAt > stallMs) this.#controller.abort();
    }, Math.ceil(stallMs / 4));
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Whether this guard aborted the attempt. */
  get hasStalled(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Ends the watch. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
