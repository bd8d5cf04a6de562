/** The trial that chooses the kernels must not depend on the moment, or on the clock that times it. */
import { assertEquals } from "@std/assert";
import { createOpContext } from "../../src/engine/webgpu.ts";
import { type Gpu, openGpu } from "../../src/gpu/device.ts";
import { Memory } from "../../src/gpu/memory.ts";
import { chooseKernelVariant, fasterVariant, timeKernelVariants } from "../../src/ops/kernel_trial.ts";
import type { KernelVariant } from "../../src/ops/context.ts";

Deno.test("timeKernelVariants() chooses what chooseKernelVariant() remembers, by either clock, and releases its memory", async () => {
  const timed = await openGpu();
  const device = timed.hasSubgroups
    ? await (await navigator.gpu.requestAdapter())!.requestDevice({
      requiredFeatures: ["subgroups" as GPUFeatureName],
    })
    : undefined;
  const answers: KernelVariant[] = [];
  try {
    for (const gpu of [timed, ...(device ? [await openGpu({ device })] : [])]) {
      const memory = new Memory(gpu as Gpu);
      const context = await createOpContext(gpu, memory);
      const before = memory.liveBytes;
      if (gpu.hasSubgroups) {
        for (let i = 0; i < 3; i++) answers.push(await timeKernelVariants(context));
      }
      answers.push(await chooseKernelVariant(context));
      gpu.check();
      assertEquals(memory.liveBytes, before);
      memory.releaseAll();
    }
    assertEquals(new Set(answers).size, 1, answers.join(", "));
  } finally {
    timed.close();
    device?.destroy();
    await device?.lost;
  }
});

Deno.test("fasterVariant() goes on until one variant leads clearly, and stops where neither does", async () => {
  const quick = [1, 0.2];
  const slow = [1, 1];
  const decide = async (batches: number[][][]) => {
    let asked = 0;
    const variant = await fasterVariant(() => Promise.resolve(batches[Math.min(asked++, batches.length - 1)]));
    return [variant, asked];
  };
  const all = (round: number[]) => Array.from({ length: 5 }, () => round);
  assertEquals(await decide([all(quick)]), ["subgroup", 1]);
  assertEquals(await decide([all(slow)]), ["tile", 1]);
  // Most of the first rounds were disturbed.
  const disturbed = [slow, slow, quick, slow, quick];
  assertEquals(await decide([disturbed, all(quick), all(quick)]), ["subgroup", 3]);
  // Nearly alike: the variant that needs no luck.
  const other = disturbed.map((round) => round === slow ? quick : slow);
  assertEquals(await decide(Array.from({ length: 10 }, (_, i) => i % 2 ? other : disturbed)), ["tile", 9]);
});
