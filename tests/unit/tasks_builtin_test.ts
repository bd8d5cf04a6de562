/** The built-in tasks on rows in the column layout of their datasets: exact texts, token splits and gold. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { builtinTasks } from "../../src/tasks/builtin_tasks.ts";
import { readTaskFile } from "../../src/tasks/task_file.ts";
import { readTaskTree } from "../../src/tasks/task_tree.ts";
import { loadTask, type LoadTaskOptions } from "../../src/tasks/task.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tasks/tokenizer.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

const words = [
  " no",
  " yes",
  " neg",
  "ative",
  " pos",
  "itive",
  " neutral",
  " very",
  " A",
  " B",
  " C",
  " D",
  "  ",
  " the",
];
const load = (postProcessor?: "front"): Promise<Tokenizer> =>
  withFolder(tinyTokenizerFiles({ words, ...(postProcessor && { postProcessor }) }), (folder) => loadTokenizer(folder));
const bare = await load();
const withBos = await load("front");

const boolq = { question: "do cats purr", passage: "Cats purr.", idx: 0, label: 1 };
const sst2 = { idx: 0, sentence: "it 's a charming journey . ", label: 1 };
const sst5 = { text: "a dull affair .", label: 0, label_text: "very negative" };
const copa = {
  premise: "It rained. ",
  choice1: "The road was wet.",
  choice2: "I ate.",
  question: "effect",
  idx: 3,
  label: 0,
};
const balanced = {
  id: 1001,
  premise: "My body cast no shadow.",
  question: "cause",
  choice1: "The sun was rising.",
  choice2: "It was night.",
  label: 1,
  mirrored: true,
};
const mmlu = { question: " Which is prime?\n", subject: "abstract_algebra", choices: ["4", "6", "7", "9"], answer: 2 };
const xnli = { premise: "Er kam.", hypothesis: "Er ging.", label: 2 };
const subject = "The following are multiple choice questions (with answers) about";

/** Task, row, context, continuations and gold. */
const table: readonly [string, unknown, string, readonly string[], number][] = [
  ["boolq", boolq, "Cats purr.\nQuestion: do cats purr?\nAnswer:", [" no", " yes"], 1],
  [
    "sst2",
    sst2,
    "it 's a charming journey . \nQuestion: Is this sentence positive or negative?\nAnswer:",
    [" negative", " positive"],
    1,
  ],
  [
    "sst5",
    sst5,
    "a dull affair .\nQuestion: Is this sentence very negative, negative, neutral, positive or very positive?\nAnswer:",
    [" very negative", " negative", " neutral", " positive", " very positive"],
    0,
  ],
  ["copa", copa, "It rained therefore", ["  the road was wet.", "  i ate."], 0],
  ["balanced-copa", balanced, "My body cast no shadow because", ["  the sun was rising.", "  it was night."], 1],
  [
    "mmlu_abstract_algebra",
    mmlu,
    `${subject} abstract algebra.\n\nWhich is prime?\nA. 4\nB. 6\nC. 7\nD. 9\nAnswer:`,
    [" A", " B", " C", " D"],
    2,
  ],
  [
    "mmlu_high_school_us_history",
    mmlu,
    `${subject} high school us history.\n\nWhich is prime?\nA. 4\nB. 6\nC. 7\nD. 9\nAnswer:`,
    [" A", " B", " C", " D"],
    2,
  ],
  [
    "xnli_de",
    xnli,
    "",
    [" Er kam., richtig? Ja, Er ging.", " Er kam., richtig? Auch, Er ging.", " Er kam., richtig? Nein, Er ging."],
    2,
  ],
  [
    "xnli_zh",
    xnli,
    "",
    [" Er kam., 正确? 是的, Er ging.", " Er kam., 正确? 所以, Er ging.", " Er kam., 正确? 不是的, Er ging."],
    2,
  ],
];

