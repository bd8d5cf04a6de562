/** The WebGPU engine under memory budgets: the same numbers from many small waves, and never a byte too much. */
import { OptionError } from "../../src/text/option_error.ts";
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { WeightRef } from "../../src/checkpoint/model_config.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createWebGpuEngine, type WebGpuEngineOptions } from "../../src/engine/webgpu.ts";
import { createWebGpuForecaster } from "../../src/engine/webgpu/forecaster.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { tinyInterventions } from "../support/engine_pair.ts";
import { assertClose, meanSquareError } from "../support/relative_error.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { openTestEngine, testDevice, testVariants } from "../support/webgpu_engine.ts";

const checkpoint = await makeTinyCheckpoint({ layers: 4, width: 16, neurons: 20, headWidth: 4, dtype: "BF16" });
const { config } = checkpoint;
// Over 2,048 rows in the last layers: waves of full speed are cut in two rather than recomputed.
const examples = makeTinyExamples(config, { count: 3, promptTokens: [14, 20], choiceTokens: [1, 3] });
const fine = quadratureRule("gauss-legendre", 14);
const masks = Object.values(tinyInterventions(config));
const everyNeuron = Uint32Array.from({ length: config.neurons }, (_, neuron) => neuron);
const trace = [0, 1, 2, 3].map((layer) => ({ layer, neurons: everyNeuron }));

/** Every kind of work once. */
async function work(engine: Engine, rule = fine) {
  const scores = await engine.attribute(examples, { rule });
  // Right after the largest wave, when its buffers are still there.
  const activations = await engine.activations(examples, { trace });
  const joint = await engine.attribute(examples, { rule, path: "joint", site: "down" });
  const choices = await engine.choiceLogProbs(examples, masks);
  const logits = await engine.logits(examples, masks);
  const objectives = await engine.objective(examples, masks);
  return { attributions: [...scores, ...joint], forward: { choices, logits, objectives }, activations };
}

/** Figures that the engine keeps of itself. */
function figures({ info }: Engine) {
  const { peakBytes, liveBytes, weightBytes, waves } = info.details as Record<string, number>;
  return { peakBytes, liveBytes, weightBytes, waves };
}

// Given, because the trial that chooses one takes memory of its own.
const kernelVariant = (await testVariants()).at(-1)!;

function open(options: WebGpuEngineOptions): Promise<Engine> {
  // As the program has it: otherwise the tile kernels choose a tile by how many rows a wave has.
  return openTestEngine(checkpoint, { kernelVariant, batchInvariant: true, ...options });
}

const ample = await open({});
const { weightBytes, liveBytes: fixedBytes } = figures(ample);
const expected = await work(ample);
/** Bytes of the working buffers of the largest wave. */
const largestWave = Math.max(...ample.forecast!(examples, { attribute: { rule: fine } }).map(({ bytes }) => bytes));

async function assertSameWork(engine: Engine): Promise<void> {
  const actual = await work(engine);
  // Forward rows do not know which wave they are in; sums over path nodes and over positions depend on where waves end.
  assertEquals(actual.forward, expected.forward);
  actual.attributions.forEach(({ scores, ...place }, i) => {
    const { scores: expectedScores, ...expectedPlace } = expected.attributions[i];
    assertEquals(place, expectedPlace);
    assertLess(meanSquareError(scores, expectedScores), 1e-9, `example ${place.example}, layer ${place.layer}`);
  });
  assertEquals(actual.activations.traces, expected.activations.traces);
  for (const key of ["mean", "meanAbsolute", "maxAbsolute"] as const) {
    actual.activations[key].forEach((values, layer) =>
      assertClose(values, expected.activations[key][layer], 1e-6, `${key} of layer ${layer}`)
    );
  }
}

/** What the budget leaves beside the fixed buffers, as a share of the largest wave, and what comes of it. */
const budgets = [
  { share: 1.005, cuts: false, recomputes: false },
  // The buffers of the largest wave would fit, but not what is read back beside them.
  { share: 1, cuts: true, recomputes: false },
  // Forward work is cut as well.
  { share: 0.1, cuts: true, recomputes: true },
];

