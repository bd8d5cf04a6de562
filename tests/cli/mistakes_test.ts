/**
 * Mistakes in what a command line names: noticed before weights are loaded, in words that say what to write instead.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { folderState } from "../trust/folder_state.ts";
import { writeTinyProject } from "../trust/tiny_project.ts";
import { demoModel, demoTask, projectPath, secateur, withFolder } from "./program.ts";

const onDemo = ["--model", demoModel, "--task", demoTask];

/** No engine opens: whoever asks for one first fails with other words. */
const noAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

/** A hub that nothing answers for: whoever asks it fails with other words. */
const noHub = { HF_ENDPOINT: "http://127.0.0.1:9" };

/** @param hint Null where the error says itself what to do. */
async function refuse(args: readonly string[], error: string, hint: string | null, exit = 1): Promise<void> {
  const { code, stdout, stderr } = await secateur(args, { ...noAdapter, ...noHub });
  const expected = `Error: ${error}\n${hint === null ? "" : `Hint: ${hint}\n`}`;
  assertEquals({ code, stdout, stderr }, { code: exit, stdout: "", stderr: expected });
}

Deno.test("secateur refuses places and files that do not fit before it opens an engine", async () => {
  await withFolder(async (folder) => {
    const [file, full] = [join(folder, "file"), join(folder, "full")];
    await Deno.writeTextFile(file, "");
    await Deno.mkdir(full);
    await Deno.writeTextFile(join(full, "plan.json"), "{}");
    const blocked = "cannot be made: a part of that path is a file";
    await refuse(
      ["run", ...onDemo, "--out", full],
      `${full} is not empty`,
      "--resume continues the run in it, --overwrite replaces it, or name another folder with --out.",
    );
    // What is typed goes first, where that can be seen without a download.
    await refuse(
      ["run", ...onDemo, "--out", full, "--split", "tset"],
      "task demo_hotel_notes has no split tset; did you mean test?",
      "name one of its splits with --split: train, adaptation, test.",
      2,
    );
    await refuse(
      ["run", "--model", demoModel, "--task", "boolq", "--out", full],
      `${full} is not empty`,
      "--resume continues the run in it, --overwrite replaces it, or name another folder with --out.",
    );
    await refuse(
      ["run", ...onDemo, "--out", join(folder, "new"), "--adaptation-examples", "8000"],
      "Cannot draw 8000 examples: the split adaptation has 400 rows",
      "lower --adaptation-examples, or give more rows with --data.",
      2,
    );
    await refuse(
      ["run", ...onDemo, "--out", join(folder, "new"), "--fractions", "0.001,0.002"],
      "--fractions 0.001,0.002 switches off none of the 192 neurons of a layer",
      "the smallest that switches one off is 0.0027.",
      2,
    );
    for (const command of ["run", "score"]) {
      const out = join(file, "new");
      await refuse([command, ...onDemo, "--out", out], `${out} ${blocked}`, "name another folder with --out.");
    }
    await refuse(
      ["eval", ...onDemo, "--plan", join(folder, "none.json")],
      `there is no file ${join(folder, "none.json")}`,
      "check the path; --plan wants a file such as plan.json.",
    );
    await refuse(
      ["eval", ...onDemo, "--plan", full],
      `${full} is a folder, and --plan wants a file`,
      `--plan ${join(full, "plan.json")}`,
    );
    await refuse(
      ["prune", "--model", demoModel, "--plan", join(full, "plan.json"), "--out", full],
      `${full} is there already`,
      "--overwrite replaces a checkpoint that is there, or name another folder with --out.",
    );
    await refuse(
      ["report", join(folder, "none")],
      `there is no folder ${join(folder, "none")}`,
      "secateur report DIR; each is the folder of a complete run.",
    );
    const { stderr } = await secateur(["eval", ...onDemo, "--against", "nowhere"], noAdapter);
    assertStringIncludes(stderr, "Error: there is no folder nowhere\n");
    assertEquals(await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).then((names) => names.sort()), [
      "file",
      "full",
    ]);
  });
});

Deno.test("secateur asks no hub for a path that leads to no folder", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "first"));
    const { stderr } = await secateur(["info", "--model", join(folder, "frist")], noHub);
    assert(
      stderr.startsWith(`Error: there is no folder ${folder}/frist; did you mean ${folder}/first?\nHint: `),
      stderr,
    );
    const near = await secateur(["info", "--model", "tests/clli"], { ...noHub });
    assertStringIncludes(near.stderr, "did you mean tests/cli?\nHint: check the path, or write tests/clli@main for");
    const above = projectPath("examples/demo");
    await refuse(
      ["info", "--model", above],
      `${above} has no config.json, and its folder model has one`,
      `--model ${demoModel}`,
    );
  });
});

