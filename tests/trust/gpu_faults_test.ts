/** Faults of the GPU: no room, a broken rule, a lost device, a small adapter. Whatever happens is said, and nothing is wrong. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../../src/cli/errors.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { createWebGpuEngine, type WebGpuEngineOptions } from "../../src/engine/webgpu.ts";
import { GpuFailure } from "../../src/gpu/device.ts";
import { OutOfGpuMemoryError } from "../../src/gpu/memory.ts";
import { begunEngineName } from "../../src/method/earlier_run.ts";
import { type FolderRun, runInFolder } from "../../src/method/run_folder.ts";
import type { Example } from "../../src/tasks/example.ts";
import { makeFaulty } from "../support/faulty_device.ts";
import { assertClose } from "../support/relative_error.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { makeTinyCheckpoint, writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { testDevice, WEBGPU_TOLERANCE } from "../support/webgpu_engine.ts";
import { folderState, repeatable } from "./folder_state.ts";

const shape = { layers: 2, width: 16, neurons: 24, headWidth: 4 };
const checkpoint = await makeTinyCheckpoint(shape);

const examples: Example[] = [[3, 7, 11], [5, 2], [1, 60, 9, 4]].map((prompt, index) => ({
  id: `case/${index}`,
  prompt: Uint32Array.from(prompt),
  choices: [Uint32Array.of(1), Uint32Array.of(2, 4)],
  choiceCharacters: [1, 2],
  gold: 0,
}));

const rule = { nodes: Float64Array.of(0.25, 0.75), weights: Float64Array.of(0.5, 0.5) };

/** Opens an engine on the shared device, into which faults can be put. */
async function withFaults(
  use: (engine: Engine, faulty: ReturnType<typeof makeFaulty>) => Promise<void>,
  options: WebGpuEngineOptions = {},
): Promise<void> {
  const faulty = makeFaulty(await testDevice());
  try {
    const engine = await createWebGpuEngine(checkpoint, { device: faulty.device, kernelVariant: "tile", ...options });
    try {
      await use(engine, faulty);
    } finally {
      await engine.close();
    }
  } finally {
    faulty.mend();
  }
}

Deno.test("every allocation that fails is told with a smaller budget, and the engine works on afterwards", async () => {
  await withFaults(async (engine, faulty) => {
    const expected = await engine.attribute(examples, { rule });
    const { liveBytes } = engine.info.details;
    // A longer example needs larger buffers, one after the other.
    const longer = { ...examples[0], prompt: Uint32Array.from({ length: 64 }, (_, i) => i % 60) };
    let failures = 0;
    for (let count = 1; count < 100; count++) {
      faulty.failAllocation(count);
      const outcome = await engine.attribute([longer], { rule }).then(() => null, (error) => error);
      if (outcome === null) break;
      failures++;
      assert(outcome instanceof OutOfGpuMemoryError, String(outcome));
      assertMatch(outcome.message, /^Cannot allocate .*: the GPU has no room for \d+ bytes \(\d+ bytes are in use\); /);
      assert(describeError(outcome).lines[1].includes("lower --memory-budget"), describeError(outcome).lines[1]);
      assertEquals(await engine.attribute(examples, { rule }), expected);
      // A longer table of rotation angles may stay.
      const grown = (engine.info.details.liveBytes as number) - (liveBytes as number);
      assert(grown <= 4096, `${grown} bytes were left behind`);
    }
    assert(failures > 10, `${failures} allocations`);
  });
});

Deno.test("createWebGpuEngine() gives everything back when any allocation of the weights fails", async () => {
  for (const count of [1, 4, 9, 20]) {
    const faulty = makeFaulty(await testDevice());
    try {
      faulty.failAllocation(count);
      await assertRejects(
        () => createWebGpuEngine(checkpoint, { device: faulty.device, kernelVariant: "tile" }),
        OutOfGpuMemoryError,
        "the GPU has no room for",
      );
      const engine = await createWebGpuEngine(checkpoint, { device: faulty.device, kernelVariant: "tile" });
      await engine.logits(examples, [[]]);
      await engine.close();
    } finally {
      faulty.mend();
    }
  }
});

Deno.test("a lost device stops every call with what the driver said, and the engine can be closed", async () => {
  await withFaults(async (engine, faulty) => {
    const running = engine.attribute(examples, { rule, onProgress: () => faulty.lose("the driver was reset") });
    await assertRejects(() => running, GpuFailure, "The GPU device was lost: the driver was reset");
    for (const call of [() => engine.logits(examples, [[]]), () => engine.choiceLogProbs(examples, [[]])]) {
      await assertRejects(call, GpuFailure, "The GPU device was lost: the driver was reset");
    }
  });
});

