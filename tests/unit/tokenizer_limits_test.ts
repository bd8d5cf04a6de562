/** Which patterns of tokenizers are used and which would take too long. */
import { assert, assertEquals } from "@std/assert";
import { mostSteps } from "../../src/tasks/pattern_steps.ts";
import { isSlowPattern, LONGEST_RUN } from "../../src/tasks/tokenizer_limits.ts";

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const { raw } = String;

/** Patterns as the tokenizers of models have them. */
const known: Readonly<Record<string, string>> = {
  "GPT-2, Phi": raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  "Llama 3": contractions +
    raw`|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "Qwen2, 2.5 and 3": contractions +
    raw`|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "Qwen3.5": contractions +
    raw`|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "o200k, Phi-4-mini": raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+` +
    contractions + raw`?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*` + contractions +
    raw`?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "Mistral (tekken)": raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
    raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|` +
    raw`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "cl100k, Phi-4": "(?i:[sdmt]|ll|ve|re)|" +
    raw`[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`,
  "cl100k with quotes": "'(?i:[sdmt]|ll|ve|re)|" +
    raw`[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
  "DeepSeek": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|" +
    raw`[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "DeepSeek, numbers": raw`\p{N}{1,3}`,
  "DeepSeek, other writing": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
  "BLOOM": " ?[^(\\s|[.,!?…。，、।۔،])]+",
  "Falcon": "[0-9][0-9][0-9]",
  "Granite, StarCoder: digits": raw`\p{N}`,
  "Llama 2 and Mistral: white space": " {2,}",
  "SuperBPE": raw`(?=(\d{3})+(?!\d))`,
  "Tiny Aya": raw`\d{1,3}(?=(?:\d{3})*\b)`,
  "EXAONE-MoE": raw`[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?`,
  "a repeated character by its number": raw`(?:\x{0300}a)+`,
};

for (const [name, pattern] of Object.entries(known)) {
  Deno.test(`isSlowPattern() is false for the pattern of a known tokenizer: ${name}`, () => {
    assertEquals(isSlowPattern(pattern), false);
  });
}

Deno.test("isSlowPattern() is true when steps double with every character, or grow with the cube of the length", () => {
  const missed = [
    "(?:aa?)+b",
    "(?:a?a?)*b",
    "(?:a?b?)*c",
    "(?:a?){30}b",
    "(?:[]a]+)+b",
    "(a|a)*b",
    "(?:a{2}a*)+b",
    "a*a*b",
    "(?:(?:a*)*b)?c",
    "a{0,50000}a{0,50000}b",
    raw`(a*)\1b`,
    "(?:a*(?=a*b)a)*c",
    "a?".repeat(40) + "b",
    "(?:a|a)".repeat(40) + "b",
    "(?<=a*a*)b",
    "(?:".repeat(200) + "a" + ")".repeat(200),
    "(?:".repeat(90) + "a" + ")+".repeat(90) + "b",
  ].filter((pattern) => !isSlowPattern(pattern));
  assertEquals(missed, []);
});

/** Patterns, and the power of a text's length with which their steps from one place grow. */
const growing: readonly [string, number][] = [["a*b", 1], ["a*a*b", 2], ["a*a*a*b", 3], ["(?:aa)*b", 1], ["a+?b", 1]];

Deno.test("mostSteps() grows with the power of the length that repetitions in a row have", () => {
  for (const [pattern, power] of growing) {
    const regex = new RegExp(pattern, "u");
    const growth = Math.log10(mostSteps(regex, 100_000) / mostSteps(regex, 10_000));
    assert(Math.abs(growth - power) < 0.01, `${pattern} grows with the power ${growth}`);
  }
});

Deno.test("mostSteps() does not grow where nothing can fail behind the repetitions", () => {
  for (const pattern of ["a+", "a+b*", "(?:ab?c*)+", "(?:a{1,3})+", "a|b+|[^]"]) {
    assertEquals(mostSteps(new RegExp(pattern, "u"), LONGEST_RUN), mostSteps(new RegExp(pattern, "u"), 10), pattern);
  }
});
