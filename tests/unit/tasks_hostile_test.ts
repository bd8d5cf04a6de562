/**
 * Task files, group files and chat templates with random damage: each loads or gives one clear error, and none hangs.
 */
import { assert } from "@std/assert";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compileBounded } from "../../src/tasks/bounded_jinja.ts";
import { createRandom, type Random } from "../../src/tasks/random.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { withFolder } from "../support/temporary_folder.ts";

/** Pieces that mean something to YAML, Jinja or the reader. */
const pieces = [
  "",
  " ",
  "\n",
  "\t",
  ":",
  "- ",
  "[",
  "]",
  "{",
  "}",
  '"',
  "'",
  "{{",
  "}}",
  "{%",
  "%}",
  "|",
  "*a",
  "&a ",
  "!function x.y ",
  "#",
  "null",
  "-1",
  "1e999",
  ".nan",
  "true",
  "~",
  "?",
  "%",
  "@",
  "\\",
  "\u0000",
  "\ufeff",
  "🙂",
  "<<: ",
  "---\n",
  "...\n",
  "include: task.yaml\n",
  "group: g\n",
  "task: [a]\n",
  "{{ [] }}",
  "{{ 1 // 0 }}",
  "| regex_replace('(', '')",
  "for",
  "endfor",
];

/** One to three times: drops, doubles, moves or replaces a stretch of the text. */
function damage(text: string, random: Random): string {
  let result = text;
  for (let i = random.nextBelow(3); i >= 0; i--) {
    const at = random.nextBelow(result.length + 1);
    const end = Math.min(result.length, at + random.nextBelow(12));
    const stretch = result.slice(at, end);
    const piece = [pieces[random.nextBelow(pieces.length)], "", stretch + stretch][random.nextBelow(3)];
    result = result.slice(0, at) + piece + result.slice(end);
  }
  return result;
}

/** @param what What was damaged, for the message. */
function checkError(error: unknown, what: string): void {
  const isExpected = error instanceof RangeError || error instanceof SyntaxError || error instanceof TypeError;
  assert(isExpected, `${error} for ${JSON.stringify(what)}`);
  const { message } = error as Error;
  assert(/^Cannot /.test(message), `${message} for ${JSON.stringify(what)}`);
  // Words of the interpreter, not ours: something was used that was not checked.
  assert(!/is not a function|of undefined|of null|not iterable|is not defined/.test(message), `${message} for ${what}`);
}

const row = { q: "Why?", options: ["a", "b c"], label: 1, t: "x", subject: "art" };

const taskFile = `include: base.yaml
task: hostile
data: {train: rows.jsonl, test: rows.jsonl}
training_split: train
test_split: test
description: "About {{subject}}.\\n"
doc_to_text: "{{q|trim}}{% for o in options %} {{loop.index}}. {{o}}{% endfor %}\\nAnswer:"
doc_to_choice: "{{ [options[0], options[1]|upper] }}"
doc_to_target: label
gen_prefix: "So:"
num_fewshot: 1
fewshot_config: {sampler: first_n, samples: [{q: "One?", options: [c, d], label: 0, subject: s}]}
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata: {version: 1.0}
`;
const groupFile = `group: all
task:
  - hostile.yaml
  - {task: boolq, num_fewshot: 0, data: {train: rows.jsonl, validation: rows.jsonl}, doc_to_text: q}
  - group: part
    task: [{task: inline, include: base.yaml, output_type: multiple_choice, doc_to_text: t}]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
`;
const base = "output_type: multiple_choice\ntarget_delimiter: ' '\n";

for (const [name, text] of [["task", taskFile], ["group", groupFile]] as const) {
  Deno.test(`loadTask() loads or says what is wrong when a ${name} file is damaged`, async () => {
    const random = createRandom(name === "task" ? 1 : 2);
    const files = { "rows.jsonl": JSON.stringify(row), "base.yaml": base, "hostile.yaml": taskFile };
    let failures = 0;
    await withFolder(files, async (folder) => {
      const path = join(folder, "task.yaml");
      for (let i = 0; i < 250; i++) {
        const damaged = damage(text, random);
        await writeFile(path, damaged);
        try {
          const task = await loadTask(path);
          await task.requests(task.evaluationSplit);
        } catch (error) {
          failures++;
          checkError(error, damaged);
        }
      }
    });
    assert(failures > 60, `only ${failures} of 250 failed`);
  });
}

Deno.test("compileBounded() renders or says what is wrong when a chat template is damaged", async () => {
  const text = await readFile(new URL("../golden/lm_eval_requests/chat/macros.jinja", import.meta.url), "utf8");
  const random = createRandom(3);
  const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }];
  let failures = 0;
  for (let i = 0; i < 250; i++) {
    const damaged = damage(text, random);
    try {
      compileBounded(damaged).render({
        messages,
        bos_token: "<s>",
        eos_token: "</s>",
        tools: null,
        add_generation_prompt: true,
      });
    } catch (error) {
      failures++;
      assert(error instanceof RangeError || error instanceof SyntaxError, `${error} for ${damaged}`);
    }
  }
  assert(failures > 60, `only ${failures} of 250 failed`);
});
