import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { emptyFractions, leastFraction } from "../../src/method/fractions.ts";
import type { NeuronScores } from "../../src/method/neuron_scores.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import type { SelectionRule } from "../../src/method/selection_rules.ts";
import {
  compareConfigurations,
  type Configuration,
  planFromSearch,
  searchGrid,
  type SearchOptions,
} from "../../src/method/search.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { ToyEngine, toyExample, toyExamples } from "../support/toy_engine.ts";

/** Scores of a gate site whose neurons are ranked in the order 0, 1, 2, ... in every layer. */
function descendingScores(layers: number, neurons: number): NeuronScores {
  return {
    site: "gate",
    layers,
    neurons,
    scored: Array.from({ length: layers }, (_, layer) => layer),
    values: Float32Array.from({ length: layers * neurons }, (_, index) => neurons - index % neurons),
  };
}

type Pruned = (layer: number, neuron: number) => boolean;

/** How many of the first four neurons of a layer are off. */
const off = (pruned: Pruned, layer: number) => [0, 1, 2, 3].filter((neuron) => pruned(layer, neuron)).length;

function cell(overrides: Partial<Configuration>): Configuration {
  return { layer: 1, fraction: 0.5, neurons: 4, correct: 5, accuracy: 0.5, meanMargin: 1, ...overrides };
}

Deno.test("compareConfigurations() prefers accuracy, then margin, then fewer neurons, then the lower layer", () => {
  const better: [Configuration, Configuration][] = [
    [cell({ correct: 6, meanMargin: -9, neurons: 9, layer: 9 }), cell({})],
    [cell({ meanMargin: 1.1, neurons: 9, layer: 9 }), cell({})],
    [cell({ neurons: 3, layer: 9 }), cell({})],
    [cell({ layer: 0 }), cell({})],
    [cell({ layer: null, neurons: 0 }), cell({ layer: 0, neurons: 0 })],
    [cell({ meanMargin: Infinity }), cell({})],
  ];
  for (const [a, b] of better) {
    assertLess(compareConfigurations(a, b), 0);
    assertLess(0, compareConfigurations(b, a));
  }
  assertEquals(compareConfigurations(cell({ fraction: 0.1 }), cell({ fraction: 0.2 })), 0);
  assertEquals(compareConfigurations(cell({ meanMargin: -Infinity }), cell({ meanMargin: -Infinity })), 0);
});

Deno.test("searchGrid() measures the unmodified model and every cell in one call when given a grid", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 4 });
  const examples = toyExamples(2);
  const result = await searchGrid(engine, examples, descendingScores(2, 4), { fractions: [0.5, 0.25] });
  assertEquals(engine.calls.length, 1);
  assertEquals(
    engine.calls[0].interventions!.map((masks) => masks.map(({ layer, site, neurons }) => [layer, site, ...neurons])),
    [[], [[0, "gate", 0, 1]], [[0, "gate", 0]], [[1, "gate", 0, 1]], [[1, "gate", 0]]],
  );
  assertEquals(
    result.configurations.map(({ layer, fraction, neurons }) => [layer, fraction, neurons]),
    [[null, 0, 0], [0, 0.5, 2], [0, 0.25, 1], [1, 0.5, 2], [1, 0.25, 1]],
  );
  assertEquals(result.examples, ["toy/0", "toy/1"]);
});

Deno.test("searchGrid() chooses the higher accuracy when the margin is lower", async () => {
  // Unmodified: one of two right with margins 10 and -1. Layer 1 with two neurons off: both right by 0.1.
  const logProbs = (example: number, pruned: Pruned) =>
    off(pruned, 1) === 2 ? [0, -0.1] : example === 0 ? [0, -10] : [-1, 0];
  const engine = new ToyEngine({ layers: 2, neurons: 4, logProbs });
  const result = await searchGrid(engine, toyExamples(2), descendingScores(2, 4), { fractions: [0.25, 0.5] });
  const { layer, fraction, correct, accuracy, meanMargin } = result.configurations[result.chosen];
  assertEquals([layer, fraction, correct, accuracy, meanMargin], [1, 0.5, 2, 1, 0.1]);
  assertEquals(result.configurations[0].meanMargin, 4.5);
  assertEquals([...result.neurons], [0, 1]);
  assertEquals(result.tiedOnAccuracy, 1);
});

