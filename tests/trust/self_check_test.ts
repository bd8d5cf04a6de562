/** The self-check of a device: it passes on this one, and refuses one that computes any kernel wrongly. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { WeightType } from "../../src/checkpoint/checkpoint.ts";
import { describeError } from "../../src/cli/errors.ts";
import { createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { selfCheckModel } from "../../src/engine/webgpu/self_check.ts";
import { WrongResultsError } from "../../src/engine/webgpu/wrong_results.ts";
import { openEngine } from "../../src/engine/open.ts";
import { breakKernels } from "../support/broken_kernel.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { testDevice, testVariants, withDevice } from "../support/webgpu_engine.ts";

const checkpoint = await makeTinyCheckpoint({ layers: 1, width: 16, neurons: 8, headWidth: 4 });

Deno.test("createWebGpuEngine() finds this device right, in every kernel variant it runs", async () => {
  const device = await testDevice();
  for (const kernelVariant of await testVariants()) {
    const dtype = kernelVariant === "tile" ? "F16" : "BF16";
    const model = await makeTinyCheckpoint({ layers: 1, width: 16, neurons: 8, headWidth: 4, dtype });
    await (await createWebGpuEngine(model, { device, kernelVariant })).close();
  }
});

for (const [family, kernel] of [["llama", "HAS_BIAS=0,HAS_NORM=0"], ["qwen2", "HAS_BIAS=1"], ["qwen3", "HAS_NORM=1"]]) {
  Deno.test(`createWebGpuEngine() compiles no kernel of heads for its check of a ${family} that the model does not run`, async () => {
    await withDevice(async ({ device }) => {
      const { labels } = breakKernels(device, () => false);
      const model = await makeTinyCheckpoint({ family, layers: 1, width: 16, neurons: 8, headWidth: 20 });
      const engine = await createWebGpuEngine(model, { device, kernelVariant: "tile" });
      const heads = [...labels].filter((label) => /^(rope|attention)/.test(label));
      assertEquals(new Set(heads.map((label) => label.split("|")[0])).size, 5);
      for (const label of heads) assert(label.includes(label.startsWith("rope") ? kernel : "CHUNKS=2"), label);
      await engine.close();
    });
  });
}

Deno.test("createWebGpuEngine() refuses heads that no kernel takes in the name of the model that has them", async () => {
  const model = await makeTinyCheckpoint({ layers: 1, width: 16, neurons: 8, headWidth: 256 });
  const device = await testDevice();
  const open = () => createWebGpuEngine(model, { device, kernelVariant: "tile" });
  const error = await assertRejects(open, RangeError, "its attention heads are 256 wide");
  assert(error.message.includes(model.location), error.message);
});

Deno.test("selfCheckModel() has the same weights in every type", async () => {
  const read = async (type: WeightType) => {
    const model = await selfCheckModel(type);
    const { gate, down } = model.config.layerWeights[1];
    return [await model.readF32(gate), await model.readF32(down), await model.readF32(model.config.finalNorm)];
  };
  const expected = await read("F32");
  assert(new Set(expected[0]).size > 10);
  for (const type of ["BF16", "F16"] as const) assertEquals(await read(type), expected);
});

// One kernel of the forward pass, one of the backward pass, one of the head; `kernel_check_test.ts` breaks every one.
for (const kernel of ["swiglu", "rmsnorm_backward", "head_reduce"]) {
  Deno.test(`createWebGpuEngine() refuses a device that compiles ${kernel} wrongly, each time`, async () => {
    await withDevice(async ({ device }) => {
      const { compiled } = breakKernels(device, (name) => name === kernel);
      const open = () => openEngine(checkpoint, { device, kernelVariant: "tile" });
      const error = await assertRejects(open, WrongResultsError, `its kernel ${kernel} gives`);
      assert(compiled.has(kernel));
      await assertRejects(open, WrongResultsError);
      assertMatch(
        describeError(error).lines[1],
        /^Hint: update the driver, or compute on the CPU with --engine reference/,
      );
      // Who knows better may go on.
      await (await createWebGpuEngine(checkpoint, { device, kernelVariant: "tile", selfCheck: false })).close();
    });
  });
}