Deno.test("a device that is destroyed in the middle of a call is told as lost", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter!.requestDevice();
  const engine = await createWebGpuEngine(checkpoint, { device, kernelVariant: "tile" });
  const running = engine.logits(examples, [[]], { onProgress: () => device.destroy() });
  await assertRejects(() => running, GpuFailure, "The GPU device was lost: somebody destroyed it");
  await engine.close();
  // Another one on the same device hears of it too.
  const late = createWebGpuEngine(checkpoint, { device, kernelVariant: "tile" });
  await assertRejects(() => late, GpuFailure, "The GPU device was lost: somebody destroyed it");
});

Deno.test("a validation error stops the call in which it happens", async () => {
  await withFaults(async (engine, faulty) => {
    const running = engine.logits(examples, [[]], { onProgress: () => faulty.breakRule() });
    await assertRejects(() => running, GpuFailure, "so its results cannot be trusted");
  });
});

Deno.test("runInFolder() keeps finished stages when the device is lost, and resumes to the same bytes", async () => {
  await withFolder({}, async (folder) => {
    const model = join(folder, "model");
    await writeTinyCheckpoint(model, shape);
    const opened = await openCheckpoint(model);
    const run = async (out: string, resume: boolean, onScored?: () => void) => {
      await mkdir(join(folder, out), { recursive: true });
      const faulty = makeFaulty(await testDevice());
      const engine = await createWebGpuEngine(opened, { device: faulty.device, kernelVariant: "tile" });
      const planned: FolderRun = {
        input: {
          engine,
          adaptation: examples.slice(0, 2),
          test: examples.slice(2),
          score: { nodes: 2 },
          search: { fractions: [0.25, 0.5] },
          ...(onScored && { onScored: () => faulty.lose("the driver was reset") }),
        },
        folder: join(folder, out),
        resume,
        checkpoint: model,
        provenance: { model: "tiny", task: "none", versions: { secateur: "0" } },
        arguments: [],
        tokenText: String,
      };
      try {
        await runInFolder(planned);
      } finally {
        await engine.close();
        faulty.mend();
      }
    };
    try {
      await run("undisturbed", false);
      await assertRejects(() => run("lost", false, () => {}), GpuFailure, "the driver was reset");
      assertEquals((await readdir(join(folder, "lost"))).sort(), [begunEngineName, "scores.safetensors"]);
      await run("lost", true);
      const [expected, actual] = [
        await folderState(join(folder, "undisturbed")),
        await folderState(join(folder, "lost")),
      ];
      assertEquals(repeatable(actual), repeatable(expected));
    } finally {
      await opened.close();
    }
  });
  const { lines } = describeError(new GpuFailure("The GPU device was lost: the driver was reset"));
  assertMatch(lines[1], /--resume/);
});

/** An adapter that offers no optional feature and nothing beyond the default limits. */
function plainGpu(): GPU {
  const requestAdapter = async () => {
    const adapter = (await navigator.gpu.requestAdapter())!;
    const limits = (await adapter.requestDevice()).limits;
    return {
      info: adapter.info,
      features: new Set<string>(),
      limits,
      requestDevice: ({ requiredFeatures = [] }: GPUDeviceDescriptor) => {
        if ([...requiredFeatures].length > 0) return Promise.reject(new TypeError("no such feature"));
        return adapter.requestDevice();
      },
    };
  };
  return { requestAdapter } as unknown as GPU;
}

Deno.test("the engine gives the reference's results on an adapter with no features and default limits", async () => {
  const reference = await createReferenceEngine(checkpoint);
  const engine = await createWebGpuEngine(checkpoint, { gpu: plainGpu() });
  try {
    assertEquals(engine.info.details.kernels, "tile");
    const [expected, actual] = await Promise.all([reference, engine].map((one) => one.attribute(examples, { rule })));
    actual.forEach(({ scores }, i) => assertClose(scores, expected[i].scores, WEBGPU_TOLERANCE.scores, "scores"));
    const [[wanted], [got]] = await Promise.all([reference, engine].map((one) => one.choiceLogProbs(examples, [[]])));
    got.forEach((row, i) => assertClose(row, wanted[i], WEBGPU_TOLERANCE.logProbs, "log-probabilities"));
  } finally {
    await engine.close();
  }
});

Deno.test("the engine gives the same results when an adapter binds so little that weights and waves are cut", async () => {
  const device = await testDevice();
  const { limits } = device;
  const small = new Proxy(limits, {
    get: (target, name) => name === "maxStorageBufferBindingSize" ? 4096 : Reflect.get(target, name, target),
  });
  const open = () => createWebGpuEngine(checkpoint, { device, kernelVariant: "tile" });
  const whole = await open();
  const expected = await whole.attribute(examples, { rule });
  await whole.close();
  Object.defineProperty(device, "limits", { configurable: true, value: small });
  try {
    const engine = await open();
    const actual = await engine.attribute(examples, { rule });
    assert((engine.info.details.waves as number) > 2);
    actual.forEach(({ scores }, i) => assertClose(scores, expected[i].scores, WEBGPU_TOLERANCE.scores, "scores"));
    await engine.close();
  } finally {
    Object.defineProperty(device, "limits", { configurable: true, value: limits });
  }
});
