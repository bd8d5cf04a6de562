/** Chooses and opens an engine. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { NoAdapterError } from "../gpu/device.ts";
import type { Engine } from "./engine.ts";
import { createReferenceEngine } from "./reference/engine.ts";
import { createWebGpuEngine, type WebGpuEngineOptions } from "./webgpu.ts";

/** How to open an engine. */
export interface OpenEngineOptions extends WebGpuEngineOptions {
  /**
   * `webgpu`: handwritten kernels on a GPU device. `reference`: float64 loops on the CPU, slow and obvious.
   * `auto` (default): `webgpu`, or `reference` where there is no adapter; `info.kind` of the engine tells which it was.
   */
  readonly engine?: "webgpu" | "reference" | "auto";
}

/**
 * Opens an engine over a checkpoint. The checkpoint stays the caller's and must stay open as long as the engine.
 *
 * @throws {NoAdapterError} If `webgpu` was asked for and there is no WebGPU adapter.
 * @throws {RangeError} If the model does not fit the device.
 */
export async function openEngine(checkpoint: Checkpoint, options: OpenEngineOptions = {}): Promise<Engine> {
  const { engine = "auto", ...rest } = options;
  if (!["webgpu", "reference", "auto"].includes(engine)) {
    throw new RangeError(`Cannot open the engine "${engine}": expected webgpu, reference or auto`);
  }
  if (engine === "reference") return await createReferenceEngine(checkpoint);
  try {
    return await createWebGpuEngine(checkpoint, rest);
  } catch (error) {
    if (engine === "auto" && error instanceof NoAdapterError) return await createReferenceEngine(checkpoint);
    throw error;
  }
}
