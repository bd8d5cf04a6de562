/** The verdict on memory that swings: it finds a leak in the swings, and takes swings for no leak. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { judgeResidency } from "./residency.ts";

/** Memory that rises for ten jobs and falls back, on a floor that grows by `leak` with every job. */
const sawtooth = (count: number, leak: number) =>
  Array.from({ length: count }, (_, i) => 200 + 15 * (i % 10) + leak * i);

Deno.test("judgeResidency() gives the medians of tenths and finds memory flat that goes back again and again", () => {
  const { tenths, floorGrowth, peakGrowth } = judgeResidency(sawtooth(500, 0));
  assertEquals(tenths.length, 10);
  for (const median of tenths) assertAlmostEquals(median, 275, 10);
  assertEquals([floorGrowth, peakGrowth], [1, 1]);
});

Deno.test("judgeResidency() refuses a leak under the swings, and swings that widen", () => {
  assertThrows(() => judgeResidency(sawtooth(500, 0.12)), Error, "grew: its floor by 1.13");
  assertThrows(() => judgeResidency(sawtooth(500, 0).map((bytes, i) => i % 10 < 9 ? bytes : bytes + i)), Error, "grew");
});

Deno.test("judgeResidency() does not take a single low value for the floor", () => {
  judgeResidency(sawtooth(500, 0).map((bytes, i) => i === 100 ? bytes / 2 : bytes));
});

Deno.test("judgeResidency() does not judge a short run", () => {
  assertEquals(judgeResidency([100, 200, 400]).tenths, [100, 200, 400]);
});
