import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { buildExample, type ChoiceRequest } from "../../src/tasks/example_builder.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tasks/tokenizer.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyTokenizerFiles, type TinyTokenizerOptions } from "../support/tiny_tokenizer.ts";

function load(options: TinyTokenizerOptions): Promise<Tokenizer> {
  return withFolder(tinyTokenizerFiles(options), (folder) => loadTokenizer(folder));
}

function request(context: string, choices: readonly string[], delimiter = " "): ChoiceRequest {
  return { id: "test/0", context, choices, continuations: choices.map((choice) => delimiter + choice), gold: 0 };
}

/** Texts of the tokens of prompt and choices. */
function split(tokenizer: Tokenizer, asked: ChoiceRequest): { prompt: string[]; choices: string[][] } {
  const { prompt, choices } = buildExample(asked, tokenizer);
  const texts = (ids: Uint32Array) => [...ids].map((id) => tokenizer.tokenText(id));
  return { prompt: texts(prompt), choices: choices.map(texts) };
}

const words = ["Q", ":", " yes", " no", " yesterday", "A", " A", "be", "because", " the", "  "];
const bare = await load({ words });
const withBos = await load({ words, postProcessor: "front" });

Deno.test("buildExample() gives one token per choice when delimiter and choice are one token", () => {
  assertEquals(split(bare, request("Q:", ["yes", "no"])), { prompt: ["Q", ":"], choices: [[" yes"], [" no"]] });
});

Deno.test("buildExample() keeps all tokens of a choice when it has several", () => {
  assertEquals(split(bare, request("Q:", ["yes no", "noA"])), {
    prompt: ["Q", ":"],
    choices: [[" yes", " no"], [" no", "A"]],
  });
});

Deno.test("buildExample() keeps no tokens alive but those of prompt and choices", () => {
  for (const context of ["Q: ", ""]) {
    const { prompt, choices } = buildExample(request(context, ["yes", "no"]), withBos);
    for (const ids of [prompt, ...choices]) assertEquals(ids.buffer.byteLength, ids.byteLength);
  }
});

Deno.test("buildExample() moves white space at the end of the context to the continuation", () => {
  const expected = { prompt: ["Q", ":"], choices: [[" yes"], [" no"]] };
  assertEquals(split(bare, request("Q: ", ["yes", "no"], "")), expected);
  assertEquals(split(bare, request("Q:\n", ["A", "no"], "")).choices, [["\n", "A"], ["\n", "n", "o"]]);
});

Deno.test("buildExample() keeps both spaces when delimiter and choice each have one", () => {
  assertEquals(split(bare, request("because", [" the A", " no"])), {
    prompt: ["because"],
    choices: [[" ", " the", " A"], [" ", " no"]],
  });
  assertEquals(split(bare, request("Q: ", [" A", " no"])).choices, [["  ", " A"], ["  ", " no"]]);
});

Deno.test("buildExample() puts BOS once in front of the prompt when the tokenizer adds it", () => {
  assertEquals(split(withBos, request("Q:", ["yes", "no"])), {
    prompt: ["<s>", "Q", ":"],
    choices: [[" yes"], [" no"]],
  });
  assertEquals(split(withBos, request("<s>Q:", ["yes", "no"])).prompt, ["<s>", "Q", ":"]);
});

Deno.test("buildExample() puts the prefix token in the place of an empty context", () => {
  const expected = { prompt: ["<s>"], choices: [[" yes"], [" no"]] };
  assertEquals(split(bare, request("", ["yes", "no"])), expected);
  assertEquals(split(withBos, request("", ["yes", "no"])), expected);
  assertEquals(split(bare, request("", ["<s>A", "no"], "")), { prompt: ["<s>"], choices: [["A"], ["n", "o"]] });
});

Deno.test("buildExample() keeps white space when it is the whole context", () => {
  assertEquals(split(bare, request("  ", ["A", "no"], "")), { prompt: ["<s>"], choices: [[" ", " A"], [" ", " no"]] });
  assertEquals(split(withBos, request(" ", ["A", "no"], "")), { prompt: ["<s>"], choices: [[" A"], [" no"]] });
});

