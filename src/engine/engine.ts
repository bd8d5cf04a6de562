/**
 * The waist: everything `method/` asks of a model. Two engines implement it, `webgpu.ts` (fast) and `reference/`
 * (float64, paper-literal), and nothing above knows which one it is talking to.
 */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import type { KernelVariant } from "../ops/context.ts";
import type { Example } from "../tasks/example.ts";

/**
 * The projection whose neurons are scored or zeroed. `gate` and `up` have H neurons (rows), `down` has D (its rows).
 */
export type Site = "gate" | "up" | "down";

/** Number of neurons that a layer of the site has: H for `gate` and `up`, D for `down`. */
export function siteNeurons(config: Pick<ModelConfig, "width" | "neurons">, site: Site): number {
  return site === "down" ? config.width : config.neurons;
}

/** Neurons whose pre-activation (`gate`, `up`) or output (`down`) is set to zero in one layer. */
export interface Mask {
  /** Counted from 0. */
  readonly layer: number;
  /** The projection that is masked. */
  readonly site: Site;
  /** Neuron indices, ascending, without repeats. */
  readonly neurons: Uint32Array;
}

/** A plan applied at run time: at most one mask per (layer, site). The empty list is the unmodified model. */
export type Intervention = readonly Mask[];

/**
 * The number M that is differentiated; always taken at the last prompt position.
 *
 * - `max-logit`: logit of the arg-max token of the unmodified model, held fixed along the path
 * - `max-logit-moving`: the largest logit, whichever token has it at each point of the path
 * - `choice`: logit of the first token of the choice the unmodified model prefers (largest first-token logit)
 * - `gold`: logit of the first token of the right choice
 * - `margin`: `gold` minus the largest first-token logit among the wrong choices that begin with another
 *   token, chosen on the unmodified model; both held fixed
 * - `max-prob`: probability of the arg-max token of the unmodified model, held fixed
 *
 * Ties go to the smallest token id, or the first choice.
 */
export type Objective = "max-logit" | "max-logit-moving" | "choice" | "gold" | "margin" | "max-prob";

/** Nodes and weights of an integration rule on [0,1]; the weights sum to 1. */
export interface QuadratureRule {
  /** Points alpha on the path, ascending `[A]`. */
  readonly nodes: Float64Array;
  /** Weight of each node `[A]`. */
  readonly weights: Float64Array;
}

/** How far long work has come. `total` may be an estimate in work units until the end. */
export interface Progress {
  /** What is being done, such as `score` or `evaluate`. */
  readonly stage: string;
  /** Units done so far. */
  readonly done: number;
  /** Units in all. */
  readonly total: number;
  /** The unit of `done` and `total`, such as `examples` or `waves`. */
  readonly unit: string;
  /** Of `done`, the units that were there before and took no time. Default 0. */
  readonly takenOver?: number;
}

/** Options every engine call takes. */
export interface RunOptions {
  /** Stops the work at the next wave; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called as the work goes on. */
  readonly onProgress?: (progress: Progress) => void;
}

/** One unit of attribution work: a layer's path for one example. */
export interface Pair {
  /** Index into the examples given. */
  readonly example: number;
  /** The layer whose path is integrated. */
  readonly layer: number;
}

/** What is known of a path's ends: it does not depend on the nodes between them. */
export interface PathEnds {
  /** M(1): the objective of the unmodified model. */
  readonly objectiveAtOne: number;
  /** M(0): the objective with the layer's (path `joint`: all layers') site switched off. */
  readonly objectiveAtZero: number;
  /** The token M looks at (the gold one for `margin`). */
  readonly targetToken: number;
  /** The token whose logit M subtracts (`margin`); null for other objectives. */
  readonly otherToken: number | null;
}

/** How to attribute. */
export interface AttributeOptions extends RunOptions {
  /**
   * Which (example, layer) pairs; all of them by default. With `path: "joint"` an example's layers must all be there.
   */
  readonly pairs?: readonly Pair[];
  /** Nodes and weights along the path. */
  readonly rule: QuadratureRule;
  /** Default `gate`. */
  readonly site?: Site;
  /** Scale the pre-activations at all prompt positions, or at the last one only. Default `all`. */
  readonly positions?: "all" | "last";
  /** Default `max-logit`. */
  readonly objective?: Objective;
  /** Scale one layer at a time, or all layers together. Default `layer`. */
  readonly path?: "layer" | "joint";
  /**
   * Takes the place of the unmodified model: M, its target and both ends of every path are those of the model under
   * this intervention, and neurons that it switches off score 0. Default: the unmodified model.
   */
  readonly base?: Intervention;
  /**
   * What an earlier call with another rule and otherwise the same options found at the ends of the same paths, one
   * entry for each of `pairs`: an engine may take it over instead of computing it again. Default: the ends are
   * computed.
   */
  readonly ends?: readonly PathEnds[];
}

/** Attribution of one (example, layer) pair. */
export interface PairAttribution extends Pair, PathEnds {
  /** Integrated Gradients of each neuron of the site: `[H]`, or `[D]` for `down`. */
  readonly scores: Float32Array | Float64Array;
}

