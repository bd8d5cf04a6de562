/** Attacks through the files of a tokenizer and of a task: devices, bombs, and JSON that is none. */
import { symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadTask } from "../../../src/tasks/task.ts";
import { loadTokenizer } from "../../../src/tasks/tokenizer.ts";
import { withFolder } from "../../support/temporary_folder.ts";
import { tinyTokenizerFiles } from "../../support/tiny_tokenizer.ts";
import type { Attack } from "./attack.ts";

/** Loads the tiny tokenizer after something was done to its folder. */
function loadAfter(prepare: (folder: string) => Promise<unknown>): Promise<unknown> {
  return withFolder(tinyTokenizerFiles(), async (folder) => {
    await prepare(folder);
    return await loadTokenizer(folder);
  });
}

/** Loads a task from this text, after something was done to its folder. */
function loadYaml(text: string, prepare?: (folder: string) => Promise<unknown>): Promise<unknown> {
  return withFolder({ ...tinyTokenizerFiles(), "task.yaml": text }, async (folder) => {
    await prepare?.(folder);
    const task = await loadTask(join(folder, "task.yaml"), { tokenizer: await loadTokenizer(folder) });
    return await task.requests(task.evaluationSplit);
  });
}

const fields = [
  "task: t",
  "output_type: multiple_choice",
  "data: {test: rows.jsonl}",
  "test_split: test",
  'doc_to_text: "{{q}}"',
  "doc_to_choice: [a, b]",
  "doc_to_target: 0",
];
const task = fields.join("\n");

/** The task with the field that a line sets replaced by it. */
function withLine(line: string): string {
  const name = line.split(":")[0];
  return [...fields.filter((field) => !field.startsWith(`${name}:`)), line].join("\n");
}

const rows = (text: string | Uint8Array) => async (folder: string) => await writeFile(join(folder, "rows.jsonl"), text);
const fine = rows('{"q":"x"}\n');

const path = (name: string) => (folder: string) => join(folder, name);

/** Loads the tiny tokenizer and uses it, after its file was changed. */
function useChanged(change: (file: Record<string, unknown>) => unknown): Promise<unknown> {
  const files = tinyTokenizerFiles();
  const file = JSON.parse(files["tokenizer.json"]);
  const changed = change(file) ?? file;
  return withFolder({ ...files, "tokenizer.json": JSON.stringify(changed) }, async (folder) => {
    const tokenizer = await loadTokenizer(folder);
    return tokenizer.decode(tokenizer.encode("a yes"));
  });
}

/** Reads these questions and encodes them. */
function encodeRows(...questions: readonly string[]): Promise<unknown> {
  const prepare = rows(questions.map((q) => `${JSON.stringify({ q })}\n`).join(""));
  return withFolder({ ...tinyTokenizerFiles(), "task.yaml": task }, async (folder) => {
    await prepare(folder);
    const loaded = await loadTask(join(folder, "task.yaml"), { tokenizer: await loadTokenizer(folder) });
    return await loaded.examples(loaded.evaluationSplit);
  });
}

/** What goes on, what it is, and what is said about it. */
const runs: readonly [string, string, string][] = [
  ["a word", "a".repeat(100_000), "100000 in a row have no white space among them"],
  ["white space", " \n".repeat(50_000), "100002 in a row are white space"],
  ["a language without white space", "語".repeat(100_000), "100000 in a row have no white space among them"],
];

/** Patterns whose steps double with every character, or grow with the cube of a text's length. */
const patterns = [
  "(a+)+$",
  "(?:a|a)*b",
  "((a*)b?){2,}",
  "([)]+|\\()+x",
  "(?:\\s{1,9}){1,50}x",
  "(?:aa?)+b",
  "(?:a?a?)*b",
  "(?:a?){30}b",
  "a?".repeat(40) + "b",
  "a*a*b",
  "(a+)\\1+b",
  "(?=(?:a*b|a)*)a",
  "(?:a*a)++b",
];

