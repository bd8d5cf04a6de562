import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { PythonRandom } from "../../src/tasks/python_random.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { drawRows } from "../../src/tasks/sample.ts";

const indices = (count: number) => [...Array(count).keys()];

Deno.test("nextUint32() gives the numbers of xoshiro128** when computed independently", () => {
  // Computed from the published formulas with Python integers.
  const expected: [number, number[]][] = [
    [0, [4192516064, 3181845710, 3008508451, 1056627837]],
    [1, [3015154819, 1031303351, 1341426452, 2902597084]],
    [2 ** 32, [2075505288, 1580397095, 3664722588, 2662613360]],
    [2 ** 53 - 1, [4209171991, 2231838122, 4189768140, 1335165112]],
  ];
  for (const [seed, numbers] of expected) {
    const random = createRandom(seed);
    assertEquals(numbers.map(() => random.nextUint32()), numbers);
  }
});

Deno.test("nextFloat() uses 53 bits in [0, 1) when drawn", () => {
  const random = createRandom(7);
  assertEquals([random.nextFloat(), random.nextFloat(), random.nextFloat()], [
    0.15827392805057094,
    0.159314522012867,
    0.80786443443365,
  ]);
});

Deno.test("nextBelow() is uniform when the bound is no power of two", () => {
  const random = createRandom(3);
  const counts = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 70_000; i++) counts[random.nextBelow(7)]++;
  // Six standard deviations of a binomial count.
  for (const count of counts) assertAlmostEquals(count, 10_000, 6 * Math.sqrt(10_000 * 6 / 7));
});

Deno.test("shuffle() reaches every order equally often when three items are shuffled", () => {
  const random = createRandom(11);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6_000; i++) {
    const order = random.shuffle([0, 1, 2]).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(counts.size, 6);
  for (const count of counts.values()) assertAlmostEquals(count, 1_000, 6 * Math.sqrt(1_000 * 5 / 6));
});

Deno.test("sample() draws different items and leaves the list alone when it has enough", () => {
  const items = indices(20);
  const drawn = createRandom(5).sample(items, 8);
  assertEquals(new Set(drawn).size, 8);
  assertEquals(items, indices(20));
  assertEquals(createRandom(5).sample(items, 8), drawn);
  assertNotEquals(createRandom(6).sample(items, 8), drawn);
});

Deno.test("createRandom() and its draws throw when an argument is out of range", () => {
  for (const seed of [-1, 0.5, 2 ** 53, NaN]) assertThrows(() => createRandom(seed), RangeError, "Cannot seed");
  const random = createRandom(0);
  for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) assertThrows(() => random.nextBelow(bound), RangeError);
  assertThrows(() => random.sample([1, 2], 3), RangeError, "there are 2");
});

Deno.test("PythonRandom gives Python's numbers and samples when the seed is the harness's", () => {
  const words = new PythonRandom(1234);
  assertEquals([words.nextUint32(), words.nextUint32(), words.nextUint32()], [4150886329, 3342196574, 1892932127]);
  const random = new PythonRandom(1234);
  // random.Random(1234): both of Python's ways of sampling, chosen by size.
  assertEquals(random.sample(indices(10), 3), [7, 1, 0]);
  assertEquals(random.sample(indices(1000), 4), [92, 932, 965, 961]);
  assertEquals(random.sample(indices(100), 8), [74, 4, 85, 88, 10, 12, 98, 45]);
  assertEquals(random.sample(indices(30), 6), [7, 0, 28, 25, 27, 11]);
});

Deno.test("PythonRandom throws when the seed or the count is out of range", () => {
  assertThrows(() => new PythonRandom(-1), RangeError, "Cannot seed");
  assertThrows(() => new PythonRandom(1).sample([1], 2), RangeError, "Cannot draw 2 items");
});

Deno.test("drawRows() is the same every time when the seed is, and differs when it is not", () => {
  const golds = Array.from({ length: 50 }, (_, i) => i % 3);
  for (const sampling of ["plain", "balanced"] as const) {
    const drawn = drawRows(golds, { count: 10, seed: 1, sampling });
    assertEquals(drawRows(golds, { count: 10, seed: 1, sampling }), drawn);
    assertNotEquals(drawRows(golds, { count: 10, seed: 2, sampling }), drawn);
    assertEquals(new Set(drawn).size, 10);
    assert(drawn.every((row) => row >= 0 && row < 50));
  }
});

Deno.test("drawRows() takes equally many rows of each gold index when balanced, however rare it is", () => {
  const golds = Array.from({ length: 100 }, (_, i) => i < 90 ? 0 : i < 95 ? 1 : 4);
  const extras = new Set<number>();
  for (let seed = 0; seed < 30; seed++) {
    const drawn = drawRows(golds, { count: 10, seed, sampling: "balanced" });
    const counts = [0, 1, 4].map((label) => drawn.filter((row) => golds[row] === label).length);
    assertEquals(counts.toSorted(), [3, 3, 4]);
    extras.add(counts.indexOf(4));
  }
  assertEquals(extras.size, 3);
});

Deno.test("drawRows() throws when there are too few rows", () => {
  assertThrows(() => drawRows([0, 1], { count: 3, seed: 0 }), RangeError, "the split has 2 rows");
  assertThrows(() => drawRows([0, 1], { count: 0, seed: 0 }), RangeError, "positive integer");
  assertThrows(
    () => drawRows([0, 0, 0, 1], { count: 4, seed: 0, sampling: "balanced" }),
    RangeError,
    "2 rows with gold index 1 are needed, and the split has 1",
  );
});
