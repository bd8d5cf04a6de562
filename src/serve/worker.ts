/** The Worker that runs one job and then ends itself. It ends itself because ending it from outside can take the process down. */
import type { FromWorker, ToWorker } from "./protocol.ts";
import { workOnJob } from "./job_work.ts";

/** The part of a Worker's global scope that is used here. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  close(): void;
};

const stop = new AbortController();

scope.onmessage = async ({ data: message }) => {
  if (message.type === "stop") {
    stop.abort(new DOMException("The job was told to stop", "AbortError"));
    return;
  }
  let gpuLiveBytes = 0;
  let outcome: "done" | "failed" | "stopped" = "done";
  let error: string | null = null;
  try {
    await workOnJob(message, {
      signal: stop.signal,
      onProgress: (progress) => scope.postMessage({ type: "progress", progress }),
      onEngine: () => scope.postMessage({ type: "engine" }),
      onClosed: (bytes) => gpuLiveBytes = bytes,
    });
  } catch (thrown) {
    outcome = stop.signal.aborted ? "stopped" : "failed";
    if (outcome === "failed") error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  scope.postMessage({ type: "ended", outcome, error, gpuLiveBytes });
  scope.close();
};