export const textAttacks: readonly Attack[] = [
  ...runs.map(([what, run, message]): Attack => ({
    name: `examples() throws, and names the row, when ${what} goes on for 100,000 characters`,
    attempt: () => encodeRows("short", `Is\n${run}\nit?`),
    error: RangeError,
    message,
  })),
  ...patterns.map((pattern): Attack => ({
    name: `loadTokenizer() throws when a tokenizer's pattern is ${pattern}`,
    attempt: () =>
      useChanged((file) => ({
        ...file,
        pre_tokenizer: { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
      })),
    error: RangeError,
    message: "may take for ever: repetitions and alternatives in it may be tried in too many combinations",
  })),
  ...[1e6, "1000000"].map((longest): Attack => ({
    name: `loadTokenizer() throws when a word may be ${
      JSON.stringify(longest)
    } characters long before it is cut into pieces`,
    attempt: () =>
      useChanged((file) => ({
        ...file,
        model: { ...file.model as object, type: "WordPiece", max_input_chars_per_word: longest },
      })),
    error: RangeError,
    message: `model.max_input_chars_per_word is ${JSON.stringify(longest)}, expected at most 200`,
  })),
  {
    name: "loadTokenizer() throws when an added token has no content",
    attempt: () => useChanged((file) => ({ ...file, added_tokens: [{ id: 256, special: true }] })),
    error: RangeError,
    message: "some part of it has not the form that it has in a tokenizer's file",
  },
  {
    name: "loadTokenizer() throws when the id of a token is a fraction",
    attempt: () =>
      useChanged((file) => {
        ((file.model as Record<string, unknown>).vocab as Record<string, unknown>).b = 98.5;
      }),
    error: RangeError,
    message: 'token "b" has the id 98.5, expected a whole number',
  },
  {
    name: "loadTokenizer() throws when the id of a token is a text",
    attempt: () =>
      useChanged((file) => {
        ((file.model as Record<string, unknown>).vocab as Record<string, unknown>).b = "98";
      }),
    error: RangeError,
    message: "expected a whole number",
  },
  {
    name: "loadTokenizer() throws when the id of a token would need a table of a trillion entries",
    attempt: () =>
      useChanged((file) => {
        ((file.model as Record<string, unknown>).vocab as Record<string, unknown>).b = 1e12;
      }),
    error: RangeError,
    message: "expected a whole number below 16777216",
  },
  {
    name: "loadTokenizer() throws when tokenizer.json is a terabyte of nothing",
    attempt: () => loadAfter((folder) => truncate(path("tokenizer.json")(folder), 2 ** 40)),
    error: RangeError,
    message: "it has 1099511627776 bytes, expected at most",
  },
  {
    name: "loadTokenizer() throws when special_tokens_map.json is a device that never ends",
    attempt: () => loadAfter((folder) => symlink("/dev/zero", path("special_tokens_map.json")(folder))),
    error: RangeError,
    message: "expected a regular file",
  },
  {
    name: "loadTask() throws when the task file is a device that never ends",
    attempt: () => loadYaml("include: zero.yaml", (folder) => symlink("/dev/zero", path("zero.yaml")(folder))),
    error: RangeError,
    message: "expected a regular file",
  },
  {
    name: "loadTask() throws when the task file is a terabyte of nothing",
    attempt: () => loadYaml(task, (folder) => truncate(path("task.yaml")(folder), 2 ** 40)),
    error: RangeError,
    message: "expected at most",
  },
  {
    name: "loadTask() throws when Python is to be run",
    attempt: () => loadYaml(withLine("doc_to_text: !function os.system"), fine),
    error: TypeError,
    message: "which is never run",
  },
  {
    name: "loadTask() throws when a Python object is to be made",
    attempt: () => loadYaml(withLine("doc_to_text: !!python/object/apply:os.system [x]"), fine),
    error: SyntaxError,
    message: "Unresolved tag",
  },
  {
    name: "loadTask() throws soon when one line has a hundred thousand tags that nobody knows",
    attempt: () => loadYaml(`[${"!x a,".repeat(100_000)}]`),
    error: SyntaxError,
    message: "Unresolved tag: !x at line 1, column 2",
  },
  {
    name: "loadTask() throws when a mapping of twenty thousand keys is to keep its order",
    attempt: () =>
      loadYaml(`%YAML 1.1\n--- !!omap\n${Array.from({ length: 20_000 }, (_, i) => `- k${i}: 1\n`).join("")}`),
    error: SyntaxError,
    message: "The tag !!omap is not supported",
  },
  {
    name: "requests() throws when a template counts to two billion",
    attempt: () => loadYaml(withLine('doc_to_text: "{% for i in range(2000000000) %}x{% endfor %}"'), fine),
    error: RangeError,
    message: "a list of more than 100000 items",
  },
  {
    name: "requests() throws when a template multiplies a text",
    attempt: () => loadYaml(withLine(`doc_to_text: "{{ 'x' * 10000000000 }}"`), fine),
    error: RangeError,
    message: "text of more than 1000000 characters",
  },
  {
    name: "requests() throws when a template reaches for the constructor",
    attempt: () => loadYaml(withLine('doc_to_text: "{{ q.constructor.constructor(1) }}"'), fine),
    error: RangeError,
    message: "q.constructor does not exist",
  },
  {
    name: "requests() throws when a row is no object",
    attempt: () => loadYaml(task, rows("[1]\n")),
    error: SyntaxError,
    message: "expected a JSON object",
  },
  {
    name: "requests() throws when a row is not UTF-8",
    attempt: () => loadYaml(task, rows(Uint8Array.of(0x7b, 0xff))),
    error: SyntaxError,
    message: "expected UTF-8",
  },
  {
    name: "requests() throws when a row is nested a hundred thousand deep",
    attempt: () => loadYaml(task, rows(`{"q":${"[".repeat(1e5)}${"]".repeat(1e5)}}\n`)),
    error: RangeError,
    message: "nested too deeply",
  },
];
