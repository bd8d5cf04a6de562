/**
 * The reference engine: float64 loops written from the formulas, one full forward pass per path node. It is what the
 * fast engine is tested against, and what runs where there is no WebGPU adapter.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import type { Example } from "../../tasks/example.ts";
import type {
  ActivationOptions,
  ActivationStatistics,
  AttributeOptions,
  Engine,
  EngineInfo,
  FactorGradientOptions,
  Intervention,
  Objective,
  PairAttribution,
  RunOptions,
} from "../engine.ts";
import { describeIntervention, requireFinite } from "../not_finite.ts";
import { requireHostMemory } from "../host_memory.ts";
import { siteNeurons } from "../engine.ts";
import { measureActivations } from "./activations.ts";
import { type CleanRun, factorGradient, factorPath, integratePath, runClean } from "./attribute.ts";
import {
  checkEnds,
  checkExamples,
  checkInterventions,
  checkLayer,
  checkNeurons,
  checkPairs,
  checkRule,
} from "../checks.ts";
import { choiceLogProbs } from "./choices.ts";
import { splitPrompts } from "../prompts.ts";
import { forward, logitsAt } from "./forward.ts";
import { objectiveValue } from "./objective.ts";
import { Pacer } from "./pacer.ts";
import { interventionScalings, type Scalings } from "./scaling.ts";
import { loadModel, type Model } from "./weights.ts";

/**
 * Reads a checkpoint into memory (as f32, whatever its stored type) and returns the float64 engine over it.
 *
 * The checkpoint is not used afterwards and stays the caller's to close. The engine's calls reject with a `RangeError`
 * for input the model cannot take, and with the signal's reason when they are aborted.
 *
 * @throws {RangeError} If the weights take more than the machine's memory, or hold NaN or an infinity.
 */
export async function createReferenceEngine(checkpoint: Checkpoint): Promise<Engine> {
  let elements = 0;
  for (const { shape } of checkpoint.tensors.values()) elements += shape.reduce((count, length) => count * length, 1);
  requireHostMemory(
    `Cannot open ${checkpoint.location} on the reference engine: its weights`,
    4 * elements,
    "choose a smaller model, or the WebGPU engine, which can stream layers from disk",
  );
  return new ReferenceEngine(await loadModel(checkpoint));
}

class ReferenceEngine implements Engine {
  readonly config: ModelConfig;
  readonly info: EngineInfo = { kind: "reference", adapter: "float64 reference", details: { precision: "float64" } };
  #model: Model | null;

  constructor(model: Model) {
    this.config = model.config;
    this.#model = model;
  }

  async choiceLogProbs(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions = {},
  ): Promise<Float64Array[][]> {
    const split = splitPrompts(examples);
    const results = await this.#forEach(split.examples, interventions, options, "evaluate", choiceLogProbs);
    return results.map(split.join);
  }

