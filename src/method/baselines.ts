/**
 * Other ways to score neurons, to be compared with Integrated Gradients at an equal number of neurons. In all of them a
 * higher score means pruned earlier, so every search and ranking takes them as they are; `negateScores` turns one
 * round.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model_config.ts";
import type { Engine, Intervention, Objective, RunOptions, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import type { Random } from "../tasks/random.ts";
import { allLayers, checkLayers, emptyScores, type NeuronScores } from "./neuron_scores.ts";
import { forStage } from "./progress.ts";
import { decidingOptions, scoreNeurons, type ScoreOptions } from "./score.ts";

/**
 * A uniformly random order in every layer: the first neuron has score H, the last one 1 (D instead of H for `down`).
 */
export function randomScores(config: ModelConfig, site: Site, random: Random): NeuronScores {
  const scores = emptyScores(config, site, allLayers(config));
  for (let layer = 0; layer < scores.layers; layer++) {
    const order = random.shuffle(Array.from({ length: scores.neurons }, (_, neuron) => neuron));
    // Ranks, not random numbers: f32 rounding would let two numbers tie, and ties favour low indices.
    order.forEach((neuron, rank) => scores.values[layer * scores.neurons + neuron] = scores.neurons - rank);
  }
  return scores;
}

/** Euclidean norm of each neuron's weights: its row of the site's projection. Largest first. */
export async function weightMagnitudeScores(
  checkpoint: Pick<Checkpoint, "config" | "readF32">,
  site: Site = "gate",
): Promise<NeuronScores> {
  const { config } = checkpoint;
  const scores = emptyScores(config, site, allLayers(config));
  for (const [layer, refs] of config.layerWeights.entries()) {
    const weights = await checkpoint.readF32(refs[site]);
    const { columns } = refs[site];
    for (let neuron = 0; neuron < scores.neurons; neuron++) {
      let squares = 0;
      for (let column = 0; column < columns; column++) squares += weights[neuron * columns + column] ** 2;
      scores.values[layer * scores.neurons + neuron] = Math.sqrt(squares);
    }
  }
  return scores;
}

/**
 * Mean |h| over all prompt positions of all examples, h = silu(g) * u. Largest first.
 *
 * @throws {RangeError} If there is no example, or the site is `down`, whose outputs are not activations of neurons.
 */
export async function meanActivationScores(
  engine: Engine,
  examples: readonly Example[],
  options: RunOptions & { readonly site?: Site } = {},
): Promise<NeuronScores> {
  const { site = "gate" } = options;
  if (site === "down") throw new RangeError("Cannot score the site down by its activations: expected gate or up");
  if (examples.length === 0) throw new RangeError("Cannot measure activations of 0 examples: expected at least one");
  const { meanAbsolute } = await engine.activations(examples, forStage(options, "activations"));
  const scores = emptyScores(engine.config, site, allLayers(engine.config));
  meanAbsolute.forEach((row, layer) => scores.values.set(row, layer * scores.neurons));
  return scores;
}

/**
 * Gradient times activation: dM/dg * g at the unmodified model, summed over positions and averaged over examples. It is
 * Integrated Gradients with a single node at 1. Highest first.
 *
 * @param options As for `scoreNeurons`; its choice of rule and nodes is not used.
 */
export async function gradientActivationScores(
  engine: Engine,
  examples: readonly Example[],
  options: ScoreOptions = {},
): Promise<NeuronScores> {
  return (await scoreNeurons(engine, examples, decidingOptions({ ...options, rule: "right", nodes: 1 }))).scores;
}

/** Options of `ablationScores`. */
export interface AblationOptions extends RunOptions {
  /** Default `gate`. */
  readonly site?: Site;
  /** Default `max-logit`. */
  readonly objective?: Objective;
  /** Default: all layers. */
  readonly layers?: readonly number[];
  /** Neurons handed to the engine in one call. Default 256. It does not change the result. */
  readonly neuronsPerCall?: number;
}

/**
 * Exact effect of every single neuron: M of the unmodified model minus M without that neuron, averaged over the
 * examples. It costs one evaluation per neuron, so it is for small models. Highest first.
 *
 * @throws {RangeError} If there is no example, or an option is out of range.
 */
export async function ablationScores(
  engine: Engine,
  examples: readonly Example[],
  options: AblationOptions = {},
): Promise<NeuronScores> {
  const { site = "gate", objective = "max-logit", neuronsPerCall = 256 } = options;
  if (examples.length === 0) throw new RangeError("Cannot ablate on 0 examples: expected at least one");
  if (!Number.isInteger(neuronsPerCall) || neuronsPerCall < 1) {
    throw new RangeError(`Cannot ablate ${neuronsPerCall} neurons per call: expected an integer from 1`);
  }
  const scores = emptyScores(engine.config, site, checkLayers(options.layers, engine.config));
  const { signal, onProgress } = options;
  const run = { ...(signal && { signal }), objective };
  const [unmodified] = await engine.objective(examples, [[]], run);
  const total = scores.scored.length * scores.neurons;
  for (let first = 0; first < total; first += neuronsPerCall) {
    signal?.throwIfAborted();
    const places = Array.from({ length: Math.min(neuronsPerCall, total - first) }, (_, index) => {
      const place = first + index;
      return { layer: scores.scored[Math.floor(place / scores.neurons)], neuron: place % scores.neurons };
    });
    const interventions: Intervention[] = places.map(({ layer, neuron }) => [
      { layer, site, neurons: Uint32Array.of(neuron) },
    ]);
    const objectives = await engine.objective(examples, interventions, run);
    places.forEach(({ layer, neuron }, index) => {
      const effect = objectives[index].reduce((sum, value, example) => sum + unmodified[example] - value, 0);
      scores.values[layer * scores.neurons + neuron] = effect / examples.length;
    });
    onProgress?.({ stage: "ablation", done: Math.min(first + neuronsPerCall, total), total, unit: "neurons" });
  }
  return scores;
}