for (const { share, cuts, recomputes } of budgets) {
  Deno.test(`every call gives the same numbers within its budget when that leaves ${share} of the largest wave's bytes`, async () => {
    const memoryBudgetBytes = fixedBytes + Math.ceil(share * largestWave);
    const engine = await open({ memoryBudgetBytes, weightBudgetBytes: weightBytes });
    const forecast = engine.forecast!(examples, { attribute: { rule: fine }, interventions: masks });
    assertEquals(forecast.some(({ residency }) => residency === "recompute"), recomputes);
    await assertSameWork(engine);
    const { peakBytes, waves } = figures(engine);
    assert(peakBytes <= memoryBudgetBytes, `${peakBytes} bytes were live, the budget is ${memoryBudgetBytes}`);
    assertEquals(waves > figures(ample).waves, cuts);
  });
}

Deno.test("every call gives the same numbers when layers are streamed, in less memory", async () => {
  const engine = await open({ weightBudgetBytes: weightBytes - 1 });
  assertEquals([ample, engine].map(({ info }) => info.details.weights), ["resident", "streamed"]);
  assertLess(figures(engine).weightBytes, weightBytes);
  await assertSameWork(engine);
  assertLess(figures(engine).peakBytes, figures(ample).peakBytes);
});

Deno.test("every call works on streamed layers when the signal that would have stopped the loading is aborted later", async () => {
  const loading = new AbortController();
  const engine = await open({ weightBudgetBytes: weightBytes - 1, signal: loading.signal });
  assertEquals(engine.info.details.weights, "streamed");
  loading.abort(new RangeError("too late"));
  assertEquals((await engine.logits(examples, [[]])).length, 1);
});

Deno.test("a wave that does not fit is recomputed rather than cut in two when layers are streamed", async () => {
  const count = async (weightBudgetBytes: number) => {
    const { liveBytes } = figures(await open({ weightBudgetBytes }));
    const engine = await open({ weightBudgetBytes, memoryBudgetBytes: liveBytes + largestWave });
    return engine.forecast!(examples, { attribute: { rule: fine } }).length;
  };
  const [resident, streamed] = [await count(weightBytes), await count(weightBytes - 1)];
  assertLess(streamed, resident);
});

/** The checkpoint, with a call for every weight that is read; what that throws is what the read rejects with. */
function watchedCheckpoint(onRead: (ref: WeightRef) => void): Checkpoint {
  return {
    location: checkpoint.location,
    config,
    tensors: checkpoint.tensors,
    typeOf: (ref) => checkpoint.typeOf(ref),
    readRows: async (ref, rowStart, rowCount, target) => {
      onRead(ref);
      await checkpoint.readRows(ref, rowStart, rowCount, target);
    },
    readF32: (ref) => checkpoint.readF32(ref),
    close: () => Promise.resolve(),
  };
}

Deno.test("every layer is read once per wave and direction when layers are streamed", async () => {
  const reads = new Array<number>(config.layers).fill(0);
  const counted = watchedCheckpoint((ref) => {
    const layer = config.layerWeights.findIndex(({ gate }) => gate === ref);
    if (layer >= 0) reads[layer]++;
  });
  const memoryBudgetBytes = fixedBytes + 0.3 * largestWave;
  const options = { kernelVariant, memoryBudgetBytes, weightBudgetBytes: weightBytes - 1 };
  const engine = await openTestEngine(counted, options);
  const during = async (call: () => Promise<unknown>) => {
    reads.fill(0);
    const before = figures(engine).waves;
    await call();
    return { waves: figures(engine).waves - before, reads: [...reads] };
  };
  const forward = await during(() => engine.choiceLogProbs(examples, masks));
  assertEquals(forward.reads, reads.map(() => forward.waves));
  const both = await during(() => engine.attribute(examples, { rule: fine }));
  assert(both.waves > 2, `${both.waves} waves`);
  // The top layer is still there when a wave turns back, and the first wave, which finds the targets, does not.
  const most = 2 * both.waves - 1;
  assert(both.reads.every((count) => count >= both.waves && count <= most), `${both.reads}, at most ${most}`);
  assertEquals(both.reads.at(-1), both.waves);
});

Deno.test("a call rejects with what reading a streamed layer throws, and the engine works again", async () => {
  let fails = false;
  const failing = watchedCheckpoint((ref) => {
    if (fails && ref === config.layerWeights[2].up) throw new Deno.errors.InvalidData("unreadable");
  });
  const engine = await openTestEngine(failing, {
    kernelVariant,
    batchInvariant: true,
    weightBudgetBytes: weightBytes - 1,
  });
  for (let round = 0; round < 2; round++) {
    fails = true;
    await assertRejects(() => engine.choiceLogProbs(examples, masks), Deno.errors.InvalidData, "unreadable");
    fails = false;
    assertEquals(await engine.choiceLogProbs(examples, masks), expected.forward.choices);
  }
});

