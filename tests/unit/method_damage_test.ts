import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { measureDamage, measurePerplexity } from "../../src/method/damage.ts";
import type { Tokenizer } from "../../src/tasks/tokenizer.ts";
import { cutText } from "../../src/tasks/text_windows.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { ToyEngine, toyExamples } from "../support/toy_engine.ts";

/** Letters a, b, c, … are the tokens 1, 2, 3, …; a space is 30. */
function letterTokenizer(prefixId: number | null): Tokenizer {
  const letter = (id: number) => id === 0 ? "" : id === 30 ? " " : String.fromCharCode(96 + id);
  return {
    vocabularySize: 31,
    bosId: prefixId,
    eosId: null,
    prefixId,
    encode: (text) => Uint32Array.from(text, (char) => char === " " ? 30 : char.charCodeAt(0) - 96),
    decode: (ids) => Array.from(ids, letter).join(""),
    tokenText: letter,
  };
}

Deno.test("cutText() predicts every token once and fills the last window up from the left", () => {
  const { windows, tokens, words, bytes } = cutText("abc de", letterTokenizer(0), { windowTokens: 4, name: "letters" });
  assertEquals([tokens, words, bytes], [6, 2, 6]);
  assertEquals(windows.map(({ id, prompt, choices }) => [id, [...prompt], [...choices[0]]]), [
    ["letters/0", [0], [1, 2, 3, 30]],
    ["letters/1", [2, 3, 30], [4, 5]],
  ]);
});

Deno.test("cutText() takes the first token as context when there is no prefix token, and stops at the limit", () => {
  const bare = cutText("abcd", letterTokenizer(null), { windowTokens: 2 });
  assertEquals(bare.windows.map(({ prompt, choices }) => [[...prompt], [...choices[0]]]), [[[1], [2, 3]], [[2, 3], [
    4,
  ]]]);
  assertEquals([bare.tokens, bare.bytes], [3, 4]);
  const limited = cutText("abc def", letterTokenizer(0), { windowTokens: 9, limitTokens: 5 });
  assertEquals([limited.tokens, limited.words, limited.bytes], [5, 2, 5]);
  assertThrows(() => cutText("", letterTokenizer(0), { windowTokens: 2 }), RangeError, "no token");
  assertThrows(() => cutText("a", letterTokenizer(0), { windowTokens: 0 }), RangeError, "0 tokens");
});

Deno.test("measurePerplexity() is that of the whole text when one window holds it, pruned or not", async () => {
  const checkpoint = await makeTinyCheckpoint({ layers: 2, width: 16, neurons: 12, vocabulary: 31 });
  const engine = await createReferenceEngine(checkpoint);
  const text = "abc de fgh";
  const tokenizer = letterTokenizer(0);
  const mask = [{ layer: 0, site: "gate" as const, neurons: Uint32Array.of(0, 3, 5, 7) }];
  const windows = cutText(text, tokenizer, { windowTokens: 10 });
  const [{ tokens, perplexities }] = await measurePerplexity(engine, [windows], { interventions: [[], mask] });
  // The same from the logits at the end of every prefix.
  const sequence = [0, ...tokenizer.encode(text)];
  for (const [index, intervention] of [[], mask].entries()) {
    let expected = 0;
    for (let end = 1; end < sequence.length; end++) {
      const example = { ...windows.windows[0], prompt: Uint32Array.from(sequence.slice(0, end)) };
      const [[logits]] = await engine.logits([example], [intervention]);
      const largest = Math.max(...logits);
      expected += logits[sequence[end]] - largest -
        Math.log([...logits].reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    }
    const { logLikelihood, perToken, perWord, bitsPerByte } = perplexities[index];
    assertAlmostEquals(logLikelihood, expected, 1e-9);
    assertAlmostEquals(Math.log(perToken) * tokens, -expected, 1e-9);
    assertAlmostEquals(Math.log(perWord!) * 3, -expected, 1e-9);
    assertAlmostEquals(bitsPerByte * 10 * Math.LN2, -expected, 1e-9);
  }
  // Less context can only be had by cutting; the sum over windows then differs.
  const [cut] = await measurePerplexity(engine, [cutText(text, tokenizer, { windowTokens: 3 })]);
  assertEquals(cut.tokens, tokens);
  assertEquals(cut.perplexities[0].logLikelihood === perplexities[0].logLikelihood, false);
  await engine.close();
});

Deno.test("measureDamage() compares other tasks with the first intervention", async () => {
  const engine = new ToyEngine({
    layers: 1,
    neurons: 2,
    logProbs: (example, pruned) => pruned(0, 1) ? (example < 2 ? [-1, 0] : [0, -1]) : example < 1 ? [0, -1] : [-1, 0],
  });
  const mask = [{ layer: 0, site: "gate" as const, neurons: Uint32Array.of(1) }];
  const { tasks, texts } = await measureDamage(engine, { tasks: [{ name: "other", examples: toyExamples(4) }] }, [
    [],
    mask,
  ]);
  const [{ accuracies, mended, broken, count, metric }] = tasks;
  assertEquals([accuracies, mended, broken, count, metric], [[0.25, 0.5], [0, 2], [0, 1], 4, "acc"]);
  assertEquals(texts, []);
  await assertRejects(() => measureDamage(engine, {}, []), RangeError, "0 interventions");
});
