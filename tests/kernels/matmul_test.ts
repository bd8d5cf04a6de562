/** x wᵀ and dy w against float64, in every variant this device runs. */
import { assertEquals, assertThrows } from "@std/assert";
import { matmul, matmulBackward, TILINGS } from "../../src/ops/matmul.ts";
import { matmulCases, matmulGradientCases } from "./cases/matmul.ts";
import { CaseData, testCases } from "./kernel_case.ts";
import { kernelVariants, openKernels, Workspace } from "./support.ts";

const variants = await kernelVariants();
testCases("matmul()", matmulCases, { variants, tilings: TILINGS });
testCases("matmulBackward()", matmulGradientCases, { variants, tilings: TILINGS });

Deno.test("matmul() and matmulBackward() name the weights when a stride is too small for them", async () => {
  const workspace = new Workspace(await openKernels());
  try {
    const w = await workspace.weights("gate", "F32", new Float64Array(20 * 12), [20, 12]);
    const narrow = await workspace.input("narrow", new Float64Array(8), { rows: 1, columns: 8 });
    const wide = await workspace.input("wide", new Float64Array(24), { rows: 1, columns: 24 });
    for (const product of [matmul, matmulBackward]) {
      for (const [x, y] of [[narrow, wide], [wide, narrow]]) {
        assertThrows(
          () => product(workspace.context, x, w, y, { rows: 1 }),
          RangeError,
          "Cannot multiply by gate [20, 12]",
        );
      }
    }
  } finally {
    workspace.close();
  }
});

Deno.test("matmul() says how many rows a matrix holds when it is asked for more", async () => {
  const workspace = new Workspace(await openKernels());
  try {
    const w = await workspace.weights("gate", "F32", new Float64Array(64), [8, 8]);
    const x = await workspace.input("hidden", new Float64Array(16), { rows: 2, columns: 8 });
    assertThrows(
      () => matmul(workspace.context, x, w, x, { rows: 2, from: 4 }),
      RangeError,
      'Cannot use 6 rows of x: its buffer "hidden" holds 5',
    );
    workspace.context.recorder.discard();
  } finally {
    workspace.close();
  }
});

Deno.test("matmul() and matmulBackward() give the same bits with every tile for many rows of a variant", async () => {
  const [T, K, N] = [65, 72, 136];
  const data = new CaseData("same bits");
  const left = data.values(T * N);
  const weights = data.values(N * K);
  for (const variant of variants) {
    // The tile for a few rows splits its sums.
    for (const product of [matmul, matmulBackward]) {
      const bits: Float32Array[] = [];
      for (const tiling of TILINGS[variant].filter((tiling) => tiling !== "rows")) {
        const workspace = new Workspace({ ...await openKernels(), variant, tiling });
        try {
          const [from, to] = product === matmul ? [K, N] : [N, K];
          const x = await workspace.input("left", left.subarray(0, T * from), { rows: T, columns: from });
          const y = await workspace.output("product", { rows: T, columns: to }, { zeroPadding: true });
          const w = await workspace.weights("weights", "F32", weights, [N, K]);
          product(workspace.context, x, w, y, { rows: T });
          bits.push((await workspace.read(y))[0]);
        } finally {
          workspace.close();
        }
      }
      for (const other of bits.slice(1)) assertEquals(other, bits[0]);
    }
  }
});
