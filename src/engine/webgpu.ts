/** The WebGPU engine: handwritten kernels, packed waves, weights in their stored type. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { Gpu, openGpu } from "../gpu/device.ts";
import { KernelCache } from "../gpu/kernel.ts";
import { Memory } from "../gpu/memory.ts";
import type { Profiler } from "../gpu/profiler.ts";
import { Recorder } from "../gpu/recorder.ts";
import { BufferPool } from "../model/buffers.ts";
import { Sweep } from "../model/sweep.ts";
import { layOutWeights } from "../model/weight_layout.ts";
import { type ModelWeights, uploadWeights } from "../model/weights.ts";
import type { KernelVariant, OpContext } from "../ops/context.ts";
import { chooseTiling } from "../ops/kernel_trial.ts";
import type { Example } from "../tasks/example.ts";
import { checkExamples, checkLayer, checkNeurons } from "./checks.ts";
import type {
  ActivationOptions,
  ActivationStatistics,
  AdapterKernels,
  AttributeOptions,
  Engine,
  EngineInfo,
  ForecastOptions,
  Intervention,
  Objective,
  PairAttribution,
  RunOptions,
  WaveForecast,
} from "./engine.ts";
import { requireHostMemory } from "./host_memory.ts";
import { NotFiniteError } from "./not_finite.ts";
import { splitPrompts } from "./prompts.ts";
import { measureActivations } from "./webgpu/activations.ts";
import { choiceSums } from "./webgpu/choices.ts";
import { forecastWork } from "./webgpu/forecast.ts";
import { cleanTargets, runForward, type WaveRunner } from "./webgpu/forward.ts";
import { checkKernels } from "./webgpu/kernel_check.ts";
import { resolveKernelVariant } from "./webgpu/kernel_choice.ts";
import { waveLimits, weightBudget } from "./webgpu/memory_plan.ts";
import { attributePaths } from "./webgpu/path_attribution.ts";
import { selfCheck } from "./webgpu/self_check.ts";
import { objectiveReading, objectiveValue } from "./webgpu/targets.ts";
import type { WaveLimits } from "./webgpu/waves.ts";

/** How to open the WebGPU engine. */
export interface WebGpuEngineOptions {
  /** A device to use; it stays the caller's. By default the engine opens its own. */
  readonly device?: GPUDevice;
  /** Where to ask for an adapter; `navigator.gpu` by default. */
  readonly gpu?: GPU;
  /**
   * Bytes of GPU memory for everything: weights and working buffers. Default: the weights and 1 GiB.
   */
  readonly memoryBudgetBytes?: number;
  /**
   * Bytes of GPU memory for weights: all stay on the GPU if they fit, otherwise layers are streamed from disk, the next
   * one read while one computes. Default: three quarters of the memory budget, or no limit.
   */
  readonly weightBudgetBytes?: number;
  /** Kernels to use; by default both variants are timed and the faster one runs. */
  readonly kernelVariant?: KernelVariant;
  /**
   * Kernels to use if the adapter is this one, without a trial, so that work goes on with the last bits that it was
   * begun with. Another adapter, or one that cannot run them any more, is not bound by it.
   */
  readonly adapterKernels?: AdapterKernels;
  /**
   * Of the `tile` kernels, the tile for products of many rows; by default all three are timed and the fastest one runs.
   */
  readonly tiling?: "plain" | "wide" | "large";
  /**
   * Whether the device is checked: it first computes a small model with known results, and later each kernel before the
   * first results of it are used, all of it once per device. A device that computes wrongly is refused. Default true.
   */
  readonly selfCheck?: boolean;
  /**
   * Whether the bits of an answer must not depend on what else is asked in the same call, so that work can be divided
   * between processes. It gives up the kernels for a few rows. It holds as long as one path, all nodes of one layer for
   * one example, fits a wave. Default false.
   */
  readonly batchInvariant?: boolean;
  /** Called while weights are uploaded, in bytes. */
  readonly onProgress?: RunOptions["onProgress"];
  /** Stops the upload; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Uploads a checkpoint's weights to a GPU and returns the engine over it. The checkpoint stays the caller's and must
 * stay open as long as the engine: embedding rows are read from it.
 *
 * @throws {NoAdapterError} If there is no WebGPU adapter.
 * @throws {WrongResultsError} If the device fails its self-check. Calls of the engine throw it too, when the first use
 * of a kernel shows that the device computes it wrongly.
 * @throws {RangeError} If the weights and one unit of work do not fit the memory budget.
 */
export async function createWebGpuEngine(checkpoint: Checkpoint, options: WebGpuEngineOptions = {}): Promise<Engine> {
  return await openEngine(checkpoint, options, async (gpu) => {
    if (options.selfCheck ?? true) await checkDevice(checkpoint, options, gpu);
  });
}

/** Opens an engine on a device that has passed a check. */
async function openEngine(
  checkpoint: Checkpoint,
  options: WebGpuEngineOptions,
  check: (gpu: Gpu) => Promise<void>,
): Promise<Engine> {
  const gpu = await openGpu(options);
  const memory = new Memory(gpu);
  try {
    await check(gpu);
    const engine = await WebGpuEngine.open(checkpoint, options, gpu, memory);
    gpu.check();
    return engine;
  } catch (error) {
    memory.releaseAll();
    gpu.close();
    throw error;
  }
}

/** Holds what the device computes against the float64 engine, with the kernels that the checkpoint's model will use. */
async function checkDevice(checkpoint: Checkpoint, options: WebGpuEngineOptions, gpu: Gpu): Promise<void> {
  const { device, adapter } = gpu;
  const memory = new Memory(gpu);
  try {
    const context = await createOpContext(gpu, memory);
    const variant = await resolveKernelVariant(options, context);
    const { config } = checkpoint;
    const [{ gate, qkvBias, qkNorm }] = config.layerWeights;
    const { tiling } = options;
    const engineOptions = { device, kernelVariant: variant, ...(tiling && { tiling }) };
    await selfCheck({
      device,
      adapter,
      variant,
      type: checkpoint.typeOf(gate),
      heads: { width: config.headWidth, hasBias: qkvBias !== undefined, hasNorm: qkNorm !== undefined },
      open: (model) => openEngine(model, engineOptions, async () => {}),
    });
  } finally {
    memory.releaseAll();
  }
}

/** Makes what the ops of one engine share. */
export async function createOpContext(gpu: Gpu, memory: Memory, profiler?: Profiler): Promise<OpContext> {
  const recorder = new Recorder(memory, profiler);
  await recorder.open();
  return {
    gpu,
    memory,
    recorder,
    kernels: KernelCache.of(gpu),
    variant: "tile",
    manyRows: "plain",
    batchInvariant: false,
    unusedInput: await memory.allocate("unused input", 256),
    unusedOutput: await memory.allocate("unused output", 256),
  };
}

class WebGpuEngine implements Engine {
  readonly config: ModelConfig;
  readonly #context: OpContext;
  readonly #weights: ModelWeights;
  readonly #pool: BufferPool;
  readonly #sweep: Sweep;
  readonly #limits: WaveLimits;
  readonly #fixedBytes: number;
  #busy = false;
  #closed = false;

