/**
 * How calls of the WebGPU engine behave: progress, abortion, overlap, failure of the device, and what every engine
 * does.
 */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Progress } from "../../src/engine/engine.ts";
import { createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { GpuFailure } from "../../src/gpu/device.ts";
import { CALLED_MODEL, CALLS, testCalls } from "../support/calls_contract.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine, testVariants } from "../support/webgpu_engine.ts";

const checkpoint = await makeTinyCheckpoint(CALLED_MODEL);
const kernelVariant = (await testVariants()).at(-1)!;
const engine = await openTestEngine(checkpoint, { kernelVariant });
const examples = makeTinyExamples(engine.config, { choiceTokens: [1, 2] });

// So little memory that every call takes several waves.
const { liveBytes, weightBytes } = engine.info.details as Record<string, number>;
const budget = { memoryBudgetBytes: liveBytes + 25_000, weightBudgetBytes: weightBytes };
const tight = await openTestEngine(checkpoint, { kernelVariant, ...budget });

await testCalls(() => openTestEngine(checkpoint, { kernelVariant, batchInvariant: true }));

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name}() reports progress from 0 to the total, wave by wave, when it runs to the end`, async () => {
    const reports: Progress[] = [];
    await call(tight, { onProgress: (progress) => reports.push(progress) });
    const { total, unit, stage } = reports[0];
    const steps = reports.map(({ done }) => done);
    assertLess(2, steps.length, "one wave did it all");
    assertEquals([steps[0], steps.at(-1)], [0, total]);
    assert(steps.every((done, i) => i === 0 || done > steps[i - 1]), `${steps} does not ascend`);
    assert(reports.every((report) => report.total === total && report.unit === unit && report.stage === stage));
  });

  Deno.test(`${name}() rejects with the signal's reason when it is aborted during the call, and works again`, async () => {
    const expected = await call(tight, {});
    const reason = new RangeError("enough");
    const controller = new AbortController();
    let last = 0;
    const onProgress = ({ done }: Progress) => {
      last = done;
      if (done > 0) controller.abort(reason);
    };
    const error = await assertRejects(() => call(tight, { signal: controller.signal, onProgress }), RangeError);
    assertEquals(error, reason);
    assertLess(0, last);
    assertEquals(await call(tight, {}), expected);
  });

  Deno.test(`${name}() rejects with what its progress callback throws, and works again`, async () => {
    const error = new SyntaxError("thrown by the caller");
    const onProgress = ({ done }: Progress) => {
      if (done > 0) throw error;
    };
    assertEquals(await assertRejects(() => call(tight, { onProgress }), SyntaxError), error);
    await call(tight, {});
  });

  Deno.test(`${name}() rejects when another call has not finished, which is not disturbed`, async () => {
    const expected = await call(engine, {});
    const first = call(engine, {});
    await assertRejects(() => call(engine, {}), TypeError, "another call has not finished");
    assertEquals(await first, expected);
  });
}

Deno.test("attribute() lets a timer abort it when the work takes long", async () => {
  const controller = new AbortController();
  const start = performance.now();
  setTimeout(() => controller.abort(new RangeError("timer")), 50);
  const endless = { nodes: new Float64Array(20_000), weights: new Float64Array(20_000) };
  const options = { rule: endless, signal: controller.signal };
  await assertRejects(() => engine.attribute(examples, options), RangeError, "timer");
  assertLess(performance.now() - start, 10_000, "the abortion took long");
});

Deno.test("every call rejects when the device has reported an error, whoever made it", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter!.requestDevice();
  const failing = await createWebGpuEngine(checkpoint, { device });
  try {
    await failing.logits(examples, [[]]);
    device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    for (const call of Object.values(CALLS)) {
      await assertRejects(() => call(failing, {}), GpuFailure, "cannot be trusted");
    }
  } finally {
    await failing.close();
    device.destroy();
    await device.lost;
  }
});
