/**
 * Proofs of `matmul_nt_*` and `matmul_nn_*`: more rows and columns than a tile has, weights in two parts, a sum onto
 * itself.
 */
import type { MatmulTiling } from "../../../ops/context.ts";
import { matmul, matmulBackward } from "../../../ops/matmul.ts";
import type { StoredType } from "../../../ops/weight_matrix.ts";
import { product, productGradient } from "./oracles/matmul.ts";
import type { Workbench } from "./workbench.ts";

/** Rows of the left operand and of the result before the first one that takes part. */
const [FROM, TO] = [2, 1];

/**
 * R, and the columns that go in and come out: more than a tile has, no multiples of one, and sums longer than one step.
 */
function shapeOf(tiling: MatmulTiling): readonly [number, number, number] {
  if (tiling === "rows") return [6, 300, 76];
  return tiling === "large" ? [131, 76, 140] : [70, 76, 84];
}

/** Multiplies twice, the second time onto the first result. */
export async function proveProduct(
  bench: Workbench,
  direction: "nt" | "nn",
  tiling: MatmulTiling,
  type: StoredType,
): Promise<void> {
  const [R, columnsIn, columnsOut] = shapeOf(tiling);
  const { context } = bench.with({ tiling });
  const [K, N] = direction === "nt" ? [columnsIn, columnsOut] : [columnsOut, columnsIn];
  const left = bench.values(R * columnsIn);
  const w = await bench.weights(type, N, K, [40]);
  const x = await bench.input(left, columnsIn, FROM);
  const y = await bench.output(R, columnsOut, { first: TO });
  for (const accumulate of [false, true]) {
    const options = { rows: R, from: FROM, to: TO, accumulate };
    (direction === "nt" ? matmul : matmulBackward)(context, x, w.matrix, y, options);
  }
  const once = (direction === "nt" ? product : productGradient)(left, w.values, [R, K, N]);
  bench.expect(y, once.map((value) => 2 * value));
}