  static async open(checkpoint: Checkpoint, options: WebGpuEngineOptions, gpu: Gpu, memory: Memory) {
    const context = await createOpContext(gpu, memory);
    if (options.kernelVariant === "subgroup" && !gpu.hasSubgroups) {
      throw new RangeError(
        `Cannot use the subgroup kernels on ${gpu.adapter}: its device has no subgroups of at least eight lanes`,
      );
    }
    context.variant = await resolveKernelVariant(options, context);
    context.manyRows = options.tiling ?? await chooseTiling(context);
    if (options.selfCheck ?? true) {
      context.recorder.guard = (kernels) => checkKernels(kernels, () => createOpContext(gpu, new Memory(gpu)));
    }
    context.batchInvariant = options.batchInvariant ?? false;
    // What the trials took is no part of the engine's peak.
    memory.resetPeak();
    const weightBudgetBytes = weightBudget(options);
    if (gpu.isSoftware) {
      requireHostMemory(
        `Cannot open ${checkpoint.location} on ${gpu.adapter}: its weights`,
        layOutWeights(checkpoint, weightBudgetBytes).bytes,
        "lower the weight budget, and layers are streamed from disk",
      );
    }
    const weights = await uploadWeights(context, checkpoint, {
      ...(weightBudgetBytes !== undefined && { weightBudgetBytes }),
      ...(options.signal && { signal: options.signal }),
      onProgress: (done, total) => options.onProgress?.({ stage: "load", done, total, unit: "bytes" }),
    });
    const limits = waveLimits(context, checkpoint, weights.residency, memory.liveBytes, options);
    return new WebGpuEngine(checkpoint.config, context, weights, limits);
  }

  private constructor(config: ModelConfig, context: OpContext, weights: ModelWeights, limits: WaveLimits) {
    this.config = config;
    this.#context = context;
    this.#weights = weights;
    this.#limits = limits;
    this.#fixedBytes = context.memory.liveBytes;
    this.#pool = new BufferPool(context.memory, () => context.recorder.forgetBindGroups());
    this.#sweep = new Sweep(context, config, weights, this.#pool);
  }

