/** The whole job as a process: files, repeatability, resuming, and the agreement of mask and written checkpoint. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { command, demoModel, demoTask, secateur, withFolder } from "./program.ts";

const onDemo = ["--model", demoModel, "--task", demoTask];
const small = ["--adaptation-examples", "4", "--nodes", "4", "--fractions", "0.1,0.3", "--limit", "12"];

const runFiles = [
  "answers.json",
  "grid.json",
  "plan.json",
  "pruned",
  "report.html",
  "run.json",
  "scores.safetensors",
  "traces.json",
];

async function names(folder: string): Promise<string[]> {
  const entries = [];
  for await (const entry of Deno.readDir(folder)) entries.push(entry.name);
  return entries.sort();
}

/** Runs the program, which must succeed and keep stderr empty: progress belongs on terminals only. */
async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await secateur(args);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

Deno.test("secateur run writes a folder that score, search, prune, eval and --resume agree with", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/run`;
    const asBefore = ["run", ...onDemo, "--out", out, ...small, "--seed", "3"];
    const record = JSON.parse(await succeed(...asBefore, "--json"));
    assertEquals(await names(out), runFiles);
    const { files, ...rest } = record;
    assertEquals(files.length, runFiles.length);
    assertEquals(JSON.parse(await Deno.readTextFile(`${out}/run.json`)), rest);
    assertEquals([record.engine.kind, record.seed, record.examples.test.length], ["webgpu", 3, 12]);

    const plan = await Deno.readTextFile(`${out}/plan.json`);
    const scores = await Deno.readFile(`${out}/scores.safetensors`);
    const grid = await Deno.readTextFile(`${out}/grid.json`);
    const answers = await Deno.readTextFile(`${out}/answers.json`);
    const traces = await Deno.readTextFile(`${out}/traces.json`);

    // Step by step, the same files.
    const draw = ["--adaptation-examples", "4", "--seed", "3"];
    await succeed("score", ...onDemo, "--out", `${folder}/steps`, ...draw, "--nodes", "4");
    assertEquals(await Deno.readFile(`${folder}/steps/scores.safetensors`), scores);
    const given = ["--scores", `${folder}/steps/scores.safetensors`, "--fractions", "0.1,0.3"];
    await succeed("search", ...onDemo, "--out", `${folder}/steps`, ...draw, ...given);
    assertEquals(await Deno.readTextFile(`${folder}/steps/grid.json`), grid);
    assertEquals(await Deno.readTextFile(`${folder}/steps/plan.json`), plan);
    await succeed("prune", "--model", demoModel, "--plan", `${out}/plan.json`, "--out", `${folder}/steps/pruned`);
    assertEquals(
      await Deno.readFile(`${folder}/steps/pruned/model.safetensors`),
      await Deno.readFile(`${out}/pruned/model.safetensors`),
    );

    // Mask and written checkpoint, to the last digit.
    const evaluation = ["--task", demoTask, "--limit", "12", "--json"];
    const masked = JSON.parse(await succeed("eval", "--model", demoModel, "--plan", `${out}/plan.json`, ...evaluation));
    const written = JSON.parse(await succeed("eval", "--model", `${out}/pruned`, ...evaluation));
    assertEquals([masked.metrics, masked.examples], [written.metrics, written.examples]);
    assertEquals(masked.metrics.acc.accuracy, record.test.pruned.acc.accuracy);

    // The pruned copy has the same shape and is another model: what was found on the first is not for it.
    const pruned = ["--model", `${out}/pruned`];
    const plan2 = ["--plan", `${out}/plan.json`];
    for (
      const args of [
        ["prune", ...pruned, ...plan2, "--out", `${folder}/twice`],
        ["eval", ...pruned, ...plan2, ...evaluation],
        ["search", ...pruned, "--task", demoTask, "--out", `${folder}/others`, ...draw, ...given],
      ]
    ) {
      const { code, stderr } = await secateur(args);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^Error: \S+ was found on other weights than those of \S+, though of the same shape\nHint: /);
    }
    const knowingly = await secateur(["prune", ...pruned, ...plan2, "--out", `${folder}/twice`, "--other-weights"]);
    assertEquals(knowingly.code, 0, knowingly.stderr);
    assertStringIncludes(knowingly.stderr, "was found on other weights than those of");

    // Scores of other examples, and a plan of a version whose fingerprints told less.
    const drawnElsewhere = await secateur([
      "search",
      ...["--model", demoModel, "--task", demoTask, "--out", `${folder}/elsewhere`],
      ...draw,
      ...given,
      ...["--sampling", "balanced"],
    ]);
    assertStringIncludes(drawnElsewhere.stderr, "has scores of other examples than the");
    const older = `${folder}/older.json`;
    await Deno.writeTextFile(older, plan.replace('"weights": "1:', '"weights": "'));
    const refused = await secateur(["prune", "--model", demoModel, "--plan", older, "--out", `${folder}/older`]);
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "is of an earlier version, whose fingerprint of the weights does not tell");

    // Files of two runs do not make a report.
    await Deno.writeTextFile(`${out}/grid.json`, grid.replace('"task": "', '"task": "x'));
    const mixed = await secateur(["report", out]);
    assertEquals(mixed.code, 1);
    assertStringIncludes(mixed.stderr, "its grid.json is of another run than its run.json");
    await Deno.writeTextFile(`${out}/grid.json`, grid);

    // Nor does one that differs in a number alone.
    await Deno.writeTextFile(`${out}/answers.json`, answers.replace(/(?<="pruned": \[-)\d+/, "9"));
    const edited = await secateur(["report", out]);
    assertStringIncludes(edited.stderr, "its answers.json is of another run than its run.json, or was changed since");
    await Deno.writeTextFile(`${out}/answers.json`, answers);

    // After a kill between scoring and searching.
    for (const name of runFiles.filter((name) => /json|html/.test(name))) await Deno.remove(`${out}/${name}`);
    await Deno.remove(`${out}/pruned`, { recursive: true });
    const scoredAt = (await Deno.stat(`${out}/scores.safetensors`)).mtime;
    const { code, stdout: resumed, stderr } = await secateur([...asBefore, "--resume"]);
    assertEquals(code, 0, stderr);
    // Whoever deletes run.json deletes what tells the engine, too.
    assertMatch(stderr, /^Nothing tells what computed scores\.safetensors, which were there: run\.json names /);
    assertMatch(resumed, /^taken over from the earlier run: scores\.safetensors$/m);
    assertEquals(await names(out), runFiles);
    assertEquals((await Deno.stat(`${out}/scores.safetensors`)).mtime, scoredAt);
    assertEquals(await Deno.readTextFile(`${out}/grid.json`), grid);
    assertEquals(await Deno.readTextFile(`${out}/plan.json`), plan);
    assertEquals(await Deno.readTextFile(`${out}/answers.json`), answers);
    assertEquals(await Deno.readTextFile(`${out}/traces.json`), traces);

    // Other options must neither take over nor replace what is there.
    const finished = await Promise.all(["run.json", "report.html"].map((name) => Deno.readTextFile(`${out}/${name}`)));
    for (
      const [change, named] of [
        [["--random-draws", "2"], "--random-draws 5 there, 2 here"],
        [["--engine", "reference"], "--engine webgpu there, reference here"],
      ] as const
    ) {
      const other = await secateur([...asBefore, ...change, "--resume"]);
      assertEquals(other.code, 1);
      assertStringIncludes(other.stderr, `run.json is of another run: ${named}`);
      assertMatch(other.stderr, /\nHint: .* --overwrite replaces .* another --out keeps both/);
    }
    assertEquals(
      await Promise.all(["run.json", "report.html"].map((name) => Deno.readTextFile(`${out}/${name}`))),
      finished,
    );

    // The steps tell what computed them.
    const steps = ["run", ...onDemo, "--out", `${folder}/steps`, ...small, "--seed", "3", "--resume"];
    const onOther = await secateur([...steps, "--engine", "reference"]);
    assertEquals(onOther.code, 1);
    assertStringIncludes(onOther.stderr, "scores.safetensors is of another run: --engine webgpu there, reference here");
    const { seconds } = JSON.parse(await succeed(...steps, "--json"));
    assert(seconds.score > 0 && seconds.search > 0 && seconds.total > seconds.score + seconds.search);
    const again = await secateur(["run", ...onDemo, "--out", out, ...small]);
    assertEquals(again.code, 1);
    assertMatch(again.stderr, /^Error: .* is not empty\nHint: --resume/);
  });
});

Deno.test("secateur run refuses to overwrite when the folder holds files that no run wrote", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/thesis.txt`, "mine");
    const { code, stderr } = await secateur(["run", ...onDemo, "--out", folder, ...small, "--overwrite"]);
    assertEquals(code, 1);
    assertMatch(stderr, /^Error: .* has thesis\.txt, which no run wrote\nHint: /);
    assertEquals(await names(folder), ["thesis.txt"]);
  });
});

