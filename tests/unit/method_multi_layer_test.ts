import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Intervention } from "../../src/engine/engine.ts";
import { selectForward } from "../../src/method/forward_selection.ts";
import { planOfHighest, searchGlobal } from "../../src/method/global_search.ts";
import type { NeuronScores } from "../../src/method/neuron_scores.ts";
import { planToIntervention } from "../../src/method/plan.ts";
import { toyConfig, ToyEngine, toyExamples } from "../support/toy_engine.ts";

function scoresOf(rows: readonly (readonly number[])[]): NeuronScores {
  const scored = rows.map((_, layer) => layer);
  return { site: "gate", layers: rows.length, neurons: rows[0].length, scored, values: Float32Array.from(rows.flat()) };
}

const masksOf = (intervention: Intervention) => intervention.map(({ layer, neurons }) => [layer, ...neurons]);

/**
 * A model whose example i is right once the neurons `needs[i]` are off, given as `[layer, neuron]`; the margin counts
 * those that are.
 */
function needyEngine(layers: number, neurons: number, needs: readonly (readonly (readonly [number, number])[])[]) {
  return new ToyEngine({
    layers,
    neurons,
    logProbs: (example, pruned) => {
      const met = needs[example].filter(([layer, neuron]) => pruned(layer, neuron)).length;
      return [met - needs[example].length, -0.5];
    },
  });
}

Deno.test("planOfHighest() takes the neurons of highest score of all layers, ties by layer and then by index", () => {
  const config = toyConfig({ layers: 2, neurons: 3 });
  const scores = scoresOf([[5, 1, 3], [3, 3, 9]]);
  const masks = (count: number, options = {}) => masksOf(planOfHighest(config, scores, count, options).masks);
  assertEquals(masks(0), []);
  assertEquals(masks(3), [[0, 0, 2], [1, 2]]);
  assertEquals(masks(4), [[0, 0, 2], [1, 0, 2]]);
  assertEquals(masks(2, { normalise: "layer-max" }), [[0, 0], [1, 2]]);
  assertThrows(() => planOfHighest(config, scores, 7), RangeError, "7 neurons");
});

Deno.test("planOfHighest() never takes neurons at or below zero when the ranking is positive", () => {
  const config = toyConfig({ layers: 2, neurons: 2 });
  const scores = scoresOf([[-5, 1], [0, 2]]);
  assertEquals(masksOf(planOfHighest(config, scores, 4, { ranking: "positive" }).masks), [[0, 1], [1, 1]]);
  assertEquals(masksOf(planOfHighest(config, scores, 2, { ranking: "absolute" }).masks), [[0, 0], [1, 1]]);
});

Deno.test("searchGlobal() chooses the number of neurons that helps most and prefers fewer", async () => {
  const engine = needyEngine(2, 4, [[[0, 0]], [[1, 3]], []]);
  const scores = scoresOf([[9, 0, 0, 0], [0, 0, 0, 8]]);
  const result = await searchGlobal(engine, toyExamples(3), scores, { counts: [1, 2, 3] });
  assertEquals(result.configurations.map(({ neurons, correct }) => [neurons, correct]), [[0, 1], [1, 2], [2, 3], [
    3,
    3,
  ]]);
  assertEquals([result.chosen, result.tiedOnAccuracy, result.configurations[2].perLayer], [2, 2, [1, 1]]);
  assertEquals(masksOf(planToIntervention(result.plan)), [[0, 0], [1, 3]]);
  assertEquals(engine.calls.length, 1);
});

Deno.test("searchGlobal() tries as many neurons as the grid of one layer by default, and throws when options are out of range", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 10 });
  const scores = scoresOf([Array(10).fill(1), Array(10).fill(2)]);
  const { settings } = await searchGlobal(engine, toyExamples(1), scores);
  assertEquals(settings.counts, [1, 2, 3, 4, 5]);
  for (const counts of [[], [0], [1.5], [2, 2], [21]]) {
    await assertRejects(() => searchGlobal(engine, toyExamples(1), scores, { counts }), RangeError);
  }
  await assertRejects(() => searchGlobal(engine, [], scores), RangeError, "0 examples");
});

