import { assertAlmostEquals, assertEquals } from "@std/assert";
import { signTest } from "../../src/method/paired.ts";
import { mcnemarTest, pairedDifference, pairsOf, summarise } from "../../src/method/study/statistics.ts";

/** Rows of which the first `gained` are won, the next `lost` lost, and `same` answered alike. */
function answers(gained: number, lost: number, same: number): [boolean[], boolean[]] {
  const before = [...new Array(gained).fill(false), ...new Array(lost).fill(true), ...new Array(same).fill(true)];
  const after = [...new Array(gained).fill(true), ...new Array(lost).fill(false), ...new Array(same).fill(true)];
  return [before, after];
}

Deno.test("mcnemarTest() gives the exact binomial probability", () => {
  assertEquals(mcnemarTest(...answers(0, 0, 5)), { gained: 0, lost: 0, pValue: 1 });
  // 2 (C(10,0) + C(10,1)) / 2^10 = 22 / 1024
  const { gained, lost, pValue } = mcnemarTest(...answers(9, 1, 20));
  assertEquals([gained, lost], [9, 1]);
  assertAlmostEquals(pValue, 22 / 1024, 1e-12);
  assertAlmostEquals(mcnemarTest(...answers(1, 9, 20)).pValue, 22 / 1024, 1e-12);
  assertEquals(mcnemarTest(...answers(3, 3, 0)).pValue, 1);
});

Deno.test("signTest() stays a probability when the counts are large", () => {
  assertAlmostEquals(signTest(5000, 10_000), 1, 1e-9);
  // Normal approximation with continuity correction: z = 1.99, p = 0.0466
  assertAlmostEquals(signTest(4900, 10_000), 0.0466, 5e-4);
  // 2 / 2^1000 is in range, 2 / 2^2000 is below the smallest number.
  assertAlmostEquals(signTest(0, 1000) * 2 ** 999, 1, 1e-9);
  assertEquals(signTest(0, 2000), 0);
});

Deno.test("pairedDifference() tests the mean of paired differences and gives the same numbers for the same seed", () => {
  const gains = [...new Array(20).fill(1), ...new Array(80).fill(0)];
  const found = pairedDifference(gains, 7);
  assertEquals(found, pairedDifference(gains, 7));
  assertAlmostEquals(found.mean, 0.2, 1e-12);
  // Binomial(100, 0.2) / 100 has its 2.5 % and 97.5 % points at 0.12 and 0.28.
  assertAlmostEquals(found.interval[0], 0.125, 0.016);
  assertAlmostEquals(found.interval[1], 0.28, 0.016);
  assertEquals(found.pValue, 1 / 2001);

  const balanced = Array.from({ length: 40 }, (_, index) => index % 2 ? 1 : -1);
  assertEquals(pairedDifference(balanced, 1).pValue, 1);
  // Three wins of four differing rows: P(|sum| >= 2) of four signs = 10 / 16.
  assertAlmostEquals(pairedDifference([1, 1, 1, -1, 0, 0], 1).pValue, 10 / 16, 0.04);
  assertEquals(pairedDifference([0, 0, 0], 1), { mean: 0, interval: [0, 0], pValue: 1 });
});

Deno.test("summarise() gives mean, sample standard deviation and extremes", () => {
  assertEquals(summarise([1, 2, 6]), { mean: 3, standardDeviation: Math.sqrt(7), lowest: 1, highest: 6 });
  assertEquals(summarise([4]), { mean: 4, standardDeviation: null, lowest: 4, highest: 4 });
});

Deno.test("pairsOf() lists every pair once", () => {
  assertEquals(pairsOf([1, 2, 3]), [[1, 2], [1, 3], [2, 3]]);
  assertEquals(pairsOf([1]), []);
});
