import { assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../src/engine/engine.ts";
import {
  ablationScores,
  gradientActivationScores,
  meanActivationScores,
  randomScores,
  weightMagnitudeScores,
} from "../../src/method/baselines.ts";
import { layerScores, negateScores, siteNeurons } from "../../src/method/neuron_scores.ts";
import { firstNeurons, rankNeurons } from "../../src/method/rank.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { silu, toyConfig, ToyEngine, toyExamples } from "../support/toy_engine.ts";

const gate = (example: number, layer: number, neuron: number) => 0.5 - example + layer + 0.25 * neuron;
const effect = (layer: number, neuron: number) => (neuron === 1 ? -3 : 1) + layer;

Deno.test("randomScores() is a permutation of every layer, the same for the same seed", () => {
  const config = toyConfig({ layers: 3, neurons: 20, width: 6 });
  const scores = randomScores(config, "gate", createRandom(5));
  assertEquals(scores, randomScores(config, "gate", createRandom(5)));
  assertNotEquals(scores.values, randomScores(config, "gate", createRandom(6)).values);
  const orders = [0, 1, 2].map((layer) => rankNeurons(layerScores(scores, layer)));
  assertNotEquals(orders[0], orders[1]);
  for (const order of orders) assertEquals([...order].sort((a, b) => a - b), [...Array(20).keys()]);
  assertEquals(randomScores(config, "down", createRandom(5)).neurons, 6);
});

Deno.test("randomScores() takes every neuron about as often as any other when many draws are pooled", () => {
  const config = toyConfig({ layers: 1, neurons: 10 });
  const random = createRandom(1);
  const counts = new Array(10).fill(0);
  for (let draw = 0; draw < 2000; draw++) {
    const scores = randomScores(config, "gate", random);
    for (const neuron of firstNeurons(rankNeurons(layerScores(scores, 0)), 3)) counts[neuron]++;
  }
  // 600 are expected each, with standard deviation 20.5.
  counts.forEach((count) => assertAlmostEquals(count, 600, 90));
});

Deno.test("negateScores() puts the lowest neuron first", () => {
  const config = toyConfig({ layers: 1, neurons: 3 });
  const scores = { ...randomScores(config, "gate", createRandom(0)), values: Float32Array.of(2, -1, 5) };
  assertEquals([...rankNeurons(layerScores(negateScores(scores), 0))], [1, 0, 2]);
});

Deno.test("weightMagnitudeScores() is the norm of each neuron's row when the weights are known", async () => {
  const shape = { layers: 2, width: 16, neurons: 5, queryHeads: 2, keyValueHeads: 1 };
  const checkpoint = await makeTinyCheckpoint({
    ...shape,
    edits: {
      "model.layers.1.mlp.gate_proj.weight": (values) => {
        values.fill(0);
        values.set([3, 4], 2 * 16);
        values.set([-12], 4 * 16 + 15);
      },
    },
  });
  const scores = await weightMagnitudeScores(checkpoint);
  assertEquals([...layerScores(scores, 1)], [0, 0, 5, 0, 12]);
  const down = await weightMagnitudeScores(checkpoint, "down");
  assertEquals(down.neurons, 16);
  const weights = await checkpoint.readF32(checkpoint.config.layerWeights[0].down);
  assertAlmostEquals(layerScores(down, 0)[3], Math.hypot(...weights.subarray(15, 20)), 1e-6);
});

Deno.test("meanActivationScores() is the mean of |h| when the activations are known", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate });
  const scores = await meanActivationScores(engine, toyExamples(2));
  const expected = (Math.abs(silu(gate(0, 1, 2))) + Math.abs(silu(gate(1, 1, 2)))) / 2;
  assertAlmostEquals(layerScores(scores, 1)[2], expected, 1e-6);
  await assertRejects(() => meanActivationScores(engine, toyExamples(1), { site: "down" }), RangeError, "down");
  await assertRejects(() => meanActivationScores(engine, []), RangeError, "0 examples");
});

Deno.test("gradientActivationScores() is the slope at 1 times the gate when one node is used", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate, effect });
  const scores = await gradientActivationScores(engine, toyExamples(2), { rule: "midpoint", nodes: 9 });
  assertEquals(engine.calls.map((call) => call.nodes), [1]);
  const slope = (z: number) => (silu(z + 1e-5) - silu(z - 1e-5)) / 2e-5;
  const expected = [0, 1].reduce((sum, i) => sum + effect(1, 1) * slope(gate(i, 1, 1)) * gate(i, 1, 1) / 2, 0);
  assertAlmostEquals(layerScores(scores, 1)[1], expected, 1e-6);
});

Deno.test("ablationScores() is each neuron's own term when terms add up", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate, effect });
  const reports: Progress[] = [];
  const onProgress = (progress: Progress) => reports.push(progress);
  const scores = await ablationScores(engine, toyExamples(2), { neuronsPerCall: 4, onProgress });
  for (const layer of [0, 1]) {
    for (const neuron of [0, 1, 2]) {
      const expected = (engine.term(0, layer, neuron) + engine.term(1, layer, neuron)) / 2;
      assertAlmostEquals(layerScores(scores, layer)[neuron], expected, 1e-6);
    }
  }
  assertEquals(engine.calls.map((call) => call.interventions!.length), [1, 4, 2]);
  assertEquals(reports.map(({ stage, done, total }) => [stage, done, total]), [["ablation", 4, 6], ["ablation", 6, 6]]);
});

Deno.test("ablationScores() ablates only the layers named", async () => {
  const engine = new ToyEngine({ layers: 3, neurons: 2, gate });
  const scores = await ablationScores(engine, toyExamples(1), { layers: [1] });
  assertEquals(scores.scored, [1]);
  assertAlmostEquals(layerScores(scores, 1)[1], engine.term(0, 1, 1), 1e-6);
  assertEquals(engine.calls[1].interventions!.flat().map(({ layer }) => layer), [1, 1]);
});

Deno.test("ablationScores() throws when options are out of range and stops when aborted", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 2 });
  await assertRejects(() => ablationScores(engine, []), RangeError, "0 examples");
  await assertRejects(() => ablationScores(engine, toyExamples(1), { neuronsPerCall: 0 }), RangeError, "0 neurons");
  const controller = new AbortController();
  const reason = new Error("enough");
  const options = { neuronsPerCall: 1, signal: controller.signal, onProgress: () => controller.abort(reason) };
  assertEquals(await assertRejects(() => ablationScores(engine, toyExamples(1), options)), reason);
  assertEquals(engine.calls.length, 2);
});

Deno.test("siteNeurons() is D for the site down and H for the others", () => {
  const config = toyConfig({ layers: 1, neurons: 10, width: 6 });
  assertEquals((["gate", "up", "down"] as const).map((site) => siteNeurons(config, site)), [10, 10, 6]);
});
