/** Tasks with data of the caller's: files, folders, datasets, other names of splits, and rows that do not fit. */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadTask, loadTaskWithData, type TaskOptions } from "../../src/method/load_task.ts";
import { LongRowError } from "../../src/tasks/bad_row.ts";
import { pythonText } from "../../src/tasks/python_value.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import type { Task } from "../../src/tasks/task.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { smallFile } from "../support/hub_server.ts";
import { commit, timing, withHub } from "../support/hub_setting.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

const tokenizer = await withFolder(tinyTokenizerFiles({ words: [" yes", " no"] }), (folder) => loadTokenizer(folder));

const yaml = `
task: questions
dataset_path: org/questions
dataset_name: en
output_type: multiple_choice
training_split: train
validation_split: validation
doc_to_text: q
doc_to_target: label
doc_to_choice: ["no", "yes"]
`;
const jsonl = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
const rows = (count: number, name = "q") =>
  Array.from({ length: count }, (_, i) => ({ q: `${name}${i}?`, label: i % 2 }));

/** Loads the task in a folder with files; `data` is relative to it. */
function withTask<Result>(
  files: Readonly<Record<string, string | Uint8Array>>,
  data: string | readonly string[] | undefined,
  use: (task: Task, folder: string) => Promise<Result>,
  options: Partial<TaskOptions> & { readonly yaml?: string } = {},
): Promise<Result> {
  const { yaml: text = yaml, ...rest } = options;
  return withFolder({ ...files, "task.yaml": text }, async (folder) => {
    const place = (item: string) => item.replace(/^(\w+=)?/, `$1${folder}/`);
    const given = data === undefined ? undefined : typeof data === "string" ? place(data) : data.map(place);
    const task = await loadTask(join(folder, "task.yaml"), {
      tokenizer,
      ...(given !== undefined && { data: given }),
      ...rest,
    });
    return await use(task, folder);
  });
}

const contexts = async (task: Task, split = task.evaluationSplit) =>
  (await task.requests(split)).map(({ id, context }) => `${id} ${context}`);

Deno.test("loadTask() uses one file for everything when it is given alone", async () => {
  await withTask({ "rows.jsonl": jsonl(rows(4)) }, "rows.jsonl", async (task) => {
    assertEquals([task.splits, task.trainingSplit, task.evaluationSplit], [["data"], "data", "data"]);
    assertEquals(await contexts(task), ["data/0 q0?", "data/1 q1?", "data/2 q2?", "data/3 q3?"]);
    assertEquals(task.standIn, null);
    const drawn = await task.sample("data", { count: 2, seed: 1, sampling: "balanced" });
    assertEquals(drawn.map(({ gold }) => gold).sort(), [0, 1]);
  });
});

Deno.test("loadTask() says what stands in for the split that a task is evaluated on", async () => {
  const cases: [string, Task["standIn"]][] = [
    ["validation", null],
    ["dev", null],
    ["train", { of: "validation", isTraining: true, isKnown: true }],
    ["training", { of: "validation", isTraining: true, isKnown: true }],
    ["adaptation", { of: "validation", isTraining: true, isKnown: true }],
    ["other", { of: "validation", isTraining: false, isKnown: false }],
  ];
  for (const [split, expected] of cases) {
    await withTask({ "rows.jsonl": jsonl(rows(2)) }, [`${split}=rows.jsonl`], (task) => {
      assertEquals([task.evaluationSplit, task.standIn], [split, expected]);
      return Promise.resolve();
    });
  }
});

Deno.test("loadTask() takes the rows of a task that names none", async () => {
  const none = yaml.replace("dataset_path: org/questions\ndataset_name: en\n", "");
  for (const text of [none, `${none}dataset_path: json\n`]) {
    await withTask({ "rows.jsonl": jsonl(rows(2)) }, "rows.jsonl", async (task) => {
      assertEquals(await contexts(task), ["data/0 q0?", "data/1 q1?"]);
    }, { yaml: text });
    await assertRejects(
      () => withTask({}, undefined, () => Promise.resolve(), { yaml: text }),
      TypeError,
      "data is missing: expected the data file of each split",
    );
  }
});

