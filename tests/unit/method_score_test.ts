import { assert, assertAlmostEquals, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import type { PairAttribution, Progress } from "../../src/engine/engine.ts";
import { pathCompleteness, summariseCompleteness } from "../../src/method/completeness.ts";
import { choiceConfidence } from "../../src/method/filter.ts";
import { decidingOptions, resolveScoreSettings, scoreNeurons, type ScoreOptions } from "../../src/method/score.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { silu, ToyEngine, toyExample, toyExamples, toyTarget } from "../support/toy_engine.ts";

/** Gates that every rule integrates well, different for every neuron. */
const mildGate = (example: number, layer: number, neuron: number) => 0.3 + example + 0.5 * layer - 0.25 * neuron;

/** As `mildGate`, but neuron 0 of layer 1 bends sharply near 0 in example 1 alone. */
const stiffGate = (example: number, layer: number, neuron: number) =>
  example === 1 && layer === 1 && neuron === 0 ? -200 : mildGate(example, layer, neuron);

function attribution(
  layer: number,
  scores: number[],
  objectiveAtOne: number,
  objectiveAtZero: number,
): PairAttribution {
  return {
    example: 0,
    layer,
    scores: Float64Array.from(scores),
    objectiveAtOne,
    objectiveAtZero,
    targetToken: 0,
    otherToken: null,
  };
}

Deno.test("scoreNeurons() averages the integral of each neuron when the toy's is known", async () => {
  const effect = (layer: number, neuron: number) => (neuron % 2 === 0 ? 1 : -2) * (layer + 1);
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: mildGate, effect });
  const { scores, examples, targets, completenessError, settings } = await scoreNeurons(engine, toyExamples(2));
  assertEquals([scores.site, scores.layers, scores.neurons], ["gate", 2, 3]);
  assertEquals(scores.scored, [0, 1]);
  for (let layer = 0; layer < 2; layer++) {
    for (let neuron = 0; neuron < 3; neuron++) {
      const expected = (engine.term(0, layer, neuron) + engine.term(1, layer, neuron)) / 2;
      assertAlmostEquals(scores.values[layer * 3 + neuron], expected, 1e-6);
    }
  }
  assertEquals(examples, ["toy/0", "toy/1"]);
  assertEquals([...targets], [toyTarget, toyTarget]);
  assertEquals(completenessError.paths.map(({ example, layer }) => [example, layer]), [[0, 0], [0, 1], [1, 0], [1, 1]]);
  assertLess(completenessError.worst, 1e-9);
  assertEquals(completenessError.unconverged, 0);
  assertEquals(settings.objective, "max-logit");
});

Deno.test("scoreNeurons() runs again only the paths that have not converged when one bends sharply", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  const { completenessError, nodesUsed, scores } = await scoreNeurons(engine, toyExamples(3), { maxNodes: 256 });
  const [first, ...again] = engine.callsOf("attribute");
  assertEquals([first.nodes, first.pairs!.length, first.examples.length], [8, 6, 3]);
  assertEquals(again.length, 2);
  again.forEach((call, index) => {
    assertEquals(call.nodes, 8 * 2 ** (index + 1));
    assertEquals(call.examples, ["toy/1"]);
    assertEquals(call.pairs, [{ example: 0, layer: 1 }]);
  });
  const last = again.at(-1)!.nodes!;
  assertEquals(nodesUsed, 6 * 8 + again.reduce((sum, call) => sum + call.nodes!, 0));
  assertEquals(completenessError.paths.map((path) => path.nodes), [8, 8, 8, last, 8, 8]);
  assertEquals(completenessError.unconverged, 0);
  assertLess(completenessError.worst, 0.01);
  // The kept scores are those of the last run, not of the first.
  assertAlmostEquals(scores.values[3], (engine.term(0, 1, 0) + silu(-200) + engine.term(2, 1, 0)) / 3, 0.01);
});

Deno.test("scoreNeurons() stops at maxNodes and counts the path when it has not converged", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  const { completenessError } = await scoreNeurons(engine, toyExamples(2), {
    initialNodes: 6,
    maxNodes: 9,
    tolerance: 1e-3,
  });
  assertEquals(engine.callsOf("attribute").map((call) => call.nodes), [6, 9]);
  assertEquals(completenessError.unconverged, 1);
  assert(completenessError.worst > 1e-3);
  assertEquals(completenessError.tolerance, 1e-3);
});

