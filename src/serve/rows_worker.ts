/**
 * The Worker that makes examples of one job's rows. It holds no GPU and writes nothing, so it can be ended from outside
 * however long a template or a text holds it up.
 */
import { serialize } from "node:v8";
import { makeJobRows } from "./job_rows.ts";
import type { FromRowsWorker, ToRowsWorker } from "./protocol.ts";
import { messageOf, workerScope } from "./worker_scope.ts";

const scope = workerScope<ToRowsWorker, FromRowsWorker>();

scope.onmessage = async ({ data: place }) => {
  try {
    const made = await makeJobRows(place);
    const rows = made && new Uint8Array(serialize(made));
    scope.postMessage({ type: "rows", rows }, rows ? [rows.buffer] : []);
  } catch (error) {
    scope.postMessage({ type: "failed", error: messageOf(error) });
  }
  scope.close();
};
