/** Cases of `attribution_fused_*` and `attribution_fold`. */
import { fold, foldThroughDown } from "../../../src/ops/attribution.ts";
import type { StoredType } from "../../../src/ops/weight_matrix.ts";
import { gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import { productGradient } from "../../../src/engine/webgpu/proofs/oracles/matmul.ts";
import { attribution, swiglu } from "../../../src/engine/webgpu/proofs/oracles/swiglu.ts";
import type { Workspace } from "../support.ts";
import { packVariants, type VariantEntry } from "../../../src/engine/webgpu/proofs/tables.ts";
import { roundWeights } from "../weights.ts";

/** Parameters that both kernels have. */
export interface FoldParameters {
  /** Neurons, or output dimensions where the site is `down`. */
  readonly H: number;
  /** Rows of each pair; its sums go to a row of scores of its own. */
  readonly pairs: readonly number[];
  readonly site: "gate" | "up" | "down";
  /** Row of the gradient that belongs to the first pair's first row. */
  readonly from?: number;
  /** |g| */
  readonly magnitude?: number;
}

/** Parameters of the fused kernel. */
export interface FusedParameters extends FoldParameters {
  readonly site: "gate" | "up";
  /** Width of the layer's output. */
  readonly D: number;
  readonly type: "f32" | "bf16" | "f16";
  /** Rows of the parts the weights are split over. */
  readonly parts?: readonly number[];
}

/** Scores of the pairs lie in rows 1 to P, so that both neighbours are guarded. */
const FIRST_SCORE_ROW = 1;

/** A case of `attribution_fold`. */
export function foldCase(parameters: FoldParameters): KernelCase {
  const { H, pairs, site, from = 0, magnitude = 0 } = parameters;
  const name = caseName("attribution_fold", { H, pairs, site, from, x: magnitude });
  const draw = () => {
    const data = new CaseData(name);
    const drawn = drawFold(data, parameters);
    return { ...drawn, d: data.values(drawn.variants.length * H) };
  };
  return {
    name,
    async prepare(workspace) {
      const { d, ...drawn } = draw();
      const uploaded = await uploadFold(workspace, parameters, drawn);
      const { context } = workspace;
      const gradient = await workspace.input("d", d, { rows: drawn.variants.length, columns: H, first: from });
      return {
        record: () => {
          const { g, u, tables, scores } = uploaded;
          fold(context, gradient, g, site === "down" ? undefined : u, site, tables, scores, from);
        },
        results: () => readScores(workspace, uploaded, foldOracle(parameters, drawn, d)),
      };
    },
    ...(H * Math.max(...pairs) < 2000 && {
      gradientError: () => {
        const { g, u, variants, d } = draw();
        const gradient = attribution(site, g, u, d, variants, [0, pairs[0]], H);
        // One factor per neuron, around the factor of the variant; M is linear in the output with slope weight * d.
        return gradientError(
          (factors) => {
            let sum = 0;
            for (let r = 0; r < pairs[0]; r++) {
              const { source, alphaGate, alphaUp, weight } = variants[r];
              for (let j = 0; j < H; j++) {
                const entry = {
                  source: 0,
                  alphaGate: alphaGate + (site === "gate" ? factors[j] : 0),
                  alphaUp: alphaUp + (site === "up" ? factors[j] : 0),
                  alphaDown: 1,
                };
                const at = source * H + j;
                const output = site === "down"
                  ? (1 + factors[j]) * g[at]
                  : swiglu(g.subarray(at, at + 1), u.subarray(at, at + 1), [entry], 1)[0];
                sum += weight * d[r * H + j] * output;
              }
            }
            return sum;
          },
          new Float64Array(H),
          gradient,
          1e-3 / (magnitude || 1),
        );
      },
    }),
  };
}

/** A case of `attribution_fused_*`. */
export function fusedCase(parameters: FusedParameters): KernelCase {
  const { H, D, pairs, site, type, from = 0, magnitude = 0, parts } = parameters;
  const name = caseName("attribution_fused", { D, H, pairs, site, type, from, x: magnitude, parts });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const drawn = drawFold(data, parameters);
      const rows = drawn.variants.length;
      const stored = type.toUpperCase() as StoredType;
      const weights = roundWeights(stored, data.values(D * H, { scale: 1 / Math.sqrt(D) }));
      const dy = data.values(rows * D);
      const uploaded = await uploadFold(workspace, parameters, drawn);
      const gradient = await workspace.input("dy", dy, { rows, columns: D, first: from });
      const w = await workspace.weights("down", stored, weights, [D, H], parts);
      return {
        record: () => {
          const { g, u, tables, scores } = uploaded;
          foldThroughDown(workspace.context, gradient, w, g, u, site, tables, scores, from);
        },
        results: () =>
          readScores(workspace, uploaded, foldOracle(parameters, drawn, productGradient(dy, weights, [rows, H, D]))),
      };
    },
  };
}