const needs = [[[0, 0]], [[1, 1]], [[2, 2]], [[0, 0]], [[1, 1]], [[0, 3]]] as const;
const ranked = scoresOf([[9, 0, 0, 1], [0, 9, 0, 0], [0, 0, 9, 0]]);

Deno.test("selectForward() adds a layer a step while the held-out examples gain", async () => {
  const engine = needyEngine(3, 4, needs);
  const examples = toyExamples(6);
  const result = await selectForward({
    engine,
    scores: ranked,
    selection: examples.slice(0, 3),
    heldOut: examples.slice(3),
    fractions: [0.25, 0.5],
  });
  assertEquals(
    result.steps.map(({ layer, fraction, kept, totalNeurons }) => [layer, fraction, kept, totalNeurons]),
    [[0, 0.25, true, 1], [1, 0.25, true, 2], [2, 0.25, false, 3]],
  );
  assertEquals(result.steps.map(({ selection, heldOut }) => [selection.correct, heldOut.correct]), [[1, 1], [2, 2], [
    3,
    2,
  ]]);
  assertEquals([result.stopped, result.rescored, result.tried], ["held-out", false, 6 + 4 + 2]);
  assertEquals(result.steps[0].tiedOnAccuracy, 6);
  assertEquals([result.unmodified.selection.correct, result.unmodified.heldOut.accuracy], [0, 0]);
  assertEquals(masksOf(planToIntervention(result.plan)), [[0, 0], [1, 1]]);
  assertAlmostEquals(result.plan.chosen.heldOutAccuracy as number, 2 / 3);
});

Deno.test("selectForward() stops when the selection examples do not gain, steps run out, or layers do", async () => {
  const engine = needyEngine(3, 4, needs);
  const examples = toyExamples(6);
  const select = (options: object, at = 3) =>
    selectForward({
      engine,
      scores: ranked,
      selection: examples.slice(0, at),
      heldOut: [0, 3, 1, 4, 2].map((index) => examples[index]),
      fractions: [0.25],
      ...options,
    });
  assertEquals((await select({}, 1)).stopped, "selection");
  const limited = await select({ maxSteps: 1 });
  assertEquals([limited.stopped, limited.plan.masks.length], ["steps", 1]);
  const all = await select({});
  assertEquals([all.stopped, all.plan.masks.length, all.steps.length], ["layers", 3, 3]);
  assertEquals((await select({ minimumGain: 0.3 })).steps.map(({ kept }) => kept), [true, true, false]);
  await assertRejects(() => select({ maxSteps: 0 }), RangeError, "0 steps");
  await assertRejects(() => select({ minimumGain: 1 }), RangeError, "gain of 1");
  await assertRejects(() => select({ heldOut: [] }), RangeError, "0 examples");
});

Deno.test("selectForward() scores anew under the plan so far when it is told how", async () => {
  const engine = needyEngine(3, 4, needs);
  const examples = toyExamples(6);
  const bases: unknown[] = [];
  const result = await selectForward({
    engine,
    scores: scoresOf([[9, 0, 0, 0], [9, 0, 0, 0], [9, 0, 0, 0]]),
    selection: examples.slice(0, 2),
    heldOut: examples.slice(3, 5),
    fractions: [0.25],
    rescore: (base) => {
      bases.push(masksOf(base));
      return Promise.resolve(ranked);
    },
  });
  assertEquals(bases, [[[0, 0]], [[0, 0], [1, 1]]]);
  assertEquals([result.rescored, result.plan.chosen.rescored], [true, true]);
  assertEquals(masksOf(planToIntervention(result.plan)), [[0, 0], [1, 1]]);
});
