/**
 * Every way to score neurons, by name: the one table that studies and programs list from. To add one, add its
 * name and its entry here.
 *
 * In all of them a higher score means pruned earlier.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Engine, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { createRandom } from "../tasks/random.ts";
import {
  ablationScores,
  gradientActivationScores,
  meanActivationScores,
  randomScores,
  weightMagnitudeScores,
} from "./baselines.ts";
import { type HessianSettings, integratedHessians } from "./integrated_hessians.ts";
import { negateScores, type NeuronScores } from "./neuron_scores.ts";
import { forStage } from "./progress.ts";
import { resolveScoreSettings, scoreNeurons, type ScoreSettings } from "./score.ts";
import { shapleyScores, type ShapleySettings } from "./shapley.ts";

/** What a method may need to score neurons. */
export interface AttributionInput extends RunOptions {
  /** The model. */
  readonly engine: Engine;
  /** The weights; needed where `needs` is `weights`. */
  readonly checkpoint?: Pick<Checkpoint, "config" | "readF32">;
  /** The examples that neurons are scored on; needed where `needs` is `gradients`, `passes` or `activations`. */
  readonly examples: readonly Example[];
  /** Site, objective and layers hold for every method; the rest for those made of Integrated Gradients. */
  readonly score?: Partial<ScoreSettings>;
  /** For the method `shapley`. */
  readonly shapley?: Partial<Pick<ShapleySettings, "pairs">>;
  /** For the method `integrated-hessians`. */
  readonly hessians?: Partial<Pick<HessianSettings, "sum" | "nodes" | "maxNodes" | "tolerance" | "step">>;
  /** Seed of whatever is drawn, an integer in [0, 2^53). Default 0. */
  readonly seed?: number;
}

/** Scores, and what the method says about them. */
export interface Attribution {
  /** Higher means pruned earlier. */
  readonly scores: NeuronScores;
  /** Errors and settings of the method's own, such as `worstCompletenessError` or `meanStandardError`. */
  readonly details: Readonly<Record<string, number | string | null>>;
}

/** One way to score neurons. */
export interface AttributionMethod {
  /** What the score is, in a line. */
  readonly about: string;
  /** What it costs, with N examples, H neurons a layer and L layers, beside forward passes of the unmodified model. */
  readonly cost: string;
  /**
   * What it is made of: nothing, the weights, activations, gradients, forward passes, or second differences in float64.
   */
  readonly needs: "nothing" | "weights" | "activations" | "gradients" | "passes" | "hessians";
  /**
   * Scores the neurons.
   *
   * @throws {RangeError} If the input is out of range, or does not fit the method.
   */
  readonly score: (input: AttributionInput) => Promise<Attribution>;
}

/** Name of a way to score neurons. */
export type AttributionMethodName =
  | "integrated-gradients"
  | "integrated-gradients-joint"
  | "gradient-activation"
  | "ablation"
  | "shapley"
  | "integrated-hessians"
  | "mean-activation"
  | "weight-magnitude"
  | "lowest-attribution"
  | "random";

const integrate = async (input: AttributionInput, change: Partial<ScoreSettings> = {}): Promise<Attribution> => {
  const options = { ...input.score, ...change, ...forStage(input, "score") };
  const { scores, completenessError, nodesUsed } = await scoreNeurons(input.engine, input.examples, options);
  const { worst, mean, unconverged } = completenessError;
  const details = { worstCompletenessError: worst, meanCompletenessError: mean, unconverged, nodesUsed };
  return { scores, details };
};

/** Site, objective and layers of the input, with their defaults filled in. */
const commonSettings = ({ score = {}, engine }: AttributionInput) => {
  const { site, objective, layers } = resolveScoreSettings(score, engine);
  return { site, objective, layers };
};

