/** Rows of the caller's own, as a process: built-in tasks on files, folders and datasets of a hub. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { HubServer, smallFile } from "../support/hub_server.ts";
import { readGrid, readPlan, readScores } from "../../src/method/files.ts";
import { assertDocumentedCommands, demoModel, secateur, withFolder } from "./program.ts";

const commit = "fedcba98".repeat(5);

/** Rows with the columns of BoolQ. */
function questions(count: number, first = 0): string {
  const rows = Array.from({ length: count }, (_, i) => ({
    question: `was the ${["food", "staff", "room", "pool"][i % 4]} good`,
    passage: `Staff ${i % 2 === 0 ? "kind" : "rude"}, room ${first + i}.`,
    label: i % 2,
  }));
  return rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
}

Deno.test("secateur run does the whole job on a built-in task and one file of rows", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/rows.jsonl`;
    await Deno.writeTextFile(file, questions(9) + '{"question": "x", "passage": "y", "label": 7}\n' + questions(6, 9));
    const job = ["--model", demoModel, "--task", "boolq", "--data", file, "--out", `${folder}/run`];
    const small = ["--adaptation-examples", "4", "--sampling", "balanced", "--nodes", "2", "--fractions", "0.1,0.3"];
    const refused = await secateur(["run", ...job, ...small]);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(refused.stderr, /^Error: Cannot build example data\/9 \(.*rows\.jsonl, line 10\): .*the index 7/);

    const { code, stderr } = await secateur(["run", ...job, ...small, "--limit", "5", "--skip-bad-rows"]);
    assertEquals(code, 0);
    assertMatch(stderr, /^Skipped 1 row that does not fit; the first one is data\/9 \(.*, line 10\): .*\n$/);
    const run = JSON.parse(await Deno.readTextFile(`${folder}/run/run.json`));
    assertEquals([run.provenance.task, run.provenance.data, run.skippedRows], ["boolq", file, { data: 1 }]);
    const { adaptation, test } = run.examples;
    assertEquals([adaptation.length, test.length, new Set([...adaptation, ...test]).size], [4, 5, 9]);
    assert([...adaptation, ...test].every((id) => /^data\/(\d|1\d)$/.test(id) && id !== "data/9"));
    // An even row is a no, up to the bad one; after it the numbers are shifted by one.
    const golds = adaptation.map((id: string) => Number(id.slice(5))).map((row: number) =>
      (row < 9 ? row : row - 10) % 2
    );
    assertEquals(golds.filter((gold: number) => gold === 1).length, 2);

    // What the plan was chosen on is not evaluated, or said to be.
    const evaluation = ["eval", "--model", demoModel, "--task", "boolq", "--skip-bad-rows", "--json"];
    const plan = ["--plan", `${folder}/run/plan.json`, "--compare", "--output", `${folder}/results.json`];
    const compared = await secateur([...evaluation, "--data", file, ...plan]);
    const { notes, examples, split } = JSON.parse(compared.stdout);
    assertEquals([split, notes], ["data", ["Left out 4 rows of data that the plan was chosen on."]]);
    assert(compared.stderr.includes(notes[0]), compared.stderr);
    const ids: string[] = examples.map(({ id }: { id: string }) => id);
    assertEquals([ids.length, ids.some((id) => adaptation.includes(id))], [11, false]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/results.json`)).secateur.notes, notes);
    const pruned = ["--model", `${folder}/run/pruned`, "--split", "test", "--data", `test=${file}`];
    const asked = JSON.parse((await secateur([...evaluation.toSpliced(1, 2), ...pruned])).stdout);
    assertMatch(asked.notes.join(), /^The plan was chosen on 4 of the 15 rows evaluated/);
    await Deno.copyFile(`${folder}/run/plan.json`, `${folder}/plan.json`);
    const alone = await secateur([...evaluation, "--data", file, "--plan", `${folder}/plan.json`]);
    assertMatch(alone.stderr, /^Rows that the plan was chosen on may be among those evaluated/m);
    // Nor does a pruned copy made elsewhere tell, whose weight files tell what it is.
    const copy = `${folder}/copy`;
    const prune = ["prune", "--model", demoModel, "--plan", `${folder}/run/plan.json`, "--out", copy];
    assertEquals((await secateur(prune)).code, 0);
    const ofCopy = ["eval", "--model", copy, ...evaluation.slice(3), "--data", file];
    const copied = await secateur(ofCopy);
    assertMatch(
      JSON.parse(copied.stdout).notes.join(),
      /^Rows that the pruned copy was chosen on may be .*: beside the pruned copy is no run\.json of this data, nor/,
    );
    const beside = await secateur(["eval", "--model", demoModel, ...ofCopy.slice(3), "--against", copy]);
    assertEquals(JSON.parse(beside.stdout).notes, JSON.parse(copied.stdout).notes);
    const unseen = await secateur([...ofCopy, "--unseen"]);
    assertEquals([unseen.code, unseen.stdout], [1, ""]);
    assertMatch(
      unseen.stderr,
      /^Error: nothing tells which rows the pruned copy was chosen on: .*\nHint: .*--unseen\.$/m,
    );
    // The same rows, but the task names them.
    const task = "task: t\noutput_type: multiple_choice\ntest_split: train\ndata: rows.jsonl\ndoc_to_text: question\n" +
      'doc_to_choice: ["no", "yes"]\ndoc_to_target: label\n';
    await Deno.writeTextFile(`${folder}/task.yaml`, task);
    const own = evaluation.toSpliced(4, 1, `${folder}/task.yaml`);
    const named = await secateur([...own, "--plan", `${folder}/run/plan.json`]);
    assertEquals([named.code, JSON.parse(named.stdout).notes.length], [0, 1]);
    assertMatch(named.stderr, /^Left out 4 rows of train that the plan was chosen on\.$/m);
    // Other rows are no question.
    await Deno.writeTextFile(`${folder}/other.jsonl`, questions(4, 50));
    const others = await secateur([...evaluation, "--data", `${folder}/other.jsonl`, ...plan.slice(0, 2)]);
    assertEquals([others.stderr, JSON.parse(others.stdout).notes], ["", []]);

    // Scores of other rows must not be taken over.
    assertMatch(run.provenance.dataSha256, /^[0-9a-f]{64}$/);
    await Deno.writeTextFile(file, questions(16));
    const resumed = await secateur(["run", ...job, ...small, "--limit", "5", "--resume"]);
    assertEquals(resumed.code, 1);
    assertMatch(resumed.stderr, /^Error: .*run\.json is of another run: the rows \(another digest\)/);
  });
});

