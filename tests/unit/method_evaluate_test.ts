import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Intervention } from "../../src/engine/engine.ts";
import { evaluate } from "../../src/method/evaluate.ts";
import { ToyEngine, toyExample, toyExamples } from "../support/toy_engine.ts";

const mask = (layer: number, ...neurons: number[]) =>
  ({ layer, site: "gate", neurons: Uint32Array.of(...neurons) }) as const;

Deno.test("evaluate() gives both metrics, errors and margins when the log-probabilities are known", async () => {
  const table = [[-1, -2], [-3, -2], [-1, -3], [-2, -2]];
  const engine = new ToyEngine({ layers: 1, neurons: 1, logProbs: (example) => table[example] });
  const examples = [0, 1, 2, 3].map((index) => toyExample(index, 0, [1, 4]));
  const [{ scores, logProbs, examples: ids }] = await evaluate(engine, examples);
  assertEquals(ids, ["toy/0", "toy/1", "toy/2", "toy/3"]);
  assertEquals(logProbs.map((row) => [...row]), table);
  assertEquals(scores.acc.predictions, [0, 1, 0, 0]);
  assertEquals([scores.acc.accuracy, scores.acc.meanMargin], [0.75, (1 - 1 + 2 + 0) / 4]);
  assertAlmostEquals(scores.acc.standardError, Math.sqrt(0.75 * 0.25 / 3), 1e-15);
  assertEquals(scores.acc_norm.predictions, [1, 1, 1, 1]);
  assertAlmostEquals(scores.acc_norm.meanMargin, (-0.5 - 2.5 - 0.25 - 1.5) / 4, 1e-15);
});

Deno.test("evaluate() measures each set of neurons once when interventions repeat it", async () => {
  const engine = new ToyEngine({
    layers: 2,
    neurons: 3,
    logProbs: (_, pruned) => [0, pruned(0, 1) ? 1 : pruned(1, 2) ? 2 : -1],
  });
  const interventions: Intervention[] = [
    [],
    [mask(0, 1), mask(1, 2)],
    [mask(1, 2)],
    [mask(1, 2), mask(0, 1)],
    [mask(0)],
    [mask(0, 2)],
  ];
  const results = await evaluate(engine, toyExamples(1), { interventions });
  assertEquals(engine.calls.map((call) => call.interventions!.length), [4]);
  assertEquals(results.map((result) => result.logProbs[0][1]), [-1, 1, 2, 1, -1, -1]);
});

Deno.test("evaluate() throws when there are no examples or a log-probability is NaN", async () => {
  const engine = new ToyEngine({ layers: 1, neurons: 1, logProbs: () => [NaN, 0] });
  await assertRejects(() => evaluate(engine, []), RangeError, "0 examples");
  await assertRejects(() => evaluate(engine, toyExamples(1)), RangeError, "NaN");
});
