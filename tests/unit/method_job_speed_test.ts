/** How long a job takes: what is timed of it, and how that is scaled. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { AttributeOptions, Engine, EngineInfo, ForecastOptions, Intervention } from "../../src/engine/engine.ts";
import { forecastJob } from "../../src/method/forecast.ts";
import { measureSpeed, stageSeconds } from "../../src/method/job_speed.ts";
import type { Example } from "../../src/tasks/example.ts";
import { toyConfig, ToyEngine, toyExamples } from "../support/toy_engine.ts";

const shape = { layers: 3, neurons: 10 };
const adaptation = toyExamples(4);
const test = toyExamples(6);
const job = { adaptation, selection: adaptation, test, search: { fractions: [0.1, 0.3] } };

/** Waves of at most `size` units; a unit of scoring costs 30 operations and 6 s, one of forward work 10 and 1 s. */
class TimedEngine {
  readonly config = toyConfig(shape);
  readonly runs: string[] = [];
  #busySeconds = 0;

  constructor(readonly size: number) {}

  get info(): EngineInfo {
    return { kind: "webgpu", adapter: "timed", details: { busySeconds: this.#busySeconds } };
  }

  forecast(examples: readonly Example[], { attribute, interventions = [] }: ForecastOptions) {
    const waves = (units: number, flops: number, residency: "keep" | "none") =>
      Array.from({ length: Math.ceil(units / this.size) }, (_, wave) => ({
        rows: [1],
        residency,
        flops: flops * Math.min(this.size, units - wave * this.size),
        bytes: 1,
        buffers: new Map<string, number>(),
        overheadBytes: 0,
      }));
    return [
      ...attribute ? waves(attribute.pairs!.length, 30, "keep") : [],
      ...waves(examples.length * interventions.length, 10, "none"),
    ];
  }

  attribute(_: readonly Example[], { pairs }: AttributeOptions) {
    this.runs.push(`${pairs!.length} paths`);
    this.#busySeconds += 6 * pairs!.length;
    return Promise.resolve([]);
  }

  choiceLogProbs(examples: readonly Example[], interventions: readonly Intervention[]) {
    this.runs.push(`${examples.length} examples, ${interventions.length} masks`);
    this.#busySeconds += examples.length * interventions.length;
    return Promise.resolve([]);
  }
}

const timedEngine = (size: number) => {
  const timed = new TimedEngine(size);
  return { timed, engine: timed as unknown as Engine & Required<Pick<Engine, "forecast">> };
};

Deno.test("measureSpeed() times one full wave of each kind, after a first run that compiles", async () => {
  const { timed, engine } = timedEngine(8);
  const told: string[] = [];
  const onProgress = ({ stage, done, total }: { stage: string; done: number; total: number }) =>
    told.push(`${stage} ${done}/${total}`);
  const speed = await measureSpeed({ ...job, engine }, { onProgress });
  // 12 paths are halved once; 4 examples under 7 masks are halved to one example.
  assertEquals(timed.runs, ["6 paths", "6 paths", "1 examples, 7 masks", "1 examples, 7 masks"]);
  assertEquals(speed, { attribution: { flops: 180, seconds: 36 }, forward: { flops: 70, seconds: 7 } });
  assertEquals(told, ["time 0/2", "time 1/2", "time 1/2", "time 2/2"]);
});

Deno.test("measureSpeed() parts the grid when one example under all its masks fills more than a wave", async () => {
  const { timed, engine } = timedEngine(2);
  const speed = await measureSpeed({ ...job, engine });
  assertEquals(timed.runs.slice(-1), ["1 examples, 2 masks"]);
  assertEquals(speed.forward, { flops: 20, seconds: 2 });
});

Deno.test("measureSpeed() keeps the layers of a joint path together", async () => {
  const { timed, engine } = timedEngine(1);
  await measureSpeed({ ...job, engine, score: { path: "joint" } });
  assertEquals(timed.runs[0], "3 paths");
});

Deno.test("stageSeconds() scales each stage by what of its kind was timed", async () => {
  const { engine } = timedEngine(8);
  const stages = forecastJob({ ...job, engine, score: { maxNodes: 16 }, randomDraws: 2 });
  const speed = await measureSpeed({ ...job, engine });
  // 12 paths; 4 examples under 7 masks, twice; 6 examples under the unmodified model and 5 plans.
  assertEquals(stages.map((stage) => Math.round(stageSeconds(stage, speed))), [72, 72, 28, 28, 36]);
});

Deno.test("measureSpeed() times nothing that the job has not, and refuses an engine without waves", async () => {
  const { timed, engine } = timedEngine(8);
  const speed = await measureSpeed({ ...job, adaptation: [], selection: [], engine });
  assertEquals([speed.attribution, timed.runs.length], [null, 2]);
  const [scoring] = forecastJob({ ...job, engine });
  assertThrows(() => stageSeconds(scoring, speed), RangeError, "Cannot tell the time of stage score, 8 nodes");
  await assertRejects(
    () => measureSpeed({ ...job, engine: new ToyEngine(shape) }),
    TypeError,
    "the reference engine does not run in waves",
  );
});
