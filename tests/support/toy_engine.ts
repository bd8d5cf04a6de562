/**
 * An engine over a made-up model whose every number is known in closed form, for tests of `src/method`: M = sum over
 * layers and neurons of effect[layer, neuron] * silu(gate[example, layer, neuron]), so Integrated Gradients and single
 * ablation of a neuron both equal its term. An example's number is its only prompt token. It records its calls.
 */
import type { ModelConfig } from "../../src/checkpoint/model_config.ts";
import type {
  ActivationOptions,
  ActivationStatistics,
  AttributeOptions,
  Engine,
  EngineInfo,
  Intervention,
  Pair,
  PairAttribution,
  RunOptions,
} from "../../src/engine/engine.ts";
import type { Example } from "../../src/tasks/example.ts";

/** The made-up model; neurons count from 0 in every layer. */
export interface ToyModel {
  readonly layers: number;
  readonly neurons: number;
  /** Default 4. */
  readonly width?: number;
  /** Default: 1 everywhere. */
  readonly gate?: (example: number, layer: number, neuron: number) => number;
  /** Default: 1 everywhere. */
  readonly effect?: (layer: number, neuron: number) => number;
  /** Log-probabilities of an example's choices; `pruned` tells which neurons are off. Default: 0 and -1. */
  readonly logProbs?: (example: number, pruned: (layer: number, neuron: number) => boolean) => readonly number[];
}

/** What an engine was asked. */
export interface ToyCall {
  readonly method: "choiceLogProbs" | "objective" | "attribute" | "activations";
  /** Ids of the examples. */
  readonly examples: readonly string[];
  readonly interventions?: readonly Intervention[];
  readonly pairs?: readonly Pair[];
  /** Nodes of the rule. */
  readonly nodes?: number;
}

/** The token that the toy's objective looks at. */
export const toyTarget = 7;

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));

/** silu(z) = z * sigmoid(z) */
export const silu = (z: number) => z * sigmoid(z);

const siluSlope = (z: number) => sigmoid(z) * (1 + z * (1 - sigmoid(z)));

/** Example number `index` with `choices` choices; the toy model looks at nothing but the number. */
export function toyExample(index: number, gold = 0, choiceCharacters: readonly number[] = [1, 1]): Example {
  return {
    id: `toy/${index}`,
    prompt: Uint32Array.of(index),
    choices: choiceCharacters.map((_, choice) => Uint32Array.of(choice)),
    choiceCharacters,
    gold,
  };
}

/** Examples 0 to `count` - 1, each with the first choice right. */
export function toyExamples(count: number): Example[] {
  return Array.from({ length: count }, (_, index) => toyExample(index));
}

/** A configuration of that shape; its constants and tensor names are made up. */
export function toyConfig(model: Pick<ToyModel, "layers" | "neurons" | "width">): ModelConfig {
  const { layers, neurons, width = 4 } = model;
  const ref = (name: string, rows: number, columns: number) => ({ name, rowStart: 0, rows, columns });
  const embedding = ref("embedding", 8, width);
  return {
    family: "llama",
    vocabularySize: 8,
    width,
    neurons,
    layers,
    queryHeads: 1,
    keyValueHeads: 1,
    headWidth: width,
    normEpsilon: 1e-5,
    multipliers: { embedding: 1, attention: 1, residual: 1, logits: 1 },
    rope: { inverseFrequencies: new Float64Array(width / 2), attentionFactor: 1 },
    rotated: new Array(layers).fill(true),
    maxPositions: 16,
    slidingWindow: new Array(layers).fill(null),
    tiedHead: true,
    embedding,
    finalNorm: ref("norm", width, 1),
    head: embedding,
    layerWeights: Array.from({ length: layers }, (_, layer) => ({
      inputNorm: ref(`${layer}.input_norm`, width, 1),
      q: ref(`${layer}.q`, width, width),
      k: ref(`${layer}.k`, width, width),
      v: ref(`${layer}.v`, width, width),
      o: ref(`${layer}.o`, width, width),
      postAttentionNorm: ref(`${layer}.post_norm`, width, 1),
      gate: ref(`${layer}.gate`, neurons, width),
      up: ref(`${layer}.up`, neurons, width),
      down: ref(`${layer}.down`, width, neurons),
    })),
  };
}

/** The toy as an engine. */
export class ToyEngine implements Engine {
  readonly config: ModelConfig;
  readonly info: EngineInfo = { kind: "reference", adapter: "toy", details: { precision: "float64" } };
  readonly calls: ToyCall[] = [];

  constructor(readonly model: ToyModel) {
    this.config = toyConfig(model);
  }

  /** Calls of one method. */
  callsOf(method: ToyCall["method"]): ToyCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  /** The term of one neuron in M, its gate scaled by `alpha`. */
  term(example: number, layer: number, neuron: number, alpha = 1): number {
    return this.#effect(layer, neuron) * silu(alpha * this.#gate(example, layer, neuron));
  }

