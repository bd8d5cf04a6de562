/** Groups of tasks: what they consist of, their rows, and how results are summed up. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { scoreGroup } from "../../src/tasks/group_scoring.ts";
import { loadTask, type Task } from "../../src/tasks/task.ts";
import { readTaskTree, type TaskTree } from "../../src/tasks/task_tree.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

const tokenizer = await withFolder(tinyTokenizerFiles({ words: [" yes", " no"] }), (folder) => loadTokenizer(folder));

const rows = (name: string, labels: readonly number[]) =>
  labels.map((label, i) => JSON.stringify({ q: `${name}${i}`, label })).join("\n");

const task = (name: string, more = "") => `
task: ${name}
data: {train: ${name}.jsonl, test: ${name}.jsonl}
output_type: multiple_choice
training_split: train
test_split: test
doc_to_text: q
doc_to_choice: ["no", "yes"]
doc_to_target: label
metric_list: [{metric: acc}]
${more}`;

const files = {
  "a.yaml": task("a"),
  "b.yaml": task("b", "tag: late"),
  "c.yaml": task("c", "metadata: {version: 3}\ntag: [late, last]"),
  "a.jsonl": rows("a", [0, 1]),
  "b.jsonl": rows("b", [1, 0, 1, 1]),
  "c.jsonl": rows("c", [0, 0, 1]),
  "group.yaml": `
group: all
task:
  - a
  - group: rest
    task: [b, {task: c, doc_to_text: "C {{q}}"}]
    aggregate_metric_list: [{metric: acc, weight_by_size: false}]
aggregate_metric_list:
  - metric: acc
    aggregation: mean
    weight_by_size: true
metadata: {version: 7}
`,
};

function withGroup<T>(
  more: Readonly<Record<string, string>>,
  use: (task: Task, folder: string) => Promise<T>,
): Promise<T> {
  return withFolder({ ...files, ...more }, async (folder) => {
    return await use(await loadTask(join(folder, "group.yaml"), { tokenizer }), folder);
  });
}

Deno.test("loadTask() gives the rows of all tasks of a group, with the task's name in their ids", async () => {
  await withGroup({}, async (group) => {
    assertEquals([group.name, group.version, group.metrics, group.splits], ["all", 7, ["acc"], ["train", "test"]]);
    const requests = await group.requests("test");
    assertEquals(requests.map(({ id, context }) => [id, context]), [
      ["a/test/0", "a0"],
      ["a/test/1", "a1"],
      ...[0, 1, 2, 3].map((i) => [`b/test/${i}`, `b${i}`]),
      ...[0, 1, 2].map((i) => [`c/test/${i}`, `C c${i}`]),
    ]);
    assertEquals((await group.requests("test", { limit: 1 })).map(({ id }) => id), [
      "a/test/0",
      "b/test/0",
      "c/test/0",
    ]);
    const ids = ["c/test/2", "a/test/0", "c/test/0"];
    assertEquals((await group.examples("test", { ids })).map(({ id }) => id), ids);
    const drawn = await group.sample("train", { count: 6, seed: 1, sampling: "balanced" });
    assertEquals(drawn.map(({ gold }) => gold).toSorted(), [0, 0, 0, 1, 1, 1]);
    await assertRejects(() => group.requests("test", { ids: ["d/test/0"] }), RangeError, "expected a task of all");
    await assertRejects(() => group.requests("test", { ids: ["a/test/9"] }), RangeError, "expected test/0 to test/1");
  });
});

Deno.test("scoreGroup() sums up tasks as each group says: by size, or all alike", async () => {
  await withGroup({}, async (group) => {
    const examples = await group.examples("test");
    // a: 1 of 2 right, b: 3 of 4, c: 1 of 3.
    const right = [true, false, true, true, true, false, true, false, false];
    const logProbs = examples.map(({ gold }, i) => right[i] === (gold === 0) ? [-1, -2] : [-2, -1]);
    const parts = scoreGroup(group.group!, examples, logProbs, "acc");
    assertEquals(parts.map(({ name, isGroup, count }) => [name, isGroup, count]), [
      ["all", true, 9],
      ["all::rest", true, 7],
      ["b", false, 4],
      ["c", false, 3],
      ["a", false, 2],
    ]);
    const [all, rest, b, c, a] = parts;
    assertAlmostEquals(all.accuracy, 5 / 9, 1e-12);
    assertAlmostEquals(rest.accuracy, (3 / 4 + 1 / 3) / 2, 1e-12);
    // lm-evaluation-harness 0.4.13: pooled_sample_stderr and unweighted_mean_stderr of the tasks' errors.
    const errors = [a, b, c].map(({ standardError }) => standardError);
    assertAlmostEquals(errors[0], 0.5, 1e-12);
    const pooled = (1 * 2 * errors[0] ** 2 + 3 * 4 * errors[1] ** 2 + 2 * 3 * errors[2] ** 2) / (9 - 3);
    assertAlmostEquals(all.standardError, Math.sqrt(pooled / 9), 1e-12);
    assertAlmostEquals(rest.standardError, Math.hypot(errors[1], errors[2]) / 2, 1e-12);
  });
});

Deno.test("readTaskTree() finds tasks by the name in a neighbouring file, by path, and among the built-in ones", async () => {
  const group = "group: g\ntask: [other.yaml, sst2, {task: boolq, num_fewshot: 2}, b]\nnum_fewshot: 1\n";
  const read = (): Promise<TaskTree> =>
    withFolder(
      { ...files, "other.yaml": task("x"), "g.yaml": group },
      (folder) => readTaskTree(join(folder, "g.yaml")),
    );
  const { group: found, tasks } = await read();
  assertEquals(found!.tasks, ["x", "sst2", "boolq", "b"]);
  // Other keys of the group reach its tasks; those beside a name win.
  assertEquals(tasks.map(({ fewshot }) => fewshot.count), [1, 1, 2, 1]);
  assertEquals(found!.aggregates, []);
});

Deno.test("readTaskTree() takes all tasks of a tag, sorted by name, where a group lists the tag", async () => {
  await withFolder({ ...files, "g.yaml": "group: g\ntask: [{task: late, num_fewshot: 1}, a]\n" }, async (folder) => {
    const { group, tasks } = await readTaskTree(join(folder, "g.yaml"));
    assertEquals(group!.tasks, ["b", "c", "a"]);
    assertEquals(tasks.map(({ fewshot }) => fewshot.count), [1, 1, 0]);
  });
});

/** Group files, and what the error must say. */
const badGroups: readonly [string, string, string][] = [
  ["it lists nothing", "group: g\ntask: []", "task is [], expected a list"],
  ["it lists no name", "group: g\ntask: [[a]]", 'task has ["a"], expected the name'],
  [
    "a name is unknown",
    "group: g\ntask: [nope]",
    'task has "nope", which is neither built in nor the name or tag in a file',
  ],
  ["a task is listed twice", "group: g\ntask: [a, {task: a, num_fewshot: 1}]", 'the group has a task "a" already'],
  ["it lists itself", "group: g\ntask: [a, g]", "the group has itself in it, by way of g -> g"],
  ["its name is a list", "group: [g]\ntask: [a]", 'group is ["g"], expected text'],
  [
    "a metric cannot be summed up",
    "group: g\ntask: [a]\naggregate_metric_list: [{metric: mcc}]",
    "entry 0, expected metric",
  ],
  [
    "a metric is aggregated otherwise",
    "group: g\ntask: [a]\naggregate_metric_list: [{metric: acc, aggregation: max}]",
    "aggregation: mean",
  ],
  [
    "no task reports its metric",
    "group: g\ntask: [a]\naggregate_metric_list: [{metric: acc_norm}]",
    "no metric is reported by all",
  ],
  ["a key does not fit its tasks", "group: g\ntask: [a]\nnum_fewshots: 3", "num_fewshots is not a known key"],
  [
    "its tasks are evaluated on different splits",
    "group: g\ntask: [a, {task: b, test_split: train}]",
    "the split to evaluate of a is",
  ],
];