Deno.test("secateur eval refuses to evaluate on training rows that it was not asked for, and run says that it tests on them", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/rows.jsonl`;
    await Deno.writeTextFile(file, questions(6));
    const evaluation = ["eval", "--model", demoModel, "--task", "boolq", "--json", "--data"];
    const refused = await secateur([...evaluation, `train=${file}`]);
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertMatch(
      refused.stderr,
      /^Error: task boolq is evaluated on its split validation, .* only train\nHint: .*--split train/,
    );
    const asked = await secateur([...evaluation, `train=${file}`, "--split", "train"]);
    assertEquals([asked.code, asked.stderr, JSON.parse(asked.stdout).split], [0, "", "train"]);
    const other = await secateur([...evaluation, `test=${file}`]);
    const note = "Task boolq is evaluated on its split validation, which the data lacks: test stands in for it.";
    assertEquals([other.code, other.stderr, JSON.parse(other.stdout).notes], [0, `${note}\n`, [note]]);
    const job = ["--model", demoModel, "--task", "boolq", "--adaptation-examples", "2", "--out", `${folder}/run`];
    const many = ["--data", file, "--adaptation-examples", "80", "--out", `${folder}/run`];
    const refusedRun = await secateur(["run", ...job.slice(0, 4), ...many]);
    assertEquals([refusedRun.code, refusedRun.stdout], [2, ""]);
    assertMatch(
      refusedRun.stderr,
      /^Error: Cannot draw 80 examples: the split data has 6 rows\nHint: .*--adaptation/,
    );
    const run = await secateur(["run", ...job, "--data", `train=${file}`, "--dry-run"]);
    assertEquals(run.code, 0);
    assertMatch(
      run.stderr,
      /train stands in for it; adaptation examples are drawn from it, and its other rows are the test\./,
    );
  });
});

Deno.test("secateur eval leaves out the rows that score and search have used, whatever split they are of", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/steps`;
    await Deno.writeTextFile(`${folder}/rows.jsonl`, questions(12));
    const onRows = ["--model", demoModel, "--task", "boolq", "--data", `train=${folder}/rows.jsonl`];
    const few = ["--adaptation-examples", "3", "--out", out];
    const selection = ["--selection-examples", "2", "--fractions", "0.1", "--scores", `${out}/scores.safetensors`];
    for (
      const step of [
        ["score", ...onRows, ...few, "--nodes", "1"],
        ["search", ...onRows, ...few, ...selection],
      ]
    ) assertEquals((await secateur(step)).code, 0);
    const { model } = await readPlan(`${out}/plan.json`);
    const scored = await readScores(`${out}/scores.safetensors`, model);
    const grid = await readGrid(`${out}/grid.json`, model);
    const used = [...scored.result.examples, ...grid.result.examples];
    assertEquals(new Set(used).size, 5);

    const evaluation = ["eval", ...onRows, "--json", "--plan"];
    const measured = async (...args: string[]) => JSON.parse((await secateur([...evaluation, ...args])).stdout);
    const idsOf = ({ examples }: { examples: { id: string }[] }) => examples.map(({ id }) => id);
    const rest = Array.from({ length: 12 }, (_, i) => `train/${i}`).filter((id) => !used.includes(id));
    // Training rows that are left are test rows, as in a run.
    const alone = await measured(`${out}/plan.json`);
    assertEquals(idsOf(alone), rest);
    assertEquals(alone.notes, [
      "Task boolq is evaluated on its split validation, which the data lacks: train stands in for it.",
      "Left out 5 rows of train that the plan was chosen on.",
    ]);
    const asked = await measured(`${out}/plan.json`, "--split", "train");
    assertEquals([idsOf(asked).length, asked.notes.length], [12, 1]);
    const unseen = await measured(`${out}/plan.json`, "--split", "train", "--unseen");
    assertEquals([idsOf(unseen), unseen.notes], [rest, ["Left out 5 rows of train that the plan was chosen on."]]);
    // Of other files nothing is left out, even if they have the same rows.
    const more = await measured(`${out}/plan.json`, "--data", `validation=${folder}/rows.jsonl`, "--unseen");
    const note = "The plan was chosen on other files than these, so no row was left out for it.";
    assertEquals([idsOf(more).length, more.notes], [12, [note]]);
    // Of another name than the search gave it, it may be any plan.
    await Deno.copyFile(`${out}/plan.json`, `${out}/other.json`);
    const untold = await secateur([...evaluation, `${out}/other.json`, "--split", "train", "--unseen"]);
    assertEquals([untold.code, untold.stdout], [1, ""]);
    assertMatch(untold.stderr, /^Error: nothing tells which rows the plan was chosen on: .*\nHint: .*--unseen\.$/m);
  });
});