Deno.test("activations() returns each example's own trace when every example is a wave of its own", async () => {
  const engine = await open({ memoryBudgetBytes: fixedBytes + 75_000, weightBudgetBytes: weightBytes });
  const { traces } = await engine.activations(examples, { trace });
  assertEquals(figures(engine).waves, examples.length);
  assertEquals(traces, expected.activations.traces);
});

Deno.test("createWebGpuEngine() rejects when the budget has no room for the weights or beside them", async () => {
  const device = await testDevice();
  const wrong: [message: string, options: WebGpuEngineOptions][] = [
    ["its head and one layer take", { weightBudgetBytes: 1000 }],
    ["its head and one layer take", { memoryBudgetBytes: 1000 }],
    ["its weights and fixed buffers take", { memoryBudgetBytes: fixedBytes, weightBudgetBytes: weightBytes }],
    ["the memory budget, of which they are a part, is 1000", { memoryBudgetBytes: 1000, weightBudgetBytes: 1001 }],
  ];
  for (const [message, options] of wrong) {
    await assertRejects(
      () => createWebGpuEngine(checkpoint, { device, kernelVariant, ...options }),
      RangeError,
      message,
    );
  }
});

Deno.test("createWebGpuEngine() and createWebGpuForecaster() reject a model when its heads are too wide for the kernels", async () => {
  const wide = await makeTinyCheckpoint({ layers: 1, headWidth: 132 });
  for (const create of [createWebGpuEngine, createWebGpuForecaster]) {
    const open = async () => await create(wide, { device: await testDevice() });
    await assertRejects(open, RangeError, "heads are 132 wide, expected at most 128");
  }
});

Deno.test("every call rejects, and says what to raise, when not even one unit of its work fits the budget", async () => {
  const engine = await open({ memoryBudgetBytes: fixedBytes + 4096, weightBudgetBytes: weightBytes });
  const raise = "raise the memory budget";
  await assertRejects(() => engine.attribute(examples, { rule: fine }), OptionError, raise);
  await assertRejects(() => engine.choiceLogProbs(examples, masks), OptionError, raise);
  await assertRejects(() => engine.logits(examples, masks), OptionError, raise);
  await assertRejects(() => engine.objective(examples, masks), OptionError, raise);
  await assertRejects(() => engine.activations(examples), OptionError, raise);
  await assertRejects(() => engine.activations(examples, { trace }), OptionError, "trace fewer neurons");
  assertEquals(figures(engine).liveBytes, fixedBytes);
});

Deno.test("close() destroys every buffer and texture, and repeated work makes no more of them", async () => {
  const device = await testDevice();
  const live = new Set<GPUBuffer | GPUTexture>();
  const watch = <T extends GPUBuffer | GPUTexture>(resource: T): T => {
    live.add(resource);
    const destroy = resource.destroy.bind(resource);
    resource.destroy = () => {
      live.delete(resource);
      return destroy();
    };
    return resource;
  };
  const { createBuffer, createTexture } = device;
  device.createBuffer = (descriptor) => watch(createBuffer.call(device, descriptor));
  device.createTexture = (descriptor) => watch(createTexture.call(device, descriptor));
  try {
    for (const kernelVariant of await testVariants()) {
      const engine = await open({ kernelVariant });
      await work(engine, quadratureRule("midpoint", 2));
      const [count, bytes] = [live.size, figures(engine).liveBytes];
      await work(engine, quadratureRule("midpoint", 2));
      assertEquals([live.size, figures(engine).liveBytes], [count, bytes]);
      await engine.close();
      assertEquals([live.size, figures(engine).liveBytes], [0, 0]);
    }
    const tooLittle = { device, kernelVariant, memoryBudgetBytes: fixedBytes, weightBudgetBytes: weightBytes };
    await assertRejects(() => createWebGpuEngine(checkpoint, tooLittle), RangeError);
    assertEquals(live.size, 0, "a failed start left buffers behind");
  } finally {
    Object.assign(device, { createBuffer, createTexture });
  }
});
