/** Events for programs: one JSON object a line on stdout, while a command works and when it ends. */
import type { Progress } from "../engine/engine.ts";
import type { Jsonable } from "../method/json.ts";

/** Least time between two lines about the progress of one stage, in milliseconds. */
const interval = 100;

/** Writes the events of one command. Every line has `event`, and `seconds` since the command began. */
export class EventStream {
  readonly #startedAt: number;
  #stage = "";
  #writtenAt = 0;

  /**
   * @param write Takes a line with its end.
   * @param now Milliseconds of a clock that only goes forward.
   */
  constructor(readonly write: (line: string) => void, readonly now: () => number = () => performance.now()) {
    this.#startedAt = now();
  }

  /**
   * `progress`: the stage, and how much of it is done, in its unit. At most ten a second, and always a stage's first
   * and last.
   */
  progress({ stage, done, total, unit, takenOver }: Progress): void {
    const now = this.now();
    if (stage === this.#stage && now - this.#writtenAt < interval && done < total) return;
    this.#stage = stage;
    this.#writtenAt = now;
    this.#emit("progress", { stage, done, total, unit, ...(takenOver !== undefined && { takenOver }) });
  }

  /** `note`: something that the person must know and that is not a result. */
  note(text: string): void {
    this.#emit("note", { text });
  }

  /** `result`: what `--json` prints, and the last line of a command that succeeds. */
  result(result: Jsonable): void {
    this.#emit("result", { result });
  }

  /** `error`: what stands on stderr, and the last line of a command that fails. */
  error(code: number, lines: readonly string[]): void {
    this.#emit("error", { code, lines: [...lines] });
  }

  #emit(event: string, fields: { readonly [name: string]: Jsonable }): void {
    const seconds = Math.round(this.now() - this.#startedAt) / 1000;
    this.write(`${JSON.stringify({ event, seconds, ...fields })}\n`);
  }
}
