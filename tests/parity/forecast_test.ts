/** What is forecast against what then happens: waves, operations, and peak bytes. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AttributeOptions, Engine, Forecaster, ForecastOptions, WaveForecast } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { predictPeakBytes } from "../../src/engine/webgpu/forecast.ts";
import { createWebGpuForecaster } from "../../src/engine/webgpu/forecaster.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { tinyInterventions } from "../support/engine_pair.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine, testDevice } from "../support/webgpu_engine.ts";

const checkpoint = await makeTinyCheckpoint({ layers: 3, width: 24, neurons: 40, vocabulary: 500, dtype: "BF16" });
const { config } = checkpoint;
const examples = makeTinyExamples(config, { count: 5, promptTokens: [3, 14], choiceTokens: [1, 3] });
const interventions = Object.values(tinyInterventions(config));

/** A number that an engine or a forecaster says of itself. */
function figure({ info }: Pick<Engine, "info">, name: string): number {
  const value = info.details[name];
  assert(typeof value === "number", name);
  return value;
}

async function openForecaster(options: Parameters<typeof createWebGpuForecaster>[1] = {}): Promise<Forecaster> {
  const forecaster = await createWebGpuForecaster(checkpoint, {
    device: await testDevice(),
    kernelVariant: "tile",
    ...options,
  });
  Deno.test.afterAll(() => forecaster.close());
  return forecaster;
}

function predictPeak(forecaster: Forecaster, waves: readonly WaveForecast[]): number {
  const [fixedBytes, workingBudgetBytes] = ["fixedBytes", "workingBudgetBytes"].map((name) => figure(forecaster, name));
  return predictPeakBytes(waves, { fixedBytes, workingBudgetBytes });
}

/** Does what was forecast. */
async function carryOut(engine: Engine, { attribute, interventions }: ForecastOptions): Promise<void> {
  if (attribute) await engine.attribute(examples, attribute);
  if (interventions) await engine.choiceLogProbs(examples, interventions);
}

const resident = await openForecaster();
const fixedBytes = figure(resident, "fixedBytes");
const weightBytes = figure(resident, "weightBytes");
const rule = quadratureRule("gauss-legendre", 6);
const attributions: Record<string, AttributeOptions> = {
  "all layers": { rule },
  "the last position": { rule, positions: "last" },
  "the joint path": { rule, path: "joint", site: "down" },
  "the last layer": { rule, pairs: examples.map((_, example) => ({ example, layer: config.layers - 1 })) },
  "the joint path, its ends known": {
    rule,
    path: "joint",
    ends: examples.flatMap(() =>
      Array.from({ length: config.layers }, () => ({
        objectiveAtOne: 1,
        objectiveAtZero: 0,
        targetToken: 1,
        otherToken: null,
      }))
    ),
  },
  "some layers, by the margin": {
    rule,
    objective: "margin",
    pairs: [{ example: 3, layer: 1 }, { example: 1, layer: 1 }, { example: 3, layer: 0 }],
  },
};

for (const [what, attribute] of Object.entries(attributions)) {
  for (const share of [1, 0.2]) {
    Deno.test(`forecast() tells waves, operations and peak of ${what} followed by masks when the budget is ${share}`, async () => {
      const work = { attribute, interventions };
      const ample = predictPeak(resident, resident.forecast(examples, work)) - fixedBytes;
      const options = { memoryBudgetBytes: fixedBytes + Math.ceil(share * ample), weightBudgetBytes: weightBytes };
      const waves = (await openForecaster(options)).forecast(examples, work);
      const engine = await openTestEngine(checkpoint, { kernelVariant: "tile", ...options });
      const before = { flops: figure(engine, "flops"), waves: figure(engine, "waves") };
      assertEquals(engine.forecast!(examples, work), waves);
      await carryOut(engine, work);
      assertEquals(figure(engine, "waves") - before.waves, waves.length);
      const flops = waves.reduce((sum, wave) => sum + wave.flops, 0);
      // Element-wise work is not forecast; at this width it is a tenth of all.
      const measured = (figure(engine, "flops") - before.flops) / flops;
      assert(measured > 1 && measured < 1.2, `${measured}`);
      const peak = predictPeak(await openForecaster(options), waves);
      // Results of different sizes are read back through memory of their own.
      const measuredPeak = figure(engine, "peakBytes");
      assert(measuredPeak <= peak && measuredPeak > 0.99 * peak, `${measuredPeak} of ${peak}`);
      assert(peak <= options.memoryBudgetBytes);
      assertEquals(new Set(waves.map(({ rows }) => rows.length)), new Set([config.layers]));
    });
  }
}

Deno.test("createWebGpuForecaster() knows what stays on the GPU when weights are resident or streamed", async () => {
  for (const weightBudgetBytes of [weightBytes, weightBytes - 1]) {
    const forecaster = await openForecaster({ weightBudgetBytes });
    const engine = await openTestEngine(checkpoint, { kernelVariant: "tile", weightBudgetBytes });
    for (const name of ["weights", "weightBytes", "fixedBytes", "workingBudgetBytes", "kernels"]) {
      assertEquals(forecaster.info.details[name], engine.info.details[name], name);
    }
    assertEquals(figure(engine, "liveBytes"), figure(forecaster, "fixedBytes"));
  }
});

Deno.test("createWebGpuForecaster() throws what opening the engine throws when the budget is too small", async () => {
  const device = await testDevice();
  for (
    const options of [{ weightBudgetBytes: 1000 }, { memoryBudgetBytes: fixedBytes, weightBudgetBytes: weightBytes }]
  ) {
    const expected = await assertRejects(() => openTestEngine(checkpoint, { kernelVariant: "tile", ...options }));
    const actual = await assertRejects(() =>
      createWebGpuForecaster(checkpoint, { device, kernelVariant: "tile", ...options })
    );
    assertEquals((actual as Error).message, (expected as Error).message);
  }
});

Deno.test("forecast() is not there when the engine does not run in waves", async () => {
  const engine: Engine = await createReferenceEngine(checkpoint);
  assertEquals(engine.forecast, undefined);
  await engine.close();
});