Deno.test("scoreNeurons() asks once when the number of nodes is fixed", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  const { completenessError } = await scoreNeurons(engine, toyExamples(2), { rule: "midpoint", nodes: 50 });
  assertEquals(engine.callsOf("attribute").map((call) => call.nodes), [50]);
  assertEquals(completenessError.unconverged, 1);
});

Deno.test("scoreNeurons() has one path per example when all layers are scaled together", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  const { completenessError, scores } = await scoreNeurons(engine, toyExamples(2), { path: "joint", maxNodes: 256 });
  assertEquals(completenessError.paths.map(({ example, layer }) => [example, layer]), [[0, null], [1, null]]);
  const again = engine.callsOf("attribute")[1];
  assertEquals(again.examples, ["toy/1"]);
  assertEquals(again.pairs, [{ example: 0, layer: 0 }, { example: 0, layer: 1 }]);
  assertEquals(completenessError.paths[0].objectiveAtZero, 0);
  assertAlmostEquals(scores.values[0], (engine.term(0, 0, 0) + engine.term(1, 0, 0)) / 2, 1e-6);
});

Deno.test("scoreNeurons() gives the same numbers when examples are worked on in small groups", async () => {
  const options = { keepPerExample: true, maxNodes: 256 };
  const whole = await scoreNeurons(new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate }), toyExamples(5), options);
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  // Two layers of three f64 are 48 bytes per example: groups of two.
  const grouped = await scoreNeurons(engine, toyExamples(5), { ...options, resultBudgetBytes: 96 });
  const firstCalls = engine.callsOf("attribute").filter((call) => call.nodes === 8);
  assertEquals(firstCalls.map((call) => call.examples.length), [2, 2, 1]);
  assertEquals({ ...grouped, seconds: 0 }, { ...whole, seconds: 0 });
});

Deno.test("scoreNeurons() returns each example's attributions when asked to keep them", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: mildGate });
  const { perExample } = await scoreNeurons(engine, toyExamples(2), { keepPerExample: true });
  assertEquals(perExample!.length, 2);
  assertAlmostEquals(perExample![1][4], engine.term(1, 1, 1), 1e-6);
  assertEquals((await scoreNeurons(engine, toyExamples(2))).perExample, undefined);
});

Deno.test("scoreNeurons() leaves other layers at zero when some are named", async () => {
  const engine = new ToyEngine({ layers: 3, neurons: 2, gate: mildGate });
  const { scores } = await scoreNeurons(engine, toyExamples(1), { layers: [2, 1] });
  assertEquals(scores.scored, [1, 2]);
  assertEquals([...scores.values.subarray(0, 2)], [0, 0]);
  assertAlmostEquals(scores.values[2], engine.term(0, 1, 0), 1e-6);
  assertEquals(engine.calls[0].pairs, [{ example: 0, layer: 1 }, { example: 0, layer: 2 }]);
});

Deno.test("scoreNeurons() divides each layer by its largest |score| when normalise is layer-max", async () => {
  const effect = (layer: number, neuron: number) => layer === 2 ? 0 : [1, -4, 2][neuron];
  const engine = new ToyEngine({ layers: 3, neurons: 3, effect });
  const { scores } = await scoreNeurons(engine, toyExamples(1), { normalise: "layer-max" });
  assertEquals([...scores.values], [0.25, -1, 0.5, 0.25, -1, 0.5, 0, 0, 0]);
});

Deno.test("scoreNeurons() scores only the examples that the filter keeps when one is given", async () => {
  // Example 0 is right and sure, 1 is wrong and sure, 2 is right and unsure; by characters (1 and 4), 2 is wrong.
  const logProbs = (example: number) => [[-0.1, -3], [-3, -0.1], [-1, -1.2]][example];
  const examples = [0, 1, 2].map((index) => toyExample(index, 0, [1, 4]));
  const kept = async (options: Parameters<typeof scoreNeurons>[2]) => {
    const engine = new ToyEngine({ layers: 1, neurons: 1, logProbs });
    const result = await scoreNeurons(engine, examples, options);
    assertEquals(engine.callsOf("attribute")[0].examples, result.examples);
    return result.examples;
  };
  assertEquals(await kept({ filter: "correct" }), ["toy/0", "toy/2"]);
  assertEquals(await kept({ filter: "incorrect" }), ["toy/1"]);
  assertEquals(await kept({ filter: "confident" }), ["toy/0", "toy/1"]);
  assertEquals(await kept({ filter: "confident", confidence: 0.5 }), ["toy/0", "toy/1", "toy/2"]);
  assertEquals(await kept({ filter: "incorrect", metric: "acc_norm" }), ["toy/1", "toy/2"]);

  const engine = new ToyEngine({ layers: 1, neurons: 1 });
  await assertRejects(
    () => scoreNeurons(engine, examples, { filter: "incorrect" }),
    RangeError,
    'the filter "incorrect" keeps none of 3 examples',
  );
});