interface FoldData {
  readonly g: Float64Array;
  readonly u: Float64Array;
  readonly variants: readonly VariantEntry[];
  /** Row of scores of each pair. */
  readonly scoreRows: readonly number[];
  /** Scores before the fold, `[pairs, H]`. */
  readonly before: Float64Array;
}

function drawFold(data: CaseData, { H, pairs, magnitude = 0 }: FoldParameters): FoldData {
  const rows = pairs.reduce((sum, count) => sum + count, 0);
  // Fewer rows of g and u than variants: path nodes share them.
  const sources = Math.ceil(rows / 2);
  const eighths = data.integers(3 * rows, 8);
  return {
    g: data.values(sources * H, { scale: 2, magnitude }),
    u: data.values(sources * H),
    before: data.values(pairs.length * H),
    scoreRows: data.permutation(pairs.length),
    variants: data.integers(rows, sources).map((source, r) => ({
      source,
      alphaGate: eighths[3 * r] / 8,
      alphaUp: (1 + eighths[3 * r + 1]) / 8,
      weight: (1 + eighths[3 * r + 2]) / 8,
    })),
  };
}

async function uploadFold(workspace: Workspace, { H, pairs }: FoldParameters, drawn: FoldData) {
  const block = { rows: drawn.g.length / H, columns: H };
  const words = packVariants(
    drawn.variants,
    pairs.map((rows, pair) => [rows, FIRST_SCORE_ROW + drawn.scoreRows[pair]]),
  );
  return {
    g: await workspace.input("g", drawn.g, block),
    u: await workspace.input("u", drawn.u, block),
    tables: {
      variants: await workspace.words("variants", words.variants),
      pairs: await workspace.words("pairs", words.pairs),
      pairCount: pairs.length,
      variantCount: drawn.variants.length,
    },
    scores: await workspace.output("scores", { rows: pairs.length, columns: H, first: FIRST_SCORE_ROW }, {
      initial: drawn.before,
      zeroPadding: true,
    }),
  };
}

function foldOracle({ H, pairs, site }: FoldParameters, drawn: FoldData, d: Float64Array): Float64Array {
  const { g, u, variants, scoreRows, before } = drawn;
  const scores = before.slice();
  let first = 0;
  pairs.forEach((rows, pair) => {
    const sums = attribution(site, g, u, d, variants, [first, first + rows], H);
    sums.forEach((sum, j) => scores[scoreRows[pair] * H + j] += sum);
    first += rows;
  });
  return scores;
}

async function readScores(
  workspace: Workspace,
  { scores }: Awaited<ReturnType<typeof uploadFold>>,
  expected: Float64Array,
) {
  const [actual] = await workspace.read(scores);
  return [{ name: "scores", tolerance: "attribution" as const, actual, expected }];
}

/** The table of the fold from memory. */
export const foldCases: readonly KernelCase[] = [
  foldCase({ H: 1, pairs: [1], site: "gate" }),
  foldCase({ H: 100, pairs: [3, 1, 17], site: "gate", from: 2 }),
  foldCase({ H: 100, pairs: [3, 1, 17], site: "up" }),
  foldCase({ H: 100, pairs: [3, 1, 17], site: "down", from: 5 }),
  foldCase({ H: 1030, pairs: [5, 64], site: "gate" }),
  foldCase({ H: 300, pairs: [2, 2, 2, 2, 2, 2, 2], site: "up", from: 1 }),
  foldCase({ H: 70, pairs: [4, 9], site: "gate", magnitude: 150 }),
  foldCase({ H: 70, pairs: [4, 9], site: "up", magnitude: 150 }),
];

/** The table of the fused fold. */
export const fusedCases: readonly KernelCase[] = [
  fusedCase({ D: 1, H: 1, pairs: [1], site: "gate", type: "f32" }),
  fusedCase({ D: 72, H: 100, pairs: [1, 17, 40], site: "gate", type: "f32" }),
  fusedCase({ D: 72, H: 100, pairs: [1, 17, 40], site: "gate", type: "bf16", from: 3 }),
  fusedCase({ D: 72, H: 100, pairs: [1, 17, 40], site: "up", type: "f16" }),
  fusedCase({ D: 20, H: 32, pairs: [16], site: "up", type: "f32", from: 1 }),
  fusedCase({ D: 64, H: 64, pairs: [32, 64], site: "gate", type: "f16" }),
  fusedCase({ D: 5, H: 333, pairs: [2, 1, 1, 3, 33], site: "gate", type: "bf16" }),
  fusedCase({ D: 600, H: 50, pairs: [7, 20], site: "up", type: "bf16", from: 9 }),
  fusedCase({ D: 40, H: 90, pairs: [12, 5], site: "gate", type: "f32", magnitude: 150 }),
  fusedCase({ D: 40, H: 90, pairs: [12, 5], site: "gate", type: "f32", parts: [16, 24] }),
  fusedCase({ D: 83, H: 70, pairs: [1, 33], site: "up", type: "bf16", parts: [8, 40, 40], from: 2 }),
];
