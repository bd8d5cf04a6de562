/** Rows that are too long for a model, as a process: named before an adapter is asked for, or left out and counted. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TinyProject, tinyRun, writeTinyProject } from "../trust/tiny_project.ts";
import { secateur, withFolder } from "./program.ts";

const noAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

/** Test rows that fit: they keep their numbers. */
const fittingTest = [0, 1, 2, 4, 5, 6, 7, 8].map((row) => `test/${row}`);

/** A project with rows of more tokens than its model takes: train/12, test/3 and test/9. */
async function writeLongRows(folder: string): Promise<TinyProject> {
  const project = await writeTinyProject(folder, { config: { max_position_embeddings: 64 } });
  const long = JSON.stringify({ text: "word ".repeat(20), label: 0 });
  const [train, test] = [join(project.data, "train.jsonl"), join(project.data, "test.jsonl")];
  await writeFile(train, `${await readFile(train, "utf8")}${long}\n`);
  const lines = (await readFile(test, "utf8")).trimEnd().split("\n");
  await writeFile(test, [...lines.toSpliced(3, 0, long), long].map((line) => `${line}\n`).join(""));
  return project;
}

/** Fails unless the program named row test/3, or, with worked examples, any. */
function assertNamed({ code, stdout, stderr }: Awaited<ReturnType<typeof secateur>>, worked = ""): void {
  assertEquals([code, stdout], [1, ""], stderr);
  const [error, hint] = stderr.split("\n");
  const place = worked === ""
    ? /^Error: Cannot build example test\/3 \(.*test\.jsonl, line 4\): .*; 1 more of the 10 rows does not fit$/
    : /^Error: .*test\/\d \(/;
  assertMatch(error, place);
  assertStringIncludes(error, `tokens${worked} exceed the model's limit of 64`);
  assertMatch(hint, /^Hint: .*--skip-bad-rows\.$/);
  assertEquals(hint.includes("--fewshot"), worked !== "", hint);
}

Deno.test("secateur names a row that is too long for the model before it asks for an adapter", async () => {
  await withFolder(async (folder) => {
    const { model, task } = await writeLongRows(folder);
    const both = ["--model", model, "--task", task];
    assertNamed(await secateur(["eval", ...both], noAdapter));
    assertNamed(await secateur(["eval", ...both, "--fewshot", "1"], noAdapter), " with 1 worked example");
    assertNamed(await secateur(tinyRun({ model, task, data: "" }, join(folder, "out")), noAdapter));
    const study = ["study", "--model", model, "--tasks", task, "--out", join(folder, "study")];
    assertNamed(await secateur([...study, "--pool-rows", "10"], noAdapter));
    // Rows that are not drawn do no harm.
    const scored = ["score", ...both, "--out", join(folder, "scores.safetensors"), "--adaptation-examples", "13"];
    const { stderr } = await secateur(scored, noAdapter);
    assertMatch(stderr, /^Error: Cannot build example train\/12 \(.*train\.jsonl, line 13\): /);
  });
});

Deno.test("secateur run --skip-bad-rows leaves out rows that are too long, and counts them", async () => {
  await withFolder(async (folder) => {
    const project = await writeLongRows(folder);
    const out = join(folder, "out");
    const args = [...tinyRun(project, out), "--engine", "reference"];
    const { code, stderr } = await secateur([...args, "--skip-bad-rows"]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stderr,
      /^Skipped 3 rows that do not fit; the first one is train\/12 \(.*, line 13\): .* of 64\n$/,
    );
    const run = JSON.parse(await readFile(join(out, "run.json"), "utf8"));
    assertEquals(run.skippedRows, { train: 1, test: 2 });
    assertEquals(run.examples.test, fittingTest);
  });
});

Deno.test("secateur run and eval --truncate cut prompts that are too long, and count them", async () => {
  await withFolder(async (folder) => {
    const project = await writeLongRows(folder);
    const out = join(folder, "out");
    const engine = ["--engine", "reference", "--truncate"];
    const { code, stderr } = await secateur([...tinyRun(project, out), ...engine]);
    assertEquals(code, 0, stderr);
    const note =
      /^Cut the prompts of 2 of \d+ rows to the model's 64 tokens, from the left; the first one is test\/3, by \d+ tokens\.\n$/;
    assertMatch(stderr, note);
    const run = JSON.parse(await readFile(join(out, "run.json"), "utf8"));
    assertEquals([run.truncatedRows, run.provenance.truncated, run.skippedRows], [{ test: 2 }, 64, undefined]);
    assertEquals(run.examples.test.length, 10);
    assertStringIncludes(await readFile(join(out, "report.html"), "utf8"), "<dd>2 of test</dd>");
    const evaluation = ["eval", "--model", project.model, "--task", project.task, "--json"];
    const evaluated = JSON.parse((await secateur([...evaluation, ...engine])).stdout);
    assertEquals([evaluated.examples.length, evaluated.notes.length], [10, 1]);
    assertMatch(`${evaluated.notes[0]}\n`, note);
    assertEquals((await secateur(["tasks", "validate", project.task, "--model", project.model, "--truncate"])).code, 0);
  });
});

Deno.test("secateur study leaves out rows that are too long, or cuts them, as it is told", async () => {
  await withFolder(async (folder) => {
    const { model, task } = await writeLongRows(folder);
    const small = [
      "--parts",
      "main",
      "--redraws",
      "1",
      "--adaptation-examples",
      "3",
      "--nodes",
      "2",
      "--fractions",
      "0.5",
    ];
    const study = ["study", "--model", model, "--tasks", task, ...small, "--engine", "reference", "--json"];
    for (
      const [option, rows, note] of [
        ["--skip-bad-rows", [12, 8], /^Skipped 3 rows that do not fit; the first one is train\/12 /],
        ["--truncate", [13, 10], /^Cut the prompts of 3 of 23 rows to the model's 64 tokens, /],
      ] as const
    ) {
      const { code, stdout, stderr } = await secateur([...study, "--out", join(folder, option), option]);
      assertEquals(code, 0, stderr);
      assertMatch(stderr, note);
      const [{ poolRows, test, results: { main } }] = JSON.parse(stdout).tasks;
      assertEquals([poolRows, test.length], rows);
      // What is cut has no room for worked examples, and takes them from no other row.
      const prompted = main.arms.find(({ name }: { name: string }) => name === "few-shot prompt");
      assertEquals(/; 2 of the 10 questions, cut to fit alone/.test(prompted.about), option === "--truncate");
    }
  });
});

Deno.test("secateur tasks validate and info hold rows against the model", async () => {
  await withFolder(async (folder) => {
    const { model, task } = await writeLongRows(folder);
    const validate = ["tasks", "validate", task];
    assertEquals((await secateur(validate)).code, 0);
    const found = await secateur([...validate, "--model", model]);
    assertEquals([found.code, found.stdout], [1, "rows that fit: train 12, test 8\n"]);
    const [train, test, last, hint] = found.stderr.split("\n");
    assertMatch(
      train,
      /^Error: Cannot build example train\/12 \(.*, line 13\): \d+ tokens exceed the model's limit of 64$/,
    );
    assertMatch(test, /^Error: Cannot build example test\/3 \(.* of 64$/);
    assertMatch(last, /^Error: Cannot build example test\/9 \(.* of 64$/);
    assertMatch(
      hint,
      /^Hint: mend the rows or the task file, or have long prompts cut \(--truncate\); with --skip-bad-rows, /,
    );
    const cut = await secateur([...validate, "--model", model, "--truncate", "--json"]);
    assertMatch(
      cut.stderr,
      /^Cut the prompts of 3 of \d+ rows to the model's 64 tokens, .* train\/12, by \d+ tokens?\.\n$/,
    );
    assertEquals(JSON.parse(cut.stdout).truncatedRows, { train: 1, test: 2 });
    assertEquals((await secateur([...validate, "--truncate"])).code, 2);
    const worked = await secateur([...validate, "--model", model, "--fewshot", "1"]);
    assertMatch(worked.stderr, /^Hint: mend .*, or ask with fewer worked examples \(--fewshot\), or /m);
    const skipped = await secateur([...validate, "--model", model, "--skip-bad-rows", "--json"]);
    assertMatch(skipped.stderr, /^Skipped 3 rows /);
    const { rows, skippedRows } = JSON.parse(skipped.stdout);
    assertEquals([rows, skippedRows], [{ train: 12, test: 8 }, { train: 1, test: 2 }]);

    // A tokenizer alone has no limit, and that is said.
    const config = await readFile(join(model, "config.json"), "utf8");
    await writeFile(join(model, "config.json"), config.replace('"llama"', '"other"'));
    const unknown = await secateur([...validate, "--model", model]);
    assertEquals(unknown.code, 0, unknown.stderr);
    assertMatch(unknown.stderr, /rows may be too long for the model\.\n$/);
    await writeFile(join(model, "config.json"), config);

    const described = await secateur(["info", "--model", model, "--task", task]);
    assertMatch(described.stderr, /^Error: Cannot build example train\/12 \(.*, line 13\): .* of 64\nHint: /);
    const counted = await secateur(["info", "--model", model, "--task", task, "--skip-bad-rows", "--json"]);
    assertEquals(JSON.parse(counted.stdout).task.skippedRows, { train: 1, test: 2 });
  });
});

Deno.test("secateur eval --against asks both models the rows that neither is too short for", async () => {
  await withFolder(async (folder) => {
    const { model, task } = await writeLongRows(folder);
    const { model: longer } = await writeTinyProject(join(folder, "longer"), { seed: 2 });
    const evaluation = ["eval", "--task", task, "--engine", "reference", "--json"];
    const sides = ["--model", longer, "--against", model];
    assertNamed(await secateur([...evaluation, ...sides], noAdapter));
    for (const args of [sides, ["--model", model, "--against", longer]]) {
      const { code, stdout, stderr } = await secateur([...evaluation, ...args, "--skip-bad-rows"]);
      assertEquals(code, 0, stderr);
      assertEquals([...stderr.matchAll(/^Skipped /gm)].length, 1, stderr);
      const { examples, notes, comparison } = JSON.parse(stdout);
      assertEquals(examples.map(({ id }: { id: string }) => id), fittingTest);
      assertEquals(notes, ["Left out 2 rows that only one of the two models can be asked."]);
      assertEquals(comparison.b.model, args[3]);
      // As many as asked for, where so many can be: test/3 is passed over, and test/9 is behind them.
      const six = await secateur([...evaluation, ...args, "--skip-bad-rows", "--limit", "6"]);
      assertEquals(six.code, 0, six.stderr);
      const limited = JSON.parse(six.stdout);
      assertEquals(limited.examples.map(({ id }: { id: string }) => id), fittingTest.slice(0, 6));
      assertEquals(limited.notes, ["Left out 1 row that only one of the two models can be asked."]);
    }
  });
});
