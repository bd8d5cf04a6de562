/** A run that is resumed with another model or other rows under the same names takes over nothing. */
import { assertEquals, assertMatch } from "@std/assert";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { secateur } from "../cli/program.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { type TinyProject, tinyRun, writeTinyProject } from "./tiny_project.ts";

/** What may change between a kill and the run that resumes. */
const changes: Readonly<Record<string, (project: TinyProject) => Promise<void>>> = {
  "a row of the task's own file": async ({ data }) => {
    const rows = join(data, "train.jsonl");
    await writeFile(rows, (await readFile(rows, "utf8")).replaceAll("train", "Train"));
  },
  "a right answer": async ({ data }) => {
    const rows = join(data, "train.jsonl");
    const turned = (text: string) => text.replaceAll(/"label":(\d)/g, (_, label) => `"label":${1 - label}`);
    await writeFile(rows, turned(await readFile(rows, "utf8")));
  },
  "the template": async ({ task }) => {
    await writeFile(task, (await readFile(task, "utf8")).replace("{{text}}", "Q {{text}}"));
  },
  "the weights": async ({ model }) => {
    await writeTinyCheckpoint(model, { layers: 2, width: 16, neurons: 24, headWidth: 4, vocabulary: 272, seed: 9 });
  },
};

for (const [what, change] of Object.entries(changes)) {
  Deno.test(`secateur run --resume refuses scores that were made before ${what} changed`, async () => {
    await withFolder({}, async (folder) => {
      const project = await writeTinyProject(folder);
      const out = join(folder, "out");
      const args = [...tinyRun(project, out), "--engine", "reference"];
      assertEquals((await secateur(args)).code, 0);
      // As a kill after scoring leaves it.
      for (const name of await readdir(out)) {
        if (name !== "scores.safetensors") await rm(join(out, name), { recursive: true });
      }
      await change(project);
      const { code, stderr } = await secateur([...args, "--resume"]);
      assertEquals(code, 1);
      assertMatch(
        stderr,
        /^Error: .*scores\.safetensors was made with other options, or of another model or other rows\n/,
      );
      assertEquals((await readdir(out)).filter((name) => !name.startsWith(".")), ["scores.safetensors"]);
    });
  });
}
