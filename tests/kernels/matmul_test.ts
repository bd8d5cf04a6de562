/** x wᵀ and dy w against float64, in every variant this device runs. */
import { assertThrows } from "@std/assert";
import { matmul, matmulBackward } from "../../src/ops/matmul.ts";
import { matmulCases, matmulGradientCases } from "./cases/matmul.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants, openKernels, Workspace } from "./support.ts";

const variants = await kernelVariants();
testCases("matmul()", matmulCases, { variants });
testCases("matmulBackward()", matmulGradientCases, { variants });

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
