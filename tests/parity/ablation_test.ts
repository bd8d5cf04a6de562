/** Single-neuron ablation against single-neuron Integrated Gradients: the same number by completeness. */
import { assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { ablationScores } from "../../src/method/baselines.ts";
import { layerScores } from "../../src/method/neuron_scores.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const shape = { layers: 2, width: 8, queryHeads: 2, keyValueHeads: 1, headWidth: 4, vocabulary: 16 };

Deno.test("ablationScores() equals scoreNeurons() within its completeness when a layer has one neuron", async () => {
  const checkpoint = await makeTinyCheckpoint({ ...shape, neurons: 1 });
  const engine = await createReferenceEngine(checkpoint);
  const examples = makeTinyExamples(checkpoint.config, { count: 3, promptTokens: [2, 5] });
  for (const site of ["gate", "up"] as const) {
    for (const objective of ["max-logit", "gold", "margin"] as const) {
      const options = { site, objective, tolerance: 1e-6, maxNodes: 256 };
      const { scores, completenessError } = await scoreNeurons(engine, examples, options);
      assertEquals(completenessError.unconverged, 0);
      const ablation = await ablationScores(engine, examples, { site, objective });
      for (const layer of [0, 1]) {
        const [effect] = layerScores(ablation, layer);
        assertLess(1e-4, Math.abs(effect), `the neuron of layer ${layer} does nothing`);
        assertAlmostEquals(
          layerScores(scores, layer)[0],
          effect,
          1e-5 * Math.abs(effect),
          `${site} ${objective} ${layer}`,
        );
      }
    }
  }
  await engine.close();
  await checkpoint.close();
});

Deno.test("scoreNeurons() adds up to the effect of switching the whole layer off when neurons interact", async () => {
  const checkpoint = await makeTinyCheckpoint({ ...shape, neurons: 6 });
  const engine = await createReferenceEngine(checkpoint);
  const examples = makeTinyExamples(checkpoint.config, { count: 2, promptTokens: [2, 5] });
  const { scores } = await scoreNeurons(engine, examples, { tolerance: 1e-6, maxNodes: 256 });
  const all = Uint32Array.from({ length: 6 }, (_, neuron) => neuron);
  for (const layer of [0, 1]) {
    const [on, off] = await engine.objective(examples, [[], [{ layer, site: "gate", neurons: all }]]);
    const effect = on.reduce((sum, value, example) => sum + value - off[example], 0) / examples.length;
    const sum = layerScores(scores, layer).reduce((total, score) => total + score, 0);
    assertAlmostEquals(sum, effect, 1e-5);
  }
  await engine.close();
  await checkpoint.close();
});
