/** Signals that ask to stop: the first asks for an orderly end, a later one does not want to wait for it. */

/** Signals that ask a process to end, and its exit code where it then ends at once: 128 and the signal's number. */
export const signalExitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that asks a process to end. */
export type StopSignal = keyof typeof signalExitCodes;

/** Those that there are: Windows has no SIGTERM. */
export const stopSignals: readonly StopSignal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];

/** Milliseconds in which a second signal is an echo: `deno task` passes on what the terminal has sent to all. */
const echo = 500;

/** Requests of one process. */
export class StopRequests {
  #firstAt: number | null = null;

  /** Takes note of a request, and says whether it is the first, its echo, or another one. */
  take(now: number = performance.now()): "first" | "echo" | "again" {
    if (this.#firstAt === null) {
      this.#firstAt = now;
      return "first";
    }
    return now - this.#firstAt < echo ? "echo" : "again";
  }
}