Deno.test("secateur refuses a split that no task names and nobody asks for, unless it is asked for", async () => {
  await withFolder(async (folder) => {
    const file = `${folder}/rows.jsonl`;
    await Deno.writeTextFile(file, questions(6));
    const work = ["--model", demoModel, "--task", "boolq", "--engine", "reference", "--data"];
    /** A command names the option that it has. */
    const ask: Record<string, string> = { score: ", or ask for it with --adaptation-split tset", info: "" };
    const run = ["--adaptation-examples", "2", "--nodes", "1", "--out", `${folder}/run`];
    for (
      const [split, meant, command, ...more] of [
        ["vaildation", "validation", "eval"],
        ["tset", "test", "run", ...run],
        ["tset", "test", "score", ...run],
        ["held-out", null, "info"],
      ] as [string, string | null, string, ...string[]][]
    ) {
      const options = command === "info" ? work.filter((word) => !/engine|reference/.test(word)) : work;
      const { code, stdout, stderr } = await secateur([command, ...options, `${split}=${file}`, ...more]);
      const suggestion = meant === null ? "" : `; did you mean ${meant}?`;
      assertEquals([code, stdout, stderr], [
        2,
        "",
        `Error: task boolq names no split ${split}${suggestion}\n` +
        "Hint: write --data validation=FILE, or --data FILE to use it for everything" +
        `${ask[command] ?? `, or ask for it with --split ${split}`}.\n`,
      ]);
    }
    const shown = await secateur(["tasks", "show", "boolq", "--data", `tset=${file}`]);
    assertEquals([shown.code, shown.stdout], [2, ""]);
    for (
      const args of [
        ["eval", ...work, `tset=${file}`, "--split", "tset", "--limit", "1"],
        ["score", ...work, `tset=${file}`, "--adaptation-split", "tset", ...run],
        ["tasks", "show", "boolq", "--data", `tset=${file}`, "--split", "tset"],
      ]
    ) {
      const { code, stderr } = await secateur(args);
      assertEquals([code, stderr], [0, ""], args[0]);
    }
  });
});

