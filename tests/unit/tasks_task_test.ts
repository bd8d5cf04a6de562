import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { loadTask, type LoadTaskOptions, type Task } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

const tokenizer = await withFolder(tinyTokenizerFiles({ words: [" yes", " no"] }), (folder) => loadTokenizer(folder));

const jsonl = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n");

const questions = [
  { passage: "Cats purr.", question: "do cats purr", label: 1 },
  { passage: "Fish swim.", question: "do fish walk", label: 0 },
  { passage: "Birds fly.", question: "do birds fly", label: 1 },
];

const boolq = `
task: boolq
dataset_path: json
dataset_kwargs:
  data_files: {train: train.jsonl, validation: data/test.jsonl}
output_type: multiple_choice
training_split: train
validation_split: validation
doc_to_text: "{{passage}}\\nQuestion: {{question}}?\\nAnswer:"
doc_to_target: label
doc_to_choice: ["no", "yes"]
metric_list:
  - metric: acc
metadata:
  version: 2.0
`;

/** Replaces or adds top-level keys: a change is a whole `key: value` entry, and an entry with an empty value goes. */
function edit(yaml: string, changes: Readonly<Record<string, string>>): string {
  const entries = new Map(yaml.trim().split(/\n(?=\S)/).map((entry) => [entry.slice(0, entry.indexOf(":")), entry]));
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") entries.delete(key);
    else entries.set(key, `${key}: ${value}`);
  }
  return [...entries.values()].join("\n");
}

interface Files {
  readonly yaml?: string;
  readonly train?: readonly unknown[];
  readonly test?: readonly unknown[];
  readonly more?: Readonly<Record<string, string>>;
  readonly options?: Partial<LoadTaskOptions>;
}

function withTask<Result>(files: Files, use: (task: Task, folder: string) => Promise<Result>): Promise<Result> {
  const { yaml = boolq, train = questions, test = questions, more = {}, options } = files;
  return withFolder(
    { "task.yaml": yaml, "train.jsonl": jsonl(train), "data/test.jsonl": jsonl(test), ...more },
    async (folder) => await use(await loadTask(join(folder, "task.yaml"), { tokenizer, ...options }), folder),
  );
}

/** Context, continuations and gold of a row of the evaluation split. */
async function requestOf(files: Files, position = 0): Promise<[string, readonly string[], number]> {
  const [request] = await withTask(files, (task) => {
    return task.requests(task.evaluationSplit, { ids: [`${task.evaluationSplit}/${position}`] });
  });
  return [request.context, request.continuations, request.gold];
}

Deno.test("loadTask() reads what the program needs when the file is the harness's own form", async () => {
  await withTask({}, async (task) => {
    assertEquals(task.name, "boolq");
    assertEquals(task.version, 2);
    assertEquals(task.metrics, ["acc"]);
    assertEquals(task.splits, ["train", "validation"]);
    assertEquals(task.trainingSplit, "train");
    assertEquals(task.evaluationSplit, "validation");
    const examples = await task.examples("validation", { limit: 2 });
    assertEquals(examples.map(({ id, gold }) => [id, gold]), [["validation/0", 1], ["validation/1", 0]]);
    assertEquals(tokenizer.decode(examples[0].prompt), "Cats purr.\nQuestion: do cats purr?\nAnswer:");
    assertEquals(examples[0].choices.map((ids) => ids.length), [1, 1]);
    assertEquals(examples[0].choiceCharacters, [2, 3]);
  });
});