  choiceLogProbs(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions = {},
  ): Promise<Float64Array[][]> {
    return this.#run(
      "choiceLogProbs",
      options,
      { examples: idsOf(examples), interventions },
      () =>
        interventions.map((intervention) =>
          examples.map((example) => {
            const { logProbs = () => [0, -1] } = this.model;
            return Float64Array.from(logProbs(example.prompt[0], prunedBy(intervention)));
          })
        ),
    );
  }

  objective(
    examples: readonly Example[],
    interventions: readonly Intervention[],
    options: RunOptions = {},
  ): Promise<Float64Array[]> {
    return this.#run(
      "objective",
      options,
      { examples: idsOf(examples), interventions },
      () =>
        interventions.map((intervention) => {
          const pruned = prunedBy(intervention);
          return Float64Array.from(
            examples,
            (example) =>
              this.#sum((layer, neuron) => pruned(layer, neuron) ? 0 : this.term(example.prompt[0], layer, neuron)),
          );
        }),
    );
  }

  attribute(examples: readonly Example[], options: AttributeOptions): Promise<PairAttribution[]> {
    const { rule, path = "layer", base = [] } = options;
    const masked = prunedBy(base);
    const pairs = options.pairs ??
      examples.flatMap((_, example) => this.config.layerWeights.map((_, layer) => ({ example, layer })));
    const asked = { examples: idsOf(examples), pairs, nodes: rule.nodes.length };
    return this.#run("attribute", options, asked, () =>
      pairs.map(({ example, layer }): PairAttribution => {
        const number = examples[example].prompt[0];
        const scores = Float64Array.from({ length: this.model.neurons }, (_, neuron) => {
          if (masked(layer, neuron)) return 0;
          const gate = this.#gate(number, layer, neuron);
          let integral = 0;
          rule.nodes.forEach((alpha, a) => integral += rule.weights[a] * siluSlope(alpha * gate) * gate);
          return this.#effect(layer, neuron) * integral;
        });
        const off = (other: number) => path === "joint" || other === layer;
        return {
          example,
          layer,
          scores,
          objectiveAtOne: this.#sum((l, neuron) => masked(l, neuron) ? 0 : this.term(number, l, neuron)),
          objectiveAtZero: this.#sum((l, neuron) => off(l) || masked(l, neuron) ? 0 : this.term(number, l, neuron)),
          targetToken: toyTarget,
          otherToken: null,
        };
      }));
  }

  activations(examples: readonly Example[], options: ActivationOptions = {}): Promise<ActivationStatistics> {
    return this.#run("activations", options, { examples: idsOf(examples) }, () => {
      const perLayer = (measure: (h: number[]) => number) =>
        this.config.layerWeights.map((_, layer) =>
          Float32Array.from(
            { length: this.model.neurons },
            (_, neuron) => measure(examples.map((example) => silu(this.#gate(example.prompt[0], layer, neuron)))),
          )
        );
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      return {
        tokens: examples.length,
        mean: perLayer(mean),
        meanAbsolute: perLayer((h) => mean(h.map(Math.abs))),
        maxAbsolute: perLayer((h) => Math.max(...h.map(Math.abs))),
        // A toy prompt of several tokens is as many examples' numbers.
        traces: (options.trace ?? []).map(({ layer, neurons }) =>
          examples.map(({ prompt }) =>
            Float32Array.from(
              [...prompt].flatMap((number) => Array.from(neurons, (neuron) => silu(this.#gate(number, layer, neuron)))),
            )
          )
        ),
      };
    });
  }

  logits(): Promise<Float64Array[][]> {
    throw new TypeError("The toy engine has no logits");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  // Async, so that what it throws rejects the promise as a real engine's call does.
  // deno-lint-ignore require-await
  async #run<T>(
    method: ToyCall["method"],
    { signal, onProgress }: RunOptions,
    asked: Omit<ToyCall, "method">,
    compute: () => T,
  ): Promise<T> {
    signal?.throwIfAborted();
    this.calls.push({ method, ...asked });
    const result = compute();
    onProgress?.({ stage: method, done: 1, total: 1, unit: "calls" });
    return result;
  }

  #gate(example: number, layer: number, neuron: number): number {
    return this.model.gate?.(example, layer, neuron) ?? 1;
  }

  #effect(layer: number, neuron: number): number {
    return this.model.effect?.(layer, neuron) ?? 1;
  }

  #sum(term: (layer: number, neuron: number) => number): number {
    let sum = 0;
    for (let layer = 0; layer < this.model.layers; layer++) {
      for (let neuron = 0; neuron < this.model.neurons; neuron++) sum += term(layer, neuron);
    }
    return sum;
  }
}

function idsOf(examples: readonly Example[]): string[] {
  return examples.map((example) => example.id);
}

function prunedBy(intervention: Intervention): (layer: number, neuron: number) => boolean {
  return (layer, neuron) => intervention.some((mask) => mask.layer === layer && mask.neurons.includes(neuron));
}
