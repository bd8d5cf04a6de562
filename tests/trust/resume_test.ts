/**
 * What a resumed run takes over: nothing of another model or of other rows under the same names, all of a run that is
 * complete, and the kernels that it was begun with.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { begunEngineName } from "../../src/method/earlier_run.ts";
import { secateur } from "../cli/program.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { folderState } from "./folder_state.ts";
import { type TinyProject, tinyRun, writeTinyProject } from "./tiny_project.ts";

/** What may change between a kill and the run that resumes. */
interface Change {
  readonly what: string;
  /** What the refusal calls it. */
  readonly named: string;
  readonly change: (project: TinyProject) => Promise<void>;
}

const changes: readonly Change[] = [
  {
    what: "a row of the task's own file",
    named: "the rows (another digest)",
    change: async ({ data }) => {
      const rows = join(data, "train.jsonl");
      await writeFile(rows, (await readFile(rows, "utf8")).replaceAll("train", "Train"));
    },
  },
  {
    what: "a right answer",
    named: "the rows (another digest)",
    change: async ({ data }) => {
      const rows = join(data, "train.jsonl");
      const turned = (text: string) => text.replaceAll(/"label":(\d)/g, (_, label) => `"label":${1 - label}`);
      await writeFile(rows, turned(await readFile(rows, "utf8")));
    },
  },
  {
    what: "the template",
    named: "the rows or their prompts (another digest)",
    change: async ({ task }) => {
      await writeFile(task, (await readFile(task, "utf8")).replace("{{text}}", "Q {{text}}"));
    },
  },
  {
    what: "the weights",
    named: "the weights (another digest)",
    change: async ({ model }) => {
      await writeTinyCheckpoint(model, { layers: 2, width: 16, neurons: 24, headWidth: 4, vocabulary: 272, seed: 9 });
    },
  },
];

for (const { what, named, change } of changes) {
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
      assertStringIncludes(stderr.split("\n")[0], `scores.safetensors is of another run: ${named}`);
      assertEquals((await readdir(out)).filter((name) => !name.startsWith(".")), ["scores.safetensors"]);
    });
  });
}

Deno.test("secateur run --resume says before the work where there is nothing to go on with", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const args = (out: string) => [...tinyRun(project, join(folder, out)), "--engine", "reference", "--resume"];
    const first = await secateur(args("absent"));
    assertEquals(first.code, 0, first.stderr);
    assertMatch(first.stderr, /^Nothing to resume: \S*absent is not there, so this run begins anew\.\n$/);
    await mkdir(join(folder, "empty"));
    const second = await secateur([...args("empty"), "--events"]);
    const events = second.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(events[0].event, "note");
    assertMatch(events[0].text, /^Nothing to resume: \S*empty holds nothing of a run, so this run begins anew\.$/);
    await rm(join(folder, "empty", "run.json"));
    const { stderr } = await secateur(args("empty"));
    assertMatch(stderr, /^Nothing tells what computed scores\.safetensors and grid\.json/);
  });
});

/** No engine opens: whoever asks for one fails. */
const noAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

Deno.test("secateur run --resume says that a run is complete, and computes nothing", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const out = join(folder, "out");
    const args = tinyRun(project, out);
    const first = await secateur([...args, "--json"]);
    assertEquals(first.code, 0, first.stderr);
    const before = await folderState(out);
    const record = JSON.parse(first.stdout);

    const text = await secateur([...args, "--resume"], noAdapter);
    assertEquals([text.code, text.stderr], [0, ""]);
    // No engine was opened.
    assertMatch(text.stdout, /^WebGPU on .*, as run\.json says$/m);
    assertMatch(text.stdout, /^this run is complete already, with the same options: nothing was computed$/m);
    assertMatch(text.stdout, /^ {2}lowest attribution +\d/m);
    assertEquals(await folderState(out), before);

    const again = await secateur([...args, "--resume", "--json"], noAdapter);
    assertEquals([again.code, again.stderr], [0, ""]);
    const { takenOver, ...rest } = JSON.parse(again.stdout);
    assertEquals(rest, record);
    assertEquals(takenOver.map((name: string) => join(out, name.replace("/", ""))), record.files);
    const events = await secateur([...args, "--resume", "--events"], noAdapter);
    const lines = events.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ event }) => event), ["result"]);
    assertEquals(lines[0].result, JSON.parse(again.stdout));

    // A page is made again without an engine, and what a kill left is cleared away.
    await rm(join(out, "report.html"));
    await writeFile(join(out, begunEngineName), "{}");
    assertEquals((await secateur([...args, "--resume"], noAdapter)).code, 0);
    assertEquals(await folderState(out), before);

    // With other options it is neither given nor replaced, and what is missing of it is computed.
    const limited = await secateur([...args, "--limit", "3", "--resume"], noAdapter);
    assertEquals(limited.code, 1);
    assertMatch(limited.stderr, /^Error: .*run\.json is of another run: the test rows \(8 there, 3 here\)\nHint: /);
    assertEquals(await folderState(out), before);
    await rm(join(out, "pruned"), { recursive: true });
    const { code, stderr } = await secateur([...args, "--resume"], noAdapter);
    assertEquals(code, 1);
    assertMatch(stderr, /^Error: Cannot use WebGPU/);
  });
});

Deno.test("secateur run --resume goes on with the kernels that the run was begun with, on their adapter alone", async () => {
  await withFolder({}, async (folder) => {
    const project = await writeTinyProject(folder);
    const out = join(folder, "out");
    const args = tinyRun(project, out);
    assertEquals((await secateur(args)).code, 0);
    const recorded = async () => JSON.parse(await readFile(join(out, "run.json"), "utf8")).engine;
    const { adapter, details: { kernels } } = await recorded();
    /** Leaves what a kill after scoring leaves, of a run that was begun so, and resumes. */
    const resumed = async (begun: Record<string, string>) => {
      for (const name of await readdir(out)) {
        if (name !== "scores.safetensors") await rm(join(out, name), { recursive: true });
      }
      await writeFile(join(out, begunEngineName), JSON.stringify(begun));
      const { code, stderr } = await secateur([...args, "--resume"]);
      assertEquals([code, stderr], [0, ""]);
      assert(!(await readdir(out)).includes(begunEngineName));
      return (await recorded()).details.kernels;
    };
    assertEquals(await resumed({ kind: "webgpu", adapter: "another", kernels: "tile" }), kernels);
    assertEquals(await resumed({ kind: "webgpu", adapter, kernels: "tile" }), "tile");
    // Of a complete run of which something is to be computed, its record says it.
    await rm(join(out, "answers.json"));
    assertEquals((await secateur([...args, "--resume"])).code, 0);
    assertEquals((await recorded()).details.kernels, "tile");
  });
});
