/** A long text as examples of one choice each, so that an engine can measure how well a model predicts it. */
import type { Example } from "./example.ts";
import { countCodePoints } from "./python_value.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A text cut into windows. Every token is predicted exactly once. */
export interface TextWindows {
  /** What was cut, named in results. */
  readonly name: string;
  /** One a window: the context is the prompt, the tokens to predict are the only choice. */
  readonly windows: readonly Example[];
  /** Tokens that are predicted. */
  readonly tokens: number;
  /** Words of the text: runs of anything but white space. */
  readonly words: number;
  /** Bytes of the text in UTF-8. */
  readonly bytes: number;
}

/** How to cut a text. */
export interface TextWindowOptions {
  /** Tokens to predict in a window, at least 1; with the context token in front, no more than the model's positions. */
  readonly windowTokens: number;
  /** At most so many tokens, from the start of the text. Default: all. */
  readonly limitTokens?: number;
  /** Named in results and in the ids of the windows. Default `text`. */
  readonly name?: string;
}

/**
 * Cuts a text into windows as lm-evaluation-harness does for rolling log-likelihoods: each window predicts the next
 * `windowTokens` tokens after one token of context, the first one after the tokenizer's prefix token; the last window
 * is filled up from the left, so that its tokens have as much before them as others do. Where the tokenizer has no
 * prefix token the first token of the text is context only.
 *
 * @throws {RangeError} If the text has no token to predict, or an option is out of range.
 */
export function cutText(text: string, tokenizer: Tokenizer, options: TextWindowOptions): TextWindows {
  const { windowTokens, limitTokens = Infinity, name = "text" } = options;
  if (!Number.isInteger(windowTokens) || windowTokens < 1) {
    throw new RangeError(`Cannot cut a text into windows of ${windowTokens} tokens: expected an integer from 1`);
  }
  if (!(limitTokens >= 1)) throw new RangeError(`Cannot take ${limitTokens} tokens of a text: expected at least 1`);
  const { prefixId } = tokenizer;
  const encoded = tokenizer.encode(text, { addSpecialTokens: false });
  const taken = encoded.subarray(0, Math.min(encoded.length, limitTokens + (prefixId === null ? 1 : 0)));
  const sequence = prefixId === null ? taken : Uint32Array.of(prefixId, ...taken);
  if (sequence.length < 2) throw new RangeError(`Cannot predict ${name}: it has no token to predict`);
  const covered = taken.length < encoded.length ? tokenizer.decode(taken) : text;
  const windows: Example[] = [];
  for (let start = 1; start < sequence.length; start += windowTokens) {
    const end = Math.min(start + windowTokens, sequence.length);
    const choice = sequence.slice(start, end);
    windows.push({
      id: `${name}/${windows.length}`,
      prompt: sequence.slice(Math.max(0, end - windowTokens - 1), start),
      choices: [choice],
      choiceCharacters: [Math.max(1, countCodePoints(tokenizer.decode(choice)))],
      gold: 0,
    });
  }
  return {
    name,
    windows,
    tokens: sequence.length - 1,
    words: covered.match(/\S+/g)?.length ?? 0,
    bytes: new TextEncoder().encode(covered).length,
  };
}
