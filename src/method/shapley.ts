/**
 * Shapley values of the neurons of a layer by permutation sampling, with a standard error for each.
 *
 * The players are the neurons of one layer, the value v(S) is M, averaged over the examples, with every neuron of the
 * layer that is not in S switched off. Then `phi[j] = mean over orders of v(before j and j) - v(before j)`, where the
 * mean is over random orders of all neurons: Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value
 * based on sampling", Computers & Operations Research 36, 2009. Every order is used together with its reverse
 * (antithetic sampling, arXiv:2104.12199), so that the sets seen are balanced in size. For every order the values add
 * up to v(all) - v(none) exactly.
 */
import type { Engine, Intervention, Objective, RunOptions, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { createRandom } from "../tasks/random.ts";
import { checkLayers, emptyScores, type NeuronScores } from "./neuron_scores.ts";
import { secondsSince } from "./progress.ts";

/** What decides the estimates: every field of `ShapleyOptions` that changes the result, with its default filled in. */
export interface ShapleySettings {
  /** Whose neurons are scored. Default `gate`. */
  readonly site: Site;
  /** Default `max-logit`. */
  readonly objective: Objective;
  /** Layers to score. Default: all. */
  readonly layers: readonly number[];
  /** Pairs of a random order and its reverse, for each layer; at least 2, so that an error can be stated. Default 8. */
  readonly pairs: number;
  /** Seed of the orders, an integer in [0, 2^53). Default 0. */
  readonly seed: number;
}

/** Options of `shapleyScores`. */
export interface ShapleyOptions extends RunOptions, Partial<ShapleySettings> {
  /** Sets of neurons handed to the engine in one call. Default 256. It does not change the result. */
  readonly setsPerCall?: number;
}

/** Estimated Shapley values. */
export interface ShapleyResult {
  /** Estimates; highest first. */
  readonly scores: NeuronScores;
  /**
   * Standard error of each estimate, row-major as the scores: the sample standard deviation over the pairs, over the
   * root of their number. The spread between examples is not part of it.
   */
  readonly standardErrors: Float32Array;
  /** Mean standard error over the neurons scored. */
  readonly meanStandardError: number;
  /**
   * Standard deviation of the estimates within a layer, averaged over layers: what the errors are to be compared with.
   */
  readonly meanSpread: number;
  /** Sets of neurons that M was evaluated on, for every example. */
  readonly evaluations: number;
  /** The options with their defaults filled in. */
  readonly settings: ShapleySettings;
  /** Wall time. */
  readonly seconds: number;
}

/**
 * Estimates the Shapley value of every neuron in the game of its layer.
 *
 * It costs `2 pairs (H - 1) + 2` evaluations of every example for each layer, so it is for small models or few layers.
 *
 * @throws {RangeError} If there is no example, or an option is out of range.
 */
export async function shapleyScores(
  engine: Engine,
  examples: readonly Example[],
  options: ShapleyOptions = {},
): Promise<ShapleyResult> {
  const start = performance.now();
  const { site = "gate", objective = "max-logit", pairs = 8, seed = 0, setsPerCall = 256 } = options;
  if (examples.length === 0) throw new RangeError("Cannot sample Shapley values on 0 examples: expected at least one");
  if (!Number.isInteger(pairs) || pairs < 2) {
    throw new RangeError(`Cannot sample ${pairs} pairs of orders: expected an integer from 2`);
  }
  if (!Number.isInteger(setsPerCall) || setsPerCall < 1) {
    throw new RangeError(`Cannot evaluate ${setsPerCall} sets per call: expected an integer from 1`);
  }
  const settings: ShapleySettings = {
    site,
    objective,
    layers: checkLayers(options.layers, engine.config),
    pairs,
    seed,
  };
  const random = createRandom(seed);
  const scores = emptyScores(engine.config, site, settings.layers);
  const standardErrors = new Float32Array(scores.values.length);
  const { neurons } = scores;
  const total = settings.layers.length * (2 * pairs * (neurons - 1) + 2);
  let done = 0;
  const values = async (layer: number, sets: readonly Uint32Array[]): Promise<number[]> => {
    options.signal?.throwIfAborted();
    const interventions = sets.map((absent): Intervention =>
      absent.length === 0 ? [] : [{ layer, site, neurons: absent }]
    );
    const run = { ...(options.signal && { signal: options.signal }), objective };
    const results = await engine.objective(examples, interventions, run);
    done += sets.length;
    options.onProgress?.({ stage: "shapley", done, total, unit: "sets" });
    return results.map((byExample) => byExample.reduce((sum, value) => sum + value, 0) / examples.length);
  };
  let spread = 0;
  for (const layer of settings.layers) {
    const everyNeuron = Array.from({ length: neurons }, (_, neuron) => neuron);
    const [all, none] = await values(layer, [new Uint32Array(), Uint32Array.from(everyNeuron)]);
    const orders = Array.from({ length: pairs }, () => {
      const order = random.shuffle([...everyNeuron]);
      return [order, order.toReversed()];
    }).flat();
    // Set s of an order has its first s + 1 neurons present; the empty and the full set are known.
    const evaluated: number[] = [];
    const setsPerOrder = neurons - 1;
    const count = orders.length * setsPerOrder;
    for (let first = 0; first < count; first += setsPerCall) {
      const sets = Array.from({ length: Math.min(setsPerCall, count - first) }, (_, i) => {
        const order = orders[Math.floor((first + i) / setsPerOrder)];
        return Uint32Array.from(order.slice((first + i) % setsPerOrder + 1)).sort();
      });
      evaluated.push(...await values(layer, sets));
    }
    const sums = new Float64Array(neurons);
    const squares = new Float64Array(neurons);
    for (let pair = 0; pair < pairs; pair++) {
      const gains = new Float64Array(neurons);
      for (const index of [2 * pair, 2 * pair + 1]) {
        let before = none;
        orders[index].forEach((neuron, place) => {
          const after = place === setsPerOrder ? all : evaluated[index * setsPerOrder + place];
          gains[neuron] += (after - before) / 2;
          before = after;
        });
      }
      gains.forEach((gain, neuron) => {
        // The running mean and sum of squares of Welford: no two large sums are subtracted.
        const delta = gain - sums[neuron];
        sums[neuron] += delta / (pair + 1);
        squares[neuron] += delta * (gain - sums[neuron]);
      });
    }
    const mean = sums.reduce((sum, value) => sum + value, 0) / neurons;
    spread += Math.sqrt(sums.reduce((sum, value) => sum + (value - mean) ** 2, 0) / neurons) / settings.layers.length;
    scores.values.set(sums, layer * neurons);
    standardErrors.set(squares.map((square) => Math.sqrt(square / (pairs - 1) / pairs)), layer * neurons);
  }
  const scoredNeurons = settings.layers.length * neurons;
  return {
    scores,
    standardErrors,
    meanStandardError: standardErrors.reduce((sum, error) => sum + error, 0) / scoredNeurons,
    meanSpread: spread,
    evaluations: total,
    settings,
    seconds: secondsSince(start),
  };
}
