import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { Example } from "../../src/tasks/example.ts";
import { scoreFurther } from "../../src/tasks/further_scoring.ts";
import { bestChoice, choiceMargin, choiceScores, scoreExamples } from "../../src/tasks/scoring.ts";

function example(gold: number, choiceCharacters: readonly number[]): Example {
  const choices = choiceCharacters.map(() => Uint32Array.of(1));
  return { id: "test/0", prompt: Uint32Array.of(1), choices, choiceCharacters, gold };
}

Deno.test("bestChoice() takes the first when scores tie", () => {
  assertEquals(bestChoice([-2, -1, -1]), 1);
  assertEquals(bestChoice([-Infinity, -Infinity]), 0);
});

Deno.test("choiceScores() divides by the characters when the metric is acc_norm", () => {
  assertEquals([...choiceScores([-6, -8], example(0, [2, 4]), "acc")], [-6, -8]);
  assertEquals([...choiceScores([-6, -8], example(0, [2, 4]), "acc_norm")], [-3, -2]);
});

Deno.test("choiceScores() throws when a log-probability is NaN or missing", () => {
  assertThrows(() => choiceScores([-1, NaN], example(0, [1, 1]), "acc"), RangeError, "choice 1 is NaN");
  assertThrows(() => choiceScores([-1], example(0, [1, 1]), "acc"), RangeError, "1 log-probabilities for 2 choices");
});

Deno.test("choiceScores() throws when the gold choice is not there", () => {
  assertThrows(() => choiceScores([], example(0, []), "acc"), RangeError, "gold choice 0 is none of its 0 choices");
  for (const gold of [2, -1, 0.5, NaN]) {
    assertThrows(() => choiceScores([-1, -2], example(gold, [1, 1]), "acc_norm"), RangeError, "none of its 2 choices");
  }
});

Deno.test("choiceMargin() is gold minus the best other when scores are finite, and 0 for impossible ties", () => {
  assertEquals(choiceMargin([-1, -4, -3], [0]), 2);
  assertEquals(choiceMargin([-1, -4, -3], [1]), -3);
  assertEquals(choiceMargin([-Infinity, -Infinity], [0]), 0);
  assertEquals(choiceMargin([-1, -Infinity], [0]), Infinity);
});

Deno.test("scoreExamples() counts what the harness counts when the two metrics disagree", () => {
  const examples = [example(0, [1, 4]), example(1, [1, 4]), example(0, [2, 2])];
  const logProbs = [[-2, -4], [-2, -4], [-1, -1]];
  const plain = scoreExamples(examples, logProbs, "acc");
  assertEquals(plain.predictions, [0, 0, 0]);
  assertEquals(plain.correct, [true, false, true]);
  assertEquals([...plain.margins], [2, -2, 0]);
  assertEquals(plain.meanMargin, 0);
  assertAlmostEquals(plain.accuracy, 2 / 3);
  // Sample standard deviation of (1, 0, 1) is sqrt(1/3); over sqrt(3) that is 1/3.
  assertAlmostEquals(plain.standardError, 1 / 3);
  const normalised = scoreExamples(examples, logProbs, "acc_norm");
  assertEquals(normalised.predictions, [1, 1, 0]);
  assertEquals([...normalised.margins], [-1, 1, 0]);
});

Deno.test("scoreExamples() has no standard error when there is one example", () => {
  const score = scoreExamples([example(0, [1, 1])], [[-1, -2]], "acc");
  assertEquals(score.accuracy, 1);
  assert(Number.isNaN(score.standardError));
});

Deno.test("scoreExamples() throws when there is nothing to score or the counts differ", () => {
  assertThrows(() => scoreExamples([], [], "acc"), RangeError, "at least one example");
  assertThrows(() => scoreExamples([example(0, [1, 1])], [], "acc"), RangeError, "0 rows of log-probabilities");
});

