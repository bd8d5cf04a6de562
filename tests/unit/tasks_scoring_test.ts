import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { Example } from "../../src/tasks/example.ts";
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
  assertEquals(choiceMargin([-1, -4, -3], 0), 2);
  assertEquals(choiceMargin([-1, -4, -3], 1), -3);
  assertEquals(choiceMargin([-Infinity, -Infinity], 0), 0);
  assertEquals(choiceMargin([-1, -Infinity], 0), Infinity);
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
