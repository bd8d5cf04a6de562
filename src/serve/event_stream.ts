/** The events of a job as Server-Sent Events: sent when the caller reads, so that a slow caller costs no memory. */
import type { JobEvent, JobEvents } from "./job_events.ts";
import { isFinal, type JobView } from "./job_state.ts";

/** Milliseconds after which a comment is sent on a silent stream: proxies close those they take for dead. */
const heartbeat = 15_000;

/** What is followed. */
export interface FollowedJob {
  readonly events: JobEvents;
  /** The job as it is now. */
  view(): JobView;
}

function format(event: Omit<JobEvent, "data"> & { readonly data: unknown }): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

/**
 * Answers with the events of a job: first what the caller missed, then what happens, until the job has ended or the
 * service closes.
 *
 * @param lastEventId What the caller says it has seen; null for a new one, which gets the present state.
 * @param closing Says that the service closes.
 * @param onEnd Called once, when the stream has ended or the caller has gone.
 */
export function eventStream(
  job: FollowedJob,
  lastEventId: string | null,
  closing: AbortSignal,
  onEnd: () => void,
  pause: number = heartbeat,
): Response {
  const { events } = job;
  const encoder = new TextEncoder();
  let seen = lastEventId;
  let isEnded = false;
  let wake = () => {};
  const stopListening = events.listen(() => wake());
  const onClosing = () => wake();
  closing.addEventListener("abort", onClosing);
  const end = () => {
    if (isEnded) return;
    isEnded = true;
    stopListening();
    closing.removeEventListener("abort", onClosing);
    wake();
    onEnd();
  };

  /** What is to be sent now; empty where there is nothing. */
  const next = (): string => {
    const missed = seen === null ? null : events.after(seen);
    if (missed === null) {
      seen = events.latestId;
      return format({ id: seen, type: "state", data: job.view() });
    }
    if (missed.length > 0) seen = missed[missed.length - 1].id;
    return missed.map(format).join("");
  };

  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = next();
      if (text === "" && !isFinal(job.view().state) && !closing.aborted) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, pause);
        });
        clearTimeout(timer);
        if (isEnded) return;
        text = next() || (closing.aborted ? "" : ": still here\n\n");
      }
      if (text !== "") controller.enqueue(encoder.encode(text));
      else {
        end();
        controller.close();
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
  return new Response(stream, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}
