/**
 * What a tokenizer's file and a text may make its package do: patterns without end are refused, and so are runs without
 * end.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { mostSteps } from "./pattern_steps.ts";
import { isRecord, quote, type ValueRecord } from "./python_value.ts";

/**
 * Longest run of characters with no white space among them, or of nothing else, in UTF-16 units. Where none of a run is
 * in the vocabulary, the package's time grows with its square: about a second for this many.
 */
export const LONGEST_RUN = 50_000;

/** Longest word of a WordPiece model: the time for one grows with its cube. Models have 100. */
const LONGEST_PIECED_WORD = 200;

/**
 * Most steps of a pattern from one place of a text of `LONGEST_RUN` characters. So many are taken where every character
 * may make it look at all others: the time of a whole text then grows with its square. Known tokenizers have a third.
 */
const MOST_STEPS = 100 * LONGEST_RUN;

/** Longest pattern that is looked at, in UTF-16 units. */
const LONGEST_PATTERN = 20_000;

/** A pattern as the package uses it, which is not as it is written; undefined where it cannot be used at all. */
export function compilePattern(pattern: string): RegExp | undefined {
  const split = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  const rest = { added_tokens: [], normalizer: null, post_processor: null, decoder: null };
  try {
    const tokenizer = new Tokenizer(
      { ...rest, pre_tokenizer: split, model: { type: "BPE", vocab: {}, merges: [] } },
      {},
    );
    return (tokenizer.pre_tokenizer as unknown as { readonly pattern: RegExp }).pattern;
  } catch {
    return undefined;
  }
}

/** Whether the time of a pattern may grow faster than with the square of a text's length. */
export function isSlowPattern(pattern: string): boolean {
  if (pattern.length > LONGEST_PATTERN) return true;
  const regex = compilePattern(pattern);
  return regex !== undefined && mostSteps(regex, LONGEST_RUN) > MOST_STEPS;
}

/** Every pattern below a value, wherever it stands. */
function patternsOf(value: unknown): string[] {
  const found: string[] = [];
  const left: unknown[] = [value];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (Array.isArray(next)) left.push(...next);
    else if (isRecord(next)) {
      if (typeof next.Regex === "string") found.push(next.Regex);
      left.push(...Object.values(next).filter((inner) => inner !== undefined));
    }
  }
  return found;
}

/**
 * Checks what a `tokenizer.json` may ask for.
 *
 * @throws {RangeError} If a pattern or a limit of it could keep the package busy for ever.
 */
export function checkTokenizerLimits(path: string, file: ValueRecord): void {
  const { normalizer, pre_tokenizer: preTokenizer, decoder, post_processor: postProcessor, model } = file;
  const pattern = patternsOf([normalizer, preTokenizer, decoder, postProcessor]).find(isSlowPattern);
  if (pattern !== undefined) {
    throw new RangeError(
      `Cannot use ${path}: the pattern ${quote(pattern)} may take for ever: repetitions and alternatives in it may ` +
        "be tried in too many combinations",
    );
  }
  const longest = (isRecord(model) ? model.max_input_chars_per_word : null) ?? 0;
  if (typeof longest !== "number" || longest > LONGEST_PIECED_WORD) {
    throw new RangeError(
      `Cannot use ${path}: model.max_input_chars_per_word is ${
        quote(longest)
      }, expected at most ${LONGEST_PIECED_WORD}`,
    );
  }
}

/**
 * Checks a text before it is encoded.
 *
 * @throws {RangeError} If a run is too long; the message names its length and its beginning.
 */
export function checkRuns(text: string): void {
  if (text.length <= LONGEST_RUN) return;
  for (const [run] of text.matchAll(/\s+|\S+/g)) {
    if (run.length <= LONGEST_RUN) continue;
    throw new RangeError(
      `Cannot encode a text of ${text.length} characters: ${run.length} in a row ` +
        `${
          /\s/.test(run[0]) ? "are white space" : "have no white space among them"
        }, expected at most ${LONGEST_RUN}; ` +
        `they begin with ${quote(run.slice(0, 40))}`,
    );
  }
}
