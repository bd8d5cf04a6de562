/** Two evaluations of the same rows. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { compareEvaluations } from "../../src/method/compare.ts";
import { evaluateLogProbs, type Evaluation } from "../../src/method/evaluate.ts";
import { toyExample } from "../support/toy_engine.ts";

/** An evaluation whose row i is right as `right[i]` says; choices have 1 and 4 characters. */
function evaluation(right: readonly boolean[], firstRow = 0): Evaluation {
  const examples = right.map((_, row) => toyExample(firstRow + row, 0, [1, 4]));
  return evaluateLogProbs(examples, right.map((is) => Float64Array.of(is ? -1 : -3, -2)));
}

/** Rows that both, only A, only B and neither answer right. */
function rows(both: number, onlyA: number, onlyB: number, neither: number): [Evaluation, Evaluation] {
  const side = (a: boolean, b: boolean) => [
    ...new Array(both).fill(true),
    ...new Array(onlyA).fill(a),
    ...new Array(onlyB).fill(b),
    ...new Array(neither).fill(false),
  ];
  return [evaluation(side(true, false)), evaluation(side(false, true))];
}

Deno.test("compareEvaluations() counts who is right where, by each metric", () => {
  const [a, b] = rows(3, 2, 1, 4);
  const { bothRight, onlyA, onlyB, bothWrong, count, accuracyA, accuracyB, difference } = compareEvaluations(a, b);
  assertEquals([bothRight, onlyA, onlyB, bothWrong, count], [3, 2, 1, 4, 10]);
  assertEquals([accuracyA, accuracyB], [0.5, 0.4]);
  assertAlmostEquals(difference, 0.1, 1e-15);
  // By characters the long second choice always wins.
  const byCharacters = compareEvaluations(a, b, { metric: "acc_norm" });
  assertEquals([byCharacters.bothWrong, byCharacters.difference, byCharacters.pValue], [10, 0, 1]);
});

Deno.test("compareEvaluations() gives the standard error of the differences of the rows", () => {
  const differences = [1, 1, -1, 0, 0, 0, 0, 0];
  const mean = differences.reduce((sum, value) => sum + value, 0) / 8;
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 7;
  assertAlmostEquals(compareEvaluations(...rows(2, 2, 1, 3)).standardError, Math.sqrt(variance / 8), 1e-15);
  assert(Number.isNaN(compareEvaluations(...rows(1, 0, 0, 0)).standardError));
});

Deno.test("compareEvaluations() tests the rows that only one answers right as a fair coin", () => {
  const pValue = (onlyA: number, onlyB: number) => compareEvaluations(...rows(5, onlyA, onlyB, 5)).pValue;
  assertAlmostEquals(pValue(6, 0), 2 / 64, 1e-15);
  assertAlmostEquals(pValue(1, 5), 2 * (1 + 6) / 64, 1e-15);
  assertEquals([pValue(3, 3), pValue(0, 0), pValue(0, 1)], [1, 1, 1]);
});

Deno.test("compareEvaluations() finds the quantiles of the resampled difference", () => {
  // Only A is ever alone, so the sum over resampled rows is binomial: 40 draws of 6 in 40. Its 2.5 % and 97.5 %
  // quantiles are 2 and 11; 10 % and 90 % are 3 and 9.
  const [a, b] = rows(29, 6, 0, 5);
  const { interval, confidence, resamples } = compareEvaluations(a, b);
  assertEquals([interval, confidence, resamples], [[2 / 40, 11 / 40], 0.95, 10_000]);
  assertEquals(compareEvaluations(a, b, { confidence: 0.8, seed: 3 }).interval, [3 / 40, 9 / 40]);
  assertEquals(compareEvaluations(b, a).interval.map((bound) => -bound).reverse(), [2 / 40, 11 / 40]);
  assertEquals(compareEvaluations(...rows(3, 0, 0, 4)).interval, [0, 0]);
});

Deno.test("compareEvaluations() repeats itself for a seed, and hardly differs for another", () => {
  const [a, b] = rows(100, 61, 40, 50);
  const once = compareEvaluations(a, b, { seed: 1, resamples: 1000, confidence: 0.9 });
  assertEquals(compareEvaluations(a, b, { seed: 1, resamples: 1000, confidence: 0.9 }), once);
  const other = compareEvaluations(a, b, { seed: 2, resamples: 1000, confidence: 0.9 });
  assertNotEquals(other.interval, once.interval);
  other.interval.forEach((bound, i) => assertAlmostEquals(bound, once.interval[i], 0.015));
});

Deno.test("compareEvaluations() throws when the rows differ or an option is outside its range", () => {
  const [a, b] = rows(2, 1, 1, 0);
  assertThrows(() => compareEvaluations(a, evaluation([true])), RangeError, "Cannot compare 4 rows with 1");
  assertThrows(
    () => compareEvaluations(a, evaluation([true, true, true, true], 1)),
    RangeError,
    "Cannot compare row 0: it is toy/0 of the first model and toy/1 of the second",
  );
  assertThrows(() => compareEvaluations(a, b, { resamples: 10 }), RangeError, "Cannot resample 10 times");
  assertThrows(() => compareEvaluations(a, b, { confidence: 1 }), RangeError, "confidence 1");
  assertThrows(() => compareEvaluations(a, b, { seed: -1 }), RangeError, "seed");
});
