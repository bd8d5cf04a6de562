/**
 * What a tokenizer's file and a text may make its package do: patterns without end are refused, and so are runs without
 * end.
 */
import { isRecord, quote, type ValueRecord } from "./python_value.ts";

/**
 * Longest run of characters with no white space among them, or of nothing else, in UTF-16 units. Where none of a run is
 * in the vocabulary, the package's time grows with its square: about a second for this many.
 */
export const LONGEST_RUN = 50_000;

/** Longest word of a WordPiece model: its package's time grows with the cube. Models have 100. */
const LONGEST_PIECED_WORD = 200;

/**
 * Whether a repeated group of a pattern has a repetition or alternatives in it. What looks for a match may then try a
 * number of ways that doubles with every character, and no tokenizer that is known has such a group.
 */
export function repeatsRepetition(pattern: string): boolean {
  // What stands inside of each open group.
  const open: { isManifold: boolean }[] = [{ isManifold: false }];
  let last: { isManifold: boolean } | null = null;
  for (let at = 0; at < pattern.length; at++) {
    const top = open.at(-1)!;
    const rest = pattern.slice(at, at + 12);
    if (/^(?:[*+]|\{\d+(?:,\d*)?\})/.test(rest)) {
      if (last?.isManifold) return true;
      top.isManifold = true;
      continue;
    }
    if (rest[0] === "?") continue;
    last = null;
    if (rest[0] === "\\") at++;
    else if (rest[0] === "[") at = endOfClass(pattern, at);
    else if (rest[0] === "|") top.isManifold = true;
    else if (rest[0] === "(") open.push({ isManifold: false });
    else if (rest[0] === ")" && open.length > 1) {
      last = open.pop()!;
      if (last.isManifold) open.at(-1)!.isManifold = true;
    }
  }
  return false;
}

/** Place of the bracket that closes a class of characters. */
function endOfClass(pattern: string, start: number): number {
  let at = start + 1;
  for (; at < pattern.length && pattern[at] !== "]"; at++) if (pattern[at] === "\\") at++;
  return at;
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
  const pattern = patternsOf([normalizer, preTokenizer, decoder, postProcessor]).find(repeatsRepetition);
  if (pattern !== undefined) {
    throw new RangeError(
      `Cannot use ${path}: the pattern ${
        quote(pattern)
      } repeats a group with a repetition or alternatives in it, which ` +
        "may take for ever",
    );
  }
  const longest = isRecord(model) ? model.max_input_chars_per_word : undefined;
  if (typeof longest === "number" && longest > LONGEST_PIECED_WORD) {
    throw new RangeError(
      `Cannot use ${path}: model.max_input_chars_per_word is ${longest}, expected at most ${LONGEST_PIECED_WORD}`,
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
