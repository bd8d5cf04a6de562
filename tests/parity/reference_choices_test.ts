/** Choice log-probabilities of the reference engine against the chain rule over its own logits. */
import { assertEquals, assertLess } from "@std/assert";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { Example } from "../../src/tasks/example.ts";
import { relativeError } from "../support/relative_error.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const engine = await createReferenceEngine(await makeTinyCheckpoint({ width: 16, neurons: 20, headWidth: 4, seed: 8 }));
const intervention = [{ layer: 1, site: "gate" as const, neurons: Uint32Array.of(0, 4, 5) }];

/** Sum over the choice's tokens of log softmax, each from the logits after everything before it. */
async function chainRule(example: Example, choice: Uint32Array): Promise<number> {
  const contexts = Array.from(choice, (_, i) => ({
    ...example,
    prompt: Uint32Array.from([...example.prompt, ...choice.subarray(0, i)]),
  }));
  const [rows] = await engine.logits(contexts, [intervention]);
  return rows.reduce((sum, row, i) => {
    let total = 0;
    for (const logit of row) total += Math.exp(logit);
    return sum + row[choice[i]] - Math.log(total);
  }, 0);
}

for (const choiceTokens of [[1, 1], [2, 4], [1, 3]] as const) {
  Deno.test(`choiceLogProbs() equals the chain rule when choices have ${choiceTokens.join(" to ")} tokens`, async () => {
    const examples = makeTinyExamples(engine.config, { choiceTokens, choices: 5 });
    const [results] = await engine.choiceLogProbs(examples, [intervention]);
    for (const [i, example] of examples.entries()) {
      const expected = await Promise.all(example.choices.map((choice) => chainRule(example, choice)));
      assertLess(relativeError(results[i], expected), 1e-14);
    }
  });
}

Deno.test("choiceLogProbs() of every token of the vocabulary sums to probability 1", async () => {
  const [example] = makeTinyExamples(engine.config);
  const choices = Array.from({ length: engine.config.vocabularySize }, (_, token) => Uint32Array.of(token));
  const [[logProbs]] = await engine.choiceLogProbs([{ ...example, choices }], [[]]);
  assertLess(Math.abs(logProbs.reduce((sum, logProb) => sum + Math.exp(logProb), 0) - 1), 1e-14);
});

Deno.test("choiceLogProbs() stays finite when logits are in the thousands", async () => {
  const edits = {
    "model.norm.weight": (values: Float32Array) => values.forEach((value, i) => values[i] = 2000 * value),
  };
  const loud = await createReferenceEngine(await makeTinyCheckpoint({ edits }));
  const examples = makeTinyExamples(loud.config);
  const [results] = await loud.choiceLogProbs(examples, [[]]);
  const [rows] = await loud.logits(examples, [[]]);
  examples.forEach(({ choices }, i) => {
    // At this scale the softmax is its largest term.
    const largest = Math.max(...rows[i]);
    const expected = choices.map(([token]) => rows[i][token] - largest);
    assertLess(relativeError(results[i], expected), 1e-6);
  });
});

Deno.test("choiceLogProbs() returns a row per intervention, example and choice when there are several", async () => {
  const examples = makeTinyExamples(engine.config, { choices: 4 });
  const results = await engine.choiceLogProbs(examples, [[], intervention]);
  assertEquals(results.map((rows) => rows.map((row) => row.length)), [[4, 4, 4], [4, 4, 4]]);
  assertEquals(await engine.choiceLogProbs(examples, []), []);
  assertEquals(await engine.choiceLogProbs([], [[], []]), [[], []]);
});
