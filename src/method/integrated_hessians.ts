/**
 * Integrated Hessians of the neurons of a layer: how much of M - M(off) is due to each pair of neurons, and to each
 * neuron alone. arXiv:2002.04138.
 *
 * Each neuron j of the layer has a factor c[j] on its pre-activation, 1 in the model and 0 at the baseline, so that
 * plain Integrated Gradients with respect to c are the attributions of this package. With f(c) = M, G its gradient and
 * H its Hessian along the diagonal c = s,
 *
 * - `Gamma[i,j] = int int ab H[i,j](ab) da db` for i != j,
 * - `Gamma[i,i] = int int ab H[i,i](ab) da db + int int G[i](ab) da db`, a and b over [0,1].
 *
 * Both integrands depend on s = ab only, whose density is -ln s: `int int F(ab) da db = int_0^1 -ln(s) F(s) ds`, one
 * integral instead of two. It is taken by the nodes of Gauss and Legendre with weights that are exact for polynomials
 * times -ln s. H comes from differences of exact gradients: row i of it is (G(s + e on neuron i) - G(s)) / e.
 *
 * The rows add up to Integrated Gradients, `sum_j Gamma[i,j] = IG[i]` (interaction completeness): summed whole, the
 * Hessians rank neurons as Integrated Gradients do. What they add is the split of that sum.
 */
import { type Engine, type Objective, type RunOptions, type Site, siteNeurons } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { checkLayers, emptyScores, type NeuronScores } from "./neuron_scores.ts";
import { secondsSince } from "./progress.ts";
import { quadratureRule } from "./quadrature.ts";

/**
 * The sum that scores neuron i.
 *
 * - `interaction`: sum over j != i of Gamma[i,j], what it does together with others
 * - `absolute`: sum over j != i of |Gamma[i,j]|, how much it interacts
 * - `main`: Gamma[i,i], what it does alone
 * - `total`: the whole row, which is Integrated Gradients
 */
export type HessianSum = "interaction" | "absolute" | "main" | "total";

/** All sums. */
export const hessianSums: readonly HessianSum[] = ["interaction", "absolute", "main", "total"];

/** What decides the result: every field of `HessianOptions` that changes it, with its default filled in. */
export interface HessianSettings {
  /** Whose neurons are scored. Default `gate`. */
  readonly site: Site;
  /** Default `max-logit`. */
  readonly objective: Objective;
  /** Layers to score. Default: all. */
  readonly layers: readonly number[];
  /** Which sum is the score. Default `interaction`. */
  readonly sum: HessianSum;
  /** Nodes on [0,1] that a layer and example start with, 1..64. Default 6. */
  readonly nodes: number;
  /** Nodes they end with at the latest, `nodes`..64. Default 24, or `nodes` if that is more. */
  readonly maxNodes: number;
  /** Completeness error above which a layer and example gets more nodes. Default 0.02. */
  readonly tolerance: number;
  /** Step e of the differences, relative to a neuron's full factor. Default 1e-6. */
  readonly step: number;
}

/** Options of `integratedHessians`. */
export interface HessianOptions extends RunOptions, Partial<HessianSettings> {
  /** Also return Gamma of each scored layer. Default false. */
  readonly keepMatrices?: boolean;
}

/** What `integratedHessians` found; means over the examples. */
export interface HessianResult {
  /** The sum asked for. */
  readonly scores: NeuronScores;
  /** Every sum, row-major as the scores `[L*H]`. `absolute` is the mean of the examples' sums of sizes. */
  readonly sums: Readonly<Record<HessianSum, Float32Array>>;
  /** Integrated Gradients with the same nodes, row-major as the scores. */
  readonly integratedGradients: Float32Array;
  /** Largest |sum_j Gamma[i,j] - IG[i]| of a layer and example over its largest |IG|, the worst of all. */
  readonly completenessError: number;
  /** Layers and examples whose error is above the tolerance. */
  readonly unconverged: number;
  /** Gamma of each scored layer, row-major `[H,H]`; present with `keepMatrices`. */
  readonly matrices?: readonly Float64Array[];
  /** Gradients taken, trials of fewer nodes included. */
  readonly gradients: number;
  /** The options with their defaults filled in. */
  readonly settings: HessianSettings;
  /** Wall time. */
  readonly seconds: number;
}

const mostNodes = 64;

/**
 * Integrated Hessians of every neuron with every other one of its layer, summed to a score a neuron.
 *
 * It costs `nodes (H + 1)` forward and backward passes of every example from each layer up, in float64: for small
 * models and few examples. What is still above the tolerance at `maxNodes` is counted, it is never an error.
 *
 * @throws {RangeError} If the engine has no `factorGradients` (only the reference engine has), there is no example, or
 * an option is out of range.
 */
