/** A masked model against the checkpoint whose rows really are zero, on the WebGPU engine: equal to the last bit. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { writePrunedCheckpoint } from "../../src/checkpoint/prune_checkpoint.ts";
import type { Intervention } from "../../src/engine/engine.ts";
import { tinyInterventions } from "../support/engine_pair.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { makeTinyCheckpoint, type TinyOptions, writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine } from "../support/webgpu_engine.ts";

const kinds = [
  "gate neurons of the first layer",
  "up neurons of the last layer",
  "down outputs of the first layer",
  "every site of every layer",
];

/** All forward results of a checkpoint on disk: by intervention, logits and choices of every example. */
async function evaluate(folder: string, interventions: readonly Intervention[]) {
  const checkpoint = await openCheckpoint(folder);
  const engine = await openTestEngine(checkpoint);
  try {
    const examples = makeTinyExamples(engine.config, { promptTokens: [1, 18], choiceTokens: [1, 4], seed: 9 });
    const logits = await engine.logits(examples, interventions);
    const choices = await engine.choiceLogProbs(examples, interventions);
    return interventions.map((_, i) => ({ logits: logits[i], choices: choices[i] }));
  } finally {
    await engine.close();
    await checkpoint.close();
  }
}

for (const dtype of ["F32", "F16", "BF16"] as const) {
  const options: TinyOptions = { width: 20, neurons: 27, dtype, tied: dtype === "F16" };
  const interventions = tinyInterventions((await makeTinyCheckpoint(options)).config);

  Deno.test(`a mask equals the checkpoint that writePrunedCheckpoint() writes, to the last bit, when weights are ${dtype}`, async () => {
    await withFolder({}, async (folder) => {
      const source = join(folder, "source");
      await writeTinyCheckpoint(source, options);
      // The masks share waves, so each is packed among rows that the pruned checkpoint does not have.
      const [clean, ...masked] = await evaluate(source, [[], ...kinds.map((kind) => interventions[kind])]);
      for (const [i, kind] of kinds.entries()) {
        const pruned = join(folder, kind);
        await writePrunedCheckpoint(source, pruned, interventions[kind]);
        const [written] = await evaluate(pruned, [[]]);
        assertEquals(masked[i], written, kind);
        assertNotEquals(masked[i], clean, kind);
      }
    });
  });
}