Deno.test("searchGrid() chooses the higher margin when accuracies tie, and counts the ties", async () => {
  const logProbs = (_: number, pruned: Pruned) => [0, -1 - off(pruned, 0) - 2 * off(pruned, 1)];
  const engine = new ToyEngine({ layers: 2, neurons: 4, logProbs });
  const result = await searchGrid(engine, toyExamples(1), descendingScores(2, 4), { fractions: [0.25, 0.5] });
  const { layer, fraction, meanMargin } = result.configurations[result.chosen];
  assertEquals([layer, fraction, meanMargin], [1, 0.5, 5]);
  assertEquals(result.tiedOnAccuracy, 5);
});

Deno.test("searchGrid() chooses fewer neurons, then the lower layer, when margins tie too", async () => {
  const logProbs = (_: number, pruned: Pruned) => [0, off(pruned, 1) + off(pruned, 2) > 0 ? -2 : -1];
  const engine = new ToyEngine({ layers: 3, neurons: 4, logProbs });
  const result = await searchGrid(engine, toyExamples(1), descendingScores(3, 4), { fractions: [0.75, 0.25, 0.5] });
  const { layer, fraction } = result.configurations[result.chosen];
  assertEquals([layer, fraction], [1, 0.25]);
});

Deno.test("searchGrid() leaves the model as it is when pruning changes nothing", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 4 });
  const result = await searchGrid(engine, toyExamples(3), descendingScores(2, 4), { fractions: [0.01, 0.5] });
  assertEquals(result.chosen, 0);
  assertEquals(result.neurons.length, 0);
  assertEquals(result.tiedOnAccuracy, 5);
  // A fraction that rounds to no neuron is the unmodified model and is not measured again.
  assertEquals(result.configurations[1], { ...result.configurations[0], layer: 0, fraction: 0.01 });
  assertEquals(engine.calls[0].interventions!.length, 3);
  assertEquals(planFromSearch(engine.config, result).masks, []);
});

Deno.test("searchGrid() compares accuracy and margin in the metric's unit when it is acc_norm", async () => {
  // Choices of 1 and 4 characters: the unmodified model is right by acc and wrong by acc_norm.
  const logProbs = (_: number, pruned: Pruned) => off(pruned, 0) > 0 ? [-1, -8] : [-1, -2];
  const engine = new ToyEngine({ layers: 1, neurons: 4, logProbs });
  const examples = [toyExample(0, 0, [1, 4])];
  const options = { fractions: [0.25], metric: "acc_norm" } as const;
  const result = await searchGrid(engine, examples, descendingScores(1, 4), options);
  const measured = result.configurations.map(({ accuracy, meanMargin }) => [accuracy, meanMargin]);
  assertEquals(measured, [[0, -0.5], [1, 1]]);
  assertEquals(result.chosen, 1);
});

Deno.test("searchGrid() prunes at most the positive neurons when the ranking is positive", async () => {
  const engine = new ToyEngine({ layers: 1, neurons: 4 });
  const scores = { ...descendingScores(1, 4), values: Float32Array.of(-1, 2, 3, 0) };
  const options = { fractions: [0.25, 0.5, 0.75, 1], ranking: "positive" } as const;
  const result = await searchGrid(engine, toyExamples(1), scores, options);
  assertEquals(result.configurations.map(({ neurons }) => neurons), [0, 1, 2, 2, 2]);
  // The three equal cells are measured once.
  assertEquals(engine.calls[0].interventions!.map(([mask]) => mask ? [...mask.neurons] : []), [[], [2], [1, 2]]);
});

Deno.test("searchGrid() keeps to the scored layers when not all of them were", async () => {
  const engine = new ToyEngine({ layers: 3, neurons: 4 });
  const scores = { ...descendingScores(3, 4), scored: [1] };
  const result = await searchGrid(engine, toyExamples(1), scores, { fractions: [0.5] });
  assertEquals(result.configurations.map(({ layer }) => layer), [null, 1]);
  await assertRejects(
    () => searchGrid(engine, toyExamples(1), scores, { layers: [0, 1] }),
    RangeError,
    "layer 0: only layers 1 are scored",
  );
});