Deno.test("loadTask() takes files from a plain data mapping, from one path, or from the caller", async () => {
  const without = { dataset_path: "", dataset_kwargs: "" };
  const data = "{train: [train.jsonl, data/test.jsonl], validation: data/test.jsonl}";
  await withTask({ yaml: edit(boolq, { ...without, data }) }, async (task) => {
    assertEquals((await task.requests("train")).length, 6);
  });
  const single = { ...without, data: "train.jsonl", validation_split: "train" };
  await withTask({ yaml: edit(boolq, single) }, (task) => Promise.resolve(assertEquals(task.splits, ["train"])));
  const hub = edit(boolq, { dataset_path: "aps/super_glue", dataset_name: "boolq", dataset_kwargs: "" });
  await withFolder({ "task.yaml": hub, "rows.jsonl": jsonl(questions) }, async (folder) => {
    const path = join(folder, "task.yaml");
    const task = await loadTask(path, { tokenizer, data: { validation: join(folder, "rows.jsonl") } });
    assertEquals((await task.requests("validation")).length, 3);
    const error = await assertRejects(() => loadTask(path, { tokenizer }), RangeError);
    assertStringIncludes(error.message, "its rows are in the dataset aps/super_glue (boolq)");
  });
});

Deno.test("examples() takes the rows that are asked for when there is a limit or a list of ids", async () => {
  await withTask({}, async (task) => {
    const ids = async (selection: { limit?: number; ids?: string[] }) => {
      return (await task.examples("train", selection)).map(({ id }) => id);
    };
    assertEquals(await ids({}), ["train/0", "train/1", "train/2"]);
    assertEquals(await ids({ limit: 1 }), ["train/0"]);
    assertEquals(await ids({ limit: 9 }), ["train/0", "train/1", "train/2"]);
    assertEquals(await ids({ ids: ["train/2", "train/0"] }), ["train/2", "train/0"]);
    await assertRejects(() => ids({ ids: ["train/3"] }), RangeError, "expected train/0 to train/2");
    await assertRejects(() => ids({ ids: ["test/0"] }), RangeError, 'Cannot find row "test/0"');
    await assertRejects(() => ids({ limit: 0 }), RangeError, "positive integer");
    await assertRejects(() => task.examples("test"), RangeError, 'Cannot read split "test"');
  });
});

