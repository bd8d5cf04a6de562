/** Sampled Shapley values against all subsets of a layer of eight neurons, and against closed forms. */
import { assertAlmostEquals, assertEquals, assertLess, assertNotEquals, assertRejects } from "@std/assert";
import type { Intervention, Progress } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { layerScores } from "../../src/method/neuron_scores.ts";
import { shapleyScores } from "../../src/method/shapley.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { ToyEngine, toyExamples } from "../support/toy_engine.ts";

const neurons = 8;
const checkpoint = await makeTinyCheckpoint({ layers: 2, width: 8, neurons, headWidth: 4, vocabulary: 16 });
const engine = await createReferenceEngine(checkpoint);
const examples = makeTinyExamples(checkpoint.config, { count: 2, promptTokens: [2, 5] });

/** Shapley values from the definition: phi[j] = sum over S without j of |S|! (H - |S| - 1)! / H! (v(S + j) - v(S)). */
async function exactShapley(layer: number): Promise<Float64Array> {
  const members = (set: number) => [...Array(neurons).keys()].filter((neuron) => set >> neuron & 1);
  const interventions = Array.from({ length: 2 ** neurons }, (_, set): Intervention => {
    const absent = Uint32Array.from(members(~set));
    return [{ layer, site: "gate", neurons: absent }];
  });
  const values = (await engine.objective(examples, interventions)).map(([a, b]) => (a + b) / 2);
  const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);
  return Float64Array.from({ length: neurons }, (_, neuron) => {
    let phi = 0;
    for (let set = 0; set < values.length; set++) {
      if (set >> neuron & 1) continue;
      const size = members(set).length;
      const weight = factorial(size) * factorial(neurons - size - 1) / factorial(neurons);
      phi += weight * (values[set | 1 << neuron] - values[set]);
    }
    return phi;
  });
}

Deno.test("shapleyScores() agrees with all subsets of eight neurons within its standard errors", async () => {
  const { scores, standardErrors, meanStandardError } = await shapleyScores(engine, examples, { pairs: 200, seed: 1 });
  let squares = 0;
  for (const layer of [0, 1]) {
    const exact = await exactShapley(layer);
    exact.forEach((phi, neuron) => {
      const error = standardErrors[layer * neurons + neuron];
      const deviation = (layerScores(scores, layer)[neuron] - phi) / error;
      assertLess(Math.abs(deviation), 4, `layer ${layer}, neuron ${neuron}`);
      squares += deviation ** 2 / (2 * neurons);
      assertLess(error, 0.2 * Math.max(...exact.map(Math.abs)));
    });
  }
  // The stated errors are neither far too small nor far too large.
  assertLess(0.2, squares);
  assertLess(squares, 3);
  assertLess(0, meanStandardError);
});

Deno.test("shapleyScores() adds up to the effect of the whole layer, however few orders are drawn", async () => {
  const { scores, evaluations } = await shapleyScores(engine, examples, { pairs: 2, layers: [1], objective: "margin" });
  const all = Uint32Array.from({ length: neurons }, (_, neuron) => neuron);
  const [on, off] = await engine.objective(examples, [[], [{ layer: 1, site: "gate", neurons: all }]], {
    objective: "margin",
  });
  const effect = (on[0] - off[0] + on[1] - off[1]) / 2;
  assertAlmostEquals(layerScores(scores, 1).reduce((sum, phi) => sum + phi, 0), effect, 1e-6);
  assertEquals([evaluations, scores.scored], [2 * 2 * 7 + 2, [1]]);
});

Deno.test("shapleyScores() halves its errors when orders are four times as many", async () => {
  const error = async (pairs: number) =>
    (await shapleyScores(engine, examples, { pairs, layers: [0] })).meanStandardError;
  const ratio = await error(40) / await error(160);
  assertAlmostEquals(ratio, 2, 0.5);
});

Deno.test("shapleyScores() is each neuron's own term without error when terms add up", async () => {
  const toy = new ToyEngine({ layers: 2, neurons: 5, gate: (example, layer, neuron) => 1 + example + layer - neuron });
  const reports: Progress[] = [];
  const options = { pairs: 2, setsPerCall: 7, onProgress: (progress: Progress) => reports.push(progress) };
  const { scores, standardErrors } = await shapleyScores(toy, toyExamples(2), options);
  for (const layer of [0, 1]) {
    for (let neuron = 0; neuron < 5; neuron++) {
      const expected = (toy.term(0, layer, neuron) + toy.term(1, layer, neuron)) / 2;
      assertAlmostEquals(layerScores(scores, layer)[neuron], expected, 1e-6);
    }
  }
  assertLess(Math.max(...standardErrors), 1e-6);
  assertEquals(toy.calls.map((call) => call.interventions!.length), [2, 7, 7, 2, 2, 7, 7, 2]);
  assertEquals([reports.at(-1)!.done, reports.at(-1)!.total], [36, 36]);
});

Deno.test("shapleyScores() is the same for the same seed and any size of call, and another for another seed", async () => {
  const values = async (options: object) =>
    (await shapleyScores(engine, examples, { pairs: 2, ...options })).scores.values;
  assertEquals(await values({ seed: 3, setsPerCall: 5 }), await values({ seed: 3 }));
  assertNotEquals(await values({ seed: 3 }), await values({ seed: 4 }));
});

Deno.test("shapleyScores() throws when options are out of range and stops when aborted", async () => {
  await assertRejects(() => shapleyScores(engine, []), RangeError, "0 examples");
  await assertRejects(() => shapleyScores(engine, examples, { pairs: 1 }), RangeError, "1 pairs");
  await assertRejects(() => shapleyScores(engine, examples, { setsPerCall: 0 }), RangeError, "0 sets");
  const controller = new AbortController();
  const reason = new Error("enough");
  const options = { signal: controller.signal, onProgress: () => controller.abort(reason) };
  assertEquals(await assertRejects(() => shapleyScores(engine, examples, options)), reason);
});
