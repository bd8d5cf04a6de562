/** Stands for the Worker that computes: ends a job at once, or does what the name of the job's folder says. */
import type { FromEngineWorker, JobEnd, ToEngineWorker } from "../../src/serve/protocol.ts";
import { workerScope } from "../../src/serve/worker_scope.ts";

const scope = workerScope<ToEngineWorker, FromEngineWorker>();
const end = (outcome: JobEnd["outcome"]) =>
  scope.postMessage({ type: "ended", end: { outcome, error: null, gpuLiveBytes: 0 } });
let isDeaf = false;

scope.onmessage = ({ data: message }) => {
  if (message.type === "close") {
    scope.postMessage({ type: "closed" });
    scope.close();
  } else if (message.type === "stop") {
    if (isDeaf) setTimeout(() => end("stopped"), 50);
    else end("stopped");
  } else if (message.folder.endsWith("throw")) throw new Error("out of luck");
  else if (message.folder.endsWith("throw-later")) {
    end("done");
    setTimeout(() => {
      throw new Error("after the job");
    }, 0);
  } else if (message.folder.endsWith("long")) isDeaf = false;
  else if (message.folder.endsWith("deaf")) isDeaf = true;
  else end("done");
};
