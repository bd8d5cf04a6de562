/** Evaluations in the layout of lm-evaluation-harness's own files. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { join } from "node:path";
import { evaluateLogProbs } from "../../src/method/evaluate.ts";
import { describeHarnessResults } from "../../src/method/harness_results.ts";
import { formatJson } from "../../src/method/json.ts";
import { describeSamples, type Sample, serialiseSamples } from "../../src/method/samples.ts";
import type { ChoiceRequest } from "../../src/tasks/example_builder.ts";
import { loadTask, type Task } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";
import { toyExample } from "../support/toy_engine.ts";

const tokenizer = await withFolder(tinyTokenizerFiles({ words: [" yes", " no"] }), (folder) => loadTokenizer(folder));

const row = { text: 'é "x"\n', label: 1, list: ["a", [], {}], none: null, f: 0.5, t: true };
const request: ChoiceRequest = {
  id: "test/7",
  context: "Is é?",
  continuations: [" no", " yes"],
  choices: ["no", "yes"],
  gold: 1,
};

Deno.test("describeSamples() logs a row as the harness does, with its hashes", () => {
  const examples = [toyExample(0, 1, [2, 3])];
  const evaluation = evaluateLogProbs(examples, [Float64Array.of(-1.25, -1.5)]);
  const [sample] = describeSamples({
    requests: [request],
    examples,
    rows: [{ id: "test/7", place: "FILE, line 8", values: row }],
    evaluation,
    against: evaluateLogProbs(examples, [Float64Array.of(-Infinity, -2)]),
    metrics: ["acc", "acc_norm"],
  });
  // Hashes computed with Python's json and hashlib as the harness uses them.
  assertEquals(sample, {
    doc_id: 7,
    doc: row,
    target: "1",
    arguments: {
      gen_args_0: { arg_0: "Is é?", arg_1: " no" },
      gen_args_1: { arg_0: "Is é?", arg_1: " yes" },
    },
    resps: [[["-1.25", "None"]], [["-1.5", "None"]]],
    filtered_resps: [["-1.25", "None"], ["-1.5", "None"]],
    filter: "none",
    metrics: ["acc", "acc_norm"],
    doc_hash: "edf306d7fd11a153224c0598ac617f636a5906a41272004f7665e2fc5bd74e44",
    prompt_hash: "d1c6b4c626da170db557800e2602a8b746e8236b1f983126129af87f43493746",
    target_hash: "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    id: "test/7",
    choices: ["no", "yes"],
    log_probs: [-1.25, -1.5],
    prediction: 0,
    acc: 0,
    acc_norm: 1,
    against: { log_probs: [null, -2], prediction: 1, acc: 1, acc_norm: 1 },
  });
  assertEquals(serialiseSamples([sample, sample]).split("\n").map((line) => line && JSON.parse(line)), [
    sample,
    sample,
    "",
  ]);
});

Deno.test("describeSamples() writes what JSON cannot hold as null, and several contexts and right choices", () => {
  const examples = [{ ...toyExample(0, 1, [2, 3]), golds: [1, 0] }];
  const [sample] = describeSamples({
    requests: [{ ...request, contexts: ["a", "b"], golds: [1, 0] }],
    examples,
    rows: [{ id: "test/7", place: "", values: { x: NaN, y: [Infinity] } }],
    evaluation: evaluateLogProbs(examples, [Float64Array.of(-Infinity, -3)]),
    metrics: ["acc"],
  });
  assertEquals([sample.doc, sample.target], [{ x: null, y: [null] }, "[1, 0]"]);
  assertEquals(sample.arguments, {
    gen_args_0: { arg_0: "a", arg_1: " no" },
    gen_args_1: { arg_0: "b", arg_1: " yes" },
  });
  assertEquals(sample.filtered_resps, [["-inf", "None"], ["-3.0", "None"]]);
});

const member = (name: string, version: number) => `
task: ${name}
data: {test: ${name}.jsonl}
output_type: multiple_choice
test_split: test
doc_to_text: "{{q}}?"
doc_to_target: label
doc_to_choice: ["no", "yes"]
metric_list: [{metric: acc}, {metric: mcc}]
metadata: {version: ${version}}
`;
const rows = (count: number) =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ q: `q${i}`, label: i % 2 })).join("\n");
const files = {
  "one.yaml": member("one", 2),
  "two.yaml": member("two", 3),
  "one.jsonl": rows(4),
  "two.jsonl": rows(8),
  "both.yaml": "group: both\ntask: [one, two]\naggregate_metric_list: [{metric: acc}]\nmetadata: {version: 1}\n",
};

/** The results of a task whose choice 0 always wins. */
async function results(path: string, limit?: number) {
  return await withFolder(files, async (folder) => {
    const task: Task = await loadTask(join(folder, path), { tokenizer });
    const selection = limit === undefined ? {} : { limit };
    const examples = await task.examples("test", selection);
    const evaluation = evaluateLogProbs(examples, examples.map(() => Float64Array.of(-1, -2)), {
      metrics: task.furtherMetrics,
    });
    const samples = describeSamples({
      requests: await task.requests("test", selection),
      examples,
      rows: await task.rows("test", selection),
      evaluation,
      metrics: task.metrics,
    });
    const described = describeHarnessResults({
      task,
      examples,
      evaluation,
      samples,
      rowsInSplit: { one: 4, two: 8 },
      model: "org/name@abc",
      limit: limit ?? null,
      date: 1,
      seconds: 2.5,
      secateur: { plan: null },
    });
    return JSON.parse(formatJson(described));
  });
}

