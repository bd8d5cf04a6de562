/** The layout of `config.json` that transformers 5 writes gives the same results as the older one, on both engines. */
import { assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { findWeightFiles } from "../../src/checkpoint/open.ts";
import { openCheckpointFrom } from "../../src/checkpoint/open_from.ts";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { GOLDEN_NAMES, loadGolden } from "../support/golden.ts";
import { goldenExamples, goldenRow } from "../support/golden_contract.ts";
import { assertClose } from "../support/relative_error.ts";
import { openTestEngine, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

/** Opens a checkpoint folder with another file as its `config.json`. */
async function openWith(folder: string, configFile: string): Promise<Checkpoint> {
  const { index, files } = await findWeightFiles(folder);
  const sources = await Promise.all(
    files.map(async (file) => [file, await openFileSource(join(folder, file))] as const),
  );
  return await openCheckpointFrom({
    location: folder,
    config: await readFile(join(folder, configFile)),
    ...(index && { index }),
    files: new Map(sources),
  });
}

for (const name of GOLDEN_NAMES) {
  Deno.test(`logits() are the same on both engines when ${name} is opened by config.v5.json`, async () => {
    const golden = await loadGolden(name);
    const [example] = goldenExamples(golden);
    const expected = goldenRow(golden, "logits_last", 0);
    for (
      const { open, tolerance } of [
        { open: createReferenceEngine, tolerance: 1e-9 },
        { open: openTestEngine, tolerance: WEBGPU_TOLERANCE.logits },
      ]
    ) {
      const results = [];
      for (const configFile of ["config.json", "config.v5.json"]) {
        const checkpoint = await openWith(golden.folder, configFile);
        const engine = await open(checkpoint);
        const [[logits]] = await engine.logits([example], [[]]);
        results.push(logits);
        await engine.close();
        await checkpoint.close();
      }
      assertEquals(results[1], results[0]);
      assertClose(results[1], expected, tolerance, `logits_last of ${name}`);
    }
  });
}