Deno.test("secateur eval finds the dataset that a built-in task names, on a hub and then in the cache", async () => {
  const card = "---\nconfigs:\n- config_name: boolq\n  data_files:\n  - {split: train, path: boolq/train-*}\n" +
    "  - {split: validation, path: boolq/validation-*}\n---\n";
  const server = new HubServer([{
    kind: "dataset",
    id: "aps/super_glue",
    commit,
    files: {
      "README.md": smallFile(card),
      "boolq/train-00000-of-00001.jsonl": smallFile(questions(2)),
      "boolq/validation-00000-of-00001.jsonl": smallFile(questions(3)),
    },
  }]);
  try {
    await withFolder(async (home) => {
      // Not HOME: what the driver compiled is cached there.
      const environment = { HF_HOME: `${home}/hf`, HF_ENDPOINT: server.endpoint };
      const evaluation = ["eval", "--model", demoModel, "--task", "boolq", "--limit", "2", "--json"];
      const { code, stdout, stderr } = await secateur(evaluation, environment);
      assertEquals([code, stderr], [0, ""]);
      const result = JSON.parse(stdout);
      assertEquals(result.data, `aps/super_glue@${commit}`);
      assertEquals(result.examples.map(({ id }: { id: string }) => id), ["validation/0", "validation/1"]);
      const offline = await secateur(evaluation, { ...environment, HF_HUB_OFFLINE: "1" });
      assertEquals(JSON.parse(offline.stdout).examples, result.examples);
      const unknown = await secateur([...evaluation, "--split", "test"], environment);
      assertEquals([unknown.code, unknown.stdout], [2, ""]);
      assertMatch(unknown.stderr, /^Error: task boolq has no split test\nHint: .* --split: train, validation\.\n$/);
      const elsewhere = { HF_HOME: `${home}/empty`, HF_HUB_OFFLINE: "1" };
      const forbidden = await secateur(evaluation, elsewhere);
      assertEquals([forbidden.code, forbidden.stdout], [1, ""]);
      assertMatch(forbidden.stderr, /^Error: Cannot find aps\/super_glue .*\nHint: .*--data\)\.\n$/);
      const missing = await secateur([...evaluation, "--data", "org/none"], environment);
      assertEquals([missing.code, missing.stdout], [1, ""]);
      assertMatch(
        missing.stderr,
        /^Error: Cannot download org\/none: there is no folder and no public dataset.*\nHint: /,
      );
    });
  } finally {
    await server.close();
  }
});

Deno.test("docs/data.md names only commands and options that are there", async () => {
  assert(await assertDocumentedCommands("docs/data.md") >= 8);
});
