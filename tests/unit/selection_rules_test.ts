import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  type CellAnswers,
  cellAnswers,
  chooseCell,
  type SelectionRule,
  selectionRules,
  signFlipTest,
} from "../../src/method/selection_rules.ts";
import { toyExample } from "../support/toy_engine.ts";

/** Cells of one layer at fractions 0, 0.1, 0.2, …; a cell is the log-shares of the gold choice, two choices each. */
function cells(...shares: readonly (readonly number[])[]): CellAnswers[] {
  const examples = shares[0].map((_, index) => toyExample(index));
  return shares.map((row, index) => {
    const logProbs = row.map((share) => Float64Array.of(Math.log(share), Math.log(1 - share)));
    const place = { layer: index === 0 ? null : 0, fraction: index / 10, neurons: index };
    return cellAnswers(place, examples, logProbs, "acc");
  });
}

Deno.test("cellAnswers() gives correctness, margin, likelihood and share when a choice is worth more to the metric", () => {
  const example = toyExample(0, 1, [1, 4]);
  const logProbs = [Float64Array.of(-3, -4)];
  const place = { layer: 2, fraction: 0.1, neurons: 5 };
  const plain = cellAnswers(place, [example], logProbs, "acc");
  assertEquals([plain.correct, plain.margins[0], plain.gold[0]], [[false], -1, -4]);
  assertAlmostEquals(plain.goldShare[0], Math.log(Math.exp(-4) / (Math.exp(-3) + Math.exp(-4))), 1e-12);
  const normalised = cellAnswers(place, [example], logProbs, "acc_norm");
  assertEquals([normalised.correct, normalised.margins[0], normalised.gold[0]], [[true], 2, -1]);
  assertEquals(normalised.layer, 2);
});

Deno.test("cellAnswers() takes the best of several right choices and the shares of all of them", () => {
  const example = { ...toyExample(0, 0, [1, 1, 1]), golds: [0, 2] };
  const answers = cellAnswers(
    { layer: null, fraction: 0, neurons: 0 },
    [example],
    [Float64Array.of(-3, -2, -1)],
    "acc",
  );
  assertEquals([answers.correct, answers.margins[0], answers.gold[0]], [[true], 1, -1]);
  const share = (Math.exp(-3) + Math.exp(-1)) / (Math.exp(-3) + Math.exp(-2) + Math.exp(-1));
  assertAlmostEquals(answers.goldShare[0], Math.log(share), 1e-12);
});

Deno.test("chooseCell() chooses by what each rule puts first", () => {
  // Cell 1 answers most examples, cell 2 has the largest margin, cell 3 the largest product of shares.
  const input = { cells: cells([0.4, 0.4, 0.4], [0.52, 0.52, 0.02], [0.999999, 0.4, 0.1], [0.6, 0.45, 0.45]) };
  assertEquals(chooseCell("paper", input), 1);
  assertEquals(chooseCell("margin", input), 2);
  assertEquals(chooseCell("choice-likelihood", input), 3);
  assertEquals(chooseCell("gold-likelihood", input), 3);
});

Deno.test("chooseCell() tells the likelihood of the gold choice from its share when mass leaves all choices", () => {
  const examples = [toyExample(0)];
  const place = (neurons: number) => ({ layer: neurons === 0 ? null : 0, fraction: neurons / 10, neurons });
  const answers = [[-1, -1], [-0.9, -0.5], [-3, -9]].map((logProbs, index) =>
    cellAnswers(place(index), examples, [Float64Array.from(logProbs)], "acc")
  );
  assertEquals(chooseCell("gold-likelihood", { cells: answers }), 1);
  assertEquals(chooseCell("choice-likelihood", { cells: answers }), 2);
});

Deno.test("chooseCell() prefers fewer neurons when everything else is equal", () => {
  const same = [0.7, 0.7];
  for (const rule of selectionRules) {
    const input = { cells: cells(same, same, same), leftOut: cells(same, same, same) };
    assertEquals(chooseCell(rule, input), 0, rule);
  }
});

Deno.test("chooseCell() by smoothed passes over a lucky fraction between poor ones", () => {
  const [poor, good, best] = [[0.1, 0.1, 0.1, 0.9], [0.9, 0.9, 0.9, 0.1], [0.9, 0.9, 0.9, 0.9]];
  const input = { cells: cells(poor, poor, best, poor, good, good, good) };
  assertEquals(chooseCell("paper", input), 2);
  assertEquals(chooseCell("smoothed", input), 5);
});

Deno.test("chooseCell() by bootstrap chooses what wins most draws when the paper's choice hangs on few examples", () => {
  // Cells 1 and 2 are both right on four; cell 2 has the larger margin by a hair, and loses most draws without example
  // 2.
  const poor = [0.1, 0.1, 0.1, 0.1, 0.1];
  const input = { cells: cells(poor, [0.6, 0.9, 0.6, 0.1, 0.6], [0.6, 0.4, 0.9, 0.6, 0.6], [0.4, 0.1, 0.9, 0.9, 0.9]) };
  assertEquals(chooseCell("paper", input), 2);
  for (const seed of [1, 2, 3]) assertEquals(chooseCell("bootstrap", { ...input, seed }), 1);
});

Deno.test("chooseCell() by leave-one-out looks at the answers with each example left out", () => {
  const input = {
    cells: cells([0.4, 0.4], [0.9, 0.9], [0.6, 0.6]),
    leftOut: cells([0.4, 0.4], [0.2, 0.9], [0.6, 0.6]),
  };
  assertEquals(chooseCell("paper", input), 1);
  assertEquals(chooseCell("leave-one-out", input), 2);
  assertThrows(() => chooseCell("leave-one-out", { cells: input.cells }), RangeError, "each example left out");
});

Deno.test("chooseCell() with +no-harm keeps the model unpruned unless most examples gain", () => {
  const before = [0.4, 0.4, 0.4, 0.4, 0.4];
  const better = before.map(() => 0.9);
  const oneWins = [0.999, 0.35, 0.38, 0.55, 0.36];
  assertEquals(chooseCell("paper+no-harm", { cells: cells(before, better) }), 1);
  assertEquals(chooseCell("paper", { cells: cells(before, oneWins) }), 1);
  assertEquals(chooseCell("paper+no-harm", { cells: cells(before, oneWins) }), 0);
});

Deno.test("chooseCell() throws when the rule is unknown or there is no example", () => {
  assertThrows(() => chooseCell("best" as SelectionRule, { cells: cells([0.5]) }), RangeError, 'the rule "best"');
  assertThrows(() => chooseCell("paper", { cells: cells([]) }), RangeError, "on 0 examples");
});

Deno.test("signFlipTest() counts sign patterns when they are few and draws them when they are many", () => {
  assertEquals(signFlipTest([1, 1, 1]), 1 / 8);
  assertEquals(signFlipTest([1, -1]), 3 / 4);
  assertEquals(signFlipTest([-1, -1]), 1);
  assertEquals(signFlipTest([0, 0, 0]), 1);
  assertEquals(signFlipTest([Infinity, NaN, 1]), 1 / 2);
  // Twenty equal gains: one pattern in 2^20 reaches them; 14 to 6 is P(X <= 6) of binomial(20, 1/2).
  assertEquals(signFlipTest(new Array(20).fill(1)) < 1e-4, true);
  const mixed = Array.from({ length: 20 }, (_, index) => index < 6 ? -1 : 1);
  assertAlmostEquals(signFlipTest(mixed), 0.0577, 0.005);
});
