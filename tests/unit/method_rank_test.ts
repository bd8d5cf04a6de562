import { assertEquals, assertThrows } from "@std/assert";
import { firstNeurons, neuronCount, type Ranking, rankNeurons } from "../../src/method/rank.ts";

const scores = Float32Array.of(1, -5, 3, 0, 3, -2);

Deno.test("rankNeurons() puts the highest score first and ties by lower index when signed", () => {
  assertEquals([...rankNeurons(scores)], [2, 4, 0, 3, 5, 1]);
});

Deno.test("rankNeurons() puts the largest |score| first when absolute", () => {
  assertEquals([...rankNeurons(scores, "absolute")], [1, 2, 4, 5, 0, 3]);
});

Deno.test("rankNeurons() leaves out neurons at or below zero when positive", () => {
  assertEquals([...rankNeurons(scores, "positive")], [2, 4, 0]);
});

Deno.test("rankNeurons() throws when a score is not finite or the ranking is unknown", () => {
  assertThrows(() => rankNeurons(Float32Array.of(1, NaN)), RangeError, "neuron 1: its score is NaN");
  assertThrows(() => rankNeurons(Float32Array.of(-Infinity)), RangeError, "neuron 0");
  assertThrows(() => rankNeurons(scores, "lowest" as Ranking), RangeError, "expected one of signed");
});

Deno.test("neuronCount() rounds halves upwards when the product is one, exactly or but for rounding", () => {
  assertEquals([0.05, 0.1, 0.15, 0.25, 0.5, 1].map((fraction) => neuronCount(fraction, 10)), [1, 1, 2, 3, 5, 10]);
  assertEquals(neuronCount(0.285, 100), 29);
  assertEquals(neuronCount(0.04, 10), 0);
  assertEquals(neuronCount(0.05, 14336), 717);
  assertEquals(neuronCount(0, 10), 0);
});

Deno.test("neuronCount() throws when the fraction is not in 0..1", () => {
  for (const fraction of [-0.1, 1.1, NaN]) assertThrows(() => neuronCount(fraction, 10), RangeError, `${fraction}`);
});

Deno.test("firstNeurons() sorts numerically when the ranking has more neurons than are taken, or fewer", () => {
  const order = Uint32Array.of(100, 9, 20, 3);
  assertEquals([...firstNeurons(order, 3)], [9, 20, 100]);
  assertEquals([...firstNeurons(order, 9)], [3, 9, 20, 100]);
  assertEquals([...order], [100, 9, 20, 3]);
});
