/** The check of every kernel: right ones pass in every pipeline, and each wrong one is refused before its results are used. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Kernel } from "../../src/gpu/kernel.ts";
import { Memory } from "../../src/gpu/memory.ts";
import { createOpContext, createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { checkKernels } from "../../src/engine/webgpu/kernel_check.ts";
import { PROOFS } from "../../src/engine/webgpu/proofs/proofs.ts";
import { WrongResultsError } from "../../src/engine/webgpu/wrong_results.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { breakKernels } from "../support/broken_kernel.ts";
import { kernelSources, pipelinesOf, runnableKernels } from "../support/pipelines.ts";
import { refusalModel, refusalOf } from "../support/refusals.ts";
import { withDevice } from "../support/webgpu_engine.ts";

Deno.test("every kernel of kernels/mod.ts has a proof, and every proof a kernel", () => {
  assertEquals(Object.keys(PROOFS).sort(), kernelSources.map(({ name }) => name).sort());
});

/** Compiles every pipeline that this adapter runs. */
async function compileAll(gpu: Gpu): Promise<{ kernels: Kernel[]; check: (kernel: Kernel) => Promise<void> }> {
  const memory = new Memory(gpu);
  const context = await createOpContext(gpu, memory);
  memory.releaseAll();
  return {
    kernels: pipelinesOf(gpu).map(({ source, constants }) => context.kernels.get(source, constants)),
    check: (kernel) => checkKernels([kernel], () => createOpContext(gpu, new Memory(gpu))),
  };
}

Deno.test("checkKernels() passes every pipeline that this adapter runs", async () => {
  await withDevice(async (gpu) => {
    const { kernels, check } = await compileAll(gpu);
    assert(kernels.length > 40);
    for (const kernel of kernels) await check(kernel);
    gpu.check();
  });
});

Deno.test("checkKernels() refuses every pipeline that does nothing, each time, and names it", async () => {
  await withDevice(async (gpu) => {
    breakKernels(gpu.device, () => true);
    const { kernels, check } = await compileAll(gpu);
    for (const kernel of kernels) {
      for (let time = 0; time < 2; time++) {
        await assertRejects(
          () => check(kernel),
          WrongResultsError,
          `its kernel ${kernel.name} gives results that are off`,
        );
      }
    }
  });
});

const checkpoint = await refusalModel();

for (const kernel of await runnableKernels()) {
  Deno.test(`an engine refuses a device that compiles ${kernel} wrongly before a result of it is used`, async () => {
    await withDevice(async ({ device }) => {
      const { message } = await refusalOf(kernel, "does nothing", { device, checkpoint });
      assert(message.includes(`its kernel ${kernel} gives`), message);
    });
  });
}

Deno.test("an engine that is told not to check gives what a wrong kernel computed", async () => {
  await withDevice(async ({ device }) => {
    breakKernels(device, (name) => name === "neuron_statistics");
    const engine = await createWebGpuEngine(checkpoint, { device, kernelVariant: "tile", selfCheck: false });
    const example = { id: "a", prompt: Uint32Array.of(1, 2), choices: [], choiceCharacters: [], gold: 0 };
    const { mean } = await engine.activations([example]);
    assert(mean.every((layer) => layer.every((value) => value === 0)));
    await engine.close();
  });
});
