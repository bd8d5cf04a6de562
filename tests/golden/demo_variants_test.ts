/**
 * The two variants of the demo model answer as many test rows rightly as `examples/demo/evaluate.py` says in PyTorch.
 */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { evaluate } from "../../src/method/evaluate.ts";
import { openEngine } from "../../src/engine/open.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";

/** Of 512 rows: all, those on which the shortcut goes with the label, the others. */
const expected = {
  demo_seed: [358, 256, 102],
  demo_guest: [420, 256, 164],
} as const;

for (const [name, counts] of Object.entries(expected)) {
  Deno.test(`the variant ${name} answers ${counts[0]} of 512 test rows rightly`, async () => {
    const folder = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
    const tokenizer = await loadTokenizer(`${folder}/model`);
    const task = await loadTask(`${folder}/task/demo.yaml`, { tokenizer });
    const checkpoint = await openCheckpoint(`${folder}/model`);
    const engine = await openEngine(checkpoint, { engine: "webgpu" });
    try {
      const [{ scores: { acc } }] = await evaluate(engine, await task.examples("test"));
      const marks = (await task.marks("test", "marker")).map(({ mark }) => mark);
      const right = (mark: string) => acc.correct.filter((correct, row) => correct && marks[row] === mark).length;
      assertEquals(
        [acc.correct.filter(Boolean).length, right("aligned"), right("conflicting")],
        [...counts],
      );
    } finally {
      await engine.close();
      await checkpoint.close();
    }
  });
}
