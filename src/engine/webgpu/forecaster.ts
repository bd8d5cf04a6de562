/** Forecasts without an engine: the device is opened for its limits, and no weights are read. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { openGpu } from "../../gpu/device.ts";
import { Memory } from "../../gpu/memory.ts";
import { layOutWeights } from "../../model/weight_layout.ts";
import { overheadBytes, waveSizes } from "../../model/wave_size.ts";
import { requireWeightRows } from "../../ops/weight_matrix.ts";
import { checkExamples } from "../checks.ts";
import type { Forecaster } from "../engine.ts";
import { createOpContext, type WebGpuEngineOptions } from "../webgpu.ts";
import { forecastWork } from "./forecast.ts";
import { resolveKernelVariant } from "./kernel_choice.ts";
import { waveLimits, weightBudget } from "./memory_plan.ts";

/**
 * Says how work would run on the engine that the same options would open. Its forecasts and `info` are those of that
 * engine before it has run anything.
 *
 * @throws {NoAdapterError} If there is no WebGPU adapter.
 * @throws {RangeError} If the weights and one unit of work do not fit the memory budget, or the adapter.
 */
export async function createWebGpuForecaster(
  checkpoint: Checkpoint,
  options: WebGpuEngineOptions = {},
): Promise<Forecaster> {
  const { config } = checkpoint;
  const gpu = await openGpu(options);
  const memory = new Memory(gpu);
  const close = () => {
    memory.releaseAll();
    gpu.close();
    return Promise.resolve();
  };
  try {
    const context = await createOpContext(gpu, memory);
    context.variant = await resolveKernelVariant(options, context);
    const { residency, bytes, residentBytes, matrices } = layOutWeights(checkpoint, weightBudget(options));
    const splitMatrices = matrices.filter((matrix) => requireWeightRows(context, matrix) < matrix.rows).length;
    const fixedBytes = memory.liveBytes + bytes;
    const limits = waveLimits(context, checkpoint, residency, fixedBytes, options);
    const sizer = {
      sizes: waveSizes.bind(null, config),
      overheadBytes: (request: Parameters<typeof waveSizes>[1]) => overheadBytes(config, request),
    };
    return {
      config,
      info: {
        kind: "webgpu",
        adapter: gpu.adapter,
        details: {
          kernels: context.variant,
          weights: residency,
          weightBytes: bytes,
          residentWeightBytes: residentBytes,
          splitMatrices,
          fixedBytes,
          workingBudgetBytes: limits.bytes,
        },
      },
      forecast: (examples, work) => {
        checkExamples(config, examples);
        return forecastWork({ config, sizer, limits }, examples, work);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
