/** Masks of the reference engine against checkpoints whose rows really are zero: equal to the last bit. */
import { assertEquals, assertNotEquals } from "@std/assert";
import type { Intervention, Objective } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { makeTinyCheckpoint, type TensorEdit, type TinyOptions } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const interventions: Readonly<Record<string, Intervention>> = {
  "gate rows of one layer": [{ layer: 1, site: "gate", neurons: Uint32Array.of(0, 3, 4, 11) }],
  "up rows of one layer": [{ layer: 0, site: "up", neurons: Uint32Array.of(2, 12) }],
  "down rows of one layer": [{ layer: 2, site: "down", neurons: Uint32Array.of(1, 15) }],
  "rows of several sites and layers": [
    { layer: 2, site: "gate", neurons: Uint32Array.of(5) },
    { layer: 0, site: "gate", neurons: Uint32Array.of(1, 2) },
    { layer: 0, site: "down", neurons: Uint32Array.of(0, 7) },
    { layer: 0, site: "up", neurons: Uint32Array.of(9) },
  ],
};

/** Edits that zero the rows an intervention switches off. */
function zeroRows(intervention: Intervention, columns: Readonly<Record<string, number>>): Record<string, TensorEdit> {
  return Object.fromEntries(intervention.map(({ layer, site, neurons }) => [
    `model.layers.${layer}.mlp.${site}_proj.weight`,
    (values: Float32Array) => neurons.forEach((row) => values.fill(0, row * columns[site], (row + 1) * columns[site])),
  ]));
}

for (const dtype of ["F32", "F16", "BF16"] as const) {
  const options: TinyOptions = { width: 16, neurons: 13, headWidth: 4, dtype, tied: dtype === "F16" };
  const columns = { gate: 16, up: 16, down: 13 };

  for (const [name, intervention] of Object.entries(interventions)) {
    Deno.test(`a mask equals a checkpoint with ${name} zeroed when weights are ${dtype}`, async () => {
      const masked = await createReferenceEngine(await makeTinyCheckpoint(options));
      const edits = zeroRows(intervention, columns);
      const zeroed = await createReferenceEngine(await makeTinyCheckpoint({ ...options, edits }));
      const examples = makeTinyExamples(masked.config, { choiceTokens: [1, 3] });

      const [clean, logits] = await masked.logits(examples, [[], intervention]);
      assertEquals(logits, (await zeroed.logits(examples, [[]]))[0]);
      assertNotEquals(logits, clean);

      const [, logProbs] = await masked.choiceLogProbs(examples, [[], intervention]);
      assertEquals(logProbs, (await zeroed.choiceLogProbs(examples, [[]]))[0]);
    });
  }
}

Deno.test("objective() keeps the tokens of the unmodified model when a mask is applied", async () => {
  const engine = await createReferenceEngine(
    await makeTinyCheckpoint({ width: 16, neurons: 13, headWidth: 4, seed: 2 }),
  );
  const examples = makeTinyExamples(engine.config, { count: 4 });
  const off = [0, 1, 2].map((layer) => ({
    layer,
    site: "gate" as const,
    neurons: Uint32Array.from({ length: 13 }, (_, j) => j),
  }));
  const [clean, masked] = await engine.logits(examples, [[], off]);
  const top = clean.map((logits) => logits.indexOf(Math.max(...logits)));
  const moved = masked.map((logits) => logits.indexOf(Math.max(...logits)));
  assertNotEquals(moved, top, "the mask leaves every arg-max in place: choose another seed");

  const [, values] = await engine.objective(examples, [[], off]);
  assertEquals([...values], masked.map((logits, i) => logits[top[i]]));
  const moving: Objective = "max-logit-moving";
  const [ofMoving] = await engine.objective(examples, [off], { objective: moving });
  assertEquals([...ofMoving], masked.map((logits, i) => logits[moved[i]]));
});
