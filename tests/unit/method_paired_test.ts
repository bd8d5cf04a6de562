/** Two models on the same examples: counts, interval, exact test. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { comparePaired } from "../../src/method/paired.ts";

/** Answers with so many examples right in both, gained, lost, wrong in both. */
function answers(bothRight: number, gained: number, lost: number, bothWrong: number): [boolean[], boolean[]] {
  const repeat = (count: number, value: boolean) => new Array<boolean>(count).fill(value);
  return [
    [...repeat(bothRight, true), ...repeat(gained, false), ...repeat(lost, true), ...repeat(bothWrong, false)],
    [...repeat(bothRight, true), ...repeat(gained, true), ...repeat(lost, false), ...repeat(bothWrong, false)],
  ];
}

Deno.test("comparePaired() counts changes and gives the exact McNemar p-value when few answers changed", () => {
  const found = comparePaired(...answers(3, 8, 1, 2));
  assertEquals([found.count, found.bothRight, found.gained, found.lost, found.bothWrong], [14, 3, 8, 1, 2]);
  assertEquals(found.difference, 0.5);
  // 2 * (C(9,0) + C(9,1)) / 2^9
  assertAlmostEquals(found.pValue, 20 / 512, 1e-12);
});

Deno.test("comparePaired() gives the interval of the adjusted Wald formula when worked by hand", () => {
  // p12 = 9/16, p21 = 2/16, difference 7/16, variance (11/16 - 49/256) / 16.
  const { interval } = comparePaired(...answers(3, 8, 1, 2));
  const reach = 1.959963984540054 * Math.sqrt((11 / 16 - 49 / 256) / 16);
  assertAlmostEquals(interval[0], 7 / 16 - reach, 1e-12);
  assertAlmostEquals(interval[1], 7 / 16 + reach, 1e-12);
});

Deno.test("comparePaired() is unsure and its p-value is 1 when no answer changed", () => {
  const { interval, pValue, difference } = comparePaired(...answers(10, 0, 0, 10));
  assertEquals([difference, pValue], [0, 1]);
  assert(interval[0] < 0 && interval[1] > 0);
});

Deno.test("comparePaired() keeps the p-value finite when thousands of answers changed", () => {
  const even = comparePaired(...answers(0, 3000, 3000, 0));
  assertEquals(even.pValue, 1);
  const uneven = comparePaired(...answers(0, 3300, 2700, 0));
  // Normal approximation with continuity correction: z = 599 / sqrt(6000) = 7.733.
  assert(uneven.pValue > 1e-15 && uneven.pValue < 1e-13, `${uneven.pValue}`);
});

Deno.test("comparePaired() throws when there is nothing to compare", () => {
  assertThrows(() => comparePaired([], []), RangeError, "Cannot compare 0 answers");
  assertThrows(() => comparePaired([true], [true, false]), RangeError, "Cannot compare 1 answers with 2");
});
