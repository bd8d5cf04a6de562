/** Causal grouped-query attention on packed segments with prefixes, both ways, against float64. */
import { assertThrows } from "@std/assert";
import { attentionForward } from "../../src/ops/attention.ts";
import { attentionCases, attentionGradientCases } from "./cases/attention.ts";
import { testCases } from "./kernel_case.ts";
import { kernelVariants, openKernels, Workspace } from "./support.ts";

const variants = await kernelVariants();
testCases("attentionForward()", attentionCases, { variants });
testCases("attentionBackward()", attentionGradientCases, { variants });

Deno.test("attentionForward() says which widths it takes when heads are too wide or no multiple of 4", async () => {
  const workspace = new Workspace(await openKernels());
  try {
    const x = await workspace.input("x", new Float64Array(8), { rows: 1, columns: 8 });
    const state = { q: x, kv: x, o: x, lse: x.buffer };
    const tiles = { table: x.buffer, firstTile: 0, tiles: 1, firstQuery: 0, visible: 1 };
    for (const width of [6, 132]) {
      assertThrows(
        () => attentionForward(workspace.context, { queryHeads: 1, keyValueHeads: 1, width }, state, tiles),
        RangeError,
        `Cannot run attention on heads of width ${width}: expected a multiple of 4, at most 128`,
      );
    }
  } finally {
    workspace.close();
  }
});