Deno.test("searchGrid() throws when the examples or the grid cannot be searched", async () => {
  const engine = new ToyEngine({ layers: 1, neurons: 4 });
  const scores = descendingScores(1, 4);
  const rejects = async (options: Parameters<typeof searchGrid>[3], message: string, examples = toyExamples(1)) => {
    await assertRejects(() => searchGrid(engine, examples, scores, options), RangeError, message);
  };
  await rejects({ fractions: [] }, "0 fractions");
  await rejects({ fractions: [0] }, "fraction 0: expected a number above 0");
  await rejects({ fractions: [1.01] }, "fraction 1.01");
  await rejects({ fractions: [NaN] }, "fraction NaN");
  await rejects({ fractions: [0.1, 0.1] }, "fraction 0.1 twice");
  await rejects({ ranking: "lowest" as "signed" }, 'ranking "lowest"');
  await rejects({ metric: "f1" as "acc" }, 'metric "f1"');
  await rejects({ layers: [1] }, "layer 1: expected an integer in 0..0");
  await rejects({ fractions: [0.1, 0.12] }, "fractions 0.1, 0.12: they switch off none of the 4 neurons of a layer");
  await rejects({ fractions: [0.1] }, "the smallest that switches one off is 0.13");
  await rejects({ fraction: [0.5] } as SearchOptions, "fraction: there is no such option; did you mean fractions?");
  await rejects({}, "0 examples", []);
  await rejects({}, "toy/0: it has 1 choices", [toyExample(0, 0, [1])]);
  assertEquals(engine.calls, []);
  const empty = () => searchGrid(engine, toyExamples(1), scores, { fractions: [0.01] });
  assertEquals((await assertRejects(empty, OptionError)).option, "fractions");
  // One that is a neuron is enough.
  const { configurations } = await searchGrid(engine, toyExamples(1), scores, { fractions: [0.01, 0.13] });
  assertEquals(configurations.map(({ neurons }) => neurons), [0, 0, 1]);
});

Deno.test("leastFraction() is a neuron, and there is hardly a smaller one", () => {
  for (let neurons = 1; neurons < 3000; neurons++) {
    const least = leastFraction(neurons);
    assertEquals(emptyFractions([least], neurons), [], String(neurons));
    assertEquals(emptyFractions([least * 0.9], neurons), [least * 0.9], String(neurons));
  }
});

Deno.test("planFromSearch() holds the chosen neurons and says how they were chosen", async () => {
  const logProbs = (_: number, pruned: Pruned) => [0, off(pruned, 1) === 2 ? -3 : -1];
  const engine = new ToyEngine({ layers: 2, neurons: 4, logProbs });
  const scores = { ...descendingScores(2, 4), values: Float32Array.of(0, 0, 0, 0, 1, 5, 2, 4) };
  const result = await searchGrid(engine, toyExamples(2), scores, { fractions: [0.5, 1] });
  // Neurons 1 and 3 rank first in layer 1, so "two of the first four are off" holds there alone.
  const plan = planFromSearch(engine.config, result);
  assertEquals(plan.masks, [{ layer: 1, site: "gate", fraction: 0.5, neurons: Uint32Array.of(1, 3) }]);
  assertEquals(plan.chosen, {
    by: "integrated-gradients",
    ranking: "signed",
    metric: "acc",
    accuracy: 1,
    meanMargin: 3,
    configurations: 5,
    tiedOnAccuracy: 5,
    examples: 2,
  });
});

Deno.test("searchGrid() chooses by the selection rule asked for, whatever the order of the fractions", async () => {
  // Pruning one neuron mends the first example and leaves the second at a near miss; two neurons mend neither,
  // narrowly.
  const engine = new ToyEngine({
    layers: 1,
    neurons: 4,
    effect: (_, neuron) => 4 - neuron,
    logProbs(example, pruned) {
      const count = [0, 1, 2, 3].filter((neuron) => pruned(0, neuron)).length;
      const share = [[0.2, 0.2], [0.55, 0.05], [0.49, 0.49], [0.3, 0.3], [0.1, 0.1]][count][example];
      return [Math.log(share), Math.log(1 - share)];
    },
  });
  const examples = toyExamples(2);
  const { scores } = await scoreNeurons(engine, examples);
  const chosenBy = async (selectionRule: SelectionRule) => {
    const found = await searchGrid(engine, examples, scores, { fractions: [0.75, 0.25, 0.5], selectionRule });
    assertEquals(found.neurons.length, found.configurations[found.chosen].neurons);
    return found.configurations[found.chosen].neurons;
  };
  assertEquals(await chosenBy("paper"), 1);
  assertEquals(await chosenBy("choice-likelihood"), 2);
  assertEquals(await chosenBy("choice-likelihood+no-harm"), 0);
  await assertRejects(() => chosenBy("leave-one-out"), RangeError, 'by the rule "leave-one-out"');
});
