/** Counts of what the service does, in the text format of Prometheus. */

/** Upper bounds of the histogram of request times, in seconds. */
const bounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** One metric with its values. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  /** Values by labels; the labels are written as given, such as `state="done"`. */
  readonly values: Readonly<Record<string, number>>;
}

/** Writes metrics as text. */
export function formatMetrics(metrics: readonly Metric[]): string {
  return metrics.map(({ name, help, type, values }) =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n` +
    Object.entries(values).map(([labels, value]) => `${name}${labels ? `{${labels}}` : ""} ${value}\n`).join("")
  ).join("");
}

/** Counts requests and how long their answers took, without the streams. */
export class RequestMetrics {
  readonly #requests: Record<string, number> = {};
  readonly #buckets = new Array<number>(bounds.length + 1).fill(0);
  #seconds = 0;

  /** Takes note of an answer. */
  count(method: string, status: number, seconds: number): void {
    // Methods are the caller's words: only known ones become labels, so that strangers cannot make them endless.
    const known = ["GET", "HEAD", "POST", "DELETE"].includes(method) ? method : "other";
    const labels = `method="${known}",status="${status}"`;
    this.#requests[labels] = (this.#requests[labels] ?? 0) + 1;
    this.#seconds += seconds;
    const bucket = bounds.findIndex((bound) => seconds <= bound);
    this.#buckets[bucket < 0 ? bounds.length : bucket]++;
  }

  format(): string {
    const name = "secateur_http_request_seconds";
    let sum = 0;
    const rows = this.#buckets.map((count, i) => {
      sum += count;
      return `${name}_bucket{le="${bounds[i] ?? "+Inf"}"} ${sum}\n`;
    });
    return formatMetrics([{
      name: "secateur_http_requests_total",
      help: "Answered requests.",
      type: "counter",
      values: this.#requests,
    }]) + `# HELP ${name} Seconds until the head of the answer.\n# TYPE ${name} histogram\n${rows.join("")}` +
      `${name}_sum ${this.#seconds}\n${name}_count ${sum}\n`;
  }
}
