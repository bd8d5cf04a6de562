/** Stands for the Worker of the rows: gives none at once, or does what the name of the job's folder says. */
import type { FromRowsWorker, ToRowsWorker } from "../../src/serve/protocol.ts";
import { workerScope } from "../../src/serve/worker_scope.ts";

const scope = workerScope<ToRowsWorker, FromRowsWorker>();

scope.onmessage = ({ data: { folder } }) => {
  if (folder.endsWith("rows-throw")) throw new Error(`cannot go on in ${folder}/rows`);
  if (folder.endsWith("rows-hang")) return;
  scope.postMessage({ type: "rows", rows: new Uint8Array(1) });
  scope.close();
};