Deno.test("loadTask() uses a file that a task names without a split as its training split", async () => {
  const one = yaml.replace("dataset_path: org/questions\ndataset_name: en\n", "data: rows.jsonl\n")
    .replace("validation_split: validation", "test_split: train");
  await withTask({ "rows.jsonl": jsonl(rows(2)) }, undefined, async (task) => {
    assertEquals([task.splits, task.trainingSplit, task.evaluationSplit], [["train"], "train", "train"]);
    assertEquals(await contexts(task), ["train/0 q0?", "train/1 q1?"]);
  }, { yaml: one });
});

Deno.test("loadTask() names the columns when a setting names none of them", async () => {
  const changes: [string, string, string][] = [
    ["doc_to_text: q", "doc_to_text: question", "question is no column; the columns are q, label"],
    [
      "doc_to_target: label",
      "doc_to_target: lable",
      "lable is no column; the columns are q, label; did you mean label?",
    ],
    ['doc_to_choice: ["no", "yes"]', "doc_to_choice: choices", "choices is no column; the columns are q, label"],
  ];
  for (const [from, to, expected] of changes) {
    await withTask({ "rows.jsonl": jsonl(rows(2)) }, "rows.jsonl", async (task) => {
      await assertRejects(() => task.requests("data"), RangeError, expected);
    }, { yaml: yaml.replace(from, to) });
  }
});

Deno.test("loadTask() suggests the built-in task that is meant", async () => {
  await assertRejects(() => loadTask("bolq", { tokenizer }), RangeError, "a YAML file; did you mean boolq?");
});

Deno.test("loadTask() never shows a row its own answer when one file is the pool of few-shot examples too", async () => {
  await withTask({ "rows.jsonl": jsonl(rows(3)) }, "rows.jsonl", async (task) => {
    for (const text of await contexts(task)) {
      const [id, first, second] = text.split(/[\s]+/);
      assertEquals(text.split("\n\n").length, 3, text);
      assertEquals(text.split(`q${id.slice(-1)}?`).length, 2, `${first} ${second}`);
    }
  }, { fewshotCount: 2 });
});

Deno.test("loadTask() reads every format, and pairs of split and file", async () => {
  const parquet = await readFile(fileURLToPath(new URL("../golden/parquet/rows_zstd.parquet", import.meta.url)));
  const files = {
    "a.csv": "q,label\nx?,1\n",
    "b.tsv": "q\tlabel\ny?\t0\n",
    "c.json": '[{"q": "z?", "label": 1}]',
    "d.parquet": parquet,
  };
  await withTask(files, ["train=a.csv", "train=b.tsv", "validation=c.json"], async (task) => {
    assertEquals([task.trainingSplit, task.evaluationSplit], ["train", "validation"]);
    assertEquals(await contexts(task, "train"), ["train/0 x?", "train/1 y?"]);
    assertEquals(await contexts(task), ["validation/0 z?"]);
  });
  await withTask(files, "d.parquet", async (task) => {
    const [request] = await task.requests("data", { ids: ["data/299"] });
    assertEquals([request.context.slice(0, 14), request.gold], ["Question 299: ", 1]);
  }, { yaml: yaml.replace("doc_to_text: q", "doc_to_text: question") });
});

Deno.test("loadTask() reads the Parquet files that a task file names, as the harness does", async () => {
  const parquet = await readFile(fileURLToPath(new URL("../golden/parquet/rows_none.parquet", import.meta.url)));
  const own = yaml.replace("org/questions", "parquet").replace(
    "dataset_name: en",
    "dataset_kwargs: {data_files: {train: a.parquet, validation: a.parquet}}",
  )
    .replace("doc_to_text: q", "doc_to_text: question");
  await withTask({ "a.parquet": parquet }, undefined, async (task) => {
    assertEquals((await task.requests("validation", { limit: 1 })).map(({ context }) => context), ["Question 0: "]);
  }, { yaml: own });
});

