/** From the texts of a request to token ids, as lm-evaluation-harness splits them. */
import { BadRowError, LongRowError } from "./bad_row.ts";
import { type Example, tokensRead } from "./example.ts";
import { countCodePoints, quote, trimEnd } from "./python_value.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { truncatePrompts } from "./truncate.ts";

/** One row as texts: what the model reads, and the continuations whose log-probabilities are compared. */
export interface ChoiceRequest {
  /** Split and row, such as `test/17`. */
  readonly id: string;
  /** Description, few-shot examples and question. May be empty. */
  readonly context: string;
  /**
   * A context for each choice `[C]`, where the choices stand in the question; `context` is then that of the right one.
   */
  readonly contexts?: readonly string[];
  /** Target delimiter and choice `[C]`. */
  readonly continuations: readonly string[];
  /** The choices alone `[C]`. */
  readonly choices: readonly string[];
  /** Index of the right choice; the first of several. */
  readonly gold: number;
  /** Indices of all right choices, `gold` first, where there are several. */
  readonly golds?: readonly number[];
  /** What is measured without a context, for `acc_mutual_info`: target delimiter and choice `[C]`. */
  readonly unconditional?: readonly string[];
}

/** What is known of a request besides its texts. */
export interface BuildExampleOptions {
  /** Where its row stands, such as `FILE, line 18`, for errors. */
  readonly place?: string;
  /** The most tokens that the model reads in one sequence, its `config.maxPositions`. Default: no limit. */
  readonly maxTokens?: number;
  /** Whether a prompt is cut from the left to fit, instead of being an error. Default false. */
  readonly truncate?: boolean;
  /** Worked examples in its context, for errors. Default 0. */
  readonly workedCount?: number;
}

/** A context and what follows it, by choice `[C]`. */
type Texts = Pick<ChoiceRequest, "context" | "continuations">;

/** What is needed of a tokenizer, and how to refuse the row. */
interface Encoder extends Pick<Tokenizer, "encode" | "prefixId"> {
  refuse(problem: string, options?: ErrorOptions): BadRowError;
}

/** Token ids of the context, and of each continuation `[C][..]`. */
interface SplitTokens {
  readonly prompt: Uint32Array;
  readonly choices: readonly Uint32Array[];
}

/** An empty context is replaced by the prefix token, which the continuation may already start with. */
function splitAfterPrefix({ continuations }: Pick<Texts, "continuations">, tokenizer: Encoder): SplitTokens {
  const { prefixId } = tokenizer;
  if (prefixId === null) {
    throw tokenizer.refuse("its context is empty, and the tokenizer has no BOS or EOS token to stand in");
  }
  const choices = continuations.map((continuation) => {
    const ids = tokenizer.encode(continuation, { addSpecialTokens: false });
    return ids[0] === prefixId ? ids.slice(1) : ids;
  });
  return { prompt: Uint32Array.of(prefixId), choices };
}

/**
 * White space at the end of the context belongs to the continuation, where a token may join it with the first word. The
 * whole is encoded and split at the number of tokens that the context has on its own; the prompt is the context's own
 * encoding, so that all choices share it, even where a token of the whole crosses the boundary.
 */
function splitWhole(texts: Texts, tokenizer: Encoder): SplitTokens {
  const context = trimEnd(texts.context);
  const space = texts.context.slice(context.length);
  const prompt = tokenizer.encode(context);
  const choices = texts.continuations.map((continuation) =>
    // A copy: a view would keep the tokens of the whole for every choice.
    tokenizer.encode(context + space + continuation).slice(prompt.length)
  );
  return { prompt, choices };
}

function splitTexts(texts: Texts, tokenizer: Encoder): SplitTokens {
  let tokens = texts.context === "" ? splitAfterPrefix(texts, tokenizer) : splitWhole(texts, tokenizer);
  // A context of white space only has no token left unless the tokenizer puts BOS in front.
  if (tokens.prompt.length === 0) {
    const continuations = texts.continuations.map((continuation) => texts.context + continuation);
    tokens = splitAfterPrefix({ continuations }, tokenizer);
  }
  const empty = tokens.choices.findIndex((ids) => ids.length === 0);
  if (empty >= 0) {
    throw tokenizer.refuse(
      `choice ${empty}, ${quote(texts.continuations[empty])}, adds no token to the context that ends with ` +
        quote(texts.context.slice(-40)),
    );
  }
  return tokens;
}

/** Prompt and choices of a request, with a prompt for each choice where each has a context of its own. */
function splitRequest(request: ChoiceRequest, tokenizer: Encoder): SplitTokens & Pick<Example, "prompts"> {
  const { contexts, continuations, gold } = request;
  if (contexts === undefined) return splitTexts(request, tokenizer);
  const parts = contexts.map((context, choice) =>
    splitTexts({ context, continuations: [continuations[choice]] }, tokenizer)
  );
  const prompts = parts.map(({ prompt }) => prompt);
  return { prompt: prompts[gold], prompts, choices: parts.map(({ choices }) => choices[0]) };
}

/** The tokenizer, whose errors name the row that could not be encoded. */
function namingRow(tokenizer: Tokenizer, id: string, place: string | null): Encoder {
  const refuse: Encoder["refuse"] = (problem, options) => new BadRowError(id, place, problem, options);
  return {
    prefixId: tokenizer.prefixId,
    refuse,
    encode(text, options) {
      try {
        return tokenizer.encode(text, options);
      } catch (error) {
        const { message } = error as Error;
        throw refuse(`${message[0].toLowerCase()}${message.slice(1)}`, { cause: error });
      }
    },
  };
}

/**
 * Encodes a request.
 *
 * @throws {RangeError} If a continuation has no token of its own, the tokenizer cannot encode a text, a context is
 * empty and there is no prefix token, or there are more than `maxTokens`.
 */
export function buildExample(request: ChoiceRequest, tokenizer: Tokenizer, options: BuildExampleOptions = {}): Example {
  const { id, choices, gold, golds, unconditional } = request;
  const { place = null, maxTokens = Infinity, truncate = false, workedCount = 0 } = options;
  const encoder = namingRow(tokenizer, id, place);
  const whole = splitRequest(request, encoder);
  const read = tokensRead(whole);
  const tokens = read <= maxTokens ? whole : truncate ? truncatePrompts(whole, gold, maxTokens) : null;
  if (tokens === null) throw new LongRowError(id, place, read, maxTokens, workedCount);
  return {
    id,
    ...tokens,
    choiceCharacters: choices.map(countCodePoints),
    choiceBytes: choices.map((choice) => new TextEncoder().encode(choice).length),
    gold,
    ...(golds && { golds }),
    ...(unconditional && { unconditional: splitAfterPrefix({ continuations: unconditional }, encoder) }),
  };
}
