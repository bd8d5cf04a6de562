/**
 * Progress on stderr: one line per stage with rate and time left, and nothing at all where stderr is not a terminal.
 */
import type { Progress } from "../engine/engine.ts";
import { formatBytes } from "../text/bytes.ts";

/** Where the lines go. */
export interface Terminal {
  readonly isTerminal: boolean;
  /** Width in characters. */
  readonly columns: number;
  write(text: string): void;
}

/** Seconds in words, such as `4 s`, `3 min 20 s` or `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Bytes a second, in a unit that shows how many. */
function formatByteRate(perSecond: number): string {
  return perSecond >= 1e8 ? `${formatRate(perSecond / 1e9)} GB/s` : `${formatRate(perSecond / 1e6)} MB/s`;
}

function formatRate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(2);
}

/** Shows how far the current stage has come. */
export class ProgressLine {
  #stage = "";
  #startedAt = 0;
  /** Units that were done before the stage was first heard of. */
  #before = 0;
  #writtenAt = 0;
  #line = "";

  /** @param now Milliseconds of a clock that only goes forward. */
  constructor(readonly terminal: Terminal, readonly now: () => number = () => performance.now()) {}

  /** Takes note of a step. Redraws at most ten times a second. */
  update(progress: Progress): void {
    if (!this.terminal.isTerminal) return;
    const now = this.now();
    if (progress.stage !== this.#stage) {
      this.finish();
      this.#stage = progress.stage;
      this.#startedAt = now;
      this.#before = progress.done - (progress.takenOver ?? 0);
    } else if (now - this.#writtenAt < 100 && progress.done < progress.total) {
      return;
    }
    this.#writtenAt = now;
    this.#line = this.#describe(progress, (now - this.#startedAt) / 1000);
    this.terminal.write(`\r\x1b[K${this.#line.slice(0, Math.max(1, this.terminal.columns - 1))}`);
  }

  /** Ends the line of the current stage, so that other output starts on a line of its own. */
  finish(): void {
    if (this.#line !== "") this.terminal.write("\n");
    this.#stage = "";
    this.#line = "";
  }

  #describe({ stage, done, total, unit, takenOver = 0 }: Progress, seconds: number): string {
    const inBytes = unit === "bytes";
    const amount = (value: number) => inBytes ? formatBytes(value) : `${value}`;
    const worked = done - takenOver - this.#before;
    const isTimed = worked > 0 && seconds > 0;
    const rate = worked / seconds;
    const speed = inBytes ? formatByteRate(rate) : `${formatRate(rate)}/s`;
    const parts = [`${stage}: ${amount(done)}/${amount(total)}${inBytes ? "" : ` ${unit}`}`];
    // Of less than a second, neither the time nor the speed says much.
    if (done >= total && seconds < 1) parts.push("in less than 1 s");
    else if (done >= total) parts.push(`in ${formatSeconds(seconds)}`, ...(inBytes && isTimed ? [speed] : []));
    else if (isTimed) parts.push(speed, `${formatSeconds((total - done) / rate)} left`);
    return parts.join(", ");
  }
}
