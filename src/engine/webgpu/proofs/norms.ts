/** Proofs of `residual_rmsnorm`, `rmsnorm_backward`, `rope` and `rope_backward`. */
import { residualNorm, rmsnorm, rmsnormGradient } from "../../../ops/norm.ts";
import { ropeBackwardInPlace, ropeForward } from "../../../ops/rope.ts";
import { norm, normGradient, residual } from "./oracles/norm.ts";
import { rope, type RopeFormula, ropeGradient } from "./oracles/rope.ts";
import { drawRows, uploadRows } from "./row_tables.ts";
import type { Workbench } from "./workbench.ts";

const EPSILON = 1e-5;

/** Rows, and columns: more than the lanes of a workgroup, and no multiple of them. */
const [T, D] = [5, 150];

/** What is normed: x, x + y, or x of other rows + factors, masks and y. */
export async function proveNorm(bench: Workbench, sum: "x" | "y" | "rows"): Promise<void> {
  const { context } = bench;
  const [x, y, weight] = [bench.values(T * D), bench.values(T * D), bench.values(D)];
  const gpuWeight = { buffer: await bench.vector(weight), width: D, epsilon: EPSILON };
  const gpuX = await bench.input(x, D);
  const n = await bench.output(T, D);
  if (sum === "x") {
    rmsnorm(context, gpuX, gpuWeight, n, T);
    bench.expect(n, norm(x, weight, EPSILON));
    return;
  }
  const rows = drawRows(bench, T, D, { sources: T, isPlain: sum === "y" });
  const table = sum === "rows" ? await uploadRows(bench, rows) : undefined;
  const xOut = await bench.output(T, D);
  residualNorm(context, gpuX, await bench.input(y, D), table, gpuWeight, xOut, n, T);
  const summed = residual(x, y, rows, D);
  bench.expect(xOut, summed);
  bench.expect(n, norm(summed, weight, EPSILON));
}

/** Overwrites, then adds the same again. */
export async function proveNormGradient(bench: Workbench): Promise<void> {
  const from = 2;
  const [x, dn, weight] = [bench.values(T * D), bench.values(T * D), bench.values(D)];
  const gpuWeight = { buffer: await bench.vector(weight), width: D, epsilon: EPSILON };
  const gpuX = await bench.input(x, D, from);
  const gpuDn = await bench.input(dn, D);
  const dx = await bench.output(T, D);
  for (const accumulate of [false, true]) {
    rmsnormGradient(bench.context, gpuX, gpuDn, gpuWeight, dx, { rows: T, from, accumulate });
  }
  bench.expect(dx, normGradient(x, dn, weight, EPSILON).map((value) => 2 * value));
}

/** Which of the kernel's parts a pipeline has, and whether it is the backward one. */
export interface RopeParts {
  readonly isBackward: boolean;
  readonly hasBias: boolean;
  readonly hasNorm: boolean;
}

/** Turns two of three heads, and of these not every element. */
export async function proveRope(bench: Workbench, { isBackward, hasBias, hasNorm }: RopeParts): Promise<void> {
  const [heads, width, turned, first, from] = [3, 88, 72, 1, 2];
  const positions = bench.integers(T, 20);
  const formula: RopeFormula = {
    heads,
    rotated: 2,
    width,
    turned,
    bias: hasBias ? bench.values(heads * width) : undefined,
    norm: hasNorm ? bench.values(width) : undefined,
    epsilon: EPSILON,
    turn: (position, pair) => {
      const angle = position / 10_000 ** (2 * pair / turned);
      return { cos: Math.cos(angle), sin: Math.sin(angle) };
    },
  };
  const angles = Float32Array.from({ length: 20 * turned }, (_, i) => {
    const { cos, sin } = formula.turn(Math.floor(i / turned), Math.floor(i % turned / 2));
    return i % 2 === 0 ? cos : sin;
  });
  const gpuHeads = {
    heads,
    rotated: formula.rotated,
    width,
    turned,
    epsilon: EPSILON,
    ...(formula.bias && { bias: await bench.vector(formula.bias) }),
    ...(formula.norm && { norm: await bench.vector(formula.norm) }),
  };
  const gpuPositions = {
    positions: await bench.words(Uint32Array.of(...new Array(first).fill(0), ...positions)),
    first,
    angles: await bench.words(angles),
  };
  const columns = heads * width;
  const x = bench.values(T * columns);
  if (!isBackward) {
    const out = await bench.output(T, columns);
    ropeForward(bench.context, await bench.input(x, columns), gpuHeads, gpuPositions, out, T);
    bench.expect(out, rope(x, positions, formula));
    return;
  }
  const initial = bench.values(T * columns);
  const d = await bench.output(T, columns, { initial });
  ropeBackwardInPlace(bench.context, await bench.input(x, columns, from), gpuHeads, gpuPositions, d, T, from);
  bench.expect(d, ropeGradient(x, initial, positions, formula));
}
