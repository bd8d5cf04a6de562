import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { calibrate } from "../../src/method/calibration.ts";
import { evaluateLogProbs } from "../../src/method/evaluate.ts";
import { compareGroups } from "../../src/method/groups.ts";
import { correlation, labelCorrelations } from "../../src/method/label_correlation.ts";
import { topActivations } from "../../src/method/top_activations.ts";
import { forEachTrace } from "../../src/method/traces.ts";
import { silu, ToyEngine, toyExample, toyExamples } from "../support/toy_engine.ts";

/** Log-probabilities of two choices of which the first has probability `p` among them. */
const sure = (p: number) => Float64Array.of(Math.log(p) - 3, Math.log(1 - p) - 3);

Deno.test("calibrate() is the expected calibration error of known answers", () => {
  const examples = [toyExample(0, 0), toyExample(1, 1), toyExample(2, 0), toyExample(3, 1)];
  const evaluation = evaluateLogProbs(examples, [sure(0.85), sure(0.9), sure(0.62), sure(0.45)]);
  const result = calibrate(examples, evaluation, { bins: 5 });
  // (0.6,0.8]: 0.62 right. (0.8,1]: 0.85 right, 0.9 wrong. (0.4,0.6]: 0.55 right.
  assertAlmostEquals(result.expectedCalibrationError, (0.38 + 2 * Math.abs(0.5 - 0.875) + 0.45) / 4, 1e-12);
  assertEquals([result.count, result.accuracy], [4, 0.75]);
  assertAlmostEquals(result.meanConfidence, (0.85 + 0.9 + 0.62 + 0.55) / 4, 1e-12);
  assertAlmostEquals(result.meanConfidenceWrong!, 0.9, 1e-12);
  assertAlmostEquals(result.meanConfidenceRight!, (0.85 + 0.62 + 0.55) / 3, 1e-12);
  assertEquals(result.bins.map(({ count }) => count), [0, 0, 1, 1, 2]);
  assertEquals([result.bins[0].confidence, result.bins[0].accuracy], [null, null]);
});

Deno.test("calibrate() counts any of several right choices when an example has them", () => {
  const examples = [{ ...toyExample(0, 0), golds: [0, 1] }, toyExample(1, 0)];
  const evaluation = evaluateLogProbs(examples, [sure(0.2), sure(0.2)]);
  const { accuracy, meanConfidenceRight, meanConfidenceWrong } = calibrate(examples, evaluation);
  assertEquals(accuracy, 0.5);
  assertAlmostEquals(meanConfidenceRight!, 0.8, 1e-12);
  assertAlmostEquals(meanConfidenceWrong!, 0.8, 1e-12);
});

Deno.test("calibrate() puts a confidence of 1 into the last bin, looks at some examples only, and throws when there are none", () => {
  const examples = toyExamples(2);
  const evaluation = evaluateLogProbs(examples, [Float64Array.of(0, -Infinity), sure(0.5)]);
  assertEquals(calibrate(examples, evaluation, { only: [0] }).bins.at(-1)!.count, 1);
  assertEquals(calibrate(examples, evaluation, { only: [0] }).expectedCalibrationError, 0);
  assertEquals(calibrate(examples, evaluation, { only: [1] }).bins[4].count, 1);
  assertThrows(() => calibrate(examples, evaluation, { only: [] }), RangeError, "0 answers");
  assertThrows(() => calibrate(examples, evaluation, { bins: 0 }), RangeError, "0 bins");
});

Deno.test("compareGroups() tells marked rows apart, before and after", () => {
  const examples = toyExamples(5);
  const marks = ["aligned", "conflicting", "aligned", "conflicting", "odd"];
  const before = evaluateLogProbs(examples, [0.9, 0.2, 0.8, 0.3, 0.9].map(sure));
  const after = evaluateLogProbs(examples, [0.8, 0.7, 0.4, 0.6, 0.9].map(sure));
  const { all, groups } = compareGroups(examples, marks, before, after);
  assertEquals(groups.map(({ group, count }) => [group, count]), [["aligned", 2], ["conflicting", 2], ["odd", 1]]);
  assertEquals(groups.map(({ gain, mended, broken }) => [gain, mended, broken]), [[-0.5, 0, 1], [1, 2, 0], [0, 0, 0]]);
  assertEquals([all.group, all.count, all.before.correct, all.after.correct, all.mended, all.broken], [
    null,
    5,
    3,
    4,
    2,
    1,
  ]);
  assertAlmostEquals(groups[1].before.calibration.meanConfidenceWrong!, 0.75, 1e-12);
  assertAlmostEquals(groups[1].before.meanMargin, (Math.log(0.2 / 0.8) + Math.log(0.3 / 0.7)) / 2, 1e-12);
  assertEquals(groups[2].before.standardError, null);
  assertThrows(() => compareGroups(examples, ["aligned"], before, after), RangeError, "1 marks");
  const other = evaluateLogProbs(toyExamples(1), [sure(0.5)]);
  assertThrows(() => compareGroups(examples, marks, before, other), RangeError, "other examples");
});

Deno.test("correlation() is Pearson's with two labels and the correlation ratio with more", () => {
  assertAlmostEquals(correlation([1, 2, 3, 4], [0, 0, 1, 1])!, 2 / Math.sqrt(5), 1e-12);
  assertAlmostEquals(correlation([1, 2, 3, 4], [7, 7, 2, 2])!, -2 / Math.sqrt(5), 1e-12);
  // Means 2, 4, 9 of groups of two; between 2 ((2-5)^2 + 1 + 16) = 52, within 3 * 2.
  assertAlmostEquals(correlation([1, 3, 3, 5, 8, 10], [0, 0, 1, 1, 2, 2])!, Math.sqrt(52 / 58), 1e-12);
  assertEquals([correlation([1, 1, 1], [0, 1, 1]), correlation([1, 2, 3], [1, 1, 1])], [null, null]);
  assertEquals(correlation([1, 1, 1], [0, 1, 2]), null);
});

