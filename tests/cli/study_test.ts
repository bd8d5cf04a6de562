/** `secateur study` as a process, on the bundled model, against the study that is committed with it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { type Comparison } from "../../src/method/study/comparison.ts";
import { studyParts } from "../../src/method/study/settings.ts";
import { parseStudy, type StudyDocument } from "../../src/method/study/study.ts";
import { command, demoModel, demoTask, projectPath, secateur, withFolder } from "./program.ts";

const committed = await Deno.readTextFile(projectPath("examples/demo/study.md"));
const read = async (folder: string) =>
  parseStudy("study.json", await Deno.readTextFile(join(folder, "study.json"))) satisfies StudyDocument;

/** Headings and the first cells of every row, without what a reduced study has fewer of. */
function headings(markdown: string): string[] {
  return markdown.split("\n").filter((line) => /^#{2,3} /.test(line)).map((line) => line.replace(/^## .*/, "## task"));
}

/** The committed line of a redraw in the table "By redraw". */
function committedRedraw(seed: number): string[] {
  const table = committed.slice(committed.indexOf("By redraw, pruned:"));
  const row = table.split("\n").find((line) => line.startsWith(`| ${seed} `))!;
  return row.split("|").map((cell) => cell.trim()).slice(1, -1);
}

const main = (
  out: string,
) => ["study", "--model", demoModel, "--tasks", demoTask, "--parts", "main", "--redraws", "1", "--out", out];

Deno.test("study gives the committed numbers for the first redraw, also after it was killed", async () => {
  await withFolder(async (folder) => {
    const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
    const { code, stdout, stderr } = await secateur(main(whole));
    assertEquals([code, stderr], [0, ""]);
    const study = await read(whole);
    const { unpruned, rows, arms } = study.tasks[0].results.main as Comparison;
    assertEquals([rows, unpruned.correct], [512, 380]);
    const [pruned] = arms[0].redraws;
    const [, accuracy, gained, lost, , , tied] = committedRedraw(0);
    assertEquals(pruned.accuracy.toFixed(4), accuracy);
    assertEquals([String(pruned.gained), String(pruned.lost), String(pruned.tiedOnAccuracy)], [gained, lost, tied]);
    assertEquals(stdout, await Deno.readTextFile(join(whole, "study.md")));

    // Killed as soon as something is stored: the folder has no study yet, and the same command goes on from there.
    const process = command(main(killed)).spawn();
    const units = join(killed, "units");
    const stored = async () => (await Array.fromAsync(Deno.readDir(units)).catch(() => [])).length;
    while (await stored() < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill("SIGKILL");
    assertEquals((await process.output()).signal, "SIGKILL");
    const before = await stored();
    assert(!(await Array.fromAsync(Deno.readDir(killed))).some(({ name }) => name === "study.json"));
    assertEquals((await secateur(main(killed))).code, 0);
    assert(await stored() > before);
    const text = (out: string) => Deno.readTextFile(join(out, "study.json"));
    assertEquals(await text(killed), await text(whole));
  });
});

Deno.test("study runs every part from a file of options, in the shape of the committed study", async () => {
  await withFolder(async (folder) => {
    const config = join(folder, "study.yaml");
    const path = (name: string) => JSON.stringify(projectPath(`examples/demo/${name}`));
    await Deno.writeTextFile(
      config,
      `model: ${path("model")}\ntasks: [${path("task/demo.yaml")}]\nretain: ${
        path("task/retain.yaml")
      }\nmark: marker\n` +
        `text: ${
          path("task/notes.txt")
        }\nredraws: 3\nsizes: [5]\nlimit: 16\nfractions: [0.15, 0.4]\nexhaustive-neurons: 0\npool-rows: 40\n`,
    );
    const out = join(folder, "out");
    const args = ["study", "--config", config, "--redraws", "1", "--attribution-redraws", "1", "--out", out];
    const { code, stdout, stderr } = await secateur(args);
    assertEquals([code, stderr], [0, ""]);
    const [task] = (await read(out)).tasks;
    for (const part of studyParts) assert(task.results[part] !== null, part);
    assertEquals([task.settings.redraws, task.test.length, task.poolRows, task.leaked], [1, 16, 40, 0]);
    assertEquals(headings(stdout), headings(committed));
    const names = (await Array.fromAsync(Deno.readDir(out))).map(({ name }) => name).sort();
    assertEquals(names, ["engine.json", "log.json", "report.html", "study.json", "study.md", "units"]);

    // The same folder again: nothing is computed, the bytes stay.
    const bytes = await Deno.readTextFile(join(out, "study.json"));
    const { kernels } = JSON.parse(await Deno.readTextFile(join(out, "engine.json")));
    assert(["tile", "subgroup"].includes(kernels), kernels);
    assertEquals((await secateur(args)).stdout, stdout);
    assertEquals(await Deno.readTextFile(join(out, "study.json")), bytes);
    const log = JSON.parse(await Deno.readTextFile(join(out, "log.json")));
    assertEquals(log.answers.computed, 0);
  });
});

Deno.test("study says what is wrong with its options before it opens a model", async () => {
  await withFolder(async (folder) => {
    const config = join(folder, "study.yaml");
    await Deno.writeTextFile(config, "redraw: 3\n");
    const required = ["--model", demoModel, "--tasks", demoTask, "--out", join(folder, "out")];
    const part = await secateur(["study", ...required, "--parts", "main,selektion"]);
    assertEquals(part.code, 2);
    assert(part.stderr.includes("unknown part selektion; did you mean selection?"), part.stderr);
    const unknown = await secateur(["study", ...required, "--config", config]);
    assertEquals(unknown.code, 2);
    assert(unknown.stderr.includes("unknown option redraw; did you mean redraws?"), unknown.stderr);
    // One file of rows is drawn from and tested on by `run`; here it has to be divided.
    const one = join(folder, "one.yaml");
    const rows = JSON.stringify(projectPath("examples/demo/task/test.jsonl"));
    const files = /^dataset_path: [^]*^test_split: test$/m;
    await Deno.writeTextFile(
      one,
      (await Deno.readTextFile(demoTask)).replace(files, `data: ${rows}\ntraining_split: train\ntest_split: train`),
    );
    const together = await secateur(["study", "--model", demoModel, "--tasks", one, "--out", join(folder, "out")]);
    assertEquals(together.code, 2);
    assertMatch(
      together.stderr,
      /^Error: adaptation examples of task demo_hotel_notes may be drawn from rows that are tested on, such as train\/\d+\nHint: .*divide the rows into two files.* data: \{train: train.jsonl, test: test.jsonl\}/,
    );
    await Deno.mkdir(join(folder, "out"));
    await Deno.writeTextFile(join(folder, "out", "thesis.tex"), "");
    const foreign = await secateur(["study", ...required]);
    assertEquals(foreign.code, 1);
    assert(foreign.stderr.includes("has thesis.tex, which no study wrote"), foreign.stderr);
  });
});
