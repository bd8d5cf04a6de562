/**
 * The Worker that computes: one job after the other, all of them on the same device. It ends itself when it is told to,
 * because ending a Worker that holds a GPU from outside can take the process down.
 */
import { deserialize } from "node:v8";
import { FingerprintMemo } from "./fingerprint_memo.ts";
import { workOnJob } from "./job_work.ts";
import { KeptDevice } from "./kept_device.ts";
import type { FromEngineWorker, JobEnd, RunMessage, ToEngineWorker } from "./protocol.ts";
import { TokenizerMemo } from "./tokenizer_memo.ts";
import { messageOf, workerScope } from "./worker_scope.ts";

const scope = workerScope<ToEngineWorker, FromEngineWorker>();
const device = new KeptDevice();
const fingerprints = new FingerprintMemo();
const tokenizers = new TokenizerMemo();
let stop = new AbortController();

async function run(message: RunMessage): Promise<JobEnd> {
  stop = new AbortController();
  const { signal } = stop;
  let gpuLiveBytes = 0;
  try {
    await workOnJob({ ...message, rows: deserialize(message.rows) }, {
      device,
      fingerprints,
      tokenizers,
      signal,
      onProgress: (progress) => scope.postMessage({ type: "progress", progress }),
      onClosed: (bytes) => gpuLiveBytes = bytes,
    });
    return { outcome: "done", error: null, gpuLiveBytes };
  } catch (error) {
    if (signal.aborted) return { outcome: "stopped", error: null, gpuLiveBytes };
    // What is wrong with a request is no fault of the device; after anything else the next job gets another one.
    if (!(error instanceof RangeError)) device.drop();
    return { outcome: "failed", error: messageOf(error), gpuLiveBytes };
  }
}

scope.onmessage = async ({ data: message }) => {
  if (message.type === "run") scope.postMessage({ type: "ended", end: await run(message) });
  else if (message.type === "stop") stop.abort(new DOMException("The job was told to stop", "AbortError"));
  else {
    device.drop();
    scope.postMessage({ type: "closed" });
    scope.close();
  }
};