Deno.test("pythonText() writes numbers that are none as Python does", () => {
  assertEquals(pythonText([NaN, Infinity, -Infinity]), "[nan, inf, -inf]");
});

Deno.test("loadTask() takes a split of another name that means the same, and names what is missing", async () => {
  const files = { "data/dev.jsonl": jsonl(rows(1, "dev")), "data/training.jsonl": jsonl(rows(2)) };
  await withTask(files, "data", async (task) => {
    assertEquals([task.splits, task.trainingSplit, task.evaluationSplit], [["dev", "training"], "training", "dev"]);
    assertEquals(await contexts(task), ["dev/0 dev0?"]);
  });
  const both = { ...files, "data/val.jsonl": jsonl(rows(1, "val")) };
  await withTask(both, "data", async (task) => {
    const error = await assertRejects(() => task.requests(task.evaluationSplit), RangeError);
    assertStringIncludes(
      error.message,
      'Cannot read split "validation" of task questions: there are files for dev, training, val',
    );
  });
});

Deno.test("loadTask() finds the dataset of the task file, its subset and its commit", async () => {
  const files = {
    "en/train-00000-of-00001.csv": smallFile("q,label\nx?,1\n"),
    "en/validation-00000-of-00001.csv": smallFile("q,label\ny?,0\n"),
    "fr/train-00000-of-00001.csv": smallFile("q,label\nu?,1\n"),
  };
  const served = { kind: "dataset", id: "org/questions", commit, files } as const;
  await withHub([served, { ...served, id: "org/other" }], async ({ environment, server }) => {
    const hub = { environment, timing };
    await withTask({}, undefined, async (task, folder) => {
      assertEquals([task.splits, await contexts(task)], [["train", "validation"], ["validation/0 y?"]]);
      const path = join(folder, "task.yaml");
      const again = await loadTaskWithData(path, { tokenizer, hub });
      assertEquals(again.data, `org/questions@${commit}`);
      const other = await loadTaskWithData(path, { tokenizer, hub, data: `org/other@${commit}`, subset: "fr" });
      assertEquals([other.data, await contexts(other.task)], [`org/other@${commit}`, ["train/0 u?"]]);
      const strict = () => loadTask(path, { tokenizer, hub, data: "org/other", subset: "de" });
      await assertRejects(strict, RangeError, "it has no subset de");
    }, { hub });
    server.forget();
  });
  const lacking = { ...served, files: { "en/train.csv": files["en/train-00000-of-00001.csv"] } };
  await withHub([lacking], async ({ environment }) => {
    const load = () => withTask({}, undefined, contexts, { hub: { environment, timing } });
    await assertRejects(load, RangeError, 'validation_split is "validation", but there are files for train');
  });
});

Deno.test("loadTaskWithData() names the local files that task files name, as those that are given", async () => {
  const task = (name: string) =>
    `task: ${name}\noutput_type: multiple_choice\ntraining_split: train\ntest_split: test\n` +
    `data: {train: ${name}.jsonl, test: test.jsonl}\n` +
    'doc_to_text: "{{q}}"\ndoc_to_choice: ["no", "yes"]\ndoc_to_target: label\n';
  const files = {
    "group.yaml": "group: both\ntask: [a, b]\naggregate_metric_list: [{metric: acc}]\n",
    "a.yaml": task("a"),
    "b.yaml": task("b"),
    "a.jsonl": jsonl(rows(2, "a")),
    "b.jsonl": jsonl(rows(2, "b")),
    "test.jsonl": jsonl(rows(2, "t")),
  };
  await withFolder(files, async (folder) => {
    const load = async (name: string, data?: string) => {
      const found = await loadTaskWithData(join(folder, name), { tokenizer, ...(data && { data }) });
      return [found.data, ...found.files.map((path) => basename(path))];
    };
    assertEquals(await load("a.yaml"), [null, "a.jsonl", "test.jsonl"]);
    assertEquals(await load("group.yaml"), [null, "a.jsonl", "test.jsonl", "b.jsonl"]);
    const given = join(folder, "b.jsonl");
    assertEquals(await load("a.yaml", given), [given, "b.jsonl"]);
  });
});