Deno.test("choiceConfidence() is the softmax of the largest when log-probabilities are far below zero", () => {
  assertAlmostEquals(choiceConfidence(Float64Array.of(-1000, -1000 - Math.log(3))), 0.75, 1e-12);
  assertAlmostEquals(choiceConfidence(Float64Array.of(-5, -5, -5, -5)), 0.25, 1e-12);
});

Deno.test("scoreNeurons() names stage and nodes when it reports progress", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  const reports: Progress[] = [];
  await scoreNeurons(engine, toyExamples(2), { filter: "correct", onProgress: (progress) => reports.push(progress) });
  assertEquals(reports.slice(0, 3).map((report) => report.stage), ["filter", "score, 8 nodes", "score, 16 nodes"]);
});

Deno.test("scoreNeurons() rejects with the signal's reason when it is aborted between attempts", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate: stiffGate });
  const controller = new AbortController();
  const reason = new Error("enough");
  const error = await assertRejects(() =>
    scoreNeurons(engine, toyExamples(2), { signal: controller.signal, onProgress: () => controller.abort(reason) })
  );
  assertEquals(error, reason);
  assertEquals(engine.callsOf("attribute").length, 1);
});

Deno.test("scoreNeurons() throws when an attribution or objective is not finite", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 2, gate: (_, layer) => layer === 1 ? NaN : 1 });
  await assertRejects(() => scoreNeurons(engine, toyExamples(1)), RangeError, "expected finite numbers");
  const infinite = [attribution(0, [1], Infinity, 0)];
  assertThrows(() => pathCompleteness(0, infinite, 8), RangeError, "expected finite numbers");
  const broken = [attribution(3, [1, NaN], 1, 0)];
  assertThrows(() => pathCompleteness(3, broken, 8), RangeError, "layer 3 for example 0");
});

Deno.test("scoreNeurons() throws when there are no examples", async () => {
  await assertRejects(() => scoreNeurons(new ToyEngine({ layers: 1, neurons: 1 }), []), RangeError, "0 examples");
});

Deno.test("resolveScoreSettings() throws when an option is out of range", () => {
  const engine = new ToyEngine({ layers: 2, neurons: 2 });
  const rejected: [Parameters<typeof resolveScoreSettings>[0], string][] = [
    [{ layers: [2] }, "layer 2: expected an integer in 0..1"],
    [{ layers: [1, 1] }, "layer 1 twice"],
    [{ layers: [] }, "at least one"],
    [{ path: "joint", layers: [0] }, "1 of 2 layers on the joint path"],
    [{ tolerance: 0 }, "tolerance 0"],
    [{ tolerance: NaN }, "tolerance NaN"],
    [{ nodes: 0 }, "0 nodes"],
    [{ initialNodes: 9, maxNodes: 8 }, "from 9 to 8 nodes"],
    [{ maxNodes: 1024 }, "up to 512"],
    [{ rule: "trapezoid", nodes: 1 }, "2..512"],
    [{ site: "middle" as "gate" }, "expected one of gate, up, down"],
    [{ objective: "loss" as "gold" }, 'objective "loss"'],
  ];
  for (const [options, message] of rejected) {
    assertThrows(() => resolveScoreSettings(options, engine), RangeError, message);
  }
  assertEquals(resolveScoreSettings({ maxNodes: 4 }, engine).initialNodes, 4);
});

Deno.test("scoreNeurons() refuses, by its name, an option that would change nothing, or that there is none of", async () => {
  const engine = new ToyEngine({ layers: 1, neurons: 2 });
  const refused: readonly (readonly [ScoreOptions, string, string])[] = [
    [{ nodes: 8, maxNodes: 16 }, "maxNodes", "maxNodes 16 beside nodes 8: that is the number for every path"],
    [{ nodes: 4, initialNodes: 2 }, "initialNodes", "initialNodes 2 beside nodes 4"],
    [{ confidence: 0.9 }, "confidence", 'confidence 0.9 and the filter "all": it is for the filter confident'],
    [{ confidence: 0.9, filter: "correct" }, "confidence", 'confidence 0.9 and the filter "correct"'],
    [{ tolerence: 1 } as ScoreOptions, "tolerence", "there is no such option; did you mean tolerance?"],
    [{ colour: "red" } as ScoreOptions, "colour", "there is no such option; expected some of site, positions,"],
  ];
  for (const [options, name, message] of refused) {
    const error = await assertRejects(() => scoreNeurons(engine, toyExamples(1), options), OptionError, message);
    assertEquals(error.option, name);
  }
  assertEquals(engine.calls, []);
  const { settings } = await scoreNeurons(engine, toyExamples(1), { confidence: 0, filter: "confident" });
  assertEquals([settings.confidence, settings.filter], [0, "confident"]);
});