/** Where to take gradients with respect to factors on single neurons. */
export interface FactorGradientOptions extends RunOptions {
  /** The layer whose neurons have factors. */
  readonly layer: number;
  /**
   * Points to take the gradient at: one factor a neuron of the site, `[H]` or `[D]`. All ones is the unmodified model.
   */
  readonly points: readonly Float64Array[];
  /** Default `gate`. */
  readonly site?: Site;
  /** Default `max-logit`; its target comes from the unmodified model. */
  readonly objective?: Objective;
}

/** What to measure. */
export interface ActivationOptions extends RunOptions {
  /**
   * Neurons to trace: for each, h[t] at every prompt position of every example is returned.
   * Default: none.
   */
  readonly trace?: readonly { readonly layer: number; readonly neurons: Uint32Array }[];
}

/** Statistics of h = silu(g) * u over all prompt positions of all examples, per layer. */
export interface ActivationStatistics {
  /** Number of positions averaged over. */
  readonly tokens: number;
  /** Mean of h, `[L][H]`. */
  readonly mean: readonly Float32Array[];
  /** Mean of |h|, `[L][H]`. */
  readonly meanAbsolute: readonly Float32Array[];
  /** Largest |h|, `[L][H]`. */
  readonly maxAbsolute: readonly Float32Array[];
  /** For each entry of `trace`, for each example: h, row-major `[T, traced neurons]`. */
  readonly traces: readonly (readonly Float32Array[])[];
}

/** One wave of planned work. */
export interface WaveForecast {
  /** Rows that leave each layer `[L]`. */
  readonly rows: readonly number[];
  /** How activations get to the backward pass; `none` for forward work. */
  readonly residency: "keep" | "recompute" | "none";
  /** Floating-point operations of matrix products and attention. */
  readonly flops: number;
  /** Bytes of all working buffers together. */
  readonly bytes: number;
  /** Bytes of each working buffer, by name; the next wave finds them there while they fit. */
  readonly buffers: ReadonlyMap<string, number>;
  /** Bytes that it takes besides: the table of rotation angles, and what is read back. */
  readonly overheadBytes: number;
}

/** Work to plan: attribution with `attribute` (its clean pass first), choices under `interventions`, or both. */
export interface ForecastOptions {
  /** Attribution to plan for. */
  readonly attribute?: AttributeOptions;
  /** Forward work to plan for, as `choiceLogProbs` takes it. */
  readonly interventions?: readonly Intervention[];
}

/** What ran the work, for `run.json` and reports. */
export interface EngineInfo {
  /** Which engine. */
  readonly kind: "webgpu" | "reference";
  /** Adapter description, or `float64 reference`. */
  readonly adapter: string;
  /** Further facts, such as sizes and features used. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** The kernels that results were computed with, which their last bits depend on. */
export interface AdapterKernels {
  /** Name of the adapter, as `EngineInfo` has it. */
  readonly adapter: string;
  /** What ran on it. */
  readonly variant: KernelVariant;
}

/** A model ready to be measured. Calls must not overlap: await one before the next. */
export interface Engine {
  /** The model's shapes and constants. */
  readonly config: ModelConfig;
  /** What runs the work. */
  readonly info: EngineInfo;

  /**
   * Sum of natural-log token probabilities of every choice of every example under every intervention:
   * `result[intervention][example][choice]`.
   */
  choiceLogProbs(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options?: RunOptions,
  ): Promise<Float64Array[][]>;

  /**
   * The objective M under every intervention: `result[intervention][example]`. Targets come from the unmodified model.
   */
  objective(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options?: RunOptions & { readonly objective?: Objective },
  ): Promise<Float64Array[]>;

  /** Integrated Gradients of (example, layer) pairs, in the order of `options.pairs`. */
  attribute(examples: readonly Example[], options: AttributeOptions): Promise<PairAttribution[]>;

  /**
   * Gradient of M with respect to a factor on the site's pre-activation of each neuron of one layer, at all positions:
   * `result[point][example]` `[H]`, or `[D]` for `down`. Only the reference engine has it: what is made of it are
   * second differences, for which f32 is too coarse.
   */
  factorGradients?(examples: readonly Example[], options: FactorGradientOptions): Promise<Float64Array[][]>;

  /** Statistics of h over all prompt positions of all examples, per layer. */
  activations(examples: readonly Example[], options?: ActivationOptions): Promise<ActivationStatistics>;

  /** All logits `[V]` at the last prompt position, per intervention and example: `result[intervention][example]`. */
  logits(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options?: RunOptions,
  ): Promise<Float32Array[][] | Float64Array[][]>;

  /** The waves that work would run in, without running them; only engines that run in waves have it. */
  forecast?(examples: readonly Example[], options: ForecastOptions): WaveForecast[];

  /** Releases device memory and file handles. */
  close(): Promise<void>;
}

/** The part of an engine that says how work would run; it can be had without loading a model's weights. */
export type Forecaster = Required<Pick<Engine, "config" | "info" | "forecast" | "close">>;