Deno.test("loadTask() gives each task of a group its own part of a folder, and refuses one file for all", async () => {
  const member = (name: string) =>
    yaml.replace("task: questions", `task: q_${name}`).replace("name: en", `name: ${name}`);
  const files = {
    "group.yaml": "group: both\ntask: [q_en, q_fr]\naggregate_metric_list: [{metric: acc}]\n",
    "en.yaml": member("en"),
    "fr.yaml": member("fr"),
    "parts/en/train.jsonl": jsonl(rows(1, "en")),
    "parts/en/validation.jsonl": jsonl(rows(1, "en")),
    "parts/fr/train.jsonl": jsonl(rows(1, "fr")),
    "parts/fr/validation.jsonl": jsonl([...rows(1, "fr"), { q: "bad", label: 7 }]),
  };
  await withFolder(files, async (folder) => {
    const group = join(folder, "group.yaml");
    const task = await loadTask(group, { tokenizer, data: join(folder, "parts"), skipBadRows: true });
    assertEquals(await contexts(task), ["q_en/validation/0 en0?", "q_fr/validation/0 fr0?"]);
    assertEquals(task.skippedRows.map(({ id }) => id), ["q_fr/validation/1"]);
    const one = () => loadTask(group, { tokenizer, data: join(folder, "parts/en/train.jsonl") });
    await assertRejects(one, RangeError, "it is one of a group");
  });
});

/** A row among good ones, and what is said about it. */
const badRows: readonly [string, unknown, string][] = [
  ["lacks a column", { label: 1 }, 'doc_to_text: the row has no column "q", which other rows have'],
  ["has null instead of text", { q: null, label: 1 }, 'the column "q" holds null, expected text'],
  ["has a number instead of text", { q: 1.5, label: 1 }, 'the column "q" holds 1.5, expected text'],
  ["has a gold outside the choices", { q: "a?", label: 2 }, "doc_to_target: the index 2 is outside the choices 0..1"],
  ["has an answer that is no choice", { q: "a?", label: "" }, 'the column "label" is empty'],
  ["has no label", { q: "a?", label: -1 }, "the index -1 is outside the choices"],
  ["has a label of text", { q: "a?", label: "maybe" }, '"maybe" is none of the choices ["no","yes"]'],
  ["has null as label", { q: "a?", label: null }, "it gives null, null, expected the index or the text"],
  ["has a fraction as label", { q: "a?", label: 0.5 }, "it gives a number, 0.5"],
];

for (const [what, row, expected] of badRows) {
  Deno.test(`loadTask() names file, row and value when a row ${what}, or skips and counts it`, async () => {
    const files = { "rows.jsonl": jsonl([...rows(2), row, ...rows(2, "z")]) };
    await withTask(files, "rows.jsonl", async (task, folder) => {
      const error = await assertRejects(() => task.requests("data"), RangeError);
      assertStringIncludes(error.message, `Cannot build example data/2 (${join(folder, "rows.jsonl")}, line 3): `);
      assertStringIncludes(error.message, expected);
    });
    await withTask(files, "rows.jsonl", async (task) => {
      assertEquals(await contexts(task), ["data/0 q0?", "data/1 q1?", "data/3 z0?", "data/4 z1?"]);
      assertEquals(task.skippedRows.map(({ id }) => id), ["data/2"]);
      assertStringIncludes(task.skippedRows[0].problem, expected);
      const drawn = await task.sample("data", { count: 4, seed: 0, sampling: "balanced" });
      assertEquals(drawn.map(({ id }) => id).sort(), ["data/0", "data/1", "data/3", "data/4"]);
      await assertRejects(() => task.examples("data", { ids: ["data/2"] }), RangeError, "it was skipped");
    }, { skipBadRows: true });
  });
}

