import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { jaccard, kendall, overlap, rankAgreement, spearman } from "../../src/method/agreement.ts";
import type { NeuronScores } from "../../src/method/neuron_scores.ts";
import { createRandom } from "../../src/tasks/random.ts";

function scoresOf(rows: readonly (readonly number[])[], scored = rows.map((_, layer) => layer)): NeuronScores {
  return { site: "gate", layers: rows.length, neurons: rows[0].length, scored, values: Float32Array.from(rows.flat()) };
}

/** Kendall's tau-b from its definition, over all pairs. */
function kendallByPairs(a: readonly number[], b: readonly number[]): number {
  let sum = 0, untiedA = 0, untiedB = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const [x, y] = [Math.sign(a[i] - a[j]), Math.sign(b[i] - b[j])];
      sum += x * y;
      untiedA += x * x;
      untiedB += y * y;
    }
  }
  return sum / Math.sqrt(untiedA * untiedB);
}

Deno.test("kendall() equals its definition over all pairs when values tie", () => {
  const random = createRandom(4);
  for (let length = 2; length < 40; length++) {
    const draw = () => Array.from({ length }, () => random.nextBelow(6));
    const [a, b] = [draw(), draw()];
    if (new Set(a).size === 1 || new Set(b).size === 1) continue;
    assertAlmostEquals(kendall(a, b)!, kendallByPairs(a, b), 1e-12);
  }
});

Deno.test("spearman() and kendall() are known when values are few", () => {
  // Ranks 0 1.5 1.5 3 and 1 0 2 3: their products add up to 3, their squares to 4.5 and 5.
  assertAlmostEquals(spearman([1, 2, 2, 9], [5, 4, 6, 7])!, 3 / Math.sqrt(4.5 * 5), 1e-12);
  assertAlmostEquals(kendall([1, 2, 2, 9], [5, 4, 6, 7])!, 3 / Math.sqrt(5 * 6), 1e-12);
  assertEquals([spearman([1, 2, 3], [10, 20, 21]), kendall([1, 2, 3], [3, 2, 1])], [1, -1]);
  assertEquals([spearman([1, 1], [1, 2]), kendall([1, 2], [3, 3])], [null, null]);
});

Deno.test("overlap() and jaccard() count what two lists share", () => {
  const [a, b] = [Uint32Array.of(1, 2, 3, 4), Uint32Array.of(3, 4, 5)];
  assertEquals([overlap(a, b), jaccard(a, b)], [0.5, 0.4]);
  assertEquals([overlap(new Uint32Array(), new Uint32Array()), jaccard(new Uint32Array(), new Uint32Array())], [1, 1]);
});

Deno.test("rankAgreement() compares layer by layer and averages the layers that both scored", () => {
  const a = scoresOf([[1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 0, 0]], [0, 1]);
  const b = scoresOf([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]], [0, 1, 2]);
  const { layers, spearman, kendall, topOverlap } = rankAgreement(a, b, { fractions: [0.25, 0.75] });
  assertEquals(layers.map((layer) => [layer.layer, layer.spearman, layer.kendall]), [[0, 1, 1], [1, -1, -1]]);
  assertEquals([spearman, kendall, topOverlap], [0, 0, [0.5, (1 + 2 / 3) / 2]]);
});

Deno.test("rankAgreement() compares sizes when the ranking is absolute, and only what would be pruned when it is positive", () => {
  const [a, b] = [scoresOf([[-9, 2, 3, -1]]), scoresOf([[8, 2, -3, 1]])];
  assertEquals(rankAgreement(a, b, { ranking: "absolute" }).spearman, 1);
  assertEquals(rankAgreement(a, b, { ranking: "positive", fractions: [0.5] }).topOverlap, [0.5]);
});

Deno.test("rankAgreement() leaves out layers without an order, and throws when nothing can be compared", () => {
  const constant = scoresOf([[1, 1], [1, 2]]);
  assertEquals(rankAgreement(constant, scoresOf([[1, 2], [1, 2]])).spearman, 1);
  assertEquals(rankAgreement(scoresOf([[1, 1]]), scoresOf([[1, 2]])).kendall, null);
  assertThrows(() => rankAgreement(constant, scoresOf([[1, 2, 3], [1, 2, 3]])), RangeError, "2 x 2 neurons with 2 x 3");
  assertThrows(() => rankAgreement(scoresOf([[1, 2], [1, 2]], [0]), scoresOf([[1, 2], [1, 2]], [1])), RangeError);
});
