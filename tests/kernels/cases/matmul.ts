/** Cases of `matmul_nt_*` and `matmul_nn_*`. */
import { padded } from "../../../src/ops/context.ts";
import { matmul, matmulBackward } from "../../../src/ops/matmul.ts";
import type { StoredType } from "../../../src/ops/weight_matrix.ts";
import { dot, gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import { product, productGradient } from "../../../src/engine/webgpu/proofs/oracles/matmul.ts";
import { roundWeights } from "../weights.ts";

/** Parameters of a product by weights `[N, K]`. */
export interface MatmulParameters {
  /** `nt`: y = x wᵀ. `nn`: dx = dy w. */
  readonly kernel: "nt" | "nn";
  /** Rows of the left operand. */
  readonly T: number;
  readonly K: number;
  readonly N: number;
  readonly type: "f32" | "bf16" | "f16";
  readonly accumulate?: boolean;
  /** First row of the left operand and of the result. */
  readonly from?: number;
  readonly to?: number;
  /** Rows of the parts the weights are split over. */
  readonly parts?: readonly number[];
  /** Floats between the padded rows of the left operand and of the result. */
  readonly gap?: number;
  /** |x|, the magnitude of the left operand's elements. Default: standard normal. */
  readonly magnitude?: number;
}

/** The case of some parameters. */
export function matmulCase(parameters: MatmulParameters): KernelCase {
  const { kernel, T, K, N, type, accumulate = false, from = 0, to = 0, parts, gap = 0, magnitude = 0 } = parameters;
  const name = caseName(`matmul_${kernel}`, {
    T,
    K,
    N,
    type,
    accumulate,
    from,
    to,
    parts,
    gap,
    x: magnitude,
  });
  const nt = kernel === "nt";
  const [columnsIn, columnsOut] = nt ? [K, N] : [N, K];
  const draw = () => {
    const data = new CaseData(name);
    const stored = type.toUpperCase() as StoredType;
    return {
      stored,
      left: data.values(T * columnsIn, { magnitude }),
      weights: roundWeights(stored, data.values(N * K, { scale: 1 / Math.sqrt(columnsIn) })),
      before: data.values(T * columnsOut),
    };
  };
  const oracle = nt ? product : productGradient;
  return {
    name,
    async prepare(workspace) {
      const { stored, left, weights, before } = draw();
      const expected = oracle(left, weights, [T, K, N]);
      if (accumulate) before.forEach((value, i) => expected[i] += value);
      const x = await workspace.input("left operand", left, {
        rows: T,
        columns: columnsIn,
        first: from,
        stride: padded(columnsIn) + gap,
      });
      const y = await workspace.output("product", {
        rows: T,
        columns: columnsOut,
        first: to,
        stride: padded(columnsOut) + gap,
      }, { zeroPadding: true, ...(accumulate && { initial: before }) });
      const w = await workspace.weights("weights", stored, weights, [N, K], parts);
      return {
        record: () => (nt ? matmul : matmulBackward)(workspace.context, x, w, y, { rows: T, from, to, accumulate }),
        results: async () => {
          const [actual] = await workspace.read(y);
          return [{ name: nt ? "y" : "dx", tolerance: "matmul", actual, expected }];
        },
      };
    },
    ...(!nt && T * K * N < 1e4 && {
      gradientError: () => {
        const { left: dy, weights } = draw();
        const x = new CaseData(`${name} x`).values(T * K);
        return gradientError((at) => dot(dy, product(at, weights, [T, K, N])), x, oracle(dy, weights, [T, K, N]));
      },
    }),
  };
}

/** Shapes both products are run with: no tile fits, one does exactly, several do with and without a rest. */
const SHAPES: readonly Omit<MatmulParameters, "kernel">[] = [
  { T: 1, K: 8, N: 8, type: "f32" },
  { T: 1, K: 1, N: 1, type: "f32" },
  { T: 2, K: 5, N: 3, type: "bf16" },
  { T: 7, K: 12, N: 20, type: "f16" },
  { T: 16, K: 64, N: 32, type: "f32" },
  { T: 17, K: 72, N: 33, type: "bf16" },
  { T: 64, K: 64, N: 64, type: "f16" },
  { T: 65, K: 136, N: 130, type: "f16" },
  { T: 130, K: 40, N: 72, type: "f32" },
  { T: 33, K: 2048, N: 100, type: "bf16" },
  { T: 3, K: 100, N: 2048, type: "f16" },
  { T: 20, K: 48, N: 50, type: "f32", accumulate: true },
  { T: 20, K: 48, N: 50, type: "bf16", accumulate: true },
  { T: 18, K: 36, N: 44, type: "f16", from: 5, to: 2, gap: 16 },
  { T: 70, K: 80, N: 90, type: "f32", from: 1, to: 70, gap: 8, accumulate: true },
  { T: 35, K: 60, N: 83, type: "f32", parts: [8, 40, 40] },
  { T: 35, K: 60, N: 83, type: "bf16", parts: [40, 40, 8], accumulate: true },
  { T: 9, K: 200, N: 72, type: "f16", parts: [64, 8], from: 4, to: 1 },
  { T: 20, K: 256, N: 40, type: "f32", magnitude: 150 },
  { T: 20, K: 256, N: 40, type: "f16", magnitude: 150 },
];

/** The table of the product. */
export const matmulCases: readonly KernelCase[] = SHAPES.map((shape) => matmulCase({ kernel: "nt", ...shape }));

/** The table of its gradient. */
export const matmulGradientCases: readonly KernelCase[] = SHAPES.map((shape) => matmulCase({ kernel: "nn", ...shape }));
