/** A request that works: the bundled model on its own task. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { demoFolder, demoName } from "./models.ts";
import { ProblemError } from "./problem.ts";

async function readRows(path: string): Promise<unknown[]> {
  return (await readFile(path, "utf8")).trimEnd().split("\n").map((line) => JSON.parse(line));
}

/**
 * Makes the example, as it would be posted.
 *
 * @throws {ProblemError} Status 404 where the bundled model is not on this machine.
 */
export async function exampleRequest(): Promise<Record<string, unknown>> {
  const demo = demoFolder();
  if (demo === null) throw new ProblemError(404, "The bundled model is not on this machine");
  const folder = join(demo, "task");
  const { dataset_path: _path, dataset_kwargs: _files, ...task } = parse(
    await readFile(join(folder, "demo.yaml"), "utf8"),
  );
  const rows = {
    adaptation: await readRows(join(folder, "adaptation.jsonl")),
    test: await readRows(join(folder, "test.jsonl")),
  };
  return { model: demoName, task, rows, adaptation: { count: 10 }, test: { limit: 128 }, seed: 0 };
}
