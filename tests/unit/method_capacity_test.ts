/**
 * The capacity model: times add up, what limits a job is named, and more GPUs help only where there is something to
 * divide.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type CapacityJob,
  capacityModel,
  type Cluster,
  predictCapacity,
  predictShardFlops,
  scoringUnits,
} from "../../src/method/capacity.ts";

const shape = { queryHeads: 32, keyValueHeads: 8, headWidth: 128, vocabularySize: 128256, tiedHead: false };
const model = capacityModel({ ...shape, layers: 32, width: 4096, neurons: 14336 });
const job: CapacityJob = {
  promptTokens: Array.from({ length: 10 }, () => 128),
  choiceTokens: 4,
  nodes: 8,
  path: "layer",
  positions: "all",
  fractions: 10,
  testExamples: 100,
  tasks: 1,
};
const cluster: Cluster = { gpus: 64, tflops: 30, readGbps: 2, sharedGbps: null, memoryGb: 80, startSeconds: 10 };
const predict = (change: Partial<Cluster> = {}, work: Partial<CapacityJob> = {}) =>
  predictCapacity(model, { ...job, ...work }, { ...cluster, ...change });

Deno.test("predictCapacity() accounts for all time of all GPUs, on any number of them", () => {
  for (const gpus of [1, 2, 7, 64, 1000]) {
    for (const tasks of [1, 3, 5000]) {
      const { losses, wallSeconds, steps } = predict({ gpus }, { tasks });
      const total = Object.values(losses).reduce((sum, seconds) => sum + seconds, 0);
      assert(Math.abs(total / (gpus * wallSeconds) - 1) < 1e-9, `${gpus} GPUs, ${tasks} tasks: ${total}`);
      assert(wallSeconds >= steps.reduce((sum, { seconds }) => sum + seconds, 0) * (1 - 1e-12));
    }
  }
});

Deno.test("predictCapacity() has no loss below zero and no efficiency above one, whatever is asked", () => {
  const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
  const jobs = fc.record({
    promptTokens: fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 12 }),
    choiceTokens: fc.integer({ min: 0, max: 50 }),
    nodes: fc.integer({ min: 1, max: 64 }),
    path: fc.constantFrom("layer" as const, "joint" as const),
    positions: fc.constantFrom("all" as const, "last" as const),
    fractions: fc.integer({ min: 1, max: 20 }),
    testExamples: fc.integer({ min: 0, max: 10_000 }),
    tasks: fc.integer({ min: 1, max: 200 }),
  });
  const clusters = fc.record({
    gpus: fc.integer({ min: 1, max: 300 }),
    tflops: number(0.01, 1000),
    readGbps: number(0.01, 100),
    sharedGbps: fc.option(number(0.01, 100), { nil: null }),
    memoryGb: number(1, 100),
    startSeconds: number(0, 1000),
  });
  fc.assert(
    fc.property(jobs, clusters, (work, machines) => {
      const { losses, wallSeconds, efficiency } = predictCapacity(model, work, machines);
      const total = machines.gpus * wallSeconds;
      for (const [name, loss] of Object.entries(losses)) assert(loss >= -1e-9 * total, `${name}: ${loss} of ${total}`);
      assert(efficiency > 0 && efficiency <= 1 + 1e-9, `${efficiency}`);
    }),
    { seed: 1, numRuns: 300 },
  );
});

Deno.test("predictCapacity() names what limits a job", () => {
  const fast = { startSeconds: 0, readGbps: 1e6 };
  assertEquals(predict().limitedBy, "chain");
  assertEquals(predict({ gpus: 1, startSeconds: 0, readGbps: 0.01 }).limitedBy, "loading");
  assertEquals(predict({ ...fast, gpus: 1000, tflops: 0.1 }, { testExamples: 0 }).limitedBy, "indivisible");
  assertEquals(
    predict({ ...fast, gpus: 320 }, { testExamples: 0, path: "joint", nodes: 1, fractions: 1 }).limitedBy,
    "indivisible",
  );
  assertEquals(predict({ ...fast, gpus: 1 }).limitedBy, "nothing");
});

Deno.test("predictCapacity() keeps thousands of tasks efficient, and streams what does not fit", () => {
  const many = predict({}, { tasks: 6400, testExamples: 0 });
  assert(many.efficiency > predict({}, { testExamples: 0 }).efficiency);
  assert(Math.abs(predict({}, { tasks: 12800, testExamples: 0 }).wallSeconds / many.wallSeconds - 2) < 1e-9);
  const [resident, streamed] = [predict(), predict({ memoryGb: 10 })];
  assertEquals([resident.streamed, streamed.streamed], [false, true]);
  assert(streamed.losses.loading > resident.losses.loading);
  assert(predict({ sharedGbps: 2 }).losses.loading > resident.losses.loading);
});

Deno.test("predictShardFlops() divides the work without losing any, and counts what shards repeat", () => {
  const [whole] = predictShardFlops(model, job, 1).score;
  const units = scoringUnits(model, job);
  assertEquals(units.length, 320);
  assert(units[0].flops > units[31].flops);
  const some = scoringUnits(model, { ...job, layers: [0, 31] });
  assertEquals([some.length, some[0], some[1]], [20, units[0], units[31]]);
  for (const shards of [2, 6, 320]) {
    const parts = predictShardFlops(model, job, shards).score;
    const total = parts.reduce((sum, flops) => sum + flops, 0);
    assert(parts.length === shards && total >= whole && total < 2 * whole, `${shards} shards: ${total / whole}`);
    assert(Math.max(...parts) < whole);
  }
});

Deno.test("predictCapacity() refuses clusters and jobs that are none", () => {
  assertThrows(() => predict({ gpus: 0 }), RangeError, "gpus is 0");
  assertThrows(() => predict({ tflops: NaN }), RangeError, "tflops is NaN");
  assertThrows(() => predict({}, { layers: [3, 32] }), RangeError, "layer 32, expected some of 0 to 31");
  assertThrows(() => predict({}, { promptTokens: [] }), RangeError, "there are no examples");
  assertThrows(() => predict({}, { promptTokens: [5, NaN] }), RangeError, "promptTokens is NaN");
  assertThrows(() => predict({}, { choiceTokens: -1 }), RangeError, "choiceTokens is -1, expected an integer from 0");
  assertThrows(() => predict({}, { testExamples: NaN }), RangeError, "testExamples is NaN");
  assertThrows(() => predict({}, { tasks: 1.5 }), RangeError, "tasks is 1.5");
  assertThrows(() => predict({ startSeconds: -1 }), RangeError, "startSeconds is -1, expected a number from 0");
  for (const field of Object.keys(model) as (keyof typeof model)[]) {
    for (const value of [0, NaN, Infinity, -1]) {
      const wrong = () => predictCapacity({ ...model, [field]: value }, job, cluster);
      assertThrows(wrong, RangeError, `model.${field} is ${value}`);
    }
  }
});
