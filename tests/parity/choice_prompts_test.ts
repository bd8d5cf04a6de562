/** Examples whose choices have prompts of their own: both engines give what examples of one choice give. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Example } from "../../src/tasks/example.ts";
import { openEnginePair, TINY_MODELS, tinyInterventions } from "../support/engine_pair.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const { config, reference, webgpu } = await openEnginePair(TINY_MODELS["llama in f32"]);
const plain = makeTinyExamples(config, { count: 4, promptTokens: [2, 9], choices: 2, choiceTokens: [1, 3], seed: 8 });
const prompts = [plain[1].prompt, plain[2].prompt];
const split: Example = { ...plain[3], id: "tiny/split", prompts, prompt: prompts[plain[3].gold] };
const masks = Object.values(tinyInterventions(config));

for (const [name, engine] of [["reference", reference], ["WebGPU", webgpu]] as const) {
  Deno.test(`choiceLogProbs() of the ${name} engine scores each choice after its own prompt when there are several`, async () => {
    const single = prompts.map((prompt, choice): Example => ({
      ...plain[3],
      prompt,
      choices: [plain[3].choices[choice]],
    }));
    const expected = await engine.choiceLogProbs([plain[0], ...single, plain[1]], masks);
    const actual = await engine.choiceLogProbs([plain[0], split, plain[1]], masks);
    assertEquals(actual, expected.map(([first, one, two, last]) => [first, Float64Array.of(one[0], two[0]), last]));
  });

  Deno.test(`objective() of the ${name} engine looks at the right prompt, and at no choice, when there are several`, async () => {
    const alone: Example = { ...plain[3], prompt: split.prompt };
    assertEquals(await engine.objective([split], masks), await engine.objective([alone], masks));
    for (const objective of ["choice", "gold", "margin"] as const) {
      await assertRejects(
        () => engine.objective([split], masks, { objective }),
        RangeError,
        `Cannot take the objective ${objective} of example tiny/split: its choices have prompts of their own`,
      );
    }
  });
}