Deno.test("secateur exits with 2 before it opens an engine when a value does not fit the model, the task or its rows", async () => {
  await withFolder(async (folder) => {
    const out = ["--out", join(folder, "new")];
    const layer = "Cannot use layer 7: expected an integer in 0..2";
    const splits = "train, adaptation, test";
    const cases: [string[], string, string | null][] = [
      [["score", ...onDemo, ...out, "--layers", "7"], layer, null],
      [["run", ...onDemo, ...out, "--layers", "7"], layer, null],
      [
        ["run", ...onDemo, ...out, "--layers", "0", "--search-layers", "2"],
        "Cannot search layer 2: only layers 0 are scored",
        null,
      ],
      [
        ["study", "--model", demoModel, "--tasks", demoTask, ...out, "--layers", "7"],
        layer,
        null,
      ],
      [
        ["score", ...onDemo, ...out, "--rule", "trapezoid", "--nodes", "1"],
        "Cannot build the trapezoid rule with 1 nodes: expected an integer in 2..512",
        null,
      ],
      [
        ["tasks", "show", demoTask, "--split", "tset"],
        "task demo_hotel_notes has no split tset; did you mean test?",
        `name one of its splits with --split: ${splits}.`,
      ],
      [
        ["tasks", "show", demoTask, "--row", "512"],
        'Cannot find row "test/512": expected test/0 to test/511',
        "name another one with --row, counted from 0.",
      ],
      [
        ["eval", ...onDemo, "--chat-template"],
        `Cannot find a chat template in ${demoModel}: expected chat_template.jinja, or chat_template in ` +
        "tokenizer_config.json; base models have none",
        null,
      ],
      [
        ["eval", ...onDemo, "--fewshot", "500"],
        "Cannot choose 500 few-shot examples: there are 400 rows to choose from",
        null,
      ],
    ];
    for (const [args, error, hint] of cases) await refuse(args, error, hint, 2);
    assertEquals(await Array.fromAsync(Deno.readDir(folder)), []);
  });
});

Deno.test("secateur prune and run refuse to write over their model or into it, whether or not they may overwrite", async () => {
  await withFolder(async (folder) => {
    const { model, task } = await writeTinyProject(folder);
    const plan = join(folder, "plan.json");
    await Deno.writeTextFile(plan, "{}");
    const before = await folderState(model);
    const prune = ["prune", "--model", model, "--plan", plan, "--out"];
    const own = `Cannot write ${model}: it is the folder of the model itself, expected another one`;
    const inside = (copy: string) =>
      `Cannot write ${copy}: it is inside or around the source ${model}, expected a separate folder`;
    await refuse([...prune, model], own, null, 2);
    await refuse([...prune, model, "--overwrite"], own, null, 2);
    await refuse([...prune, join(model, "copy")], inside(join(model, "copy")), null, 2);
    for (const more of [[], ["--overwrite"], ["--resume"], ["--dry-run"]]) {
      await refuse(
        ["run", "--model", model, "--task", task, "--out", model, ...more],
        inside(join(model, "pruned")),
        null,
        2,
      );
    }
    assertEquals(await folderState(model), before);
  });
});

Deno.test("secateur says in words what a place is that holds no checkpoint, and what belongs there", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "weights.gguf"), "");
    const files = "config.json, model.safetensors or shards with their index, and the files of the tokenizer";
    for (
      const command of [["info"], ["eval", "--task", demoTask], ["prune", "--plan", demoTask, "--out", `${folder}x`]]
    ) {
      await refuse(
        [...command, "--model", folder],
        `Cannot open checkpoint ${folder}: it has no config.json, expected a model as Hugging Face saves it: ${files}; ` +
          "weights.gguf cannot be read",
        "check the path.",
      );
    }
    await refuse(
      ["eval", "--model", join(folder, "weights.gguf"), "--task", demoTask],
      `${join(folder, "weights.gguf")} is a file, and a model is a folder`,
      "name a folder with config.json, or org/name[@revision] of the hub.",
    );
    await refuse(
      ["eval", "--model", join(demoModel, "model.safetensors"), "--task", demoTask],
      `${join(demoModel, "model.safetensors")} is a file, and a model is a folder`,
      `--model ${demoModel}`,
    );
    await refuse(
      ["eval", "--model", join(folder, "none"), "--task", demoTask],
      `there is no folder ${join(folder, "none")}`,
      "check the path; a model is a folder with config.json, or org/name[@revision] of the hub.",
    );
  });
});
