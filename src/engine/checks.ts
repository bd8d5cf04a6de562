/** Checks of what callers pass, so that wrong input is an error that names it and never a silent NaN. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { type Example, tokensRead } from "../tasks/example.ts";
import { type AttributeOptions, type Intervention, type Objective, type Pair, siteNeurons } from "./engine.ts";

/** @throws {RangeError} If a prompt or choice is empty, too long for the model, or holds a token it does not have. */
export function checkExamples(config: ModelConfig, examples: readonly Example[]): void {
  for (const example of examples) {
    const { id, prompt, choices } = example;
    const longest = tokensRead(example);
    if (longest > config.maxPositions) {
      throw new RangeError(
        `Cannot run example ${id}: ${longest} tokens exceed the model's limit of ${config.maxPositions}`,
      );
    }
    for (const tokens of [prompt, ...choices]) {
      if (tokens.length === 0) {
        throw new RangeError(`Cannot run example ${id}: expected at least one token in the prompt and in each choice`);
      }
      for (const token of tokens) {
        if (token >= config.vocabularySize) {
          throw new RangeError(
            `Cannot run example ${id}: token ${token} is not below the vocabulary size ${config.vocabularySize}`,
          );
        }
      }
    }
  }
}

/**
 * Checks that an example has the choices that an objective compares: two for `margin`, one for `choice` and `gold`.
 *
 * @throws {RangeError} If it has not, its choices differ in the prompt and all begin alike, or (`margin`) no wrong
 * choice begins otherwise than the right one.
 */
export function checkObjective(objective: Objective, example: Example): void {
  const { id, choices, gold, prompts } = example;
  const needed = objective === "margin" ? 2 : objective === "gold" || objective === "choice" ? 1 : 0;
  if (needed === 0) return;
  if (choices.length < needed || !(gold in choices)) {
    throw new RangeError(
      `Cannot take the objective ${objective} of example ${id}: it has ${choices.length} choices and gold ` +
        `${gold}, expected at least ${needed} and gold among them`,
    );
  }
  if (prompts !== undefined) {
    throw new RangeError(
      `Cannot take the objective ${objective} of example ${id}: its choices have prompts of their own; use max-logit, ` +
        "max-logit-moving or max-prob",
    );
  }
  if (objective === "margin" && rivalChoices(example).length === 0) {
    throw new RangeError(
      `Cannot take the objective margin of example ${id}: no wrong choice begins with another token than choice ${gold}; use ` +
        "another objective",
    );
  }
}

/** The choices that a margin may compare the right one with: wrong ones that begin with another token. */
export function rivalChoices({ choices, gold, golds = [gold] }: Example): number[] {
  return [...choices.keys()].filter((choice) => !golds.includes(choice) && choices[choice][0] !== choices[gold][0]);
}

/**
 * @throws {RangeError} If a mask names a layer or neuron that is not there, is out of order, or repeats a (layer,
 * site).
 */
export function checkInterventions(config: ModelConfig, interventions: readonly Intervention[]): void {
  for (const intervention of interventions) {
    const seen = new Set<string>();
    for (const { layer, site, neurons } of intervention) {
      checkLayer(config, layer);
      const key = `${site} of layer ${layer}`;
      if (seen.has(key)) throw new RangeError(`Cannot apply two masks to ${key}: expected at most one`);
      seen.add(key);
      checkNeurons(neurons, siteNeurons(config, site), key);
    }
  }
}

/** @throws {RangeError} If the neurons are not ascending, without repeats and below `count`. */
export function checkNeurons(neurons: Uint32Array, count: number, place: string): void {
  neurons.forEach((neuron, i) => {
    if (neuron < count && (i === 0 || neuron > neurons[i - 1])) return;
    throw new RangeError(
      `Cannot use neuron ${neuron} at index ${i} of the list for ${place}: expected ascending indices below ${count}`,
    );
  });
}

/** @throws {RangeError} If the model has no such layer. */
export function checkLayer(config: ModelConfig, layer: number): void {
  if (Number.isInteger(layer) && layer >= 0 && layer < config.layers) return;
  throw new RangeError(`Cannot use layer ${layer}: expected an integer in 0..${config.layers - 1}`);
}

/** @throws {RangeError} If the rule is empty or its nodes and weights do not match. */
export function checkRule({ nodes, weights }: AttributeOptions["rule"]): void {
  if (nodes.length > 0 && nodes.length === weights.length) return;
  throw new RangeError(
    `Cannot integrate with ${nodes.length} nodes and ${weights.length} weights: expected as many, and at least one`,
  );
}

/** @throws {RangeError} If the known ends are not as many as the pairs. */
export function checkEnds(pairs: readonly Pair[], ends: AttributeOptions["ends"]): void {
  if (!ends || ends.length === pairs.length) return;
  throw new RangeError(`Cannot attribute ${pairs.length} pairs with the ends of ${ends.length}: expected one for each`);
}

/**
 * @throws {RangeError} If a pair names no example or layer, or is repeated, or, on the joint path, an example lacks
 * some layer.
 */
export function checkPairs(config: ModelConfig, examples: number, pairs: readonly Pair[], joint: boolean): void {
  const layersOf = new Map<number, Set<number>>();
  for (const { example, layer } of pairs) {
    checkLayer(config, layer);
    if (!(Number.isInteger(example) && example >= 0 && example < examples)) {
      throw new RangeError(`Cannot attribute example ${example}: ${examples} examples were given`);
    }
    const layers = layersOf.get(example) ?? new Set();
    if (layers.has(layer)) {
      throw new RangeError(`Cannot attribute layer ${layer} of example ${example} twice in one call`);
    }
    layersOf.set(example, layers.add(layer));
  }
  if (!joint) return;
  for (const [example, layers] of layersOf) {
    if (layers.size === config.layers) continue;
    throw new RangeError(
      `Cannot follow the joint path of example ${example}: its pairs name ${layers.size} of ${config.layers} layers`,
    );
  }
}