Deno.test("scoreExamples() divides by bytes when the metric is acc_bytes", () => {
  const wide = { ...example(0, [2, 3]), choiceBytes: [8, 3] };
  const { predictions } = scoreExamples([wide, example(0, [2, 3])], [[-4, -3], [-4, -3]], "acc_bytes");
  // -4/8 against -3/3, and without bytes -4/2 against -3/3.
  assertEquals(predictions, [0, 1]);
});

Deno.test("scoreExamples() takes any of several right choices, and the margin of the best of them", () => {
  const several = { ...example(2, [1, 1, 1]), golds: [2, 1] };
  const { correct, margins } = scoreExamples([several, several], [[-3, -1, -2], [-1, -3, -2]], "acc");
  assertEquals([correct, [...margins]], [[true, false], [2, -1]]);
});

/** Examples with the given right choices, and log-probabilities that lead to the given predictions. */
function outcomes(golds: readonly number[], predictions: readonly number[], choices: number) {
  const examples = golds.map((gold) => example(gold, Array<number>(choices).fill(1)));
  const logProbs = predictions.map((prediction) =>
    Array.from({ length: choices }, (_, i) => i === prediction ? -1 : -2)
  );
  return [examples, logProbs] as const;
}

Deno.test("scoreFurther() gives the numbers of scikit-learn 1.9.1 when there are two choices or three", () => {
  const two = outcomes([0, 1, 1, 0, 1, 1, 0, 1], [0, 1, 0, 1, 1, 1, 0, 0], 2);
  assertAlmostEquals(scoreFurther("f1", ...two).value, 0.6666666666666666, 1e-12);
  assertAlmostEquals(scoreFurther("mcc", ...two).value, 0.2581988897471611, 1e-12);
  const three = outcomes([0, 1, 2, 0, 1, 2, 2, 1, 0], [0, 2, 2, 0, 1, 1, 2, 1, 1], 3);
  assertAlmostEquals(scoreFurther("mcc", ...three).value, 0.5095246653650681, 1e-12);
  assertEquals(scoreFurther("f1", ...outcomes([0, 0], [0, 0], 2)).value, 0);
  assertEquals(scoreFurther("mcc", ...outcomes([1, 1], [0, 1], 2)).value, 0);
});

Deno.test("scoreFurther() estimates the standard error by resampling, the same every time", () => {
  const golds = Array.from({ length: 200 }, (_, i) => i % 2);
  const right = outcomes(golds, golds.map((gold, i) => i % 5 === 0 ? 1 - gold : gold), 2);
  const { value, standardError } = scoreFurther("mcc", ...right);
  // Of 2 x accuracy - 1 where the classes are even: 2 x sqrt(0.8 x 0.2 / 200).
  assertAlmostEquals(value, 0.6, 1e-12);
  assertAlmostEquals(standardError, 2 * Math.sqrt(0.8 * 0.2 / 200), 0.005);
  assertEquals(scoreFurther("mcc", ...right).standardError, standardError);
  assertEquals(scoreFurther("f1", ...outcomes([1], [1], 2)).standardError, NaN);
});

Deno.test("scoreFurther() compares with and without the context when the metric is acc_mutual_info", () => {
  const [examples] = outcomes([1, 0], [0, 0], 2);
  const score = scoreFurther("acc_mutual_info", examples, [[-1, -2], [-1, -2]], [[-1, -3], [-1, -3]]);
  assertEquals([score.value, score.count], [0.5, 2]);
  assertThrows(
    () => scoreFurther("acc_mutual_info", examples, [[-1, -2], [-1, -2]]),
    RangeError,
    "without their context",
  );
});

Deno.test("scoreFurther() throws when the metric does not fit the example", () => {
  const [examples, logProbs] = outcomes([1], [0], 3);
  assertThrows(() => scoreFurther("f1", examples, logProbs), RangeError, "it has 3 choices, expected 2; use mcc");
  const several = [{ ...examples[0], golds: [1, 2] }];
  assertThrows(() => scoreFurther("mcc", several, logProbs), RangeError, "several right choices");
  assertThrows(() => scoreFurther("mcc", [], []), RangeError, "at least one");
});
