/** From the texts of a request to token ids, as lm-evaluation-harness splits them. */
import type { Example } from "./example.ts";
import { countCodePoints, quote, trimEnd } from "./python_value.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One row as texts: what the model reads, and the continuations whose log-probabilities are compared. */
export interface ChoiceRequest {
  /** Split and row, such as `test/17`. */
  readonly id: string;
  /** Description, few-shot examples and question. May be empty. */
  readonly context: string;
  /** Target delimiter and choice `[C]`. */
  readonly continuations: readonly string[];
  /** The choices alone `[C]`. */
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly gold: number;
}

/** Token ids of the context, and of each continuation `[C][..]`. */
interface SplitTokens {
  readonly prompt: Uint32Array;
  readonly choices: readonly Uint32Array[];
}

/** An empty context is replaced by the prefix token, which the continuation may already start with. */
function splitAfterPrefix(request: ChoiceRequest, tokenizer: Tokenizer): SplitTokens {
  const { prefixId } = tokenizer;
  if (prefixId === null) {
    throw new RangeError(
      `Cannot build example ${request.id}: its context is empty, and the tokenizer has no BOS or EOS token to stand in`,
    );
  }
  const choices = request.continuations.map((continuation) => {
    const ids = tokenizer.encode(continuation, { addSpecialTokens: false });
    return ids[0] === prefixId ? ids.subarray(1) : ids;
  });
  return { prompt: Uint32Array.of(prefixId), choices };
}

/**
 * White space at the end of the context belongs to the continuation, where a token may join it with the first word. The
 * whole is encoded and split at the number of tokens that the context has on its own; the prompt is the context's own
 * encoding, so that all choices share it, even where a token of the whole crosses the boundary.
 */
function splitWhole(request: ChoiceRequest, tokenizer: Tokenizer): SplitTokens {
  const context = trimEnd(request.context);
  const space = request.context.slice(context.length);
  const prompt = tokenizer.encode(context);
  const choices = request.continuations.map((continuation) =>
    tokenizer.encode(context + space + continuation).subarray(prompt.length)
  );
  return { prompt, choices };
}

/**
 * Encodes a request.
 *
 * @throws {RangeError} If a continuation has no token of its own, the tokenizer cannot encode a text, or the context is
 * empty and there is no prefix token.
 */
export function buildExample(request: ChoiceRequest, tokenizer: Tokenizer): Example {
  let tokens = request.context === "" ? splitAfterPrefix(request, tokenizer) : splitWhole(request, tokenizer);
  // A context of white space only has no token left unless the tokenizer puts BOS in front.
  if (tokens.prompt.length === 0) {
    const continuations = request.continuations.map((continuation) => request.context + continuation);
    tokens = splitAfterPrefix({ ...request, continuations }, tokenizer);
  }
  const empty = tokens.choices.findIndex((ids) => ids.length === 0);
  if (empty >= 0) {
    throw new RangeError(
      `Cannot build example ${request.id}: choice ${empty}, ${quote(request.continuations[empty])}, adds no token to ` +
        `the context that ends with ${quote(request.context.slice(-40))}`,
    );
  }
  return {
    id: request.id,
    prompt: tokens.prompt,
    choices: tokens.choices,
    choiceCharacters: request.choices.map(countCodePoints),
    gold: request.gold,
  };
}