Deno.test("sample() draws the same balanced rows when the seed is the same", async () => {
  const train = Array.from({ length: 40 }, (_, i) => ({ ...questions[0], question: `q${i}`, label: i < 30 ? 0 : 1 }));
  await withTask({ train }, async (task) => {
    const draw = (seed: number) => task.sample("train", { count: 10, seed, sampling: "balanced" });
    const first = await draw(1);
    assertEquals(first.map(({ gold }) => gold).toSorted(), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assertEquals(await draw(1), first);
    assert((await draw(2)).some(({ id }, i) => id !== first[i].id));
    assertEquals((await task.sample("train", { count: 40, seed: 3 })).length, 40);
  });
});

const columns = { data: "{test: rows.jsonl}", validation_split: "", test_split: "test", training_split: "" };
const local = (changes: Readonly<Record<string, string>>, row: unknown): Files => ({
  yaml: edit(boolq, { dataset_path: "", dataset_kwargs: "", ...columns, ...changes }),
  more: { "rows.jsonl": jsonl([row]) },
});

/** What differs from boolq, the row, and the exact request. */
const requests: readonly [string, Readonly<Record<string, string>>, unknown, [string, readonly string[], number]][] = [
  ["columns hold everything", { doc_to_text: "q", doc_to_choice: "options", doc_to_target: "answer" }, {
    q: "Why?",
    options: ["a", "b c"],
    answer: "b c",
  }, ["Why?", [" a", " b c"], 1]],
  [
    "the choices are a list of letters",
    {
      doc_to_text: '"{{question.strip()}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nAnswer:"',
      doc_to_choice: '["A", "B"]',
      doc_to_target: "answer",
      description: '"About {{subject}}.\\n\\n"',
    },
    { question: " Which? ", choices: ["x", "y"], answer: 1, subject: "art" },
    [
      "About art.\n\nWhich?\nA. x\nB. y\nAnswer:",
      [" A", " B"],
      1,
    ],
  ],
  [
    "choices begin with a space and the delimiter is one",
    {
      doc_to_text: `"{{premise.strip()[:-1]}} {{ {'cause': 'because', 'effect': 'therefore'}[question] }}"`,
      doc_to_choice: `"{{[' ' + choice1[0]|lower + choice1[1:], ' ' + choice2[0]|lower + choice2[1:]]}}"`,
      doc_to_target: "label",
    },
    { premise: "It rained. ", question: "effect", choice1: "The road was wet.", choice2: "I ate.", label: 0 },
    [
      "It rained therefore",
      ["  the road was wet.", "  i ate."],
      0,
    ],
  ],
  [
    "the context is empty",
    {
      doc_to_text: "''",
      doc_to_choice: `'{{[premise+", right? Yes, "+hypothesis, premise+", right? No, "+hypothesis]}}'`,
      target_delimiter: '""',
      doc_to_target: "label",
    },
    { premise: "A", hypothesis: "b", label: 1 },
    ["", ["A, right? Yes, b", "A, right? No, b"], 1],
  ],
  ["the target is a template that gives an index", { doc_to_text: "t", doc_to_target: '"{{label | int - 1}}"' }, {
    t: "x",
    label: "2",
  }, ["x", [" no", " yes"], 1]],
  [
    "the target is a template that gives a text",
    {
      doc_to_text: "t",
      doc_to_target: "\"{{ 'yes' if ok else 'no' }}\"",
    },
    { t: "x", ok: true },
    ["x", [" no", " yes"], 1],
  ],
  ["the target is a boolean column", { doc_to_text: "t", doc_to_target: "ok" }, { t: "x", ok: true }, [
    "x",
    [" no", " yes"],
    1,
  ]],
  ["the target is a constant index or text", { doc_to_text: "t", doc_to_target: "1" }, { t: "x" }, [
    "x",
    [" no", " yes"],
    1,
  ]],
  ["the choices are a mapping", { doc_to_text: "t", doc_to_choice: "{a: eins, b: zwei}", doc_to_target: "zwei" }, {
    t: "x",
  }, ["x", [" eins", " zwei"], 1]],
  ["the choices are text that is a list", { doc_to_text: "t", doc_to_choice: `"['{{a}}', \\"it's\\"]"` }, {
    t: "x",
    a: "A",
    label: 0,
  }, ["x", [" A", " it's"], 0]],
  ["a prefix of the answer follows the question", { doc_to_text: "t", gen_prefix: "'Answer:'" }, {
    t: "Why?",
    label: 0,
  }, ["Why? Answer:", [" no", " yes"], 0]],
  ["a prefix of the answer follows white space", { doc_to_text: '"{{t}}\\n"', gen_prefix: "'Answer:'" }, {
    t: "Why?",
    label: 0,
  }, ["Why?\nAnswer:", [" no", " yes"], 0]],
  ["names start with _ or end the text with a newline", { doc_to_text: '"{{_t}}\\n"', description: "intro" }, {
    _t: "x",
    intro: "Read: ",
    label: 0,
  }, ["Read: x\n", [" no", " yes"], 0]],
];

for (const [what, changes, row, expected] of requests) {
  Deno.test(`requests() gives the harness's texts when ${what}`, async () => {
    assertEquals(await requestOf(local(changes, row)), expected);
  });
}

const shots = questions.map(({ question, label }) => `${question}\nA: ${["no", "yes"][label]}\n\n`);
const shotTask = { doc_to_text: '"{{question}}\\nA:"', description: '"Answer.\\n"' };

Deno.test("requests() puts the first rows in front when the sampler is first_n", async () => {
  const yaml = edit(boolq, {
    ...shotTask,
    num_fewshot: "2",
    fewshot_split: "train",
    fewshot_config: "{sampler: first_n}",
  });
  const expected = `Answer.\n${shots[0]}${shots[1]}do birds fly\nA:`;
  assertEquals(await requestOf({ yaml }, 2), [expected, [" no", " yes"], 1]);
});

Deno.test("requests() leaves the question's own row out when the few-shot split is the test split", async () => {
  const yaml = edit(boolq, {
    ...shotTask,
    test_split: "validation",
    validation_split: "",
    fewshot_split: "validation",
    num_fewshot: "2",
    fewshot_config: "{sampler: first_n}",
  });
  assertEquals((await requestOf({ yaml }, 0))[0], `Answer.\n${shots[1]}${shots[2]}do cats purr\nA:`);
  const error = await assertRejects(() => requestOf({ yaml, options: { fewshotCount: 3 } }), RangeError);
  assertStringIncludes(error.message, "Cannot choose 3 few-shot examples: there are 2 rows");
});

Deno.test("requests() uses its own wording for few-shot examples when fewshot_config gives it", async () => {
  const yaml = edit(boolq, {
    ...shotTask,
    num_fewshot: "1",
    fewshot_config: `
  sampler: first_n
  samples: [{q: One?, a: "1"}, {q: Two?, a: "2"}]
  doc_to_text: q
  doc_to_target: a
  gen_prefix: "So:"
  fewshot_delimiter: "\\n--\\n"`,
  });
  assertEquals((await requestOf({ yaml }))[0], "Answer.\nOne? So: 1\n--\ndo cats purr\nA:");
});

Deno.test("requests() draws the harness's few-shot rows when the sampler is the default", async () => {
  const train = Array.from({ length: 10 }, (_, i) => ({ passage: "", question: `q${i}`, label: 0 }));
  const yaml = edit(boolq, { doc_to_text: '"{{question}}"', num_fewshot: "3", fewshot_split: "train" });
  // random.Random(1234).sample(range(10), 3) twice, as two questions ask for it.
  const drawn = [[7, 1, 0], [1, 0, 9]];
  for (const [position, rows] of drawn.entries()) {
    const expected = rows.map((row) => `q${row} no\n\n`).join("") + questions[position].question;
    assertEquals((await requestOf({ yaml, train }, position))[0], expected);
  }
});

Deno.test("loadTask() lets later includes and the file itself win when keys meet", async () => {
  const more = {
    "base/one.yaml": "metadata: {version: 1}\ndoc_to_text: one\ntarget_delimiter: ''\ndata: {validation: rows.jsonl}",
    "base/rows.jsonl": jsonl([{ passage: "P", label: 0 }]),
    "two.yaml": "doc_to_text: two",
  };
  const yaml = edit(boolq, {
    include: "[base/one.yaml, two.yaml]",
    doc_to_text: "passage",
    training_split: "",
    dataset_path: "",
    dataset_kwargs: "",
  });
  assertEquals(await requestOf({ yaml, more }), ["P", ["no", "yes"], 0]);
  assertEquals(
    (await requestOf({ yaml: edit(yaml, { doc_to_text: "" }), more }).catch((error) => error.message)).slice(-53),
    "doc_to_text: two is no column; the columns are passage, label".slice(-53),
  );
});

/** Changes to boolq, and what the error must say. */
const badTasks: readonly [string, Readonly<Record<string, string>>, string][] = [
  ["a key is unknown", { question: "x" }, "question is not a known key; known are data, dataset_kwargs, "],
  [
    "a key is misspelt",
    { doc_to_text: "", doc_to_txt: "x" },
    "doc_to_txt is not a known key; did you mean doc_to_text? Known are",
  ],
  ["a further key is misspelt", { descripton: "x" }, "descripton is not a known key; did you mean description?"],
  ["the output type is misspelt", { output_type: "", output_typ: "x" }, "output_typ is not a known key; did you mean"],
  [
    "the output is generated",
    { output_type: "generate_until" },
    'output_type is "generate_until", expected "multiple_choice"',
  ],
  ["the output type is missing", { output_type: "" }, "output_type is missing"],
  [
    "there is Python",
    { doc_to_text: "!function utils.doc_to_text" },
    "utils.doc_to_text, which is never run: write it as",
  ],
  ["there is a filter list", { filter_list: "[{name: x}]" }, "filter_list is not supported: multiple_choice"],
  [
    "rows are processed",
    { process_docs: "!function utils.x" },
    "function utils.x, which is never run: change the rows",
  ],
  ["results are processed", { process_results: "x" }, "process_results is not supported: name metrics"],
  ["the group lists what is not there", { group: "all", task: "[boolq, none]" }, 'task has "none", which is neither'],
  ["a tag is strange", { task: "!!python/object:os.system x" }, "Unresolved tag"],
  ["the task has no name", { task: "" }, "task is missing"],
  ["the name is a number", { task: "7" }, "task is 7, expected text"],
  ["there is no question", { doc_to_text: "" }, "doc_to_text is missing: expected a column or a template"],
  ["there are no choices", { doc_to_choice: "" }, "doc_to_choice is missing"],
  ["there is no target", { doc_to_target: "" }, "doc_to_target is missing"],
  ["choices are not quoted", { doc_to_choice: "[no, yes]" }, "has false as choice 0, expected text: put it in quotes"],
  ["choices are a number", { doc_to_choice: "3" }, "doc_to_choice is 3, expected a list"],
  ["a list of targets is empty", { doc_to_target: "[]" }, "doc_to_target is [], expected at least one right choice"],
  ["a target of a list is negative", { doc_to_target: "[0, -1]" }, "has -1 in its list, expected an index"],
  ["the target is negative", { doc_to_target: "-1" }, "doc_to_target is -1, expected an integer of at least 0"],
  ["the question is a negative index", { doc_to_text: "-1" }, "doc_to_text is -1, expected an integer of at least 0"],
  ["a template is open", { doc_to_text: '"{{passage"' }, "doc_to_text: Unexpected end of input"],
  ["a filter is unknown", { description: '"{{x | nope}}"' }, 'description: unknown filter "nope"'],
  ["a metric is unknown", { metric_list: "[{metric: bleu}]" }, 'has "bleu" as metric 0, expected one of acc, acc_norm'],
  ["a metric is aggregated otherwise", { metric_list: "[{metric: acc, aggregation: sum}]" }, "aggregation of acc"],
  ["a metric is no mapping", { metric_list: "[acc]" }, "such as {metric: acc}"],
  ["a metric has options", { metric_list: "[{metric: acc, k: 1}]" }, "gives acc the option k"],
  ["there are no metrics", { metric_list: "[]" }, "at least one metric"],
  ["the number of examples is negative", { num_fewshot: "-1" }, "num_fewshot is -1"],
  ["the sampler is unknown", { fewshot_config: "{sampler: random}" }, 'fewshot_config.sampler is "random"'],
  ["a few-shot key is unknown", { fewshot_config: "{samplr: first_n}" }, "fewshot_config.samplr is not a known key"],
  ["requests are repeated", { repeats: "2" }, "repeats is 2, expected 1"],
  ["there is no split to measure", { validation_split: "" }, "test_split is missing"],
  ["a split has no file", { test_split: "test" }, 'test_split is "test", but there are files for train, validation'],
  ["a split is misspelt", { validation_split: "validaton" }, "files for train, validation; did you mean validation?"],
  [
    "one file is two splits",
    { dataset_path: "", dataset_kwargs: "", data: "train.jsonl" },
    "data without names of splits is the split train: write validation_split: train, or give files by split",
  ],
  ["there are no files", { dataset_path: "", dataset_kwargs: "" }, "data is missing"],
  ["no files are named", { dataset_kwargs: "" }, "dataset_path: json with dataset_kwargs.data_files, or rows of your"],
  ["a file is an address", { dataset_kwargs: '{data_files: "https://example.org/x.jsonl"}' }, "no address"],
  ["files are a pattern", { dataset_kwargs: '{data_files: "*.jsonl"}' }, "no address and no pattern"],
  ["a file is a number", { dataset_kwargs: "{data_files: {train: 3}}" }, "data_files is 3, expected the path"],
  ["an option of the loader is unknown", { dataset_kwargs: "{data_files: x.jsonl, field: y}" }, "dataset_kwargs.field"],
  ["the include is missing", { include: "none.yaml" }, "none.yaml (ENOENT)"],
  ["the file includes itself", { include: "task.yaml" }, "it includes itself by way of"],
  ["the include is a number", { include: "3" }, "include is 3, expected a path"],
  ["the version is a list", { metadata: "{version: [1]}" }, "metadata has [1] as version"],
  ["a key is repeated", { task: "a\ntask: b" }, 'the key "task" is there twice'],
  ["the YAML is broken", { task: "[a" }, "Cannot parse"],
  ["the YAML has an alias bomb", {
    metadata:
      "{a: &a [x, x, x, x, x, x, x, x, x, x], b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a], c: [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]}",
  }, "alias"],
];

for (const [what, changes, expected] of badTasks) {
  Deno.test(`loadTask() says what to change when ${what}`, async () => {
    const error = await assertRejects(() => withTask({ yaml: edit(boolq, changes) }, () => Promise.resolve()), Error);
    assertStringIncludes(error.message, expected);
  });
}

Deno.test("loadTask() throws when the file is missing or holds no mapping", async () => {
  await assertRejects(() => loadTask("none/task.yaml", { tokenizer }), RangeError, "(ENOENT)");
  await assertRejects(() => withTask({ yaml: "- a\n- b" }, () => Promise.resolve()), SyntaxError, "expected a mapping");
  await assertRejects(
    () => withTask({ options: { fewshotCount: -1 } }, () => Promise.resolve()),
    RangeError,
    "Cannot use -1",
  );
});

/** Changes to boolq, the row, and what the error must say behind row and place. */
const badRows: readonly [string, Readonly<Record<string, string>>, unknown, string][] = [
  [
    "a template names no column",
    { doc_to_text: '"{{pasage}}"' },
    { label: 0, t: "x" },
    'doc_to_text: the row has no column "pasage"; its columns are label, t',
  ],
  [
    "doc_to_text is a misspelt column",
    { doc_to_text: "pasage" },
    { label: 0 },
    "pasage is no column; the columns are label",
  ],
  ["a column holds a list", { doc_to_text: "t" }, { t: [5], label: 0 }, 'the column "t" holds [5], expected text'],
  [
    "a template gives a number",
    { doc_to_text: '"{{t}}"' },
    { t: 5, label: 0 },
    "it gives the number 5, which asks for one prompt per choice, and the choices are 0..1",
  ],
  [
    "the gold index is too large",
    { doc_to_text: "t" },
    { t: "x", label: 2 },
    "doc_to_target: the index 2 is outside the choices 0..1",
  ],
  ["the gold index is negative", { doc_to_text: "t" }, { t: "x", label: -1 }, "the index -1 is outside"],
  [
    "the gold text is no choice",
    { doc_to_text: "t" },
    { t: "x", label: "maybe" },
    '"maybe" is none of the choices ["no","yes"]',
  ],
  ["the gold index is text", { doc_to_text: "t" }, { t: "x", label: "1" }, 'if it is an index, write "{{label}}"'],
  [
    "the gold is null",
    { doc_to_text: "t" },
    { t: "x", label: null },
    "it gives null, null, expected the index or the text",
  ],
  [
    "one of several golds is too large",
    { doc_to_text: "t", doc_to_target: '"{{label}}"' },
    { t: "x", label: [0, 2] },
    "the index 2 is outside the choices 0..1",
  ],
  ["there is no gold", { doc_to_text: "t" }, { t: "x", label: [] }, "it gives an empty list"],
  [
    "the choices are text",
    { doc_to_text: "t", doc_to_choice: "c" },
    { t: "x", label: 0, c: "a" },
    'it gives text, "a", expected a list',
  ],
  [
    "a choice is a number",
    { doc_to_text: "t", doc_to_choice: "c" },
    { t: "x", label: 0, c: ["a", 2] },
    "choice 1 is an integer, 2, expected text",
  ],
  [
    "there is one choice",
    { doc_to_text: "t", doc_to_choice: "c" },
    { t: "x", label: 0, c: ["a"] },
    "expected at least 2 choices",
  ],
  [
    "a choice is empty",
    { doc_to_text: "t", doc_to_choice: "c" },
    { t: "x", label: 0, c: ["a", ""] },
    "choice 1 is empty",
  ],
  [
    "the choices are no literal",
    { doc_to_text: "t", doc_to_choice: '"a, {{c}}"' },
    { t: "x", label: 0, c: "b" },
    '"a, b" is no list: expected a Python literal',
  ],
  [
    "a template runs too long",
    { doc_to_text: "'{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'" },
    { label: 0 },
    "more than",
  ],
];

for (const [what, changes, row, expected] of badRows) {
  Deno.test(`requests() names the row when ${what}`, async () => {
    const error = await assertRejects(() => requestOf(local(changes, row)), RangeError);
    assertStringIncludes(error.message, expected);
    assert(/^Cannot build example test\/0 \(.*rows\.jsonl, line 1\): doc_to_/.test(error.message), error.message);
  });
}

Deno.test("requests() throws when a row lacks a column that others have", async () => {
  const test = [questions[0], { passage: "x", question: "y" }];
  const error = await assertRejects(() => requestOf({ test }, 1), RangeError);
  assertStringIncludes(error.message, "validation/1");
  assertStringIncludes(error.message, 'the row has no column "label", which other rows have');
});

Deno.test("marks() gives the cells of a column as text when rows have it, and throws when one has not", async () => {
  const rows = questions.map((row, index) => ({ ...row, marker: index === 1 ? 7 : "aligned", list: [1] }));
  await withTask({ test: [...rows, questions[0]] }, async (task) => {
    const marks = await task.marks("validation", "marker", { limit: 3 });
    assertEquals(marks, [
      { id: "validation/0", mark: "aligned" },
      { id: "validation/1", mark: "7" },
      { id: "validation/2", mark: "aligned" },
    ]);
    assertEquals((await task.marks("validation", "label", { ids: ["validation/1"] }))[0].mark, "0");
    await assertRejects(() => task.marks("validation", "marker"), RangeError, "row validation/3");
    await assertRejects(() => task.marks("validation", "list", { limit: 1 }), RangeError, "expected text, a number");
  });
});

Deno.test("requests() puts the worked examples that are given in front of every question instead of the task's own", async () => {
  const yaml = edit(boolq, { num_fewshot: "1", fewshot_split: "train", fewshot_config: "{sampler: first_n}" });
  await withTask({ yaml }, async (task) => {
    const worked = await task.workedTurns("train", ["train/2", "train/1"]);
    const [request] = await task.requests("validation", { ids: ["validation/0"], worked });
    assertEquals(
      request.context,
      "Birds fly.\nQuestion: do birds fly?\nAnswer: yes\n\n" +
        "Fish swim.\nQuestion: do fish walk?\nAnswer: no\n\n" +
        "Cats purr.\nQuestion: do cats purr?\nAnswer:",
    );
    const [none] = await task.requests("validation", { ids: ["validation/0"], worked: [] });
    assertEquals(none.context, "Cats purr.\nQuestion: do cats purr?\nAnswer:");
    await assertRejects(() => task.workedTurns("train", ["train/9"]), RangeError, "train/9");
  });
});
