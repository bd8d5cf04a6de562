/** Answers of both models to every test example: what is written, read back, and judged. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  answerScores,
  describeAnswers,
  findAnswer,
  parseAnswers,
  serialiseAnswers,
} from "../../src/method/answers_file.ts";
import { evaluateLogProbs } from "../../src/method/evaluate.ts";
import type { Example } from "../../src/tasks/example.ts";
import { toyExample } from "../support/toy_engine.ts";

const examples: Example[] = [
  { ...toyExample(0, 1, [4, 2]), choiceBytes: [4, 8] },
  { ...toyExample(1, 2, [1, 1, 1]), golds: [2, 0] },
];
const provenance = { model: "m", task: "t", versions: {} };
const answers = describeAnswers(examples, {
  unpruned: evaluateLogProbs(examples, [Float64Array.of(-2, -3), Float64Array.of(-1, -2, -3)]),
  pruned: evaluateLogProbs(examples, [Float64Array.of(-Infinity, -3), Float64Array.of(-2, -1, -3)]),
}, provenance);

Deno.test("parseAnswers() gives back what was serialised, impossible choices included", () => {
  const read = parseAnswers("answers.json", serialiseAnswers(answers));
  assertEquals(read, answers);
  assertEquals([...answerScores(read.examples[0], "pruned", "acc")], [-Infinity, -3]);
});

Deno.test("findAnswer() judges by each metric, and by any of several right choices", () => {
  const [first, second] = answers.examples;
  assertEquals(findAnswer(first, "unpruned", "acc"), { choice: 0, isRight: false });
  // -2/4 against -3/2 a character, -2/4 against -3/8 a byte.
  assertEquals(findAnswer(first, "unpruned", "acc_norm"), { choice: 0, isRight: false });
  assertEquals(findAnswer(first, "unpruned", "acc_bytes"), { choice: 1, isRight: true });
  assertEquals(findAnswer(second, "unpruned", "acc"), { choice: 0, isRight: true });
  assertEquals(findAnswer(second, "pruned", "acc"), { choice: 1, isRight: false });
});

Deno.test("parseAnswers() throws when choices are missing, or the right one is none of them", () => {
  const text = serialiseAnswers(answers);
  const broken = [
    text.replace(`"bytes": [4, 8]`, `"bytes": [4]`),
    text.replace(`"golds": [1]`, `"golds": [2]`),
    text.replace(`"golds": [1]`, `"golds": []`),
  ];
  for (const one of broken) {
    assertThrows(
      () => parseAnswers("answers.json", one),
      SyntaxError,
      "example toy/0 does not have 2 choices throughout",
    );
  }
});