/** Every way to score neurons, by name. */
export const attributionMethods: Readonly<Record<AttributionMethodName, AttributionMethod>> = {
  "integrated-gradients": {
    about: "the integral of the gradient along the path that scales one layer's neurons from 0 to 1",
    cost: "8 to 64 forward and backward passes a layer and example, shared below the layer",
    needs: "gradients",
    score: (input) => integrate(input),
  },
  "integrated-gradients-joint": {
    about: "the same along the path that scales all layers together",
    cost: "8 to 64 forward and backward passes an example",
    needs: "gradients",
    score: (input) => integrate(input, { path: "joint" }),
  },
  "gradient-activation": {
    about: "the gradient at the unmodified model times the activation",
    cost: "one forward and backward pass an example and layer",
    needs: "gradients",
    score: async (input) => ({
      scores: await gradientActivationScores(input.engine, input.examples, {
        ...input.score,
        ...forStage(input, "gradient x activation"),
      }),
      details: {},
    }),
  },
  "ablation": {
    about: "what the objective loses when one neuron alone is switched off",
    cost: "L H forward passes an example, shared below the layer",
    needs: "passes",
    score: async (input) => {
      const options = { ...commonSettings(input), ...forStage(input, "ablation") };
      return { scores: await ablationScores(input.engine, input.examples, options), details: {} };
    },
  },
  "shapley": {
    about: "what a neuron adds on average when a layer's neurons are switched on in random order",
    cost: "16 L H forward passes an example with 8 pairs of orders",
    needs: "passes",
    score: async (input) => {
      const options = {
        ...commonSettings(input),
        ...input.shapley,
        seed: input.seed ?? 0,
        ...forStage(input, "shapley"),
      };
      const { scores, meanStandardError, meanSpread, settings } = await shapleyScores(
        input.engine,
        input.examples,
        options,
      );
      return { scores, details: { meanStandardError, meanSpread, pairs: settings.pairs } };
    },
  },
  "integrated-hessians": {
    about: "the part of a neuron's attribution that it owes to its interactions with the layer's other neurons",
    cost: "6 to 24 times L (H + 1) forward and backward passes an example in float64",
    needs: "hessians",
    score: async (input) => {
      const options = { ...commonSettings(input), ...input.hessians, ...forStage(input, "integrated hessians") };
      const { scores, completenessError, unconverged, settings } = await integratedHessians(
        input.engine,
        input.examples,
        options,
      );
      return { scores, details: { sum: settings.sum, completenessError, unconverged } };
    },
  },
  "mean-activation": {
    about: "the mean size of a neuron's activation",
    cost: "one forward pass an example",
    needs: "activations",
    score: async (input) => {
      const { site, layers } = commonSettings(input);
      const scores = await meanActivationScores(input.engine, input.examples, {
        site,
        ...forStage(input, "activations"),
      });
      return { scores: { ...scores, scored: layers }, details: {} };
    },
  },
  "weight-magnitude": {
    about: "the Euclidean norm of a neuron's weights",
    cost: "one reading of the weights",
    needs: "weights",
    score: async (input) => {
      if (!input.checkpoint) {
        throw new RangeError("Cannot score by weight-magnitude without the weights: expected a checkpoint");
      }
      const { site, layers } = commonSettings(input);
      return { scores: { ...await weightMagnitudeScores(input.checkpoint, site), scored: layers }, details: {} };
    },
  },
  "lowest-attribution": {
    about: "Integrated Gradients turned round: the neurons that matter least, or hinder most, come first",
    cost: "that of integrated-gradients",
    needs: "gradients",
    score: async (input) => {
      const { scores, details } = await integrate(input);
      return { scores: negateScores(scores), details };
    },
  },
  "random": {
    about: "a random order",
    cost: "nothing",
    needs: "nothing",
    score: (input) => {
      const { site, layers } = commonSettings(input);
      const scores = randomScores(input.engine.config, site, createRandom(input.seed ?? 0));
      return Promise.resolve({ scores: { ...scores, scored: layers }, details: { seed: input.seed ?? 0 } });
    },
  },
};

/** All names, in the order of the table. */
export const attributionMethodNames: readonly AttributionMethodName[] = Object.keys(
  attributionMethods,
) as AttributionMethodName[];

/**
 * Scores neurons by the method of that name.
 *
 * @throws {RangeError} If there is no such method; and as the method throws.
 */
export async function scoreByMethod(name: AttributionMethodName, input: AttributionInput): Promise<Attribution> {
  if (!Object.hasOwn(attributionMethods, name)) {
    throw new RangeError(`Cannot score by "${name}": expected one of ${attributionMethodNames.join(", ")}`);
  }
  return await attributionMethods[name].score(input);
}