Deno.test("loadTask() throws when every row would be skipped", async () => {
  const files = { "rows.jsonl": jsonl(rows(3).map((row) => ({ ...row, label: -1 }))) };
  await withTask(files, "rows.jsonl", async (task) => {
    const error = await assertRejects(() => task.requests("data"), RangeError);
    assertStringIncludes(error.message, "none of its 3 rows fits the task; the first one");
    assertStringIncludes(error.message, "the index -1");
  }, { skipBadRows: true });
});

Deno.test("loadTask() keeps rows out of the few-shot pool that cannot be worked examples", async () => {
  const training = [{ q: "t0?", label: 1 }, { q: "t1?", label: 9 }, { q: "t2?", label: 0 }, { q: "t3?", label: 0 }];
  const files = { "train.jsonl": jsonl(training), "val.jsonl": jsonl(rows(4)) };
  await withTask(files, ["train=train.jsonl", "validation=val.jsonl"], async (task) => {
    for (const text of await contexts(task)) {
      assertEquals([text.match(/t[023]\?/g)?.length, /t1/.test(text)], [2, false]);
    }
    assertEquals(task.skippedRows.map(({ id }) => id), ["train/1"]);
  }, { skipBadRows: true, fewshotCount: 2 });
});

/** Rows of 3, 9, 3 and 4 tokens, choices of one token; the model reads all but the last one of a choice. */
const oneLong = jsonl([{ q: "q0?", label: 1 }, { q: "too long?", label: 0 }, { q: "q2?", label: 0 }, {
  q: "four",
  label: 1,
}]);

Deno.test("examples() names file, row, tokens and limit when a row has more tokens than the model takes", async () => {
  const files = { "rows.jsonl": oneLong };
  await withTask(files, "rows.jsonl", async (task, folder) => {
    const error = await assertRejects(() => task.examples("data"), LongRowError);
    const place = `${join(folder, "rows.jsonl")}, line 2`;
    assertEquals(error.message, `Cannot build example data/1 (${place}): 9 tokens exceed the model's limit of 8`);
    assertEquals([error.tokens, error.maxTokens, error.workedCount], [9, 8, 0]);
    // Others can be asked, and texts have no tokens.
    assertEquals((await task.examples("data", { ids: ["data/0", "data/3"] })).length, 2);
    assertEquals((await task.requests("data")).length, 4);
  }, { maxTokens: 8 });
  await withTask(files, "rows.jsonl", async (task) => {
    assertEquals((await task.examples("data")).length, 4);
  }, { maxTokens: 9 });
  for (const maxTokens of [0, 1.5, NaN]) {
    await assertRejects(
      () => withTask(files, "rows.jsonl", () => Promise.resolve(), { maxTokens }),
      RangeError,
      `Cannot limit rows to ${maxTokens} tokens`,
    );
  }
});

Deno.test("loadTask() leaves rows out that are too long when told to, wherever the task gives rows", async () => {
  await withTask({ "rows.jsonl": oneLong }, "rows.jsonl", async (task, folder) => {
    const fitting = ["data/0", "data/2", "data/3"];
    const ids = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id);
    assertEquals(ids(await task.examples("data")), fitting);
    assertEquals(ids(await task.requests("data")), fitting);
    assertEquals(ids(await task.rows("data")), fitting);
    assertEquals(ids(await task.marks("data", "label")), fitting);
    assertEquals(ids(await task.examples("data", { limit: 2 })), fitting.slice(0, 2));
    assertEquals(ids(await task.sample("data", { count: 3, seed: 0 })).sort(), fitting);
    const [{ place, problem }] = task.skippedRows;
    assertEquals(task.skippedRows, [{ id: "data/1", place, problem }]);
    assertEquals([place, problem], [
      `${join(folder, "rows.jsonl")}, line 2`,
      "9 tokens exceed the model's limit of 8",
    ]);
    await assertRejects(() => task.examples("data", { ids: ["data/1"] }), RangeError, "it was skipped");
    await assertRejects(() => task.sample("data", { count: 4, seed: 0 }), RangeError, "has 3 rows");
  }, { skipBadRows: true, maxTokens: 8 });
  await withTask({ "rows.jsonl": oneLong }, "rows.jsonl", async (task) => {
    const error = await assertRejects(() => task.examples("data"), RangeError);
    assertStringIncludes(error.message, "none of its 4 rows fits the task; the first one");
    assertStringIncludes(error.message, "3 tokens exceed the model's limit of 2");
  }, { skipBadRows: true, maxTokens: 2 });
});

