import { assertEquals } from "@std/assert";
import { createMemoryStore } from "../../src/checkpoint/tensor_store.ts";
import { createCachedEngine } from "../../src/engine/cached.ts";
import type { Engine, Intervention } from "../../src/engine/engine.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { ToyEngine, toyExamples } from "../support/toy_engine.ts";

const mask = (...neurons: number[]): Intervention => [{ layer: 0, site: "gate", neurons: Uint32Array.from(neurons) }];

function toy(): ToyEngine {
  return new ToyEngine({
    layers: 2,
    neurons: 4,
    gate: (example, layer, neuron) => 1 + example / 10 + layer + neuron / 3,
    logProbs: (example, pruned) => [-example - 1 - Number(pruned(0, 1)), -2],
  });
}

Deno.test("createCachedEngine() asks the engine only for interventions it does not know", async () => {
  const engine = toy();
  const store = createMemoryStore();
  const cached = createCachedEngine(engine, store, { namespace: "a" });
  const examples = toyExamples(3);
  const first = await cached.choiceLogProbs(examples, [[], mask(1)]);
  const second = await cached.choiceLogProbs(examples, [mask(1), mask(2), [], mask(2)]);
  assertEquals(engine.callsOf("choiceLogProbs").map(({ interventions }) => interventions!.length), [2, 1]);
  assertEquals(second, await engine.choiceLogProbs(examples, [mask(1), mask(2), [], mask(2)]));
  assertEquals(second[2], first[0]);
  assertEquals(cached.counts, { computed: 3, found: 3 });
  // Other examples, another namespace: other questions.
  await cached.choiceLogProbs(examples.slice(1), [mask(1)]);
  await createCachedEngine(engine, store, { namespace: "b" }).choiceLogProbs(examples, [mask(1)]);
  assertEquals(engine.callsOf("choiceLogProbs").length, 5);
});

Deno.test("createCachedEngine() stores units, so that an interrupted call goes on where it stopped", async () => {
  const engine = toy();
  const store = createMemoryStore();
  const controller = new AbortController();
  const cached = createCachedEngine(engine, store, { namespace: "a", interventionsPerUnit: 2 });
  const interventions = [[], mask(0), mask(1), mask(2), mask(3)];
  const done: number[] = [];
  const stopped = await cached.choiceLogProbs(toyExamples(2), interventions, {
    signal: controller.signal,
    onProgress: (progress) => {
      done.push(progress.done);
      if (done.length === 2) controller.abort(new Error("stop"));
    },
  }).catch((error) => error.message);
  assertEquals([stopped, done], ["stop", [2, 4]]);
  await cached.choiceLogProbs(toyExamples(2), interventions);
  assertEquals(engine.callsOf("choiceLogProbs").map(({ interventions }) => interventions!.length), [2, 2, 1]);
});

Deno.test("createCachedEngine() attributes missing pairs only, and hands over only their examples", async () => {
  const engine = toy();
  const cached = createCachedEngine(engine, createMemoryStore(), { namespace: "a" });
  const examples = toyExamples(3);
  const rule = quadratureRule("gauss-legendre", 4);
  await cached.attribute(examples.slice(0, 2), { rule });
  const pairs = [{ example: 2, layer: 1 }, { example: 0, layer: 0 }, { example: 1, layer: 1 }];
  const found = await cached.attribute(examples, { rule, pairs });
  const [, call] = engine.callsOf("attribute");
  assertEquals([call.examples, call.pairs], [["toy/2"], [{ example: 0, layer: 1 }]]);
  assertEquals(found, await engine.attribute(examples, { rule, pairs }));
  // Other nodes, another site: other questions.
  await cached.attribute(examples, { rule: quadratureRule("gauss-legendre", 8), pairs });
  await cached.attribute(examples, { rule, pairs, site: "up" });
  assertEquals(engine.callsOf("attribute").slice(3).map(({ pairs }) => pairs!.length), [3, 3]);
});

Deno.test("createCachedEngine() asks for all layers of an example on the joint path when one is missing", async () => {
  const engine = toy();
  const cached = createCachedEngine(engine, createMemoryStore(), { namespace: "a" });
  const rule = quadratureRule("midpoint", 2);
  await cached.attribute(toyExamples(1), { rule, path: "joint" });
  const found = await cached.attribute(toyExamples(2), { rule, path: "joint" });
  assertEquals(engine.callsOf("attribute")[1].pairs, [{ example: 0, layer: 0 }, { example: 0, layer: 1 }]);
  assertEquals(found, await engine.attribute(toyExamples(2), { rule, path: "joint" }));
});

Deno.test("createCachedEngine() remembers objectives and activations", async () => {
  const engine = toy();
  const cached = createCachedEngine(engine, createMemoryStore(), { namespace: "a" });
  const examples = toyExamples(2);
  for (let time = 0; time < 2; time++) {
    assertEquals(await cached.objective(examples, [mask(1)]), await engine.objective(examples, [mask(1)]));
    assertEquals(await cached.activations(examples), await engine.activations(examples));
  }
  // Two of each were asked of the engine by this test itself.
  assertEquals([engine.callsOf("objective").length, engine.callsOf("activations").length], [3, 3]);
  await cached.objective(examples, [mask(1)], { objective: "gold" });
  assertEquals(engine.callsOf("objective").length, 4);
});

Deno.test("createCachedEngine() remembers gradients where the engine has them", async () => {
  const engine = toy();
  let calls = 0;
  const gradients = (points: number) => Array.from({ length: points }, (_, point) => [Float64Array.of(point, 0.5)]);
  const able: Engine = Object.assign(engine, {
    factorGradients: (_: unknown, { points }: { points: readonly unknown[] }) => {
      calls++;
      return Promise.resolve(gradients(points.length));
    },
  });
  const cached = createCachedEngine(able, createMemoryStore(), { namespace: "a" });
  const options = { layer: 1, points: [Float64Array.of(1), Float64Array.of(0.5)] };
  for (let time = 0; time < 2; time++) {
    assertEquals(await cached.factorGradients!(toyExamples(1), options), gradients(2));
  }
  await cached.factorGradients!(toyExamples(1), { ...options, layer: 0 });
  assertEquals(calls, 2);
  assertEquals(createCachedEngine(toy(), createMemoryStore(), { namespace: "a" }).factorGradients, undefined);
});
