/** `secateur tasks`, as a process. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { demoModel, demoTask, secateur, withFolder } from "./program.ts";

Deno.test("secateur tasks ls names the benchmarks, and every part of them as JSON", async () => {
  const { code, stdout, stderr } = await secateur(["tasks", "ls"]);
  assertEquals([code, stderr], [0, ""]);
  for (const name of ["balanced-copa", "boolq", "copa", "mmlu", "sst2", "sst5", "xnli"]) {
    assertMatch(stdout, new RegExp(`^  ${name} `, "m"));
  }
  const all = JSON.parse((await secateur(["tasks", "ls", "--json"])).stdout);
  assertEquals(all.filter(({ family }: { family: string }) => family === "mmlu").length, 1 + 4 + 57);
});

Deno.test("secateur tasks show prints the request of a row token by token when a model is given", async () => {
  const args = ["tasks", "show", demoTask, "--model", demoModel, "--row", "3"];
  const { code, stdout, stderr } = await secateur(args);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, 'docToChoice       ["negative","positive"]');
  assertMatch(stdout, /^test\/3$/m);
  assertMatch(stdout, /^\* choice \d \(1 token\): " (?:nega|posi)tive"$/m);
  const { requests: [request] } = JSON.parse((await secateur([...args, "--json"])).stdout);
  const texts = (tokens: readonly { text: string }[]) => tokens.map(({ text }) => text).join("");
  assertEquals(request.contextTokens.map(texts), request.contexts);
  assertEquals(request.continuationTokens.map(texts), request.continuations);
});

Deno.test("secateur tasks show prints the settings of a built-in task without its rows", async () => {
  const { code, stdout } = await secateur(["tasks", "show", "boolq", "--prompt", "instruction"]);
  assertEquals(code, 0);
  assertMatch(stdout, /^ {2}name +boolq_instruction$/m);
  assertStringIncludes(stdout, "Answer with one of these words: no, yes.");
  assertStringIncludes(stdout, "--data");
});

Deno.test("secateur tasks validate counts the rows, or names the row or key that is wrong", async () => {
  const good = await secateur(["tasks", "validate", demoTask]);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertMatch(good.stdout, /rows: train 1000, adaptation 400, test 512/);
  await withFolder(async (folder) => {
    const task = "task: t\noutput_type: multiple_choice\ntest_split: test\ndata: {test: rows.jsonl}\n" +
      'doc_to_text: q\ndoc_to_choice: ["a", "b"]\ndoc_to_target: label\n';
    await Deno.writeTextFile(`${folder}/task.yaml`, task);
    await Deno.writeTextFile(`${folder}/rows.jsonl`, '{"q":"x","label":0}\n{"q":"y","label":2}\n');
    const row = await secateur(["tasks", "validate", `${folder}/task.yaml`]);
    assertEquals([row.code, row.stdout], [1, "rows that fit: test 1\n"]);
    assertMatch(
      row.stderr,
      /^Error: Cannot build example test\/1 \(.*rows\.jsonl, line 2\): doc_to_target: the index 2/,
    );
    await Deno.writeTextFile(`${folder}/task.yaml`, task + "doc_to_txt: q\n");
    const key = await secateur(["tasks", "validate", `${folder}/task.yaml`]);
    assert(key.code === 1 && key.stderr.includes("doc_to_txt is not a known key"), key.stderr);
  });
});

Deno.test("secateur tasks validate lists the first rows that do not fit, and all as JSON", async () => {
  await withFolder(async (folder) => {
    const task = `${folder}/task.yaml`;
    await Deno.writeTextFile(
      task,
      "task: t\noutput_type: multiple_choice\ntest_split: test\ndata: {train: train.csv, test: test.csv}\n" +
        'doc_to_text: q\ndoc_to_choice: ["a", "b"]\ndoc_to_target: label\n',
    );
    // One cell is empty: the others are numbers all the same.
    await Deno.writeTextFile(`${folder}/train.csv`, "q,label\nx,0\ny,\nz,1\n");
    await Deno.writeTextFile(`${folder}/test.csv`, `q,label\nx,1\n${"y,7\n".repeat(22)}`);
    const { code, stdout, stderr } = await secateur(["tasks", "validate", task, "--json"]);
    assertEquals(code, 1);
    const lines = stderr.trimEnd().split("\n");
    assertEquals(lines.length, 22);
    assertMatch(
      lines[0],
      /^Error: Cannot build example train\/1 \(.*train\.csv, line 3\): doc_to_target: the column "label" is empty$/,
    );
    assertMatch(lines[19], /^Error: Cannot build example test\/19 \(.*test\.csv, line 21\): /);
    assertEquals(lines[20], "Error: 3 more rows do not fit: 3 of test");
    assertMatch(lines[21], /^Hint: .*--skip-bad-rows/);
    const { rows, badRows, problems } = JSON.parse(stdout);
    assertEquals([rows, problems], [{ train: 2, test: 1 }, []]);
    assertEquals(badRows.length, 23);
    assertEquals(badRows[0], {
      id: "train/1",
      place: `${folder}/train.csv, line 3`,
      problem: 'doc_to_target: the column "label" is empty',
    });
  });
});

Deno.test("secateur tasks validate does not offer to skip rows where the file is damaged", async () => {
  await withFolder(async (folder) => {
    const files: [string, string][] = [
      ["cut.jsonl", '{"question": "x", "passage": "y", "label": 1}\n{"question": "x'],
      ["ragged.csv", "question,passage,label\nx,y\n"],
      ["empty.jsonl", ""],
      ["rows.txt", "x"],
    ];
    for (const [name, text] of files) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
      const { code, stdout, stderr } = await secateur([
        "tasks",
        "validate",
        "boolq",
        "--data",
        `validation=${folder}/${name}`,
        "--json",
      ]);
      assertEquals([code, JSON.parse(stdout).problems.length, stderr.includes("--skip-bad-rows")], [1, 1, false], name);
      assertMatch(stderr, /^Error: Cannot read .*\nHint: mend the file, or name another one with --data\.\n$/);
    }
  });
});

Deno.test("secateur tasks VERB --help lists what goes with that word alone", async () => {
  const listed = async (...words: string[]) => {
    const { code, stdout } = await secateur(["tasks", ...words, "--help"]);
    assertEquals(code, 0);
    return {
      usage: /^Usage: (.*)$/m.exec(stdout)![1],
      options: [...stdout.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name),
    };
  };
  const [all, ls, validate] = [await listed(), await listed("ls"), await listed("validate", "boolq")];
  assertEquals(ls, { usage: "secateur tasks ls [options]", options: ["json", "events", "help"] });
  assertEquals(validate.usage, "secateur tasks validate TASK [options]");
  assertEquals(validate.options, all.options.filter((name) => name !== "row"));
});

Deno.test("secateur tasks exits with 2 and says what it takes when the words are wrong", async () => {
  for (const words of [[], ["list"], ["show"], ["ls", "x"], ["show", "boolq", "copa"]]) {
    const { code, stderr } = await secateur(["tasks", ...words]);
    assertEquals(code, 2);
    assertMatch(stderr, /^Error: .*\nHint: secateur tasks ls/);
  }
});

Deno.test("secateur tasks show asks in the turns of the model's chat template when told so", async () => {
  await withFolder(async (folder) => {
    for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(`${demoModel}/${name}`, `${folder}/${name}`);
    }
    const args = [
      "tasks",
      "show",
      demoTask,
      "--chat-template",
      "--system-prompt",
      "Be kind.",
      "--fewshot",
      "1",
      "--json",
    ];
    const without = await secateur([...args, "--model", folder]);
    assertEquals([without.code, without.stdout], [2, ""]);
    assertMatch(without.stderr, /^Error: Cannot find a chat template in .*; base models have none\n$/);
    await Deno.writeTextFile(
      `${folder}/chat_template.jinja`,
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
    );
    const { code, stdout, stderr } = await secateur([...args, "--model", folder]);
    assertEquals([code, stderr], [0, ""]);
    const { requests: [{ contexts: [context], continuations }] } = JSON.parse(stdout);
    assertMatch(
      context,
      /^<system>Be kind\.<user>[^<]* Verdict:<assistant>(?:nega|posi)tive<user>[^<]* Verdict:<assistant>$/,
    );
    assertEquals(continuations, ["negative", "positive"]);
    const noModel = await secateur(args);
    assertEquals(noModel.code, 2);
    assertMatch(noModel.stderr, /^Error: --chat-template needs --model\nHint: /);
  });
});