export async function integratedHessians(
  engine: Engine,
  examples: readonly Example[],
  options: HessianOptions = {},
): Promise<HessianResult> {
  const start = performance.now();
  if (!engine.factorGradients) {
    throw new RangeError(
      `Cannot take Integrated Hessians on the engine ${engine.info.kind}: expected one with factorGradients, such as reference`,
    );
  }
  const settings = resolveSettings(engine, examples, options);
  const neurons = siteNeurons(engine.config, settings.site);
  const scores = emptyScores(engine.config, settings.site, settings.layers);
  const length = scores.values.length;
  const sums = {
    interaction: new Float64Array(length),
    absolute: new Float64Array(length),
    main: new Float64Array(length),
    total: new Float64Array(length),
  };
  const attributions = new Float64Array(length);
  const matrices: Float64Array[] = [];
  let completenessError = 0;
  let unconverged = 0;
  let gradients = 0;
  const paths = settings.layers.length * examples.length;
  let done = 0;
  for (const layer of settings.layers) {
    const mean = new Float64Array(options.keepMatrices ? neurons * neurons : 0);
    for (const example of examples) {
      const { gamma, own, error, taken } = await refinePath(engine, example, layer, settings, options.signal);
      gradients += taken;
      completenessError = Math.max(completenessError, error);
      unconverged += Number(error > settings.tolerance);
      for (let i = 0; i < neurons; i++) {
        const at = layer * neurons + i;
        const row = gamma.subarray(i * neurons, (i + 1) * neurons);
        const rowSum = row.reduce((sum, value) => sum + value, 0);
        const rowSize = row.reduce((sum, value) => sum + Math.abs(value), 0);
        sums.main[at] += row[i] / examples.length;
        sums.interaction[at] += (rowSum - row[i]) / examples.length;
        sums.absolute[at] += (rowSize - Math.abs(row[i])) / examples.length;
        sums.total[at] += rowSum / examples.length;
        attributions[at] += own[i] / examples.length;
      }
      for (let i = 0; i < mean.length; i++) mean[i] += gamma[i] / examples.length;
      options.onProgress?.({ stage: "integrated hessians", done: ++done, total: paths, unit: "paths" });
    }
    if (options.keepMatrices) matrices.push(mean);
  }
  const rounded = {
    interaction: Float32Array.from(sums.interaction),
    absolute: Float32Array.from(sums.absolute),
    main: Float32Array.from(sums.main),
    total: Float32Array.from(sums.total),
  };
  return {
    scores: { ...scores, values: rounded[settings.sum] },
    sums: rounded,
    integratedGradients: Float32Array.from(attributions),
    completenessError,
    unconverged,
    ...(options.keepMatrices && { matrices }),
    gradients,
    settings,
    seconds: secondsSince(start),
  };
}

/** Integrated Hessians of one layer and example. */
interface PathHessians {
  /** Gamma, row-major `[H,H]`. */
  readonly gamma: Float64Array;
  /** Integrated Gradients `[H]`. */
  readonly own: Float64Array;
  /** Completeness error. */
  readonly error: number;
  /** Gradients taken, trials included. */
  readonly taken: number;
}

/** Gradients with respect to the factors of one layer and example at some points. */
type GradientsAt = (points: readonly Float64Array[]) => Promise<Float64Array[]>;

/**
 * Integrated Hessians with as many nodes as it takes for the rows to add up to Integrated Gradients, or `maxNodes`.
 * Whether they will is tried beforehand with two gradients a node, since a row sum needs differences in one direction
 * only.
 */
async function refinePath(
  engine: Engine,
  example: Example,
  layer: number,
  settings: HessianSettings,
  signal: AbortSignal | undefined,
): Promise<PathHessians> {
  const { site, objective, step, tolerance, maxNodes } = settings;
  const neurons = siteNeurons(engine.config, site);
  let taken = 0;
  const gradientsAt: GradientsAt = async (points) => {
    signal?.throwIfAborted();
    taken += points.length;
    const options = { layer, points, site, objective, ...(signal && { signal }) };
    return (await engine.factorGradients!([example], options)).map(([gradient]) => gradient);
  };
  let { nodes } = settings;
  while (nodes < maxNodes && await probeRows(gradientsAt, neurons, nodes, step) > tolerance) {
    nodes = Math.min(nodes + Math.ceil(nodes / 3), maxNodes);
  }
  const { gamma, own } = await integratePath(gradientsAt, neurons, nodes, step);
  const sums = Float64Array.from(
    own,
    (_, i) => gamma.subarray(i * neurons, (i + 1) * neurons).reduce((sum, value) => sum + value, 0),
  );
  return { gamma, own, error: rowError(sums, own), taken };
}

/**
 * The completeness error that `integratePath` will have: H times a vector of ones takes the place of the sum of its
 * columns.
 */