Deno.test("secateur run exits with 2 when adaptation and test examples overlap", async () => {
  await withFolder(async (folder) => {
    const { code, stderr } = await secateur([
      "run",
      ...onDemo,
      "--out",
      `${folder}/run`,
      "--adaptation-split",
      "test",
    ]);
    assertEquals(code, 2);
    assertMatch(
      stderr,
      /^Error: Cannot test on example test\/\d+: it is an adaptation example too.*\nHint: name different splits/,
    );
    assertEquals(await names(folder), []);
  });
});

Deno.test("secateur run gives other examples when the seed differs", async () => {
  await withFolder(async (folder) => {
    const examples = [];
    for (const seed of ["0", "1"]) {
      const printed = await succeed("score", ...onDemo, "--out", folder, "--nodes", "1", "--seed", seed, "--json");
      examples.push(JSON.parse(printed).examples);
    }
    assertEquals(examples[0].length, 10);
    assertNotEquals(examples[0], examples[1]);
  });
});

Deno.test("secateur demo prints every comparison and the redraws when it runs on few examples", async () => {
  await withFolder(async (folder) => {
    const printed = await succeed("demo", "--out", `${folder}/demo`, "--limit", "8", "--redraws", "2");
    for (const row of ["unpruned", "pruned", "random neurons", "lowest attribution", "seed 0", "seed 1", "mean"]) {
      assertMatch(printed, new RegExp(`^  ${row} .*\\d\\.\\d{4}`, "m"));
    }
    assertStringIncludes(printed, "worst completeness error");
    assertMatch(printed, /chosen: .*; tied with \d+ others? of \d+ configurations/);
    assertMatch(printed, /^seconds: score \d+\.\d, search/m);
    assert((await names(`${folder}/demo`)).includes("pruned"));
  });
});

