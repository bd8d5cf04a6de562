/** Files of a complete run read back: whole, belonging together, and each of them once. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hashOf } from "../../src/checkpoint/tensor_store.ts";
import {
  runFileNames,
  writeAnswers,
  writeGrid,
  writePlan,
  writeRun,
  writeScores,
  writeTraces,
} from "../../src/method/files.ts";
import { readRunResults, type RunResults } from "../../src/method/run_results.ts";
import { bytesReadDuring } from "../support/bytes_read.ts";
import { sampleRunResults } from "../support/run_results.ts";
import { withFolder } from "../support/temporary_folder.ts";

const digested = [
  runFileNames.scores,
  runFileNames.grid,
  runFileNames.plan,
  runFileNames.answers,
  runFileNames.traces,
] as const;

/** Writes the files of a run, with their digests in its record. */
async function writeRunFolder(folder: string, results: RunResults): Promise<number> {
  const place = (name: keyof typeof runFileNames) => join(folder, runFileNames[name]);
  const { record, scored, searched, plan, answers, traces } = results;
  const { provenance } = record;
  await writeScores(place("scores"), scored, provenance);
  await writeGrid(place("grid"), searched, provenance);
  await writePlan(place("plan"), plan);
  await writeAnswers(place("answers"), answers);
  await writeTraces(place("traces"), traces, provenance);
  let bytes = 0;
  const digests: Record<string, string> = {};
  for (const name of digested) {
    const content = await readFile(join(folder, name));
    bytes += content.length;
    digests[name] = hashOf(content);
  }
  await writeRun(place("run"), { ...record, digests });
  return bytes + (await readFile(place("run"))).length;
}

Deno.test("readRunResults() gives back what a run wrote and reads no file twice", async () => {
  await withFolder({}, async (folder) => {
    const results = sampleRunResults({ layers: 2, neurons: 200_000 });
    const size = await writeRunFolder(folder, results);
    const bytes = await bytesReadDuring(() => readRunResults(folder));
    if (bytes !== null) assert(bytes < 1.5 * size, `${bytes} of ${size} bytes`);
    const read = await readRunResults(folder);
    assertEquals(read.scored.scores.values, results.scored.scores.values);
    assertEquals(read.plan, results.plan);
    assertEquals(read.answers, results.answers);
    assertEquals(read.traces, results.traces);
  });
});

Deno.test("readRunResults() refuses each file that is another than the one its run digested", async () => {
  await withFolder({}, async (folder) => {
    await writeRunFolder(folder, sampleRunResults());
    for (const name of digested) {
      const path = join(folder, name);
      const content = await readFile(path);
      // Changes that every reader takes: the last digit of a number, or a space behind a document.
      const isText = name.endsWith(".json");
      const other = Uint8Array.from([...content, ...(isText ? [0x20] : [])]);
      if (!isText) other[other.length - 1] ^= 1;
      await writeFile(path, other);
      await assertRejects(() => readRunResults(folder), RangeError, `its ${name} is of another run than its run.json`);
      await writeFile(path, content);
    }
    await readRunResults(folder);
  });
});
