/** Cases of `rope` and `rope_backward`. */
import { ropeBackwardInPlace, ropeForward } from "../../../src/ops/rope.ts";
import { dot, gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import { rope, type RopeFormula, ropeGradient } from "../../../src/engine/webgpu/proofs/oracles/rope.ts";
import type { Workspace } from "../support.ts";
import { packWords } from "../../../src/engine/webgpu/proofs/tables.ts";

const EPSILON = 1e-6;

/** Positions in the table of angles. */
const POSITIONS = 50;

/** A factor on the angles' cos and sin, as some context extensions have. */
const ATTENTION_FACTOR = 1.25;

/** Parameters of both kernels. */
export interface RopeParameters {
  readonly T: number;
  readonly heads: number;
  readonly rotated: number;
  readonly K: number;
  /** Elements of a head that are rotated. Default K. */
  readonly W?: number;
  readonly bias?: boolean;
  readonly norm?: boolean;
  /** Entry of the positions for row 0. */
  readonly first?: number;
  /** Row of x that belongs to row 0 of the gradient; backward only. */
  readonly from?: number;
  /** |x| */
  readonly magnitude?: number;
}

/** A case of `rope`. */
export function ropeCase(parameters: RopeParameters): KernelCase {
  const { T, heads, K, first = 0 } = parameters;
  const name = ropeName("rope", parameters);
  return {
    name,
    async prepare(workspace) {
      const { x, positions, formula } = draw(name, parameters);
      const expected = rope(x, positions, formula);
      const { gpuHeads, gpuPositions } = await upload(workspace, formula, positions, first);
      const gpuX = await workspace.input("x", x, { rows: T, columns: heads * K });
      const out = await workspace.output("out", { rows: T, columns: heads * K });
      return {
        record: () => ropeForward(workspace.context, gpuX, gpuHeads, gpuPositions, out, T),
        results: async () => {
          const [actual] = await workspace.read(out);
          return [{ name: "out", tolerance: "rope", actual, expected }];
        },
      };
    },
  };
}

/** A case of `rope_backward`. */
export function ropeGradientCase(parameters: RopeParameters): KernelCase {
  const { T, heads, K, first = 0, from = 0, magnitude = 1 } = parameters;
  const name = ropeName("rope_backward", parameters);
  return {
    name,
    async prepare(workspace) {
      const { x, d, positions, formula } = draw(name, parameters);
      const expected = ropeGradient(x, d, positions, formula);
      const { gpuHeads, gpuPositions } = await upload(workspace, formula, positions, first);
      const block = { rows: T, columns: heads * K };
      const gpuX = await workspace.input("x", x, { ...block, first: from });
      const gpuD = await workspace.output("d", block, { initial: d });
      return {
        record: () => ropeBackwardInPlace(workspace.context, gpuX, gpuHeads, gpuPositions, gpuD, T, from),
        results: async () => {
          const [actual] = await workspace.read(gpuD);
          return [{ name: "d", tolerance: "ropeGradient", actual, expected }];
        },
      };
    },
    ...(T * heads * K < 2000 && {
      gradientError: () => {
        const { x, d, positions, formula } = draw(name, parameters);
        const gradient = ropeGradient(x, d, positions, formula);
        return gradientError((at) => dot(d, rope(at, positions, formula)), x, gradient, 1e-3 * magnitude);
      },
    }),
  };
}

function ropeName(kernel: string, parameters: RopeParameters): string {
  const { T, heads, rotated, K, W, bias, norm, first, from, magnitude } = parameters;
  return caseName(kernel, { T, heads, rotated, K, W, bias, norm, first, from, x: magnitude });
}

function draw(name: string, { T, heads, rotated, K, W = K, bias, norm, magnitude = 0 }: RopeParameters) {
  const data = new CaseData(name);
  const formula: RopeFormula = {
    heads,
    rotated,
    width: K,
    turned: W,
    bias: bias ? data.values(heads * K) : undefined,
    norm: norm ? data.values(K) : undefined,
    epsilon: EPSILON,
    turn: (position, pair) => {
      const angle = position * 10_000 ** (-2 * pair / W);
      // The kernel is given the table in f32, so that is what the oracle takes.
      return {
        cos: Math.fround(ATTENTION_FACTOR * Math.cos(angle)),
        sin: Math.fround(ATTENTION_FACTOR * Math.sin(angle)),
      };
    },
  };
  const x = data.values(T * heads * K, { magnitude });
  return { formula, x, d: data.values(T * heads * K), positions: data.integers(T, POSITIONS) };
}

async function upload(workspace: Workspace, formula: RopeFormula, positions: readonly number[], first: number) {
  const { heads, rotated, width, turned, bias, norm, epsilon, turn } = formula;
  const vector = (label: string, values: Float64Array) =>
    workspace.words(label, packWords(Array.from(values, (f32) => ({ f32 }))));
  const angles: { f32: number }[] = [];
  for (let position = 0; position < POSITIONS; position++) {
    // Where nothing is rotated the table is that of other layers: here without a number.
    for (let pair = 0; pair < Math.max(1, turned / 2); pair++) {
      const { cos, sin } = turn(position, pair);
      angles.push({ f32: cos }, { f32: sin });
    }
  }
  return {
    gpuHeads: {
      heads,
      rotated,
      width,
      turned,
      epsilon,
      ...(bias && { bias: await vector("bias", bias) }),
      ...(norm && { norm: await vector("head norm", norm) }),
    },
    gpuPositions: {
      // Entries before the first are positions that the table of angles does not have.
      positions: await workspace.words("positions", packWords([...new Array(first).fill(1e9), ...positions])),
      first,
      angles: await workspace.words("angles", packWords(angles)),
    },
  };
}

/** Shapes both kernels are run with: all heads rotated as in queries, half of them as in keys and values. */
const SHAPES: readonly RopeParameters[] = [
  { T: 1, heads: 1, rotated: 1, K: 2 },
  { T: 1, heads: 1, rotated: 1, K: 4, norm: true },
  { T: 5, heads: 3, rotated: 3, K: 12, first: 2 },
  { T: 9, heads: 4, rotated: 2, K: 64 },
  { T: 3, heads: 2, rotated: 1, K: 80, bias: true },
  { T: 4, heads: 6, rotated: 3, K: 20, norm: true, first: 5 },
  { T: 3, heads: 2, rotated: 1, K: 128, bias: true, norm: true },
  { T: 2, heads: 5, rotated: 5, K: 36, bias: true, norm: true, magnitude: 150 },
  { T: 7, heads: 2, rotated: 1, K: 16, magnitude: 150 },
  { T: 5, heads: 4, rotated: 2, K: 12, W: 6, first: 1 },
  { T: 3, heads: 2, rotated: 1, K: 128, W: 96, bias: true, norm: true },
  { T: 5, heads: 4, rotated: 2, K: 12, W: 0, bias: true },
  { T: 4, heads: 3, rotated: 3, K: 20, W: 0, norm: true, first: 2 },
];

/** The table of the forward kernel. */
export const ropeCases: readonly KernelCase[] = SHAPES.map(ropeCase);

/** The table of the backward kernel. */
export const ropeGradientCases: readonly KernelCase[] = [
  ...SHAPES.map(ropeGradientCase),
  ropeGradientCase({ T: 6, heads: 4, rotated: 4, K: 24, norm: true, bias: true, from: 7, first: 3 }),
  ropeGradientCase({ T: 6, heads: 4, rotated: 2, K: 24, from: 2, first: 1 }),
];