/** The same for the prompts that say what to answer with. */
const instructions: typeof table = [
  [
    "boolq",
    boolq,
    "Read the passage and answer the question. Answer with one of these words: no, yes.\n\nPassage: Cats purr.\n\n" +
    "Question: do cats purr?\n\nAnswer:",
    [" no", " yes"],
    1,
  ],
  [
    "sst2",
    sst2,
    "What is the sentiment of the sentence? Answer with one of these words: negative, positive.\n\n" +
    "Sentence: it 's a charming journey . \n\nAnswer:",
    [" negative", " positive"],
    1,
  ],
  [
    "sst5",
    sst5,
    "What is the sentiment of the sentence? Answer with one of these letters: A, B, C, D, E.\n\nSentence: a dull affair .\n\n" +
    "A. very negative\nB. negative\nC. neutral\nD. positive\nE. very positive\n\nAnswer:",
    [" A", " B", " C", " D", " E"],
    0,
  ],
  [
    "copa",
    copa,
    "What was the effect of what happened? Answer with one of these letters: A, B.\n\nIt rained.\n\n" +
    "A. The road was wet.\nB. I ate.\n\nAnswer:",
    [" A", " B"],
    0,
  ],
  [
    "balanced-copa",
    balanced,
    "What was the cause of what happened? Answer with one of these letters: A, B.\n\nMy body cast no shadow.\n\n" +
    "A. The sun was rising.\nB. It was night.\n\nAnswer:",
    [" A", " B"],
    1,
  ],
  [
    "mmlu_anatomy",
    mmlu,
    `${subject} anatomy.\n\nAnswer with one of these letters: A, B, C, D.\n\nQuestion: Which is prime?\n\n` +
    "A. 4\nB. 6\nC. 7\nD. 9\n\nAnswer:",
    [" A", " B", " C", " D"],
    2,
  ],
  [
    "xnli_de",
    xnli,
    "Does the premise entail the hypothesis? Answer with one of these words: yes, maybe, no.\n\nPremise: Er kam.\n\n" +
    "Hypothesis: Er ging.\n\nAnswer:",
    [" yes", " maybe", " no"],
    2,
  ],
];

/** Loads a built-in task whose splits all hold the given rows. */
function withRows<T>(
  name: string,
  rows: readonly unknown[],
  use: (task: Awaited<ReturnType<typeof loadTask>>) => Promise<T>,
  options: Partial<LoadTaskOptions> = {},
): Promise<T> {
  return withFolder({ "rows.jsonl": rows.map((row) => JSON.stringify(row)).join("\n") }, async (folder) => {
    const file = join(folder, "rows.jsonl");
    const data = { train: file, validation: file, test: file, dev: file };
    return await use(await loadTask(name, { tokenizer: bare, data, ...options }));
  });
}

for (const [style, rows] of [["completion", table], ["instruction", instructions]] as const) {
  for (const [name, row, context, continuations, gold] of rows) {
    Deno.test(`loadTask() gives the ${style} prompt when the task is ${name}`, async () => {
      await withRows(name, [row], async (task) => {
        assertEquals(task.name, style === "completion" ? name : `${name}_instruction`);
        assertEquals(task.metrics, ["acc"]);
        const [request] = await task.requests(task.evaluationSplit);
        assertEquals([request.context, request.continuations, request.gold], [context, continuations, gold]);
      }, { prompt: style });
    });
  }
}

/** Texts of the tokens of prompt (its last three) and choices of a task's first row. */
function split(name: string, row: unknown, tokenizer: Tokenizer): Promise<[string[], string[][]]> {
  return withRows(name, [row], async (task) => {
    const [{ prompt, choices }] = await task.examples(task.evaluationSplit);
    const texts = (ids: Uint32Array) => Array.from(ids, (id) => tokenizer.tokenText(id));
    return [texts(prompt).slice(-3), choices.map(texts)];
  }, { tokenizer });
}

Deno.test("examples() splits the built-in tasks into tokens when choices are words, letters or sentences", async () => {
  assertEquals(await split("boolq", boolq, bare), [["e", "r", ":"], [[" no"], [" yes"]]]);
  assertEquals((await split("mmlu_anatomy", mmlu, bare))[1], [[" A"], [" B"], [" C"], [" D"]]);
  // Several tokens a choice.
  assertEquals((await split("sst5", sst5, bare))[1][0], [" very", " neg", "ative"]);
  // The delimiter and the choice's own space: the pre-tokenizer leaves the second one with the word.
  assertEquals((await split("copa", copa, bare))[1][0].slice(0, 3), [" ", " the", " "]);
  // An empty context is the beginning-of-sequence token, once, whether or not the tokenizer puts it in front.
  for (const tokenizer of [bare, withBos]) {
    const [prompt, choices] = await split("xnli_en", xnli, tokenizer);
    assertEquals(prompt, ["<s>"]);
    assertEquals(choices.map((choice) => choice.join("")), [
      " Er kam., right? Yes, Er ging.",
      " Er kam., right? Also, Er ging.",
      " Er kam., right? No, Er ging.",
    ]);
  }
});

