import { assertEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../src/engine/engine.ts";
import { bestSingleLayers, compareLayers } from "../../src/method/compare_layers.ts";
import { planToIntervention } from "../../src/method/plan.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { ToyEngine, toyExamples } from "../support/toy_engine.ts";

/**
 * Neurons 0 of layers 0 and 1 have the largest terms; even examples need the one of layer 0 off, odd ones that of layer
 * 1, and any other neuron that is off costs margin.
 */
function twoLayerEngine() {
  return new ToyEngine({
    layers: 3,
    neurons: 4,
    effect: (layer, neuron) => neuron === 0 && layer < 2 ? 5 - layer : 0.1 * (layer + neuron),
    logProbs: (example, pruned) => {
      let others = 0;
      for (let layer = 0; layer < 3; layer++) {
        for (let neuron = 0; neuron < 4; neuron++) others += Number(pruned(layer, neuron));
      }
      return [pruned(example % 2, 0) ? -0.01 * others : -1, -0.5];
    },
  });
}

Deno.test("compareLayers() finds what one layer cannot do when two shortcuts lie in two layers", async () => {
  const engine = twoLayerEngine();
  const examples = toyExamples(16);
  const stages = new Set<string>();
  const result = await compareLayers({
    engine,
    adaptation: examples.slice(0, 4),
    heldOut: examples.slice(4, 8),
    test: examples.slice(8),
    search: { fractions: [0.25, 0.5] },
    onProgress: ({ stage }: Progress) => stages.add(stage.split(":")[0]),
  });
  const byStrategy = Object.fromEntries(result.outcomes.map((outcome) => [outcome.strategy, outcome]));
  assertEquals(Object.keys(byStrategy), ["single", "forward", "forward-rescored", "global", "global-joint"]);
  assertEquals([result.unpruned.accuracy, byStrategy.single.test.accuracy], [0, 0.5]);
  for (const strategy of ["forward", "forward-rescored", "global", "global-joint"] as const) {
    const { test, perLayer, neurons, singleAtEqualNeurons } = byStrategy[strategy];
    assertEquals([test.accuracy, perLayer, neurons], [1, [1, 1, 0], 2], strategy);
    assertEquals([singleAtEqualNeurons!.layer, singleAtEqualNeurons!.test.accuracy], [0, 0.5], strategy);
  }
  assertEquals(result.searches.forward.tried, 6 + 4 + 2);
  assertEquals([byStrategy.single.tried, byStrategy.global.tried], [7, 3]);
  const rescoring = engine.callsOf("attribute").filter(({ pairs }) => pairs!.length > 0).length;
  assertEquals(rescoring > 2, true);
  assertEquals(stages.has("forward, scored anew") && stages.has("joint path") && stages.has("test"), true);
});

Deno.test("compareLayers() has no single layer to compare with when a plan is empty or larger than a layer", async () => {
  const engine = twoLayerEngine();
  const { scores } = await scoreNeurons(engine, toyExamples(2));
  const best = await bestSingleLayers(engine, toyExamples(4), scores, [0, 1, 5, 4]);
  assertEquals(best.map((entry) => entry && entry.layer), [null, 0, null, 0]);
  assertEquals(planToIntervention(best[1]!.plan), [{ layer: 0, site: "gate", neurons: Uint32Array.of(0) }]);
  assertEquals(await bestSingleLayers(engine, toyExamples(4), scores, [0]), [null]);
});

Deno.test("compareLayers() throws when a list of examples is empty", async () => {
  const examples = toyExamples(2);
  const input = { engine: twoLayerEngine(), adaptation: examples, heldOut: examples, test: examples };
  for (const list of ["heldOut", "test", "selection", "adaptation"]) {
    await assertRejects(() => compareLayers({ ...input, [list]: [] }), RangeError, "0 ");
  }
});
