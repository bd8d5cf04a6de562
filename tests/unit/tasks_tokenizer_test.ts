import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { loadTokenizer, type LoadTokenizerOptions, type Tokenizer } from "../../src/tasks/tokenizer.ts";
import { createTokenizer } from "../../src/tasks/tokenizer_from.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { tinyBosId, tinyEosId, tinyTokenizerFiles, type TinyTokenizerOptions } from "../support/tiny_tokenizer.ts";

function load(options: TinyTokenizerOptions = {}, loading?: LoadTokenizerOptions): Promise<Tokenizer> {
  return withFolder(tinyTokenizerFiles(options), (folder) => loadTokenizer(folder, loading));
}

const bytes = (text: string) => [...new TextEncoder().encode(text)];

Deno.test("encode() gives one token per byte or known word when the tokenizer adds no special tokens", async () => {
  const tokenizer = await load({ words: [" yes"] });
  assertEquals([...tokenizer.encode("a é")], bytes("a é"));
  const yes = tokenizer.encode(" yes");
  assertEquals(yes.length, 1);
  assertEquals([...tokenizer.encode("no yes")], [...bytes("no"), ...yes]);
  assertEquals([...tokenizer.encode("")], []);
});

Deno.test("encode() puts BOS in front when the post-processor does", async () => {
  const tokenizer = await load({ postProcessor: "front" });
  assertEquals([...tokenizer.encode("a")], [tinyBosId, 97]);
  assertEquals([...tokenizer.encode("a", { addSpecialTokens: false })], [97]);
  assertEquals([...tokenizer.encode("")], [tinyBosId]);
});

Deno.test("encode() adds no second BOS when the text starts with it", async () => {
  const tokenizer = await load({ postProcessor: "front" });
  assertEquals([...tokenizer.encode("<s>a")], [tinyBosId, 97]);
  assertEquals([...tokenizer.encode("<s>a", { addSpecialTokens: true })], [tinyBosId, tinyBosId, 97]);
});

Deno.test("encode() follows addBosToken when it is given", async () => {
  assertEquals([...(await load({}, { addBosToken: true })).encode("a")], [tinyBosId, 97]);
  assertEquals([...(await load({ postProcessor: "front" }, { addBosToken: false })).encode("a")], [97]);
});

Deno.test("encode() leaves out what the post-processor puts behind a text when addBosToken is given", async () => {
  assertEquals([...(await load({ postProcessor: "both" }, { addBosToken: true })).encode("a")], [tinyBosId, 97]);
});

Deno.test("encode() follows add_bos_token of tokenizer_config.json only when the class is Llama's or like it", async () => {
  const config = { add_bos_token: false, tokenizer_class: "LlamaTokenizerFast" };
  assertEquals([...(await load({ postProcessor: "front", config })).encode("a")], [97]);
  const other = { add_bos_token: false, tokenizer_class: "PreTrainedTokenizerFast" };
  assertEquals([...(await load({ postProcessor: "front", config: other })).encode("a")], [tinyBosId, 97]);
});

Deno.test("decode() is the inverse of encode() when the text has spaces, quotes and other scripts", async () => {
  const tokenizer = await load({ words: [" yes", "no"] });
  for (const text of ["", " yes no", "don't  do\n\tit ", "é 🙂 漢字", "a . b , c"]) {
    assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
  }
});

Deno.test("tokenText() gives the text of a token, and the spelling when it is part of a character", async () => {
  const tokenizer = await load({ words: [" yes"] });
  assertEquals(tokenizer.tokenText(tokenizer.encode(" yes")[0]), " yes");
  assertEquals(tokenizer.tokenText(tinyBosId), "<s>");
  assertEquals(tokenizer.tokenText(0xc3), "Ã");
});

Deno.test("decode() and tokenText() throw when an id is outside the vocabulary", async () => {
  const tokenizer = await load();
  assertEquals(tokenizer.vocabularySize, 258);
  assertThrows(() => tokenizer.decode([97, 258]), RangeError, "Cannot decode token 258");
  assertThrows(() => tokenizer.tokenText(-1), RangeError, "Cannot decode token -1");
});