/** Neuron 0 follows the number's parity, neuron 1 its size; both in every layer. */
const gate = (number: number, _layer: number, neuron: number) => neuron === 0 ? (number % 2) * 4 : number / 4;

Deno.test("labelCorrelations() finds the neuron that goes with the label on one set only", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3, gate });
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7];
  const train = numbers.map((number) => toyExample(number, number % 2));
  const test = numbers.map((number) => toyExample(number, Number(number > 3)));
  const neurons = [{ layer: 1, neurons: Uint32Array.of(0, 1) }];
  const result = await labelCorrelations(engine, neurons, { train: { examples: train }, test: { examples: test } });
  const [first, second] = result.neurons;
  assertEquals([first.layer, first.neuron, second.neuron], [1, 0, 1]);
  assertAlmostEquals(first.train!, 1, 1e-12);
  assertAlmostEquals(first.test!, 0, 1e-6);
  assertAlmostEquals(second.test!, correlation(numbers.map((n) => silu(n / 4)), test.map((e) => e.gold))!, 1e-6);
  assertAlmostEquals(result.meanTrain!, (1 + Math.abs(second.train!)) / 2, 1e-12);
  assertEquals(Math.round(result.agreement!), -1);
  const labels = numbers.map((number) => number % 2);
  const marked = await labelCorrelations(engine, neurons, {
    train: { examples: test, labels },
    test: { examples: test },
  });
  assertAlmostEquals(marked.neurons[0].train!, 1, 1e-12);
});

Deno.test("labelCorrelations() pools positions as asked, and throws when sets are too small or labels are missing", async () => {
  const engine = new ToyEngine({ layers: 1, neurons: 2, gate });
  const of = (gold: number, ...numbers: number[]) => ({ ...toyExample(0, gold), prompt: Uint32Array.from(numbers) });
  const examples = [of(0, 1, 0), of(1, 0, 1), of(0, 1, 0)];
  const neurons = [{ layer: 0, neurons: Uint32Array.of(0) }];
  const sets = { train: { examples }, test: { examples } };
  const pooled = async (pooling: "mean" | "last" | "largest") =>
    (await labelCorrelations(engine, neurons, sets, { pooling })).neurons[0].train;
  assertEquals([await pooled("last"), await pooled("mean"), await pooled("largest")], [1, null, null]);
  const one = { examples: examples.slice(1) };
  await assertRejects(
    () => labelCorrelations(engine, neurons, { train: { examples: examples.slice(2) }, test: one }),
    RangeError,
    "1 train examples",
  );
  await assertRejects(
    () => labelCorrelations(engine, neurons, { train: one, test: { ...one, labels: [1] } }),
    RangeError,
    "1 labels",
  );
});

Deno.test("topActivations() lists rows and tokens by size, with their text", async () => {
  const engine = new ToyEngine({
    layers: 1,
    neurons: 2,
    gate: (number, _, neuron) => neuron === 0 ? number - 3 : -number,
  });
  const of = (index: number, ...numbers: number[]) => ({ ...toyExample(index), prompt: Uint32Array.from(numbers) });
  const examples = [of(0, 1, 5, 2), of(1, 4, 4), of(2, 7, 1)];
  const tokenizer = {
    tokenText: (id: number) => `<${id}>`,
    decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => `<${id}>`).join(""),
  };
  const options = { rows: 2, tokens: 2, contextTokens: 2, tokenizer };
  const [first, second] = await topActivations(
    engine,
    examples,
    [{ layer: 0, neurons: Uint32Array.of(0, 1) }],
    options,
  );
  assertEquals(first.rows, [
    { example: "toy/2", position: 0, token: 7, text: "<7>", context: "<7>", activation: Math.fround(silu(4)) },
    { example: "toy/0", position: 1, token: 5, text: "<5>", context: "<1><5>", activation: Math.fround(silu(2)) },
  ]);
  assertEquals(first.tokens.map(({ token, text, occurrences }) => [token, text, occurrences]), [[4, "<4>", 2], [
    1,
    "<1>",
    2,
  ]]);
  assertAlmostEquals(first.mean, [1, 5, 2, 4, 4, 7, 1].reduce((sum, number) => sum + silu(number - 3), 0) / 7, 1e-6);
  assertEquals([second.neuron, second.rows.length], [1, 2]);
  await assertRejects(() => topActivations(engine, examples, [], {}), RangeError, "0 neurons");
  await assertRejects(
    () => topActivations(engine, examples, [{ layer: 0, neurons: Uint32Array.of(0) }], { rows: -1 }),
    RangeError,
    "rows -1",
  );
});

Deno.test("forEachTrace() visits every example once in groups that fit the budget", async () => {
  const engine = new ToyEngine({ layers: 2, neurons: 3 });
  const seen: string[] = [];
  const traced = [{ layer: 0, neurons: Uint32Array.of(0) }, { layer: 1, neurons: Uint32Array.of(1, 2) }];
  await forEachTrace(
    engine,
    toyExamples(5),
    traced,
    (example, entry, h) => seen.push(`${example} ${entry} ${h.length}`),
    {
      resultBudgetBytes: 2 * 3 * 4,
    },
  );
  assertEquals(seen.toSorted(), [0, 1, 2, 3, 4].flatMap((i) => [`${i} 0 1`, `${i} 1 2`]));
  assertEquals(engine.calls.map(({ examples }) => examples.length), [2, 2, 1]);
  await assertRejects(() => forEachTrace(engine, [], traced, () => {}), RangeError, "0 examples");
});
