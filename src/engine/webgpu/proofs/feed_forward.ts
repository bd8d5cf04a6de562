/** Proofs of `swiglu`, `swiglu_backward`, `attribution_fused_*` and `attribution_fold`. */
import { fold, foldThroughDown, SITES } from "../../../ops/attribution.ts";
import { swigluBackwardInPlace, swigluForward } from "../../../ops/swiglu.ts";
import type { StoredType } from "../../../ops/weight_matrix.ts";
import { productGradient } from "./oracles/matmul.ts";
import { attribution, swiglu, swigluGradient } from "./oracles/swiglu.ts";
import { drawRows, uploadRows } from "./row_tables.ts";
import { packVariants } from "./tables.ts";
import type { Workbench } from "./workbench.ts";

/** Rows of g and u, rows that continue them, and neurons: more than a workgroup takes, and no multiple of anything. */
const [SOURCES, T, H] = [4, 9, 150];

/** Proves either direction of SwiGLU. */
export async function proveSwiglu(bench: Workbench, isBackward: boolean): Promise<void> {
  const [g, u] = [bench.values(SOURCES * H), bench.values(SOURCES * H)];
  const rows = drawRows(bench, T, H, { sources: SOURCES });
  const table = await uploadRows(bench, rows);
  const [gpuG, gpuU] = [await bench.input(g, H), await bench.input(u, H)];
  if (!isBackward) {
    const h = await bench.output(T, H);
    swigluForward(bench.context, gpuG, gpuU, table, h, T);
    bench.expect(h, swiglu(g, u, rows, H));
    return;
  }
  const initial = bench.values(T * H);
  const dh = await bench.output(T, H, { initial });
  const du = await bench.output(T, H);
  swigluBackwardInPlace(bench.context, gpuG, gpuU, table, dh, du, T);
  const expected = swigluGradient(g, u, initial, rows, H);
  bench.expect(dh, expected.dg);
  bench.expect(du, expected.du);
}

/** Rows of each pair, and the row of scores that its sums go to. */
const PAIRS: readonly (readonly [number, number])[] = [[3, 2], [1, 1], [18, 3]];

const VARIANTS = PAIRS.reduce((sum, [rows]) => sum + rows, 0);

/** Gradient rows before the first variant's. */
const FROM = 2;

/** Operands of a fold, on the host and on the device. */
async function drawFold(bench: Workbench) {
  const [g, u] = [bench.values(SOURCES * H), bench.values(SOURCES * H)];
  const variants = bench.integers(VARIANTS, SOURCES).map((source) => {
    const [alphaGate, alphaUp, weight] = bench.integers(3, 8).map((draw) => (draw + 1) / 8);
    return { source, alphaGate, alphaUp, weight };
  });
  const packed = packVariants(variants, PAIRS);
  return {
    gpuG: await bench.input(g, H),
    gpuU: await bench.input(u, H),
    tables: {
      variants: await bench.words(packed.variants),
      pairs: await bench.words(packed.pairs),
      pairCount: PAIRS.length,
      variantCount: VARIANTS,
    },
    /** Demands the sums of a gradient `[VARIANTS, H]`, on top of what was there. */
    async scores(site: keyof typeof SITES, d: Float64Array) {
      const initial = bench.values(PAIRS.length * H);
      const scores = await bench.output(PAIRS.length, H, { first: 1, initial });
      const expected = initial.slice();
      let first = 0;
      for (const [rows, scoreRow] of PAIRS) {
        const sums = attribution(site, g, u, d, variants, [first, first + rows], H);
        sums.forEach((sum, j) => expected[(scoreRow - 1) * H + j] += sum);
        first += rows;
      }
      bench.expect(scores, expected);
      return scores;
    },
  };
}

/** Folds a gradient that is in memory, for each site. */
export async function proveFold(bench: Workbench): Promise<void> {
  const { gpuG, gpuU, tables, scores } = await drawFold(bench);
  const d = bench.values(VARIANTS * H);
  const gradient = await bench.input(d, H, FROM);
  for (const site of ["gate", "up", "down"] as const) {
    fold(bench.context, gradient, gpuG, gpuU, site, tables, await scores(site, d), FROM);
  }
}

/** Folds through a down projection in two parts. */
export async function proveFusedFold(bench: Workbench, type: StoredType): Promise<void> {
  const D = 76;
  const { gpuG, gpuU, tables, scores } = await drawFold(bench);
  const dy = bench.values(VARIANTS * D);
  const gradient = await bench.input(dy, D, FROM);
  const w = await bench.weights(type, D, H, [40]);
  const d = productGradient(dy, w.values, [VARIANTS, H, D]);
  for (const site of ["gate", "up"] as const) {
    foldThroughDown(bench.context, gradient, w.matrix, gpuG, gpuU, site, tables, await scores(site, d), FROM);
  }
}