Deno.test("encode() throws when neither a character nor the unknown token is in the vocabulary", async () => {
  const files = tinyTokenizerFiles();
  const json = JSON.parse(files["tokenizer.json"]);
  delete json.model.vocab["z"];
  json.model.unk_token = "<unk>";
  files["tokenizer.json"] = JSON.stringify(json);
  const tokenizer = await withFolder(files, (folder) => loadTokenizer(folder));
  const error = assertThrows(() => tokenizer.encode("lazy"), RangeError);
  assertStringIncludes(error.message, 'Cannot encode "lazy": "<unk>" is not in the vocabulary');
});

/** The ids of a text under a tokenizer that exists as files alone. */
function idsUnder(file: unknown, config: unknown, text: string): number[] {
  const tokenizer = createTokenizer({
    location: "a test",
    tokenizer: JSON.stringify(file),
    config: JSON.stringify(config),
  });
  return [...tokenizer.encode(text)];
}

Deno.test("encode() knows the tokens of added_tokens_decoder when their ids have other numbers of digits", () => {
  const model = {
    type: "BPE",
    vocab: Object.fromEntries([..."abcdefghi"].map((letter, id) => [letter, id])),
    merges: [],
  };
  const config = { added_tokens_decoder: { 10: { content: "<y>" }, 9: { content: "<x>" } } };
  assertEquals(idsUnder({ model }, config, "a<x>b<y>"), [0, 9, 1, 10]);
});

Deno.test("encode() finds white space that is an added token also where one before it took the rest of a run", () => {
  const added_tokens = [{ id: 1, content: " ", rstrip: true, special: true }];
  const model = { type: "BPE", vocab: { a: 0 }, merges: [] };
  assertEquals(idsUnder({ added_tokens, model }, {}, "a   a a "), [0, 1, 1, 1, 0, 1, 0, 1]);
});

Deno.test("encode() takes no more memory than a piece is long when a Unigram model has a long one", () => {
  const long = "a".repeat(100_000);
  const model = { type: "Unigram", unk_id: 0, vocab: [["<unk>", 0], ["a", -1], ["aa", -1.5], [long, -2]] };
  assertEquals(idsUnder({ model }, {}, "aaa"), [1, 2]);
});

Deno.test("loadTokenizer() finds BOS and EOS when they are text, objects, or only in special_tokens_map.json", async () => {
  const ids = ({ bosId, eosId, prefixId }: Tokenizer) => [bosId, eosId, prefixId];
  assertEquals(ids(await load()), [tinyBosId, tinyEosId, tinyBosId]);
  assertEquals(ids(await load({ config: { bos_token: { content: "<s>" } } })), [tinyBosId, tinyEosId, tinyBosId]);
  assertEquals(ids(await load({ config: { bos_token: null } })), [null, tinyEosId, tinyEosId]);
  assertEquals(ids(await load({ config: { bos_token: null, eos_token: null } })), [null, null, null]);
  const files = tinyTokenizerFiles({ config: { bos_token: undefined, eos_token: undefined } });
  files["special_tokens_map.json"] = JSON.stringify({ bos_token: { content: "</s>" } });
  assertEquals(ids(await withFolder(files, (folder) => loadTokenizer(folder))), [tinyEosId, null, tinyEosId]);
});

/** A change to what `tokenizer.json` holds. */
// deno-lint-ignore no-explicit-any
function changed(change: (file: any) => unknown): (files: Record<string, string>) => void {
  return (files) => {
    const file = JSON.parse(files["tokenizer.json"]);
    change(file);
    files["tokenizer.json"] = JSON.stringify(file);
  };
}

