/** Weights that are not finite, as the program tells them. */
import { assertEquals, assertMatch } from "@std/assert";
import { secateur } from "../cli/program.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeTinyProject } from "./tiny_project.ts";

Deno.test("secateur names tensor, index and value when a weight is not finite, whatever reads it first", async () => {
  await withFolder({}, async (folder) => {
    const edits = {
      "model.layers.1.mlp.up_proj.weight": (values: Float32Array) => values[16 * 3 + 2] = NaN,
      "model.embed_tokens.weight": (values: Float32Array) => values[16 * 70 + 1] = Infinity,
    };
    const { model, task } = await writeTinyProject(folder, { dtype: "BF16", edits });
    const unread = await secateur(["info", "--model", model, "--json"]);
    assertEquals(JSON.parse(unread.stdout).problems, []);
    const { code, stdout } = await secateur(["info", "--model", model, "--check", "--json"]);
    assertEquals([code, JSON.parse(stdout).problems], [
      1,
      ["model.embed_tokens.weight [70, 1] is Infinity", "model.layers.1.mlp.up_proj.weight [3, 2] is NaN"].map((says) =>
        `Cannot use ${model}: weight ${says}, expected finite numbers`
      ),
    ]);
    for (const engine of ["webgpu", "reference"]) {
      const failed = await secateur(["eval", "--model", model, "--task", task, "--engine", engine]);
      assertEquals(failed.code, 1);
      assertMatch(failed.stderr, /^Error: Cannot use .*: weight model\.\S+ \[\d+, \d\] is (?:NaN|Infinity), /);
    }
  });
});

Deno.test("secateur eval names the embedding when a token's own row is not finite", async () => {
  await withFolder({}, async (folder) => {
    // The rows of all digits: every prompt has one.
    const edits = { "model.embed_tokens.weight": (values: Float32Array) => void values.fill(NaN, 16 * 48, 16 * 58) };
    const { model, task } = await writeTinyProject(folder, { edits });
    const { code, stderr } = await secateur(["eval", "--model", model, "--task", task]);
    assertEquals(code, 1);
    assertMatch(stderr, /^Error: Cannot use .*: weight model\.embed_tokens\.weight \[\d+, 0\] is NaN/);
  });
});