Deno.test("readTaskTree() finds every built-in task by the name in its file when the prompt is either", async () => {
  assertEquals(builtinTasks.filter(({ name }) => /^mmlu_/.test(name)).length, 57 + 4);
  assertEquals(builtinTasks.filter(({ name }) => /^xnli_/.test(name)).length, 15);
  for (const { name, path } of builtinTasks) {
    const entries = await readTaskFile(path);
    assertEquals(entries.get(entries.has("group") ? "group" : "task")?.value, name);
    const { group, tasks } = await readTaskTree(name);
    if (group !== null) continue;
    const [config] = tasks;
    assert(config.dataset !== null && config.version !== null, name);
    const metadata = entries.get("metadata")!.value as Record<string, unknown>;
    assertEquals(Object.keys(metadata).toSorted(), ["citation", "licence", "prompt", "version"]);
    const [instructed] = (await readTaskTree(name, "instruction")).tasks;
    assertEquals([instructed.name, instructed.metadata.prompt], [`${name}_instruction`, "instruction"]);
    assertEquals([instructed.version, instructed.metadata.licence], [config.version, metadata.licence]);
  }
});

Deno.test("readTaskTree() sums mmlu and xnli up by size when the whole group is asked for", async () => {
  const { group, tasks } = await readTaskTree("mmlu");
  assertEquals(tasks.length, 57);
  assertEquals(group!.groups.map(({ name, tasks }) => [name, tasks.length]), [
    ["mmlu_stem", 19],
    ["mmlu_other", 13],
    ["mmlu_social_sciences", 12],
    ["mmlu_humanities", 13],
  ]);
  assertEquals(group!.aggregates, [{ metric: "acc", weightBySize: true }]);
  assertEquals((await readTaskTree("xnli")).group!.tasks.length, 15);
});

Deno.test("loadTask() names what is built in when there is no such task", async () => {
  const error = await assertRejects(() => loadTask("bolq", { tokenizer: bare }), RangeError);
  assertStringIncludes(
    error.message,
    'Cannot find the task "bolq": expected a built-in one (balanced-copa, boolq, copa',
  );
});

interface RecordedTask {
  readonly metrics: readonly string[];
  readonly version: number;
  readonly rows: readonly {
    readonly context: string;
    readonly continuations: readonly string[];
    readonly gold: number;
  }[];
}

const goldens = new URL("../golden/lm_eval_builtin/", import.meta.url);
const goldenRows: Record<string, readonly unknown[]> = JSON.parse(
  await readFile(new URL("rows.json", goldens), "utf8"),
);
const goldenTasks: Record<string, RecordedTask> = JSON.parse(await readFile(new URL("expected.json", goldens), "utf8"));

Deno.test("requests() equals what lm-evaluation-harness's own files ask, for every built-in task that it has", async () => {
  const inHarness = builtinTasks.filter(({ family }) => !/^(?:sst5|balanced-copa)$/.test(family));
  const tasks = inHarness.filter(({ path }) => !/:mmlu[\w]*\.yaml$|:xnli\.yaml$/.test(path)).map(({ name }) => name);
  const recorded = new Set(Object.keys(goldenTasks).map((key) => key.split("/")[0]));
  assertEquals([...recorded].toSorted(), tasks.toSorted());
  for (const [key, expected] of Object.entries(goldenTasks)) {
    const [name, shots] = key.split("/");
    await withRows(name, goldenRows[name.split("_")[0]], async (task) => {
      assertEquals([task.metrics, task.version], [expected.metrics, expected.version], key);
      const requests = await task.requests(task.evaluationSplit);
      assertEquals(
        requests.map(({ context, continuations, gold }) => ({ context, continuations, gold })),
        expected.rows,
        key,
      );
    }, { fewshotCount: Number(shots) });
  }
});