Deno.test("resolveScoreSettings() takes what it gave, and decidingOptions() what was replaced in it", () => {
  const engine = new ToyEngine({ layers: 2, neurons: 2 });
  for (const options of [{}, { nodes: 8 }, { maxNodes: 4 }, { filter: "confident", confidence: 0.3 }] as const) {
    const settings = resolveScoreSettings(options, engine);
    assertEquals(resolveScoreSettings(settings, engine), settings);
    const { nodes, maxNodes, confidence } = resolveScoreSettings(
      decidingOptions({ ...settings, nodes: 3, filter: "all" }),
      engine,
    );
    assertEquals([nodes, maxNodes, confidence], [3, 64, 0.8]);
  }
  assertEquals(decidingOptions({ maxNodes: 4, filter: "confident", confidence: 0.3 }), {
    maxNodes: 4,
    filter: "confident",
    confidence: 0.3,
  });
});

Deno.test("pathCompleteness() is relative to |M(1) - M(0)| when contributions do not cancel", () => {
  const path = pathCompleteness(2, [attribution(2, [1, 2, 1], 10, 5)], 8);
  assertEquals([path.layer, path.nodes, path.attributionSum], [2, 8, 4]);
  assertAlmostEquals(path.relativeError, 1 / 5, 1e-15);
});

Deno.test("pathCompleteness() is relative to a tenth of the attribution when contributions cancel", () => {
  // Sum 0.01 against a difference of 0.03: three times wrong, yet 0.02 of 3.99 attributed.
  const path = pathCompleteness(0, [attribution(0, [2, -1.99], 1.03, 1)], 8);
  assertAlmostEquals(path.relativeError, 0.02 / 0.399, 1e-12);
});

Deno.test("pathCompleteness() is relative to M(1) / 10000 when a layer does next to nothing", () => {
  const path = pathCompleteness(0, [attribution(0, [1e-7, 0], 20, 20)], 8);
  assertAlmostEquals(path.relativeError, 1e-7 / 2e-3, 1e-12);
  assertEquals(pathCompleteness(0, [attribution(0, [0, 0], 0, 0)], 8).relativeError, 0);
});

Deno.test("pathCompleteness() adds up all layers when they are scaled together", () => {
  const path = pathCompleteness(null, [attribution(0, [1, 2], 7, 1), attribution(1, [2, 0.4], 7, 1)], 8);
  assertEquals(path.layer, null);
  assertAlmostEquals(path.attributionSum, 5.4, 1e-12);
  assertAlmostEquals(path.relativeError, 0.1, 1e-12);
});

Deno.test("summariseCompleteness() gives worst, mean and number above the tolerance when paths differ", () => {
  const paths = [0.001, 0.02, 0.01].map((error) => ({
    ...pathCompleteness(0, [attribution(0, [1], 1, 0)], 8),
    relativeError: error,
  }));
  const summary = summariseCompleteness(paths, 0.01);
  assertEquals([summary.worst, summary.unconverged], [0.02, 1]);
  assertAlmostEquals(summary.mean, 0.031 / 3, 1e-15);
});

Deno.test("scoreNeurons() scores the model under a base when it is given one, and filters by its answers", async () => {
  const engine = new ToyEngine({
    layers: 2,
    neurons: 3,
    gate: (example, layer, neuron) => 1 + example + layer + neuron,
    logProbs: (example, pruned) => pruned(1, 2) && example === 0 ? [-1, 0] : [0, -1],
  });
  const base = [{ layer: 1, site: "gate" as const, neurons: Uint32Array.of(2) }];
  const { scores, examples, completenessError } = await scoreNeurons(engine, toyExamples(2), {
    base,
    filter: "correct",
  });
  assertEquals(examples, ["toy/1"]);
  assertEquals(completenessError.unconverged, 0);
  const at = (layer: number, neuron: number) => scores.values[layer * 3 + neuron];
  assertEquals(at(1, 2), 0);
  assertAlmostEquals(at(0, 2), engine.term(1, 0, 2), 1e-3);
});
