import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { contrastScores } from "../../src/method/contrast.ts";
import { layerScores, type NeuronScores } from "../../src/method/neuron_scores.ts";
import { rankNeurons } from "../../src/method/rank.ts";

function scoresOf(rows: readonly (readonly number[])[], scored = rows.map((_, layer) => layer)): NeuronScores {
  return { site: "gate", layers: rows.length, neurons: rows[0].length, scored, values: Float32Array.from(rows.flat()) };
}

const scores = scoresOf([[4, 2, -2], [1, 1, 1]], [0]);
const retained = scoresOf([[-12, 0, 4], [9, 9, 9]]);

Deno.test("contrastScores() subtracts the size of the retained scores when both are on one scale", () => {
  // Mean sizes 8/3 and 16/3: the retained scores are halved.
  assertEquals([...contrastScores(scores, retained).values], [4 - 6, 2, -2 - 2, 0, 0, 0]);
  assertEquals([...contrastScores(scores, retained, { scale: "none", weight: 0.5 }).values.subarray(0, 3)], [
    -2,
    2,
    -4,
  ]);
  assertEquals(contrastScores(scores, retained, { weight: 0 }).values.subarray(0, 3), scores.values.subarray(0, 3));
});

Deno.test("contrastScores() spares a neuron that the retained set uses, whichever mode", () => {
  for (const mode of ["subtract", "divide"] as const) {
    const contrast = layerScores(contrastScores(scores, retained, { mode }), 0);
    assertEquals([...rankNeurons(layerScores(scores, 0))], [0, 1, 2]);
    assertEquals(rankNeurons(contrast)[0], 1, mode);
  }
});

Deno.test("contrastScores() divides by the size of the retained scores and a tenth of their mean", () => {
  const [first, second, third] = contrastScores(scores, retained, { mode: "divide", scale: "none" }).values;
  assertAlmostEquals(first, 4 / (12 + 1.6 / 3), 1e-6);
  assertAlmostEquals(second, 2 / (1.6 / 3), 1e-6);
  assertAlmostEquals(third, -2 / (4 + 1.6 / 3), 1e-6);
});

Deno.test("contrastScores() keeps a layer that the retained set does not touch, and throws when sets do not fit", () => {
  const none = scoresOf([[0, 0, 0], [0, 0, 0]]);
  for (const mode of ["subtract", "divide"] as const) {
    assertEquals(layerScores(contrastScores(scores, none, { mode }), 0), layerScores(scores, 0));
  }
  assertThrows(() => contrastScores(scores, scoresOf([[1, 2], [1, 2]])), RangeError, "expected the same");
  assertThrows(() => contrastScores(retained, scores), RangeError, "layer 1");
  assertThrows(() => contrastScores(scores, retained, { weight: -1 }), RangeError, "weight -1");
});
