/** Which rows results are measured on: so many of each task, among those that may be asked. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { CommandError, UsageError } from "../../src/cli/errors.ts";
import { evaluatedRows, testExamples } from "../../src/cli/test_rows.ts";
import { loadTask, type Task } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

const task = (name: string) =>
  `task: ${name}
data: {test: rows.jsonl}
output_type: multiple_choice
test_split: test
doc_to_text: q
doc_to_choice: ["no", "yes"]
doc_to_target: label
metric_list: [{metric: acc}]
`;

/** A group of two tasks, of five rows in one split each. */
function withGroup(use: (group: Task) => Promise<void>): Promise<void> {
  const files = {
    ...tinyTokenizerFiles({ words: [" yes", " no"] }),
    "a.yaml": task("a"),
    "b.yaml": task("b"),
    "group.yaml": "group: both\ntask: [a, b]\naggregate_metric_list: [{metric: acc}]\n",
    "rows.jsonl": Array.from({ length: 5 }, (_, i) => JSON.stringify({ q: `q${i}`, label: i % 2 })).join("\n"),
  };
  return withFolder(files, async (folder) => {
    await use(await loadTask(join(folder, "group.yaml"), { tokenizer: await loadTokenizer(folder) }));
  });
}

const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id);

Deno.test("testExamples() takes as many rows of each task of a group as it is told, among those that are not used", async () => {
  await withGroup(async (group) => {
    const used = await group.examples("test", { ids: ["a/test/1", "b/test/0"] });
    const rows = await testExamples(group, { split: undefined, limit: 2 }, used, { note: () => {} });
    assertEquals(idsOf(rows), ["a/test/0", "a/test/2", "b/test/1", "b/test/2"]);
  });
});

Deno.test("testExamples() says what to do where no row is left, or one is drawn and tested on", async () => {
  await withGroup(async (group) => {
    const all = await group.examples("test");
    const refused = [
      [undefined, "Cannot test on what is left: all 10 examples of both are", "lower --adaptation-examples"],
      ["test", "Cannot test on example a/test/0: it is an adaptation example too", "name different splits"],
    ] as const;
    for (const [split, message, hint] of refused) {
      const error = await assertRejects(
        () => testExamples(group, { split, limit: undefined }, all, { note: () => {} }),
        UsageError,
        message,
      );
      assertStringIncludes(error.hint, hint);
    }
  });
});

Deno.test("evaluatedRows() takes the first rows that both models can be asked, and says the same for either", async () => {
  await withGroup(async (group) => {
    const work = { task: group, provenance: { model: "m", task: "both", versions: {} } };
    const all = (await evaluatedRows(work, { split: undefined, unseen: false, limit: 1 }, [])).candidates;
    assertEquals(all, idsOf(await group.rows("test")));
    const others = all.filter((id) => !["a/test/0", "a/test/4", "b/test/1"].includes(id));
    const taken = ["a/test/1", "a/test/2", "b/test/0", "b/test/2"];
    const notes = ["Left out 2 rows that only one of the two models can be asked."];
    const longer = await evaluatedRows(work, { split: undefined, unseen: false, limit: 2 }, [], others);
    assertEquals([idsOf(longer.examples), longer.notes, longer.candidates], [taken, notes, all]);
    // The model of fewer positions has left its rows out itself.
    const rows = group.rows.bind(group);
    group.rows = async (split) => (await rows(split)).filter(({ id }) => others.includes(id));
    const shorter = await evaluatedRows(work, { split: undefined, unseen: false, limit: 2 }, [], all);
    assertEquals([idsOf(shorter.examples), shorter.notes, shorter.candidates], [taken, notes, others]);
    await assertRejects(
      () => evaluatedRows(work, { split: undefined, unseen: false, limit: 2 }, [], ["c/test/0"]),
      CommandError,
      "no row can be asked of both models",
    );
  });
});
