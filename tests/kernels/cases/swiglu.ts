/** Cases of `swiglu` and `swiglu_backward`. */
import { swigluBackwardInPlace, swigluForward } from "../../../src/ops/swiglu.ts";
import { dot, gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import { swiglu, swigluGradient } from "../../../src/engine/webgpu/proofs/oracles/swiglu.ts";
import type { Workspace } from "../support.ts";
import { packRowTable, type RowEntry } from "../../../src/engine/webgpu/proofs/tables.ts";
import { randomRows } from "../random_rows.ts";

/** Parameters of both kernels. */
export interface SwigluParameters {
  /** Rows of h. */
  readonly T: number;
  readonly H: number;
  /** Rows of g and u that the row table draws from. Default: row r of h belongs to row r. */
  readonly sources?: number;
  readonly alphas?: boolean;
  /** Whether neurons are silenced. */
  readonly masks?: boolean;
  /** Entry of the row table for row 0. */
  readonly first?: number;
  /** |g| */
  readonly magnitude?: number;
}

/** A case of `swiglu`. */
export function swigluCase(parameters: SwigluParameters): KernelCase {
  const { T, H, first = 0 } = parameters;
  const name = swigluName("swiglu", parameters);
  return {
    name,
    async prepare(workspace) {
      const { g, u, rows } = draw(name, parameters);
      const expected = swiglu(g, u, rows, H);
      const { gpuG, gpuU, table } = await upload(workspace, g, u, rows, H, first);
      const h = await workspace.output("h", { rows: T, columns: H }, { zeroPadding: true });
      return {
        record: () => swigluForward(workspace.context, gpuG, gpuU, table, h, T),
        results: async () => {
          const [actual] = await workspace.read(h);
          return [{ name: "h", tolerance: "swiglu", actual, expected }];
        },
      };
    },
  };
}

/** A case of `swiglu_backward`. */
export function swigluGradientCase(parameters: SwigluParameters): KernelCase {
  const { T, H, first = 0, magnitude = 1 } = parameters;
  const name = swigluName("swiglu_backward", parameters);
  return {
    name,
    async prepare(workspace) {
      const { g, u, rows, dh } = draw(name, parameters);
      const { dg, du } = swigluGradient(g, u, dh, rows, H);
      const { gpuG, gpuU, table } = await upload(workspace, g, u, rows, H, first);
      const block = { rows: T, columns: H };
      const inPlace = await workspace.output("dh", block, { initial: dh, zeroPadding: true });
      const gpuDu = await workspace.output("du", block, { zeroPadding: true });
      return {
        record: () => swigluBackwardInPlace(workspace.context, gpuG, gpuU, table, inPlace, gpuDu, T),
        results: async () => {
          const [actualDg, actualDu] = await workspace.read(inPlace, gpuDu);
          return [
            { name: "dg", tolerance: "swigluGradient", actual: actualDg, expected: dg },
            { name: "du", tolerance: "swigluGradient", actual: actualDu, expected: du },
          ];
        },
      };
    },
    ...(T * H < 2000 && {
      gradientError: () => {
        const { g, u, rows, dh } = draw(name, parameters);
        // The gradient is by row of h, so each gets its own row of g and u.
        const own = rows.map((entry, source) => ({ ...entry, source }));
        const gather = (values: Float64Array) =>
          Float64Array.from({ length: T * H }, (_, i) => values[rows[Math.floor(i / H)].source * H + i % H]);
        const [ownG, ownU] = [gather(g), gather(u)];
        const scaled = dh.map((value, i) => value * rows[Math.floor(i / H)].alphaDown);
        const { dg, du } = swigluGradient(ownG, ownU, dh, own, H);
        return Math.max(
          gradientError((at) => dot(scaled, swiglu(at, ownU, own, H)), ownG, dg),
          gradientError((at) => dot(scaled, swiglu(ownG, at, own, H)), ownU, du, 1e-3 * magnitude),
        );
      },
    }),
  };
}

function swigluName(kernel: string, { T, H, sources, alphas, masks, first, magnitude }: SwigluParameters): string {
  return caseName(kernel, { T, H, sources, alphas, masks, first, x: magnitude });
}

function draw(name: string, { T, H, sources, alphas = false, masks = false, magnitude = 0 }: SwigluParameters) {
  const data = new CaseData(name);
  const count = (sources ?? T) * H;
  const rows = randomRows(data, T, H, { alphas, masks, ...(sources && { sources }) });
  return { rows, g: data.values(count, { scale: 2, magnitude }), u: data.values(count), dh: data.values(T * H) };
}

async function upload(
  workspace: Workspace,
  g: Float64Array,
  u: Float64Array,
  rows: readonly RowEntry[],
  H: number,
  first: number,
) {
  const block = { rows: g.length / H, columns: H };
  const table = packRowTable(rows, first);
  return {
    gpuG: await workspace.input("g", g, block),
    gpuU: await workspace.input("u", u, block),
    table: {
      rows: await workspace.words("rows", table.rows),
      masks: await workspace.words("masks", table.masks),
      first,
    },
  };
}

/** The table of the forward kernel. */
export const swigluCases: readonly KernelCase[] = [
  swigluCase({ T: 1, H: 1 }),
  swigluCase({ T: 3, H: 100 }),
  swigluCase({ T: 9, H: 100, sources: 4, alphas: true, masks: true, first: 3 }),
  swigluCase({ T: 2, H: 33, masks: true }),
  swigluCase({ T: 20, H: 64, sources: 1, masks: true }),
  swigluCase({ T: 17, H: 1030, sources: 3, alphas: true }),
  swigluCase({ T: 5, H: 200, magnitude: 150 }),
  swigluCase({ T: 8, H: 90, sources: 5, alphas: true, masks: true, magnitude: 150 }),
];

/** The table of the backward kernel. */
export const swigluGradientCases: readonly KernelCase[] = [
  swigluGradientCase({ T: 1, H: 1 }),
  swigluGradientCase({ T: 3, H: 100 }),
  swigluGradientCase({ T: 9, H: 100, sources: 4, alphas: true, first: 3 }),
  swigluGradientCase({ T: 17, H: 1030, sources: 3, alphas: true }),
  swigluGradientCase({ T: 5, H: 200, magnitude: 150 }),
  swigluGradientCase({ T: 8, H: 90, sources: 5, alphas: true, first: 1, magnitude: 150 }),
  swigluGradientCase({ T: 9, H: 100, sources: 4, alphas: true, masks: true, first: 3 }),
  swigluGradientCase({ T: 2, H: 33, masks: true }),
];
