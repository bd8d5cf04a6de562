/** The Integrated Gradients sum over path nodes and positions, fused and from memory, against float64. */
import { assertThrows } from "@std/assert";
import { foldThroughDown } from "../../src/ops/attribution.ts";
import { foldCases, fusedCases } from "./cases/attribution.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants, openKernels, Workspace } from "./support.ts";

testCases("fold()", foldCases);
testCases("foldThroughDown()", fusedCases, { variants: await kernelVariants() });

Deno.test("foldThroughDown() names the weights when they are split", async () => {
  const workspace = new Workspace(await openKernels());
  try {
    const w = await workspace.weights("layer 3 down", "F32", new Float64Array(16 * 8), [16, 8], [8, 8]);
    const x = await workspace.input("x", new Float64Array(16), { rows: 1, columns: 16 });
    const tables = { variants: x.buffer, pairs: x.buffer, pairCount: 1, variantCount: 1 };
    assertThrows(
      () => foldThroughDown(workspace.context, x, w, x, x, "gate", tables, x, 0),
      RangeError,
      "Cannot fold through layer 3 down",
    );
  } finally {
    workspace.close();
  }
});
