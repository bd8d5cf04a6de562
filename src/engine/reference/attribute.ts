/**
 * Integrated Gradients along the path that scales a site by alpha, one full forward and backward pass per node:
 *
 * `IG[l,j] = sum_a w_a sum_t dM/dz[l,t,j](alpha_a) * g[l,t,j](alpha_a)`, `z = alpha * g`,
 *
 * where g is the site's pre-activation as the weights make it, or 0 where a base intervention switches the neuron off.
 * On the path of one layer g does not depend on alpha; on the joint path it does above the first layer, because the
 * layers below are scaled too.
 */
import type { Example } from "../../tasks/example.ts";
import { type AttributeOptions, type PairAttribution, siteNeurons } from "../engine.ts";
import { backward } from "./backward.ts";
import { forward, type ForwardPass, logitsAt } from "./forward.ts";
import { chooseTarget, objectiveGradient, objectiveValue, type Target } from "./objective.ts";
import type { Pacer } from "./pacer.ts";
import { joinScalings, pathScalings, scale, type Scalings, unscaled } from "./scaling.ts";
import type { Model } from "./weights.ts";

/** The path of one example: which layers are scaled together, where, and what is differentiated. */
export interface PathOptions extends Required<Pick<AttributeOptions, "rule" | "site" | "positions" | "objective">> {
  /** Layers scaled by the same alpha, ascending. */
  readonly layers: readonly number[];
  /** What is switched off on the whole path. */
  readonly base: Scalings;
}

/** M(1) of an example and the tokens it looks at. */
export interface CleanRun {
  readonly target: Target;
  readonly objectiveAtOne: number;
}

/** Runs the unmodified model, or the one under `base`, on an example's prompt and chooses the target. */
export function runClean(
  model: Model,
  example: Example,
  objective: PathOptions["objective"],
  base: Scalings = unscaled,
): CleanRun {
  const last = example.prompt.length - 1;
  const logits = logitsAt(model, forward(model, example.prompt, { firstRow: last, scalings: base }), last);
  const target = chooseTarget(objective, logits, example);
  return { target, objectiveAtOne: objectiveValue(target, logits) };
}

/** Integrates one path of one example; one result per layer of `options.layers`, in their order. */
export async function integratePath(
  model: Model,
  example: Example,
  clean: CleanRun,
  options: PathOptions,
  pacer: Pacer,
): Promise<Omit<PairAttribution, "example">[]> {
  const { layers, rule, site, positions, base } = options;
  const { prompt } = example;
  const last = prompt.length - 1;
  const firstPosition = positions === "last" ? last : 0;
  const lowest = Math.min(...layers);
  const scores = new Map(layers.map((layer) => [layer, new Float64Array(siteNeurons(model.config, site))]));

  const run = (alpha: number, keepFrom?: number): { pass: ForwardPass; logits: Float64Array } => {
    const scalings = joinScalings(base, pathScalings(model.config, layers, site, alpha, firstPosition));
    const pass = forward(model, prompt, { firstRow: last, scalings, keepFrom });
    return { pass, logits: logitsAt(model, pass, last) };
  };
  for (let a = 0; a < rule.nodes.length; a++) {
    await pacer.pause();
    const { pass, logits } = run(rule.nodes[a], lowest);
    const dLogits = objectiveGradient(clean.target, logits);
    backward(model, pass, last, dLogits, lowest, (layer, { feedForward }, gradients) => {
      addRowProducts(
        scale(feedForward.preActivation[site], site, base.get(layer) ?? []),
        gradients[site],
        firstPosition,
        rule.weights[a],
        scores.get(layer),
      );
    });
  }
  await pacer.pause();
  const objectiveAtZero = objectiveValue(clean.target, run(0).logits);
  const { objectiveAtOne, target } = clean;
  return layers.map((layer) => ({
    layer,
    scores: scores.get(layer)!,
    objectiveAtOne,
    objectiveAtZero,
    targetToken: target.token,
    otherToken: target.other ?? null,
  }));
}

/**
 * What is asked of {@linkcode factorGradient}: the layer and site whose neurons have factors, and what is
 * differentiated.
 */
export interface FactorPath {
  readonly layer: number;
  readonly site: PathOptions["site"];
  readonly target: Target;
  /** Residual stream entering the layer, which no factor changes. */
  readonly residual: Float64Array;
}

/** Prepares gradients with respect to factors on one layer's neurons. */
export function factorPath(
  model: Model,
  example: Example,
  { layer, site, objective }: Pick<FactorPath, "layer" | "site"> & Pick<PathOptions, "objective">,
): FactorPath {
  const last = example.prompt.length - 1;
  const pass = forward(model, example.prompt, { firstRow: last, keepFrom: layer });
  const target = chooseTarget(objective, logitsAt(model, pass, last), example);
  return { layer, site, target, residual: pass.tapes[layer]!.input };
}

/**
 * Gradient of M with respect to a factor on each neuron of one layer's site, at given factors:
 * `dM/dc[j] = sum_t dM/dz[t,j] * g[t,j]`, `z[t,j] = c[j] * g[t,j]`.
 */
export function factorGradient(
  model: Model,
  { prompt }: Example,
  { layer, site, target, residual }: FactorPath,
  factors: Float64Array,
): Float64Array {
  const last = prompt.length - 1;
  const scalings: Scalings = new Map([[layer, [{ site, factors, firstPosition: 0 }]]]);
  const pass = forward(model, prompt, { firstRow: last, scalings, keepFrom: layer, resume: { layer, residual } });
  const gradient = new Float64Array(factors.length);
  const dLogits = objectiveGradient(target, logitsAt(model, pass, last));
  backward(model, pass, last, dLogits, layer, (visited, { feedForward }, gradients) => {
    if (visited === layer) addRowProducts(feedForward.preActivation[site], gradients[site], 0, 1, gradient);
  });
  return gradient;
}

/** Adds `weight * sum_t gradient[t,j] * preActivation[t,j]` over the scaled positions to `scores[j]`. */
function addRowProducts(
  preActivation: Float64Array,
  gradient: Float64Array,
  firstPosition: number,
  weight: number,
  scores: Float64Array | undefined,
): void {
  if (scores === undefined) return;
  const n = scores.length;
  for (let start = firstPosition * n; start < gradient.length; start += n) {
    for (let j = 0; j < n; j++) scores[j] += weight * gradient[start + j] * preActivation[start + j];
  }
}
