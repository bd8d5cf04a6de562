/**
 * Chat templates: against lm-evaluation-harness and transformers (`record_chat.py`), where they are found, and their
 * bounds.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chatTemplateLimits, compileBounded, TemplateRefusal } from "../../src/tasks/bounded_jinja.ts";
import { loadChatTemplate } from "../../src/tasks/chat_template.ts";
import type { Message } from "../../src/tasks/message.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

interface RecordedChat {
  readonly contexts: readonly string[];
  readonly continuations: readonly string[];
}

const folder = fileURLToPath(new URL("../golden/lm_eval_requests/", import.meta.url));
const expected: Record<string, Record<string, RecordedChat[]>> = JSON.parse(
  await readFile(`${folder}expected_chat.json`, "utf8"),
);

assert(Object.keys(expected).length >= 3, "the recorded templates are missing");

for (const [template, tasks] of Object.entries(expected)) {
  const files = {
    ...tinyTokenizerFiles(),
    "chat_template.jinja": await readFile(`${folder}chat/${template}.jinja`, "utf8"),
  };
  const chatTemplate = await withFolder(files, (folder) => loadChatTemplate(folder));
  for (const [name, rows] of Object.entries(tasks)) {
    Deno.test(`requests() equals lm-evaluation-harness when the chat template is ${template} and the task ${name}`, async () => {
      const task = await loadTask(`${folder}${name}.yaml`, { chatTemplate, systemPrompt: "Be brief." });
      const requests = await task.requests(task.evaluationSplit, { limit: rows.length });
      const actual = requests.map(({ context, contexts, continuations }): RecordedChat => ({
        contexts: contexts ?? continuations.map(() => context),
        continuations,
      }));
      assertEquals(actual, rows);
    });
  }
}

const hello: Message[] = [{ role: "user", content: "Hi", delimiter: "" }];
const files = (chat_template: unknown) => tinyTokenizerFiles({ config: { chat_template } });

Deno.test("loadChatTemplate() finds the template in tokenizer_config.json, by name, or in a file of its own", async () => {
  const named = [{ name: "default", template: "D{{ messages[0].content }}" }, { name: "rag", template: "R" }];
  const render = (all: Record<string, string>, name?: string) =>
    withFolder(
      all,
      async (folder) => (await loadChatTemplate(folder, name === undefined ? {} : { name })).render(hello),
    );
  assertEquals(await render(files("{{ bos_token }}{{ messages[0]['content'] }}")), "<s>Hi");
  assertEquals(await render(files(named)), "DHi");
  assertEquals(await render(files(named), "rag"), "R");
  assertEquals(await render({ ...files("old"), "chat_template.jinja": "new" }), "new");
  assertEquals(await render({ ...files("old"), "additional_chat_templates/tool.jinja": "tool" }, "tool"), "tool");
  for (
    const [all, name, message] of [
      [files(named), "none", 'Cannot find the chat template "none" in'],
      [files(named.slice(1)), undefined, 'Cannot find the chat template "default" in'],
      [files(undefined), undefined, "Cannot find a chat template in"],
      [files("x"), "../tokenizer", 'Cannot find the chat template "../tokenizer"'],
    ] as const
  ) {
    assertStringIncludes((await assertRejects(() => render(all, name), OptionError)).message, message);
  }
  await assertRejects(() => render(files("{% if")), SyntaxError, "Cannot parse the chat template of");
});

Deno.test("render() names the file when the template fails, or drops the start of the answer", async () => {
  const open: Message[] = [...hello, { role: "assistant", content: "So:", delimiter: "" }];
  for (
    const [template, messages, message] of [
      ["{{ raise_exception('no ' ~ messages|length) }}", hello, 'it says "no 1"'],
      ["{{ messages | nope }}", hello, "Cannot render the chat template of"],
      ["{{ messages[0].content }}", open, 'it drops the start of the answer, "So:"'],
    ] as const
  ) {
    const chat = await withFolder(files(template), (folder) => loadChatTemplate(folder));
    const error = assertThrows(() => chat.render(messages), RangeError);
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, "tokenizer_config.json");
  }
});

Deno.test("render() tells every template the same date", () => {
  const template = "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %-d%%') }}";
  assertEquals(compileBounded(template).render({}), "26 Jul 2024 Friday, July %-d%");
});

Deno.test("compileBounded() gives a refusal its own class, and hides what is not the template's", () => {
  assertThrows(() => compileBounded("{{ raise_exception('x') }}").render({}), TemplateRefusal, 'it says "x"');
  for (const source of ["{{ constructor }}", "{{ messages.constructor }}", "{{ messages.__proto__ }}"]) {
    assertEquals(compileBounded(`${source}|`).render({ messages: [] }).replace("undefined", ""), "|");
  }
});

const double = (times: number) => "{% set a = [a, a] %}".repeat(times);

/** Templates that would run for minutes or fill the memory. */
const bombs: readonly string[] = [
  "{{ range(2000000000) }}",
  "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
  "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
  "{% macro m(n) %}{% for i in range(9999) %}{{ m(n + 1) }}{% endfor %}{% endmacro %}{{ m(0) }}",
  `{% set a = 'x' * 2 ~ 'x' %}${"{% set a = a ~ a %}".repeat(60)}{{ a }}`,
  `{% set ns = namespace(a='xxxxxxxx') %}{% for i in range(99) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a }}`,
  `{% set a = ['x'] %}${double(60)}{{ a | tojson }}`,
  `{% set a = ['x'] %}${double(60)}{{ a | string }}`,
  `{% set a = ['x'] %}${double(60)}{{ a ~ 'x' }}`,
  `{% set ns = namespace() %}{% set ns.self = ns %}{{ ns | tojson }}`,
  "{{ ['x', 'y'] | tojson(indent=2000000000) }}",
  "{{ 'x\ny' | indent(2000000000) }}",
  `{% set a = '${"x".repeat(5000)}' %}{{ (a ~ a).replace('x', a) }}`,
  `{% set a = '${"x".repeat(5000)}' %}{{ (a ~ a) | replace('x', a) }}`,
  `{% set a = '${"x".repeat(5000)}' %}{{ a | join(a) }}`,
  `{% set a = '${"x".repeat(5000)}' %}{{ a | join(*[a]) }}`,
  `{% set ns = namespace(l=[]) %}{% set a = '${
    "x".repeat(50000)
  }' %}{% for i in range(9999) %}{% set ns.l = ns.l + [a | upper] %}{% endfor %}`,
  `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`,
  `{{ ${"not ".repeat(15_000)}1 }}`,
  " ".repeat(5_000),
];

for (const [i, source] of bombs.entries()) {
  Deno.test(`compileBounded() ends with an error when the chat template is bomb ${i}: ${source.slice(0, 40)}`, () => {
    const start = performance.now();
    // One of those that only time ends is given all of it.
    const limits = i === 1 ? chatTemplateLimits : { ...chatTemplateLimits, milliseconds: 400 };
    const error = assertThrows(() => compileBounded(source, limits).render({ messages: [] }), Error);
    assert(error instanceof RangeError || error instanceof SyntaxError, String(error));
    assert(performance.now() - start < 10_000, "it took more than ten seconds");
  });
}