  async objective(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions & { readonly objective?: Objective } = {},
  ): Promise<Float64Array[]> {
    const cleanRuns = new Map<Example, CleanRun>();
    const results = await this.#forEach(examples, interventions, options, "objective", (model, example, scalings) => {
      const clean = cleanRuns.get(example) ?? runClean(model, example, options.objective ?? "max-logit");
      cleanRuns.set(example, clean);
      return objectiveValue(clean.target, lastLogits(model, example, scalings));
    });
    return results.map((values) => Float64Array.from(values));
  }

  logits(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions = {},
  ): Promise<Float64Array[][]> {
    return this.#forEach(examples, interventions, options, "logits", lastLogits);
  }

  async attribute(examples: readonly Example[], options: AttributeOptions): Promise<PairAttribution[]> {
    const model = this.#open();
    const { rule, site = "gate", positions = "all", objective = "max-logit", path = "layer" } = options;
    const allLayers = Array.from({ length: this.config.layers }, (_, layer) => layer);
    const pairs = options.pairs ?? examples.flatMap((_, example) => allLayers.map((layer) => ({ example, layer })));
    checkExamples(this.config, examples);
    checkRule(rule);
    checkPairs(this.config, examples.length, pairs, path === "joint");
    checkEnds(pairs, options.ends);
    checkInterventions(this.config, [options.base ?? []]);
    const base = interventionScalings(this.config, options.base ?? []);

    const pacer = new Pacer(options, "attribute", "pairs", pairs.length);
    const cleanRuns = new Map<number, CleanRun>();
    // A joint path yields all layers of its example at once; they wait here for their pairs.
    const done = new Map<string, PairAttribution>();
    const results: PairAttribution[] = [];
    for (const { example, layer } of pairs) {
      const key = `${example}/${layer}`;
      if (!done.has(key)) {
        await pacer.pause();
        const clean = cleanRuns.get(example) ?? runClean(model, examples[example], objective, base);
        cleanRuns.set(example, clean);
        const layers = path === "joint" ? allLayers : [layer];
        const pathOptions = { layers, rule, site, positions, objective, base };
        for (const result of await integratePath(model, examples[example], clean, pathOptions, pacer)) {
          const place = path === "joint" ? "the path of all layers" : `the path of layer ${layer}`;
          requireFinite("logits", [result.objectiveAtOne, result.objectiveAtZero], examples[example], place);
          requireFinite("scores", result.scores, examples[example], place);
          done.set(`${example}/${result.layer}`, { example, ...result });
        }
      }
      results.push(done.get(key)!);
      pacer.advance();
    }
    return results;
  }

  async factorGradients(examples: readonly Example[], options: FactorGradientOptions): Promise<Float64Array[][]> {
    const model = this.#open();
    const { layer, points, site = "gate", objective = "max-logit" } = options;
    checkExamples(this.config, examples);
    checkLayer(this.config, layer);
    const neurons = siteNeurons(this.config, site);
    for (const point of points) {
      if (point.length === neurons) continue;
      throw new RangeError(
        `Cannot scale the ${neurons} neurons of ${site} by ${point.length} factors: expected one each`,
      );
    }
    const pacer = new Pacer(options, "factor gradients", "prompts", points.length * examples.length);
    const results = points.map(() => new Array<Float64Array>(examples.length));
    for (const [index, example] of examples.entries()) {
      const path = factorPath(model, example, { layer, site, objective });
      for (const [point, factors] of points.entries()) {
        await pacer.pause();
        results[point][index] = factorGradient(model, example, path, factors);
        pacer.advance();
      }
    }
    return results;
  }

  async activations(examples: readonly Example[], options: ActivationOptions = {}): Promise<ActivationStatistics> {
    const model = this.#open();
    const { trace = [] } = options;
    checkExamples(this.config, examples);
    for (const { layer, neurons } of trace) {
      checkLayer(this.config, layer);
      checkNeurons(neurons, this.config.neurons, `the trace of layer ${layer}`);
    }
    return await measureActivations(
      model,
      examples,
      trace,
      new Pacer(options, "activations", "examples", examples.length),
    );
  }

  close(): Promise<void> {
    this.#model = null;
    return Promise.resolve();
  }

  /** `measure` of every example under every intervention: `result[intervention][example]`. */
  async #forEach<T extends number | Float64Array>(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions,
    stage: string,
    measure: (model: Model, example: Example, scalings: Scalings) => T,
  ): Promise<T[][]> {
    const model = this.#open();
    checkExamples(this.config, examples);
    checkInterventions(this.config, interventions);
    const pacer = new Pacer(options, stage, "prompts", interventions.length * examples.length);
    const results: T[][] = [];
    for (const intervention of interventions) {
      const scalings = interventionScalings(this.config, intervention);
      const row: T[] = [];
      for (const example of examples) {
        await pacer.pause();
        const value = measure(model, example, scalings);
        requireFinite(
          "logits",
          typeof value === "number" ? [value] : value,
          example,
          describeIntervention(intervention),
        );
        row.push(value);
        pacer.advance();
      }
      results.push(row);
    }
    return results;
  }

  #open(): Model {
    if (this.#model === null) throw new TypeError("Cannot use the engine: it was closed");
    return this.#model;
  }
}

/** Logits `[V]` at the last prompt position. */
function lastLogits(model: Model, example: Example, scalings: Scalings): Float64Array {
  const last = example.prompt.length - 1;
  return logitsAt(model, forward(model, example.prompt, { scalings, firstRow: last }), last);
}