Deno.test("describeHarnessResults() has the harness's keys when there is one task", async () => {
  const { results: found, configs, samples, ...rest } = await results("one.yaml", 3);
  const stderr = found.one["acc_stderr,none"];
  assertAlmostEquals(stderr, Math.sqrt(2 / 3 * (1 / 3) / 2), 1e-12);
  assertEquals(found, {
    one: {
      name: "one",
      alias: "one",
      sample_len: 3,
      "acc,none": 2 / 3,
      "acc_stderr,none": stderr,
      "mcc,none": 0,
      "mcc_stderr,none": 0,
    },
  });
  assertEquals(rest, {
    group_subtasks: {},
    versions: { one: 2 },
    "n-shot": { one: 0 },
    higher_is_better: { one: { acc: true, mcc: true } },
    "n-samples": { one: { original: 4, effective: 3 } },
    config: { model: "secateur", model_args: "pretrained=org/name@abc", limit: 3 },
    date: 1,
    model_source: "secateur",
    model_name: "org/name@abc",
    model_name_sanitized: "org__name@abc",
    total_evaluation_time_seconds: "2.5",
    secateur: { plan: null },
  });
  assertEquals(samples.one.map(({ doc_id }: Sample) => doc_id), [0, 1, 2]);
  const { doc_to_text, doc_to_choice, doc_to_target, metric_list, output_type } = configs.one;
  assertEquals([doc_to_text, doc_to_choice, doc_to_target, output_type], [
    "{{q}}?",
    ["no", "yes"],
    "label",
    "multiple_choice",
  ]);
  assertEquals(metric_list.map(({ metric }: { metric: string }) => metric), ["acc", "mcc"]);
});

Deno.test("describeHarnessResults() writes N/A as the standard error of a single row", async () => {
  assertEquals((await results("one.yaml", 1)).results.one["acc_stderr,none"], "N/A");
});

Deno.test("describeHarnessResults() lists a group beside its tasks", async () => {
  const { results: found, groups, group_subtasks, versions, samples, "n-samples": counts, "n-shot": shots } =
    await results(
      "both.yaml",
    );
  assertEquals(Object.keys(found), ["both", "one", "two"]);
  assertEquals([found.both["acc,none"], found.both.sample_len, found.two.sample_len], [0.5, 12, 8]);
  assertEquals([groups, group_subtasks], [{ both: found.both }, { both: ["one", "two"] }]);
  assertEquals([versions, shots], [{ one: 2, two: 3, both: 1 }, { one: 0, two: 0 }]);
  assertEquals(counts, { one: { original: 4, effective: 4 }, two: { original: 8, effective: 8 } });
  assertEquals(samples.two.map(({ id }: Sample) => id).at(-1), "two/test/7");
});