/** A change to the files, and what the error must say. */
const broken: readonly [string, (files: Record<string, string>) => void, string][] = [
  ["tokenizer.json is missing", (files) => delete files["tokenizer.json"], "save_pretrained"],
  [
    "tokenizer_config.json is missing",
    (files) => delete files["tokenizer_config.json"],
    "tokenizer_config.json (ENOENT)",
  ],
  ["tokenizer.json is no JSON", (files) => files["tokenizer.json"] = "{", "Cannot parse"],
  ["tokenizer.json is a list", (files) => files["tokenizer.json"] = "[]", "expected a JSON object"],
  ["there is no model", (files) => files["tokenizer.json"] = "{}", 'an object under "model"'],
  ["there is no vocabulary", (files) => files["tokenizer.json"] = '{"model":{"type":"BPE"}}', "model.vocab"],
  ["the special token map is no JSON", (files) => files["special_tokens_map.json"] = "?", "special_tokens_map.json"],
  ["the EOS token is a number", (files) => files["tokenizer_config.json"] = '{"eos_token":2}', "eos_token is 2"],
  [
    "the BOS token is not in the vocabulary",
    (files) => files["tokenizer_config.json"] = '{"bos_token":"<b>"}',
    '"<b>"',
  ],
  ["the model drops merges at random", (files) => {
    files["tokenizer.json"] = files["tokenizer.json"].replace('"dropout":null', '"dropout":0.1');
  }, "model.dropout is 0.1"],
  ["the pre-tokenizer is unknown", (files) => {
    files["tokenizer.json"] = files["tokenizer.json"].replace(
      '"pre_tokenizer":{"type":"ByteLevel"',
      '"pre_tokenizer":{"type":"Nope"',
    );
  }, "Unknown PreTokenizer type: Nope"],
  [
    "EOS ends every text",
    (files) => Object.assign(files, tinyTokenizerFiles({ postProcessor: "both" })),
    "after the text",
  ],
  [
    "a merge makes a token that is not there",
    changed((file) => file.model.merges.push(["a", "b"])),
    "what they make in the vocabulary",
  ],
  ["pieces inside of words have a prefix", changed((file) => file.model.continuing_subword_prefix = "##"), '"##"'],
  ["a byte has no token", changed((file) => file.model.byte_fallback = true), "a token <0x00>"],
  [
    "the normalizer has a table of its own",
    changed((file) => file.normalizer = { type: "Precompiled" }),
    "Precompiled",
  ],
  [
    "an added token has another id than it is given",
    changed((file) => {
      file.added_tokens.push({ ...file.added_tokens[0], content: "<x>", id: 300 });
    }),
    'the added token "<x>" has the id 300, but is given 258',
  ],
  [
    "the beginning of a text may be cut before it is looked at",
    changed((file) => {
      file.normalizer = { type: "Strip", strip_left: true, strip_right: false };
      file.pre_tokenizer = { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false };
    }),
    "beside prepend_scheme first",
  ],
  [
    "a pattern has other letters than those of ASCII without case",
    changed((file) => {
      const pattern = { Regex: "(?i:é)" };
      file.pre_tokenizer = { type: "Split", pattern, behavior: "Isolated", invert: false };
    }),
    "plain ASCII",
  ],
  ["the configuration has added tokens that are none", (files) => {
    Object.assign(files, tinyTokenizerFiles({ config: { added_tokens_decoder: { 7: "<x>" } } }));
  }, "added_tokens_decoder"],
  ["special tokens are to be divided", (files) => {
    Object.assign(files, tinyTokenizerFiles({ config: { split_special_tokens: true } }));
  }, "split_special_tokens"],
  ["the configuration adds EOS", (files) => {
    const config = { add_eos_token: true, tokenizer_class: "LlamaTokenizer" };
    Object.assign(files, tinyTokenizerFiles({ config }));
  }, "add_eos_token is true"],
];

for (const [what, change, expected] of broken) {
  Deno.test(`loadTokenizer() says what is wrong when ${what}`, async () => {
    const files = tinyTokenizerFiles();
    change(files);
    const error = await assertRejects(() => withFolder(files, (folder) => loadTokenizer(folder)), Error);
    assertStringIncludes(error.message, expected);
  });
}

Deno.test("loadTokenizer() throws when BOS is asked for and there is none", async () => {
  await assertRejects(
    () => load({ config: { bos_token: null } }, { addBosToken: true }),
    RangeError,
    "names no bos_token",
  );
});