Deno.test("buildExample() splits at the context's own token count when a token crosses the boundary", () => {
  // " yes" and "terday" make one token of the whole, so its second token is the first of the continuation.
  assertEquals(split(bare, request("Q yes", ["terday A", "terday the A"], "")), {
    prompt: ["Q", " yes"],
    choices: [[" A"], [" the", " A"]],
  });
});

Deno.test("buildExample() throws when a continuation adds no token", () => {
  const error = assertThrows(() => buildExample(request("Q yes", ["terday", " A"], ""), bare), RangeError);
  assertStringIncludes(error.message, 'Cannot build example test/0: choice 0, "terday", adds no token');
});

Deno.test("buildExample() throws when the context is empty and there is no prefix token", async () => {
  const none = await load({ config: { bos_token: null, eos_token: null } });
  assertThrows(() => buildExample(request("", ["yes", "no"]), none), RangeError, "no BOS or EOS token");
});

Deno.test("buildExample() uses EOS for an empty context when there is no BOS", async () => {
  const tokenizer = await load({ words, config: { bos_token: null } });
  assertEquals(split(tokenizer, request("", ["yes", "no"])).prompt, ["</s>"]);
});

Deno.test("buildExample() counts code points of the choice without the delimiter", () => {
  const { choiceCharacters, gold, id } = buildExample({ ...request("Q:", ["yes", "é🙂"]), gold: 1 }, bare);
  assertEquals(choiceCharacters, [3, 2]);
  assertEquals([gold, id], [1, "test/0"]);
});

Deno.test("buildExample() throws when the longest prompt with its choice has more tokens than are read", () => {
  const asked = request("Q:", ["yes", "no the"]);
  const limit = (maxTokens: number, other: ChoiceRequest = asked) =>
    buildExample(other, bare, { maxTokens }).prompt.length;
  // Nothing follows the last token of a choice.
  assertEquals(limit(3), 2);
  assertThrows(() => limit(2), RangeError, "Cannot build example test/0: 3 tokens exceed the model's limit of 2");
  // Of choices with prompts of their own, each counts with its own.
  const contexts = ["Q:", "Q:Q:Q:"];
  const own = { ...asked, contexts, continuations: [" yes", " no"] };
  assertEquals(limit(6, own), 2);
  assertThrows(() => limit(5, own), RangeError, "6 tokens exceed the model's limit of 5");
});

Deno.test("buildExample() cuts each choice's prompt from the left as lm-evaluation-harness does when told to", () => {
  const cut = (contexts: readonly string[], choices: readonly string[], maxTokens: number, gold = 0) => {
    const asked = { ...request(contexts[0], choices), gold, ...(contexts.length > 1 && { contexts }) };
    return { whole: buildExample(asked, withBos), part: buildExample(asked, withBos, { maxTokens, truncate: true }) };
  };
  const context = "Q: the A because: the A be:";
  for (
    const [contexts, choices, maxTokens] of [
      [[context], ["yes", "no"], 6],
      [[context], ["yes", "no the"], 6],
      [[context], ["yes the A", "no", "no the"], 11],
      [[context, "Q:"], ["yes", "no"], 5],
      [[context], ["yes", "no the A"], 3],
    ] as const
  ) {
    for (const gold of [0, 1]) {
      const { whole, part } = cut(contexts, choices, maxTokens, gold);
      choices.forEach((_, choice) => {
        const own = [...(whole.prompts?.[choice] ?? whole.prompt), ...whole.choices[choice]];
        // The harness: the last `max_length + 1` tokens, of which the last one is not read.
        const expected = own.slice(-(maxTokens + 1));
        assertEquals([...(part.prompts?.[choice] ?? part.prompt), ...part.choices[choice]], expected);
      });
      assertEquals(part.choices, whole.choices);
      assertEquals(part.prompt, part.prompts?.[gold] ?? part.prompt);
      const lost = choices.map((_, choice) =>
        (whole.prompts?.[choice] ?? whole.prompt).length - (part.prompts?.[choice] ?? part.prompt).length
      );
      assertEquals(part.cutTokens, Math.max(...lost));
    }
  }
  // Choices of one length share their prompt, and what fits is left alone.
  assertEquals(cut([context], ["yes", "no"], 6).part.prompts, undefined);
  const { whole, part } = cut([context], ["yes", "no"], 100);
  assertEquals(part, whole);
  assertThrows(() => cut([context], ["yes", "no the A"], 2), RangeError, "tokens exceed the model's limit of 2");
});
