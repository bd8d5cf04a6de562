/** Requests and token splits against those that lm-evaluation-harness itself makes, recorded by `record.py`. */
import { assert, assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildExample } from "../../src/tasks/example_builder.ts";
import { loadTask } from "../../src/tasks/task.ts";
import { loadTokenizer } from "../../src/tasks/tokenizer.ts";

interface RecordedTokens {
  readonly prompt: number;
  readonly choices: readonly number[][];
  /** Where the choices stand in the question. */
  readonly prompts?: readonly number[];
  /** The choices without a context. */
  readonly alone?: readonly number[][];
}

interface RecordedRow {
  /** The first one where there are several. */
  readonly context: string;
  readonly contexts?: readonly string[];
  readonly continuations: readonly string[];
  readonly gold: number;
  readonly golds?: readonly number[];
  /** Length of each choice in characters. */
  readonly characters: readonly number[];
  /** By tokenizer: number of context tokens, and the token ids of each continuation. */
  readonly tokens: Readonly<Record<string, RecordedTokens>>;
}

const folder = fileURLToPath(new URL("../golden/lm_eval_requests/", import.meta.url));
const expected: Record<string, RecordedRow[]> = JSON.parse(await readFile(`${folder}expected.json`, "utf8"));
const tokenizers = {
  bare: await loadTokenizer(`${folder}tokenizer_bare`),
  bos: await loadTokenizer(`${folder}tokenizer_bos`),
};

assert(Object.keys(expected).length >= 14, "the recorded tasks are missing");

for (const [name, rows] of Object.entries(expected)) {
  Deno.test(`requests() and buildExample() equal lm-evaluation-harness when the task is ${name}`, async () => {
    const task = await loadTask(`${folder}${name}.yaml`, { tokenizer: tokenizers.bare });
    const requests = await task.requests(task.evaluationSplit);
    const actual = requests.map((request): RecordedRow => {
      const tokens = Object.entries(tokenizers).map(([tokenizerName, tokenizer]) => {
        const { prompt, prompts, choices, unconditional } = buildExample(request, tokenizer);
        return [tokenizerName, {
          prompt: (prompts?.[0] ?? prompt).length,
          choices: choices.map((ids) => [...ids]),
          ...(prompts && { prompts: prompts.map((ids) => ids.length) }),
          ...(unconditional && { alone: unconditional.choices.map((ids) => [...ids]) }),
        }] as const;
      });
      return {
        context: request.contexts?.[0] ?? request.context,
        ...(request.contexts && { contexts: request.contexts }),
        continuations: request.continuations,
        gold: request.gold,
        ...(request.golds && { golds: request.golds }),
        characters: request.choices.map((choice) => [...choice].length),
        tokens: Object.fromEntries(tokens),
      };
    });
    assertEquals(actual, rows);
  });
}