Deno.test("secateur demo falls back to the reference engine and says so when there is no adapter", async () => {
  await withFolder(async (folder) => {
    const { code, stdout, stderr } = await secateur(
      ["demo", "--out", `${folder}/demo`, "--limit", "2", "--redraws", "1"],
      { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" },
    );
    assertEquals(code, 0);
    assertMatch(stderr, /^No WebGPU adapter was found/);
    assertMatch(stdout, /^float64 reference$/m);
  });
});

// Windows has no SIGINT to send to another process.
if (Deno.build.os !== "windows") {
  Deno.test("secateur run exits with 130 and leaves nothing half-written when it is interrupted", async () => {
    await withFolder(async (folder) => {
      const out = `${folder}/run`;
      const slow = ["--engine", "reference", "--nodes", "512", "--adaptation-examples", "20"];
      const child = command(["run", ...onDemo, "--out", out, ...slow]).spawn();
      const output = child.output();
      let ended = false;
      child.status.then(() => ended = true);
      // The folder appears when the work begins.
      while (!ended && await Deno.stat(out).then(() => false, () => true)) {
        await new Promise((wake) => setTimeout(wake, 20));
      }
      // Once by the terminal, and once more by a program in between.
      if (!ended) { for (let i = 0; i < 2; i++) child.kill("SIGINT"); }
      const { code, stderr } = await output;
      assertEquals(code, 130);
      assertMatch(new TextDecoder().decode(stderr), /^Interrupted: .*\nHint: .* with --resume goes on/);
      assertEquals(await names(out), []);
    });
  });
}
