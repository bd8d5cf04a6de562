/** The same inputs give the same bytes, whatever the process and however often; under any budget the same numbers. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { readSafetensorsHeader, readTensorF64 } from "../../src/checkpoint/safetensors.ts";
import { secateur } from "../cli/program.ts";
import { meanSquareError } from "../support/relative_error.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { folderState, repeatable } from "./folder_state.ts";
import { type TinyProject, tinyRun, writeTinyProject } from "./tiny_project.ts";

async function succeed(args: readonly string[]): Promise<void> {
  const { code, stderr } = await secateur(args);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
}

async function scoresOf(folder: string): Promise<Float64Array> {
  const source = await openFileSource(join(folder, "scores.safetensors"));
  try {
    return (await readTensorF64(source, await readSafetensorsHeader(source), "gate_proj")).data;
  } finally {
    await source.close();
  }
}

const engines = { webgpu: [], reference: ["--engine", "reference"] };

for (const [engine, options] of Object.entries(engines)) {
  Deno.test(`secateur run writes the same bytes when the ${engine} engine repeats it in another process`, async () => {
    await withFolder({}, async (folder) => {
      const project = await writeTinyProject(folder);
      const states = [];
      for (const name of ["first", "second"]) {
        const out = join(folder, name);
        await succeed([...tinyRun(project, out), ...options]);
        states.push(repeatable(await folderState(out)));
      }
      assertEquals(states[0], states[1]);
      assert(Object.keys(states[0]).length >= 7);
    });
  });
}

Deno.test("secateur score gives the same scores within 1e-9 when budgets cut waves and stream layers", async () => {
  await withFolder({}, async (folder) => {
    const project: TinyProject = await writeTinyProject(folder, { layers: 3, width: 32, neurons: 64, headWidth: 8 });
    const score = async (name: string, ...budget: string[]) => {
      const out = join(folder, name);
      const { model, task } = project;
      const args = ["score", "--model", model, "--task", task, "--out", out, "--nodes", "6", "--json", ...budget];
      const { code, stdout, stderr } = await secateur(args);
      assertEquals({ code, stderr }, { code: 0, stderr: "" });
      const { waves, weights } = JSON.parse(stdout).engine.details;
      return { scores: await scoresOf(out), waves, weights };
    };
    const ample = await score("ample");
    for (const budget of [["--memory-budget", "1MiB"], ["--memory-budget", "600KiB"], ["--weight-budget", "100KiB"]]) {
      const { scores, waves, weights } = await score(budget[1], ...budget);
      const error = meanSquareError(scores, ample.scores);
      assert(error < 1e-9, `${budget.join(" ")}: ${error}`);
      assert(waves > ample.waves || weights === "streamed", `${budget.join(" ")} changed nothing`);
    }
  });
});
