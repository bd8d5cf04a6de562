/** Cases of `residual_rmsnorm` and `rmsnorm_backward`. */
import { padded } from "../../../src/ops/context.ts";
import { residualNorm, rmsnorm, rmsnormGradient } from "../../../src/ops/norm.ts";
import { dot, gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import { norm, normGradient, residual } from "../../../src/engine/webgpu/proofs/oracles/norm.ts";
import type { Workspace } from "../support.ts";
import { packRowTable } from "../../../src/engine/webgpu/proofs/tables.ts";
import { randomRows } from "../random_rows.ts";

const EPSILON = 1e-5;

/** Parameters of the forward kernel. */
export interface NormParameters {
  readonly T: number;
  readonly D: number;
  /** What is normed: x, x + y, or x of other rows + factors, masks and y. Default: x. */
  readonly sum?: "y" | "rows";
  /** Rows of x that a row table draws from. */
  readonly sources?: number;
  /** Entry of the row table for row 0. */
  readonly first?: number;
  /** |x| */
  readonly magnitude?: number;
  /** Standard deviation of x where it has no magnitude. */
  readonly scale?: number;
  /** Whether row 0 of x is 0. */
  readonly zeroRow?: boolean;
}

/** A case of `residual_rmsnorm`. */
export function normCase(parameters: NormParameters): KernelCase {
  const { T, D, sum, sources = T, first = 0, magnitude = 0, scale = 1, zeroRow = false } = parameters;
  const name = caseName("residual_rmsnorm", {
    T,
    D,
    sum,
    sources: sum === "rows" && sources,
    first,
    x: magnitude,
    scale: scale === 1 ? 0 : scale,
    zeroRow,
  });
  return {
    name,
    async prepare(workspace) {
      const { context } = workspace;
      const data = new CaseData(name);
      const xRows = sum === "rows" ? sources : T;
      const x = data.values(xRows * D, { magnitude, scale });
      if (zeroRow) x.fill(0, 0, D);
      const y = data.values(T * D, { magnitude, scale });
      const { weight, gpuWeight } = await drawWeight(workspace, data, D);
      const entries = randomRows(data, T, D, { masks: true, alphas: true, sources });
      const summed = sum === undefined ? x : residual(x, y, sum === "rows" ? entries : randomRows(data, T, D, {}), D);
      const block = { rows: T, columns: D };
      const gpuX = await workspace.input("x", x, { rows: xRows, columns: D });
      const n = await workspace.output("n", block, { zeroPadding: true });
      if (sum === undefined) {
        return {
          record: () => rmsnorm(context, gpuX, gpuWeight, n, T),
          results: async () => {
            const [actual] = await workspace.read(n);
            return [{ name: "n", tolerance: "norm", actual, expected: norm(summed, weight, EPSILON) }];
          },
        };
      }
      const gpuY = await workspace.input("y", y, block);
      const xOut = await workspace.output("x_out", block, { zeroPadding: true });
      const table = packRowTable(entries, first);
      const rows = sum === "rows"
        ? { rows: await workspace.words("rows", table.rows), masks: await workspace.words("masks", table.masks), first }
        : undefined;
      return {
        record: () => residualNorm(context, gpuX, gpuY, rows, gpuWeight, xOut, n, T),
        results: async () => {
          const [actualX, actualN] = await workspace.read(xOut, n);
          return [
            { name: "x_out", tolerance: "residual", actual: actualX, expected: summed },
            { name: "n", tolerance: "norm", actual: actualN, expected: norm(summed, weight, EPSILON) },
          ];
        },
      };
    },
  };
}

/** Parameters of the backward kernel. */
export interface NormGradientParameters {
  readonly T: number;
  readonly D: number;
  /** Row of x that belongs to row 0 of the gradients. */
  readonly from?: number;
  readonly overwrite?: boolean;
  /** |x| */
  readonly magnitude?: number;
  readonly scale?: number;
}

/** A case of `rmsnorm_backward`. */
export function normGradientCase(parameters: NormGradientParameters): KernelCase {
  const { T, D, from = 0, overwrite = false, magnitude = 0, scale = 1 } = parameters;
  const name = caseName("rmsnorm_backward", {
    T,
    D,
    from,
    overwrite,
    x: magnitude,
    scale: scale === 1 ? 0 : scale,
  });
  const draw = () => {
    const data = new CaseData(name);
    return { data, x: data.values(T * D, { magnitude, scale }), dn: data.values(T * D), before: data.values(T * D) };
  };
  return {
    name,
    async prepare(workspace) {
      const { data, x, dn, before } = draw();
      const { weight, gpuWeight } = await drawWeight(workspace, data, D);
      const expected = normGradient(x, dn, weight, EPSILON);
      if (!overwrite) before.forEach((value, i) => expected[i] += value);
      const gpuX = await workspace.input("x", x, { rows: T, columns: D, first: from });
      const gpuDn = await workspace.input("dn", dn, { rows: T, columns: D });
      const dx = await workspace.output("dx", { rows: T, columns: D }, {
        zeroPadding: true,
        ...(!overwrite && { initial: before }),
      });
      // Accumulating is the default, so the option is left out where the case accumulates.
      const options = { rows: T, from, ...(overwrite && { accumulate: false }) };
      return {
        record: () => rmsnormGradient(workspace.context, gpuX, gpuDn, gpuWeight, dx, options),
        results: async () => {
          const [actual] = await workspace.read(dx);
          return [{ name: "dx", tolerance: "normGradient", actual, expected }];
        },
      };
    },
    ...(T * D < 2000 && {
      gradientError: () => {
        const { data, x, dn } = draw();
        const weight = data.values(D);
        const gradient = normGradient(x, dn, weight, EPSILON);
        const size = magnitude || scale;
        return gradientError((at) => dot(dn, norm(at, weight, EPSILON)), x, gradient, 1e-3 * size);
      },
    }),
  };
}

async function drawWeight(workspace: Workspace, data: CaseData, D: number) {
  const weight = data.values(D);
  const values = new Float32Array(padded(D));
  values.set(weight);
  const buffer = await workspace.words("norm weight", new Uint32Array(values.buffer));
  return { weight, gpuWeight: { buffer, width: D, epsilon: EPSILON } };
}

/** The table of the forward kernel. */
export const normCases: readonly KernelCase[] = [
  normCase({ T: 1, D: 1 }),
  normCase({ T: 3, D: 64 }),
  normCase({ T: 2, D: 100, zeroRow: true }),
  normCase({ T: 5, D: 2053 }),
  normCase({ T: 4, D: 300, magnitude: 150 }),
  normCase({ T: 4, D: 30, scale: 1e-4 }),
  normCase({ T: 32_770, D: 4 }), // more rows than one dimension of the grid takes
  normCase({ T: 3, D: 70, sum: "y" }),
  normCase({ T: 2, D: 1027, sum: "y", magnitude: 150 }),
  normCase({ T: 1, D: 9, sum: "rows", sources: 4 }),
  normCase({ T: 21, D: 100, sum: "rows", sources: 6, first: 3 }),
  normCase({ T: 6, D: 610, sum: "rows", sources: 2, first: 1, magnitude: 150 }),
];

/** The table of the backward kernel. */
export const normGradientCases: readonly KernelCase[] = [
  normGradientCase({ T: 1, D: 8 }),
  normGradientCase({ T: 1, D: 3, overwrite: true }),
  normGradientCase({ T: 3, D: 64, from: 2, overwrite: true }),
  normGradientCase({ T: 7, D: 100, from: 5 }),
  normGradientCase({ T: 2, D: 2053, overwrite: true }),
  normGradientCase({ T: 4, D: 300, magnitude: 150, overwrite: true }),
  normGradientCase({ T: 4, D: 30, scale: 1e-4, overwrite: true }),
];
