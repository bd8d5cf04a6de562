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
import { chooseKernelVariant, chooseTiling } from "../ops/kernel_trial.ts";
import type { Example } from "../tasks/example.ts";
import { checkEnds, checkExamples, checkLayer, checkNeurons, checkPairs, checkRule } from "./checks.ts";
import {
  type ActivationOptions,
  type ActivationStatistics,
  type AttributeOptions,
  type Engine,
  type EngineInfo,
  type ForecastOptions,
  type Intervention,
  type Objective,
  type PairAttribution,
  type PathEnds,
  type RunOptions,
  siteNeurons,
  type WaveForecast,
} from "./engine.ts";
import { requireHostMemory } from "./host_memory.ts";
import { describeIntervention, NotFiniteError, requireFinite } from "./not_finite.ts";
import { measureActivations } from "./webgpu/activations.ts";
import { baseMasks, clearSilenced, everyPair, pathPlan, pathPoints, type PathSettings } from "./webgpu/attribution.ts";
import { splitPrompts } from "./prompts.ts";
import {
  choiceSums,
  firstTokens,
  type ForwardItem,
  forwardPlan,
  forwardRequest,
  type ForwardWants,
} from "./webgpu/choices.ts";
import { forecastWork } from "./webgpu/forecast.ts";
import { checkKernels } from "./webgpu/kernel_check.ts";
import { waveLimits, weightBudget } from "./webgpu/memory_plan.ts";
import { selfCheck } from "./webgpu/self_check.ts";
import { chooseTokens, type ObjectiveReading, type ObjectiveTarget, objectiveValue } from "./webgpu/targets.ts";
import { runWaves, type WaveLimits } from "./webgpu/waves.ts";

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
    const variant = options.kernelVariant ?? await chooseKernelVariant(context);
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
    context.variant = options.kernelVariant ?? await chooseKernelVariant(context);
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
    options: RunOptions = {},
  ): Promise<Float64Array[][]> {
    return this.#exclusively(async () => {
      const split = splitPrompts(examples);
      const results = interventions.map(() => new Array<Float64Array>(split.examples.length));
      await this.#forward(
        split.examples,
        interventions,
        { choices: true, signal: options.signal },
        options,
        "evaluate",
        (
          item,
          { request, answer, result },
        ) => {
          const sums = choiceSums(request, answer, result);
          results[item.intervention][item.example] = sums;
        },
      );
      return results.map(split.join);
    });
  }

  objective(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions & { readonly objective?: Objective } = {},
  ): Promise<Float64Array[]> {
    return this.#exclusively(async () => {
      const { objective = "max-logit" } = options;
      const { targets } = await this.#clean(examples, objective, options.signal);
      const results = interventions.map(() => new Float64Array(examples.length));
      const tokens = targets.map(({ token, other }) => other === null ? [token] : [token, other]);
      const wants = { choices: false, tokens, signal: options.signal };
      await this.#forward(examples, interventions, wants, options, "objective", (item, { answer, result }) => {
        const value = objectiveValue(objective, reading(answer.promptRow, answer.tokenPicks, result));
        results[item.intervention][item.example] = value;
      });
      return results;
    });
  }

  logits(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions = {},
  ): Promise<Float32Array[][]> {
    return this.#exclusively(async () => {
      const results = interventions.map(() => new Array<Float32Array>(examples.length));
      const wants = { choices: false, logits: true, signal: options.signal };
      await this.#forward(examples, interventions, wants, options, "logits", (item, { answer, result }) => {
        const stride = result.logits!.length / result.argmax.length;
        const start = answer.promptRow * stride;
        const row = result.logits!.slice(start, start + this.config.vocabularySize);
        results[item.intervention][item.example] = row;
      });
      return results;
    });
  }

  attribute(examples: readonly Example[], options: AttributeOptions): Promise<PairAttribution[]> {
    return this.#exclusively(async () => {
      const { rule, site = "gate", objective = "max-logit", path = "layer", base = [], ends, signal } = options;
      const joint = path === "joint";
      const pairs = options.pairs ?? everyPair(this.config, examples.length);
      checkExamples(this.config, examples);
      checkRule(rule);
      checkPairs(this.config, examples.length, pairs, joint);
      checkEnds(pairs, ends);
      const masks = baseMasks(this.config, base);
      const used = [...new Set(pairs.map((pair) => pair.example))].sort((a, b) => a - b);
      const slot = new Map(used.map((example, index) => [example, index]));
      const clean = ends
        ? knownTargets(pairs.map(({ example }) => slot.get(example)!), ends)
        : await this.#clean(used.map((example) => examples[example]), objective, signal, base);
      const settings = this.#pathSettings(used.map((example) => examples[example]), clean.targets, masks, options);
      const neurons = siteNeurons(this.config, site);
      const scores = new Map<string, Float64Array>();
      const atZero = new Map<string, number>();
      const key = (example: number, layer: number | null) => `${example}:${layer ?? "joint"}`;
      const points = pathPoints(
        pairs.map(({ example, layer }) => ({ example: slot.get(example)!, layer })),
        rule,
        joint,
        !ends,
      );
      let done = 0;
      const progress = () => options.onProgress?.({ stage: "score", done, total: points.length, unit: "path nodes" });
      progress();
      await runWaves(this.#sweep, this.#limits, points, {
        ...pathPlan(settings),
        onWave: ({ items, request, result }) => {
          items.forEach(({ example, layer, node }, i) => {
            const row = request.finalRows[i];
            const pick = settings.targets[example].other === null ? [row] : [2 * row, 2 * row + 1];
            const value = objectiveValue(objective, reading(row, pick, result));
            if (result.notFinite[row] > 0) {
              throw new NotFiniteError("logits", settings.examples[example], describePath(layer));
            }
            if (node === null) atZero.set(key(example, layer), value);
          });
          request.scored.forEach(({ example, layer }, row) => {
            const sums = scores.get(key(example, layer)) ?? new Float64Array(neurons);
            scores.set(key(example, layer), sums);
            for (let j = 0; j < neurons; j++) sums[j] += result.scores[row * result.scoreStride + j];
          });
          done += items.length;
          progress();
        },
      });
      return pairs.map(({ example, layer }, position) => {
        const index = slot.get(example)!;
        const sums = scores.get(key(index, layer))!;
        clearSilenced(sums, site, masks.get(layer));
        requireFinite("scores", sums, examples[example], describePath(layer));
        return {
          example,
          layer,
          scores: sums,
          objectiveAtOne: clean.values[index],
          objectiveAtZero: ends?.[position].objectiveAtZero ?? atZero.get(key(index, joint ? null : layer))!,
          targetToken: clean.targets[index].token,
          otherToken: clean.targets[index].other,
        };
      });
    });
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
    return measureActivations({
      context: this.#context,
      config: this.config,
      sweep: this.#sweep,
      limits: this.#limits,
      examples,
      options,
    });
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

  /** Targets and M of the unmodified model, or of the one under `base`. */
  async #clean(
    examples: readonly Example[],
    objective: Objective,
    signal: AbortSignal | undefined,
    base: Intervention = [],
  ) {
    const tokens = examples.map(firstTokens);
    const targets = examples.map(() => ({ token: 0, other: null as number | null }));
    const values = new Float64Array(examples.length);
    await this.#forward(examples, [base], { choices: false, tokens, signal }, {}, "objective", (
      { example },
      { answer, result },
    ) => {
      const row = answer.promptRow;
      const logits = Float32Array.from(answer.tokenPicks, (pick) => result.picked[pick]);
      const target = chooseTokens(objective, { argmax: result.argmax[row], firstTokens: logits }, examples[example]);
      const logitOf = (token: number | null) => {
        if (token === null) return 0;
        if (token === result.argmax[row]) return result.largest[row];
        return logits[tokens[example].indexOf(token)];
      };
      targets[example] = target;
      values[example] = objectiveValue(objective, {
        logit: logitOf(target.token),
        otherLogit: logitOf(target.other),
        largest: result.largest[row],
        logSumExp: result.logSumExp[row],
      });
    });
    return { targets, values };
  }

  async #forward(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    wants: ForwardWants,
    options: RunOptions,
    stage: string,
    onAnswer: (item: ForwardItem, answer: {
      readonly request: ReturnType<typeof forwardRequest>;
      readonly answer: ReturnType<typeof forwardRequest>["answers"][number];
      readonly result: Awaited<ReturnType<Sweep["run"]>>;
    }) => void,
  ): Promise<void> {
    const { items, plan } = forwardPlan(this.config, examples, interventions, wants);
    let done = 0;
    const progress = () => options.onProgress?.({ stage, done, total: items.length, unit: "prompts" });
    progress();
    await runWaves(this.#sweep, this.#limits, items, {
      ...plan,
      onWave: ({ items: group, request, result }) => {
        // Items are example-major and so are the answers, in the same order.
        group.forEach((item, i) => {
          const answer = request.answers[i];
          const rows = [answer.promptRow, ...answer.choicePicks.flat().map((pick) => request.picks[pick].row)];
          if (rows.some((row) => result.notFinite[row] > 0)) {
            const place = describeIntervention(interventions[item.intervention]);
            throw new NotFiniteError("logits", examples[item.example], place);
          }
          onAnswer(item, { request, answer, result });
        });
        done += group.length;
        progress();
      },
    });
  }

  #pathSettings(
    examples: readonly Example[],
    targets: PathSettings["targets"],
    masks: PathSettings["masks"],
    { rule, site = "gate", positions = "all", objective = "max-logit", signal }: AttributeOptions,
  ): PathSettings {
    return { config: this.config, examples, targets, masks, rule, site, positions, objective, signal };
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

/** Targets and M of examples whose path ends are known; `slots` gives the example of each pair. */
function knownTargets(slots: readonly number[], ends: readonly PathEnds[]) {
  const targets: ObjectiveTarget[] = [];
  const values: number[] = [];
  slots.forEach((slot, pair) => {
    const { targetToken, otherToken, objectiveAtOne } = ends[pair];
    targets[slot] = { token: targetToken, other: otherToken };
    values[slot] = objectiveAtOne;
  });
  return { targets, values };
}

function reading(
  row: number,
  picks: readonly number[],
  result: { picked: Float32Array; largest: Float32Array; logSumExp: Float32Array },
): ObjectiveReading {
  return {
    logit: result.picked[picks[0]],
    otherLogit: picks.length > 1 ? result.picked[picks[1]] : 0,
    largest: result.largest[row],
    logSumExp: result.logSumExp[row],
  };
}

function describePath(layer: number | null): string {
  return layer === null ? "the path of all layers" : `the path of layer ${layer}`;
}
