/** Choosing an engine, and computing on a caller's device. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { type Engine, type Example, NoAdapterError, openCheckpoint, openEngine } from "../../mod.ts";

const folder = fileURLToPath(new URL("../golden/llama_tied_f32", import.meta.url));

const example: Example = {
  id: "test/0",
  prompt: Uint32Array.of(3, 17, 42, 9),
  choices: [Uint32Array.of(5), Uint32Array.of(6, 7)],
  choiceCharacters: [1, 2],
  gold: 0,
};

async function withEngine(
  options: Parameters<typeof openEngine>[1],
  use: (engine: Engine) => Promise<void> | void,
): Promise<void> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const engine = await openEngine(checkpoint, options);
    try {
      await use(engine);
    } finally {
      await engine.close();
    }
  } finally {
    await checkpoint.close();
  }
}

/** A `GPU` without adapters. */
const noGpu = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;

Deno.test("openEngine() computes on the caller's device and leaves it open when the engine closes", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter!.requestDevice();
  let lost = false;
  device.lost.then(() => lost = true);
  await withEngine({ engine: "webgpu", device }, async (engine) => {
    assertEquals(engine.info.kind, "webgpu");
    const [[logProbs]] = await engine.choiceLogProbs([example], [[]]);
    assert(logProbs.every((value) => value < 0));
  });
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  await buffer.mapAsync(GPUMapMode.READ);
  assertEquals([buffer.getMappedRange().byteLength, lost], [16, false]);
  buffer.destroy();
  device.destroy();
  await device.lost;
});

Deno.test("openEngine() takes the GPU when there is one, and the reference engine when it is asked for", async () => {
  await withEngine({}, (engine) => assertEquals(engine.info.kind, "webgpu"));
  await withEngine({ engine: "reference" }, (engine) => assertEquals(engine.info.kind, "reference"));
});

Deno.test("openEngine() falls back only when the engine is auto and there is no adapter", async () => {
  await withEngine({ gpu: noGpu }, (engine) => assertEquals(engine.info.kind, "reference"));
  await assertRejects(() => withEngine({ engine: "webgpu", gpu: noGpu }, () => {}), NoAdapterError, "no adapter");
});

Deno.test("openEngine() rejects when the engine is unknown", async () => {
  const engine = "cuda" as "webgpu";
  await assertRejects(() => withEngine({ engine }, () => {}), RangeError, 'Cannot open the engine "cuda"');
});