for (const [what, yaml, expected] of badGroups) {
  Deno.test(`loadTask() says what to change in a group when ${what}`, async () => {
    const error = await assertRejects(() => withGroup({ "group.yaml": yaml }, () => Promise.resolve()), Error);
    assertStringIncludes(error.message, expected);
    assert(!error.message.includes("undefined"), error.message);
  });
}

Deno.test("marks() gives the cells of all tasks of a group, with the task's name in their ids", async () => {
  await withGroup({}, async (group) => {
    assertEquals(await group.marks("test", "q", { ids: ["c/test/2", "a/test/1"] }), [
      { id: "c/test/2", mark: "c2" },
      { id: "a/test/1", mark: "a1" },
    ]);
    const marks = await group.marks("test", "label");
    assertEquals(marks.map(({ id }) => id), (await group.examples("test")).map(({ id }) => id));
    await assertRejects(() => group.marks("test", "marker"), RangeError, '"marker"');
  });
});

Deno.test("workedTurns() takes rows of several tasks of a group, each in its own wording", async () => {
  await withGroup({}, async (group) => {
    const worked = await group.workedTurns("train", ["c/train/2", "a/train/0"]);
    const [request] = await group.requests("test", { ids: ["b/test/1"], worked });
    assertEquals(request.context, "C c2 yes\n\na0 no\n\nb1");
    await assertRejects(() => group.workedTurns("train", ["d/train/0"]), RangeError, "d/train/0");
  });
});
