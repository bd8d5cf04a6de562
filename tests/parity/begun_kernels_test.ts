/** Work that goes on later runs the kernels that it was begun with, whichever a trial would choose. */
import { assertEquals } from "@std/assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openSameEngine, studyFileNames } from "../../src/cli/study_folder.ts";
import type { AdapterKernels } from "../../src/engine/engine.ts";
import { createWebGpuForecaster } from "../../src/engine/webgpu/forecaster.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { openTestEngine, testDevice, testVariants } from "../support/webgpu_engine.ts";

const checkpoint = await makeTinyCheckpoint({ layers: 1 });
const variants = await testVariants();
const { info: { adapter, details: { kernels: chosen } } } = await openTestEngine(checkpoint);

Deno.test("createWebGpuEngine() runs the kernels of earlier results on their adapter alone", async () => {
  for (const variant of ["tile", "subgroup"] as const) {
    const cases: [AdapterKernels, unknown][] = [
      // An adapter that cannot run them any more is not bound by them.
      [{ adapter, variant }, variants.includes(variant) ? variant : chosen],
      [{ adapter: `not ${adapter}`, variant }, chosen],
    ];
    for (const [adapterKernels, expected] of cases) {
      const engine = await openTestEngine(checkpoint, { adapterKernels });
      assertEquals(engine.info.details.kernels, expected);
      const forecaster = await createWebGpuForecaster(checkpoint, { device: await testDevice(), adapterKernels });
      assertEquals(forecaster.info.details.kernels, expected);
      await forecaster.close();
    }
  }
  const both = await openTestEngine(checkpoint, {
    kernelVariant: "tile",
    adapterKernels: { adapter, variant: "subgroup" },
  });
  assertEquals(both.info.details.kernels, "tile");
});

Deno.test("openSameEngine() opens what a study was begun with, and notes it when a study begins", async () => {
  await withFolder({}, async (folder) => {
    const file = join(folder, studyFileNames.begun);
    const device = await testDevice();
    const open = async () => {
      const engine = await openSameEngine(folder, checkpoint, { device });
      await engine.close();
      return engine.info.details.kernels;
    };
    assertEquals(await open(), chosen);
    assertEquals(JSON.parse(await readFile(file, "utf8")), { kind: "webgpu", adapter, kernels: chosen });
    for (const variant of variants) {
      await writeFile(file, JSON.stringify({ kind: "webgpu", adapter, kernels: variant }));
      assertEquals([await open(), JSON.parse(await readFile(file, "utf8")).kernels], [variant, variant]);
    }
    await writeFile(file, JSON.stringify({ kind: "webgpu", adapter: "another", kernels: "tile" }));
    assertEquals([await open(), JSON.parse(await readFile(file, "utf8")).adapter], [chosen, adapter]);
  });
});
