import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { attributionMethodNames, attributionMethods, scoreByMethod } from "../../src/method/attribution_methods.ts";
import { compareAttributions, integratedGradientsVariants } from "../../src/method/compare_attributions.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { ToyEngine, toyExamples } from "../support/toy_engine.ts";

const checkpoint = await makeTinyCheckpoint({ layers: 2, width: 8, neurons: 10, headWidth: 4, vocabulary: 24 });
const engine = await createReferenceEngine(checkpoint);
const examples = makeTinyExamples(checkpoint.config, { count: 6, promptTokens: [2, 5] });

Deno.test("scoreByMethod() gives finite scores of the layers asked for, whichever method of the table", async () => {
  for (const name of attributionMethodNames) {
    const { about, cost } = attributionMethods[name];
    assert(about.length > 0 && cost.length > 0, name);
    const input = { engine, checkpoint, examples: examples.slice(0, 2), shapley: { pairs: 2 }, hessians: { nodes: 2 } };
    const path = name === "integrated-gradients-joint" ? {} : { layers: [1] };
    const { scores, details } = await scoreByMethod(name, { ...input, score: { nodes: 4, ...path } });
    assertEquals(scores.scored, name === "integrated-gradients-joint" ? [0, 1] : [1], name);
    assertEquals([scores.layers, scores.neurons, scores.values.length], [2, 10, 20], name);
    const own = scores.values.subarray(10);
    assert(own.every(Number.isFinite) && new Set(own).size > 1, name);
    assert(Object.values(details).every((value) => typeof value === "string" || Number.isFinite(value)), name);
  }
});

Deno.test("scoreByMethod() is the function of the method, and lowest-attribution its negative", async () => {
  const input = { engine, examples, score: { objective: "margin", nodes: 6 } as const };
  const { scores } = await scoreNeurons(engine, examples, input.score);
  assertEquals((await scoreByMethod("integrated-gradients", input)).scores, scores);
  const lowest = await scoreByMethod("lowest-attribution", input);
  assertEquals(lowest.scores.values, scores.values.map((value) => -value));
  const random = async (seed: number) => (await scoreByMethod("random", { ...input, seed })).scores.values;
  assertEquals(await random(1), await random(1));
  assertNotEquals(await random(1), await random(2));
});

Deno.test("scoreByMethod() throws when the method is unknown or lacks what it needs", async () => {
  const toy = new ToyEngine({ layers: 1, neurons: 3 });
  const input = { engine: toy, examples: toyExamples(1) };
  await assertRejects(() => scoreByMethod("oracle" as "random", input), RangeError, 'by "oracle"');
  await assertRejects(() => scoreByMethod("weight-magnitude", input), RangeError, "a checkpoint");
  await assertRejects(() => scoreByMethod("integrated-hessians", input), RangeError, "factorGradients");
});

Deno.test("compareAttributions() searches with every variant and measures them on the test examples in one call", async () => {
  // Neuron 0 misleads example 0 and every test example above 3; its term is the largest, its weight the smallest.
  const toy = new ToyEngine({
    layers: 1,
    neurons: 4,
    effect: (_, neuron) => 4 - neuron,
    logProbs: (example, pruned) => pruned(0, 0) || (example > 0 && example < 4) ? [0, -1] : [-1, 0],
  });
  const all = toyExamples(6);
  const result = await compareAttributions({
    engine: toy,
    adaptation: all.slice(0, 2),
    test: all.slice(2),
    variants: [
      { label: "ig", method: "integrated-gradients" },
      { label: "turned round", method: "lowest-attribution" },
      { label: "shapley", method: "shapley", shapley: { pairs: 2 }, rankOnly: true },
    ],
    search: { fractions: [0.25] },
  });
  const [ig, turned, shapley] = result.variants;
  assertEquals([ig.chosen!.layer, ig.chosen!.neurons, ig.test!.accuracy], [0, 1, 1]);
  assertEquals([turned.chosen!.layer, turned.test!.accuracy, result.unpruned.accuracy], [null, 0.5, 0.5]);
  assertEquals([shapley.chosen, shapley.test, result.plans.has("shapley")], [null, null, false]);
  assertAlmostEquals(shapley.details.meanStandardError as number, 0, 1e-6);
  assertEquals(result.tried, 2 * 2);
  assertEquals(result.agreement.map(({ a, b, spearman }) => [a, b, spearman]), [
    ["ig", "turned round", -1],
    ["ig", "shapley", 1],
    ["turned round", "shapley", -1],
  ]);
  assertEquals(toy.callsOf("choiceLogProbs").at(-1)!.examples, ["toy/2", "toy/3", "toy/4", "toy/5"]);
});

Deno.test("compareAttributions() takes every option of Integrated Gradients and leaves out pairs that have other neurons", async () => {
  const variants = integratedGradientsVariants(4).map((variant) => ({ ...variant, rankOnly: true }));
  const result = await compareAttributions({
    engine,
    adaptation: examples.slice(0, 3),
    test: examples,
    variants,
    score: { maxNodes: 16 },
  });
  assertEquals(result.variants.length, variants.length);
  const pairOf = (b: string) => result.agreement.find((pair) => pair.a === "default" && pair.b === b);
  assertEquals(pairOf("site down"), undefined);
  assertEquals(pairOf("normalise layer-max")!.spearman, 1);
  assert(pairOf("gauss-legendre, 4 nodes")!.spearman! > 0.9);
  assert(pairOf("ranking absolute")!.spearman! < 1);
  const labels = variants.map(({ label }) => label);
  assertEquals(new Set(labels).size, labels.length);
});

Deno.test("compareAttributions() throws when variants are missing or repeat a label", async () => {
  const input = { engine, adaptation: examples, test: examples };
  await assertRejects(() => compareAttributions({ ...input, variants: [] }), RangeError, "0 attributions");
  const twice = [{ label: "a", method: "random" }, { label: "a", method: "ablation" }] as const;
  await assertRejects(() => compareAttributions({ ...input, variants: twice }), RangeError, 'labelled "a"');
  await assertRejects(
    () => compareAttributions({ ...input, test: [], variants: [{ label: "a", method: "random" }] }),
    RangeError,
    "0 test examples",
  );
  // The second variant fails before the first has run.
  const variants = [{ label: "a", method: "random" }, {
    label: "b",
    method: "integrated-gradients",
    score: { site: "down" },
  }] as const;
  await assertRejects(
    () =>
      compareAttributions({
        ...input,
        variants,
        search: { fractions: [0.055] },
        onProgress: () => assert(false, "something ran"),
      }),
    OptionError,
    "switch off none of the 8 neurons",
  );
  await assertRejects(
    () => compareAttributions({ ...input, variants, score: { nodes: 8, maxNodes: 16 } }),
    OptionError,
    "maxNodes 16 beside nodes 8",
  );
});