Deno.test("examples() names the first row that does not fit and counts the others, as skipped rows are listed", async () => {
  // The row that is too long is found after the one whose label is wrong.
  const files = { "rows.jsonl": `${oneLong}\n${jsonl([{ q: "q4?", label: 9 }, { q: "q5?", label: 1 }])}` };
  await withTask(files, "rows.jsonl", async (task) => {
    const all = await assertRejects(() => task.examples("data"), LongRowError);
    assertMatch(all.message, /^Cannot build example data\/1 .* limit of 8; 1 more of the 6 rows does not fit$/);
    const drawn = { ids: ["data/4", "data/0", "data/1"] };
    const some = await assertRejects(() => task.examples("data", drawn), LongRowError);
    assertMatch(some.message, /^Cannot build example data\/1 .*; 1 more of the 3 rows does not fit$/);
  }, { maxTokens: 8 });
  await withTask(files, "rows.jsonl", async (task) => {
    await task.examples("data");
    assertEquals(task.skippedRows.map(({ id }) => id), ["data/1", "data/4"]);
  }, { maxTokens: 8, skipBadRows: true });
  const many = { "rows.jsonl": jsonl(Array.from({ length: 150 }, () => ({ q: "q?", label: 9 }))) };
  await withTask(many, "rows.jsonl", async (task) => {
    await assertRejects(() => task.requests("data"), RangeError, "; at least 99 more of the 150 rows do not fit");
  });
});

Deno.test("loadTask() leaves rows out whose text cannot be encoded when told to, or names file and row", async () => {
  const files = { "rows.jsonl": jsonl([...rows(2), { q: "x".repeat(50_001), label: 1 }]) };
  const expected = "50001 in a row have no white space among them";
  await withTask(files, "rows.jsonl", async (task, folder) => {
    const error = await assertRejects(() => task.examples("data"), RangeError, expected);
    assertStringIncludes(
      error.message,
      `Cannot build example data/2 (${join(folder, "rows.jsonl")}, line 3): cannot enc`,
    );
  });
  await withTask(files, "rows.jsonl", async (task) => {
    assertEquals((await task.examples("data")).length, 2);
    assertStringIncludes(task.skippedRows[0].problem, expected);
  }, { skipBadRows: true });
});

Deno.test("loadTask() counts worked examples as tokens, and keeps those of the rows that are left", async () => {
  const training = ["t0?", "t1?", "a much longer one?", "t3?", "t4?"].map((q, i) => ({ q, label: i % 2 }));
  const files = { "train.jsonl": jsonl(training), "val.jsonl": jsonl(rows(8)) };
  const data = ["train=train.jsonl", "validation=val.jsonl"];
  const all = await withTask(files, data, (task) => task.examples("validation"), { fewshotCount: 2 });
  const isLong = all.map(({ prompt }) => prompt.length > 20);
  // Some were drawn the long one, and some of those that follow them were not.
  assertEquals([isLong.includes(true), isLong.lastIndexOf(false) > isLong.indexOf(true)], [true, true]);
  await withTask(files, data, async (task) => {
    const error = await assertRejects(() => task.examples("validation"), LongRowError);
    assertEquals(error.workedCount, 2);
    assertMatch(
      error.message,
      /validation\/\d \(.*\): \d+ tokens with 2 worked examples exceed the model's limit of 20$/,
    );
    const worked = await task.workedTurns("train", ["train/2", "train/2"]);
    assertEquals((await task.examples("validation", { worked })).length, 8);
  }, { fewshotCount: 2, maxTokens: 20 });
  await withTask(files, data, async (task) => {
    assertEquals(await task.examples("validation"), all.filter((_, i) => !isLong[i]));
    assertEquals(task.skippedRows.length, isLong.filter(Boolean).length);
  }, { fewshotCount: 2, maxTokens: 20, skipBadRows: true });
});

