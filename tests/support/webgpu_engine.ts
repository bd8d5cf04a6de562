/** WebGPU engines for tests: all engines of a test file share a device, so that kernels are compiled once. */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createWebGpuEngine, type WebGpuEngineOptions } from "../../src/engine/webgpu.ts";
import { type Gpu, openGpu } from "../../src/gpu/device.ts";
import type { KernelVariant } from "../../src/ops/context.ts";

/**
 * Worst error of the WebGPU engine that tests accept, by result: the one table. About ten times what was measured on
 * software Vulkan over the golden sets and the random models of the parity tests; the contract is 1e-4 for logits and
 * 1e-3 for attributions. Errors are relative to the largest value of the row, the choices, or the layer.
 */
export const WEBGPU_TOLERANCE = {
  /** Measured: 2.2e-6. */
  logits: 2e-5,
  /** Measured: 5.7e-7. */
  logProbs: 5e-6,
  /** Measured: 5.0e-6; more than `logits`, because it is relative to logits that need not be large. */
  objectives: 5e-5,
  /** Measured: 3.1e-6. */
  scores: 3e-5,
} as const;

let opened: Promise<Gpu> | undefined;

function openOnce(): Promise<Gpu> {
  if (!opened) {
    opened = openGpu();
    Deno.test.afterAll(async () => (await opened)?.close());
  }
  return opened;
}

/**
 * The device of this test file; it is destroyed after its tests.
 *
 * @throws {NoAdapterError} If there is no WebGPU adapter: tests fail then, they are never skipped.
 */
export async function testDevice(): Promise<GPUDevice> {
  return (await openOnce()).device;
}

/** The kernel variants that the device of this test file runs. */
export async function testVariants(): Promise<KernelVariant[]> {
  return (await openOnce()).hasSubgroups ? ["tile", "subgroup"] : ["tile"];
}

/** Lends a device of its own with all that this adapter has: kernels are compiled once for each device. */
export async function withDevice(use: (gpu: Gpu) => Promise<void>): Promise<void> {
  const gpu = await openGpu();
  try {
    await use(gpu);
  } finally {
    gpu.close();
    await gpu.device.lost;
  }
}

/**
 * Opens an engine on the shared device; it is closed after the tests of the file. The device is not checked first: the
 * tests do that.
 */
export async function openTestEngine(checkpoint: Checkpoint, options: WebGpuEngineOptions = {}): Promise<Engine> {
  const engine = await createWebGpuEngine(checkpoint, { device: await testDevice(), selfCheck: false, ...options });
  Deno.test.afterAll(() => engine.close());
  return engine;
}