async function probeRows(gradientsAt: GradientsAt, neurons: number, nodes: number, step: number): Promise<number> {
  const rule = quadratureRule("gauss-legendre", nodes);
  const logWeights = logarithmicWeights(nodes);
  const points = [...rule.nodes].flatMap((s) => [s, s + step].map((factor) => new Float64Array(neurons).fill(factor)));
  const gradients = await gradientsAt(points);
  const sums = new Float64Array(neurons);
  const own = new Float64Array(neurons);
  rule.nodes.forEach((s, a) => {
    const [gradient, moved] = gradients.slice(2 * a, 2 * a + 2);
    for (let i = 0; i < neurons; i++) {
      own[i] += rule.weights[a] * gradient[i];
      sums[i] += logWeights[a] * (gradient[i] + s * (moved[i] - gradient[i]) / step);
    }
  });
  return rowError(sums, own);
}

async function integratePath(
  gradientsAt: GradientsAt,
  neurons: number,
  nodes: number,
  step: number,
): Promise<Pick<PathHessians, "gamma" | "own">> {
  const rule = quadratureRule("gauss-legendre", nodes);
  const logWeights = logarithmicWeights(nodes);
  const gamma = new Float64Array(neurons * neurons);
  const own = new Float64Array(neurons);
  for (let a = 0; a < nodes; a++) {
    const s = rule.nodes[a];
    const points = Array.from({ length: neurons + 1 }, (_, moved) => {
      const point = new Float64Array(neurons).fill(s);
      if (moved > 0) point[moved - 1] += step;
      return point;
    });
    const [gradient, ...moved] = await gradientsAt(points);
    for (let i = 0; i < neurons; i++) {
      own[i] += rule.weights[a] * gradient[i];
      gamma[i * neurons + i] += logWeights[a] * gradient[i];
      for (let j = 0; j < neurons; j++) {
        gamma[i * neurons + j] += logWeights[a] * s * (moved[i][j] - gradient[j]) / step;
      }
    }
  }
  return { gamma, own };
}

/**
 * Weights v at the Gauss-Legendre nodes s of [0,1] with `sum_a v_a F(s_a) = int_0^1 -ln(s) F(s) ds` for polynomials F
 * of degree below `nodes`.
 *
 * From the moments of -ln s against the shifted Legendre polynomials, 1 for degree 0 and (-1)^k / (k (k + 1)) above;
 * the polynomials are orthogonal under the rule too, which turns moments into weights without solving a system.
 */
export function logarithmicWeights(nodes: number): Float64Array {
  const rule = quadratureRule("gauss-legendre", nodes);
  return rule.weights.map((weight, a) => {
    const x = 2 * rule.nodes[a] - 1;
    let [previous, polynomial] = [0, 1];
    let sum = 0;
    for (let k = 0; k < nodes; k++) {
      const moment = k === 0 ? 1 : (k % 2 === 0 ? 1 : -1) / (k * (k + 1));
      sum += (2 * k + 1) * moment * polynomial;
      [previous, polynomial] = [polynomial, ((2 * k + 1) * x * polynomial - k * previous) / (k + 1)];
    }
    return weight * sum;
  });
}

/** Largest difference between the row sums `[H]` and Integrated Gradients `[H]`, relative to the largest of these. */
function rowError(sums: Float64Array, own: Float64Array): number {
  const scale = own.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  if (scale === 0) return 0;
  return sums.reduce((worst, sum, i) => Math.max(worst, Math.abs(sum - own[i])), 0) / scale;
}

function resolveSettings(engine: Engine, examples: readonly Example[], options: HessianOptions): HessianSettings {
  const { site = "gate", objective = "max-logit", sum = "interaction", nodes = 6, step = 1e-6 } = options;
  const { maxNodes = Math.max(24, nodes), tolerance = 0.02 } = options;
  if (examples.length === 0) {
    throw new RangeError("Cannot take Integrated Hessians of 0 examples: expected at least one");
  }
  if (!hessianSums.includes(sum)) {
    throw new RangeError(`Cannot sum Integrated Hessians by "${sum}": expected one of ${hessianSums.join(", ")}`);
  }
  if (
    !Number.isInteger(nodes) || !Number.isInteger(maxNodes) || nodes < 1 || nodes > maxNodes || maxNodes > mostNodes
  ) {
    throw new RangeError(
      `Cannot take Integrated Hessians with ${nodes} to ${maxNodes} nodes: expected ascending integers in 1..${mostNodes}`,
    );
  }
  if (!(tolerance > 0)) {
    throw new RangeError(`Cannot take Integrated Hessians with tolerance ${tolerance}: expected a number above 0`);
  }
  if (!(step > 0 && step < 1)) {
    throw new RangeError(`Cannot take Integrated Hessians with step ${step}: expected a number between 0 and 1`);
  }
  return { site, objective, layers: checkLayers(options.layers, engine.config), sum, nodes, maxNodes, tolerance, step };
}
