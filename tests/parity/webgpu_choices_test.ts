/**
 * Forward results of the WebGPU engine against the reference engine: choices, objectives and logits under
 * interventions.
 */
import { assertEquals } from "@std/assert";
import { objectives } from "../../src/method/score.ts";
import { openEnginePair, TINY_MODELS, tinyInterventions } from "../support/engine_pair.ts";
import { assertClose } from "../support/relative_error.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";

for (const [name, options] of Object.entries(TINY_MODELS)) {
  const { config, reference, webgpu } = await openEnginePair(options);
  const interventions = Object.entries(tinyInterventions(config));
  const masks = interventions.map(([, intervention]) => intervention);

  for (const choiceTokens of [[1, 1], [1, 4], [3, 3]] as const) {
    Deno.test(`choiceLogProbs() equals the reference on ${name} when choices have ${choiceTokens.join(" to ")} tokens`, async () => {
      const examples = makeTinyExamples(config, { count: 4, promptTokens: [1, 19], choices: 4, choiceTokens, seed: 5 });
      const expected = await reference.choiceLogProbs(examples, masks);
      const actual = await webgpu.choiceLogProbs(examples, masks);
      interventions.forEach(([kind], i) =>
        examples.forEach((_, e) =>
          assertClose(actual[i][e], expected[i][e], WEBGPU_TOLERANCE.logProbs, `example ${e} under ${kind}`)
        )
      );
    });
  }

  Deno.test(`logits() and objective() equal the reference on ${name} under every kind of intervention`, async () => {
    const examples = makeTinyExamples(config, { promptTokens: [1, 17], seed: 6 });
    const expected = await reference.logits(examples, masks);
    const actual = await webgpu.logits(examples, masks);
    interventions.forEach(([kind], i) =>
      examples.forEach((_, e) => {
        assertEquals(actual[i][e].length, config.vocabularySize);
        assertClose(actual[i][e], expected[i][e], WEBGPU_TOLERANCE.logits, `logits of example ${e} under ${kind}`);
      })
    );
    for (const objective of objectives) {
      const expected = await reference.objective(examples, masks, { objective });
      const actual = await webgpu.objective(examples, masks, { objective });
      interventions.forEach(([kind], i) =>
        assertClose(actual[i], expected[i], WEBGPU_TOLERANCE.objectives, `objective ${objective} under ${kind}`)
      );
    }
  });
}