Deno.test("loadTask() counts rows of a group that are too long under the ids that the group has for them", async () => {
  const member = (name: string) =>
    yaml.replace("task: questions", `task: q_${name}`).replace("name: en", `name: ${name}`);
  const files = {
    "group.yaml": "group: both\ntask: [q_en, q_fr]\naggregate_metric_list: [{metric: acc}]\n",
    "en.yaml": member("en"),
    "fr.yaml": member("fr"),
    "parts/en/train.jsonl": jsonl(rows(1)),
    "parts/en/validation.jsonl": jsonl(rows(2)),
    "parts/fr/train.jsonl": jsonl(rows(1)),
    "parts/fr/validation.jsonl": oneLong,
  };
  await withFolder(files, async (folder) => {
    const settings = { tokenizer, data: join(folder, "parts"), maxTokens: 8 };
    const task = await loadTask(join(folder, "group.yaml"), { ...settings, skipBadRows: true });
    assertEquals((await task.sample("validation", { count: 5, seed: 3, sampling: "balanced" })).length, 5);
    assertEquals(task.skippedRows.map(({ id }) => id), ["q_fr/validation/1"]);
  });
});

Deno.test("loadTask() refuses a subset where files are named one by one, which have none", async () => {
  const own = yaml.replace("dataset_path: org/questions\ndataset_name: en\n", "data: {validation: rows.jsonl}\n");
  for (const [text, data] of [[own, undefined], [yaml, "rows.jsonl"], [yaml, ["validation=rows.jsonl"]]] as const) {
    const load = (subset?: string) =>
      withTask({ "rows.jsonl": jsonl(rows(2)) }, data, (task) => contexts(task), {
        yaml: text.replace(/^training_split: .*\n/m, ""),
        ...(subset !== undefined && { subset }),
      });
    assertEquals((await load()).length, 2);
    await assertRejects(() => load("fr"), OptionError, 'Cannot choose the subset "fr": ');
  }
});

const places: readonly [string, readonly string[], string][] = [
  [
    "nothing is there",
    ["/none/rows.jsonl"],
    'Cannot find the data "/none/rows.jsonl": there is no such file or folder',
  ],
  ["a file has no path", ["rows.csv"], 'Cannot find the data "rows.csv": there is no such file'],
  ["it is neither path nor name", ["a b"], "expected a folder that exists, or org/name[@revision]"],
  ["several are no pairs", ["a.jsonl", "train=b.jsonl"], "expected split=file for each of several"],
  ["there is none", [], "expected a file, a folder, a dataset or split=file"],
  ["a pair names no file", ["train=/none/a.jsonl"], "(ENOENT)"],
];

for (const [what, data, expected] of places) {
  Deno.test(`loadTask() says what data may be when ${what}`, async () => {
    await withFolder({ "task.yaml": yaml }, async (folder) => {
      const environment = { HOME: folder, HF_HUB_OFFLINE: "1" };
      const load = async () => {
        const task = await loadTask(join(folder, "task.yaml"), { tokenizer, data, hub: { environment } });
        await task.requests(task.splits[0]);
      };
      const error = await assertRejects(load, RangeError);
      assertStringIncludes(error.message, expected);
    });
  });
}
