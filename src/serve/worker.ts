/**
 * The Worker that runs one job and then ends itself. It ends itself because ending it from outside can take the process
 * down.
 */
import { resolve } from "node:path";
import { workOnJob } from "./job_work.ts";
import type { FromWorker, RunMessage, ToWorker } from "./protocol.ts";

/** The part of a Worker's global scope that is used here. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  close(): void;
};

const stop = new AbortController();

/** An error in the words of the caller, who knows files of the job by their names in it, and the model by its own. */
function describe(error: unknown, { folder, modelFolder }: RunMessage): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(`${resolve(folder)}/`, "").replaceAll(`${folder}/`, "").replaceAll(modelFolder, "the model");
}

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
    if (outcome === "failed") error = describe(thrown, message);
  }
  scope.postMessage({ type: "ended", outcome, error, gpuLiveBytes });
  scope.close();
};