  get info(): EngineInfo {
    return {
      kind: "webgpu",
      adapter: this.#context.gpu.adapter,
      details: {
        kernels: this.#context.variant,
        weights: this.#weights.residency,
        weightBytes: this.#weights.bytes,
        fixedBytes: this.#fixedBytes,
        workingBudgetBytes: this.#limits.bytes,
        liveBytes: this.#context.memory.liveBytes,
        peakBytes: this.#context.memory.peakBytes,
        flops: this.#context.recorder.flops,
        busySeconds: this.#sweep.seconds,
        waves: this.#sweep.waves,
      },
    };
  }

  choiceLogProbs(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    { signal, onProgress }: RunOptions = {},
  ): Promise<Float64Array[][]> {
    return this.#exclusively(async () => {
      const split = splitPrompts(examples);
      const results = interventions.map(() => new Array<Float64Array>(split.examples.length));
      const call = { examples: split.examples, interventions, wants: { choices: true, signal }, onProgress };
      await runForward(this.#runner, { ...call, stage: "evaluate" }, (item, { request, answer, result }) => {
        results[item.intervention][item.example] = choiceSums(request, answer, result);
      });
      return results.map(split.join);
    });
  }

  objective(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions & { readonly objective?: Objective } = {},
  ): Promise<Float64Array[]> {
    return this.#exclusively(async () => {
      const { objective = "max-logit", signal, onProgress } = options;
      const { targets } = await cleanTargets(this.#runner, examples, objective, signal);
      const results = interventions.map(() => new Float64Array(examples.length));
      const tokens = targets.map(({ token, other }) => other === null ? [token] : [token, other]);
      const call = { examples, interventions, wants: { choices: false, tokens, signal }, onProgress };
      await runForward(this.#runner, { ...call, stage: "objective" }, (item, { answer, result }) => {
        const reading = objectiveReading(answer.promptRow, answer.tokenPicks, result);
        results[item.intervention][item.example] = objectiveValue(objective, reading);
      });
      return results;
    });
  }

  logits(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    { signal, onProgress }: RunOptions = {},
  ): Promise<Float32Array[][]> {
    return this.#exclusively(async () => {
      const results = interventions.map(() => new Array<Float32Array>(examples.length));
      const call = { examples, interventions, wants: { choices: false, logits: true, signal }, onProgress };
      await runForward(this.#runner, { ...call, stage: "logits" }, (item, { answer, result }) => {
        const stride = result.logits!.length / result.argmax.length;
        const start = answer.promptRow * stride;
        const row = result.logits!.slice(start, start + this.config.vocabularySize);
        results[item.intervention][item.example] = row;
      });
      return results;
    });
  }

  attribute(examples: readonly Example[], options: AttributeOptions): Promise<PairAttribution[]> {
    return this.#exclusively(() => attributePaths(this.#runner, examples, options));
  }

  activations(examples: readonly Example[], options: ActivationOptions = {}): Promise<ActivationStatistics> {
    return this.#exclusively(async () => {
      const { trace = [] } = options;
      checkExamples(this.config, examples);
      for (const { layer, neurons } of trace) {
        checkLayer(this.config, layer);
        checkNeurons(neurons, this.config.neurons, `the trace of layer ${layer}`);
      }
      return await this.#measure(examples, { ...options, trace });
    });
  }

  #measure(
    examples: readonly Example[],
    options: Parameters<typeof measureActivations>[0]["options"],
  ): Promise<ActivationStatistics> {
    return measureActivations({ ...this.#runner, context: this.#context, examples, options });
  }

  forecast(examples: readonly Example[], options: ForecastOptions): WaveForecast[] {
    checkExamples(this.config, examples);
    return forecastWork({ config: this.config, sizer: this.#sweep, limits: this.#limits }, examples, options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.recorder.discard();
    this.#context.memory.releaseAll();
    this.#context.gpu.close();
    await Promise.resolve();
  }

  get #runner(): WaveRunner {
    return { config: this.config, sweep: this.#sweep, limits: this.#limits };
  }

  /** The same error, with the first layer of the unmodified model whose activations are not finite. */
  async #locate(error: NotFiniteError): Promise<NotFiniteError> {
    const { what, example, place } = error;
    try {
      const { mean } = await this.#measure([example], { trace: [] });
      const layer = mean.findIndex((neurons) => !neurons.every(Number.isFinite));
      const origin = layer < 0
        ? "the activations of the unmodified model are, in every layer"
        : `in the unmodified model the activations of layer ${layer} are the first that are not`;
      return new NotFiniteError(what, example, place, origin);
    } catch {
      // Whatever keeps the search from its end, the error itself stands.
      return error;
    }
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new TypeError("Cannot use the engine: it has been closed");
    if (this.#busy) throw new TypeError("Cannot use the engine: another call has not finished; await it first");
    this.#busy = true;
    try {
      return await work();
    } catch (error) {
      this.#context.recorder.discard();
      throw error instanceof NotFiniteError ? await this.#locate(error) : error;
    } finally {
      this.#busy = false;
    }
  }
}
