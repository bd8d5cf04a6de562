/**
 * A tokenizer from the texts of a Hugging Face checkpoint: `tokenizer.json`, `tokenizer_config.json`, and
 * `special_tokens_map.json` where the second names no BOS or EOS token.
 *
 * Special tokens follow lm-evaluation-harness's Hugging Face models. A text is encoded with the special tokens the
 * checkpoint asks for (usually BOS, or none), unless it already starts with the prefix token; a continuation whose
 * context is empty is encoded without special tokens and follows the prefix token, which is BOS, else EOS.
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { makeAddedTokens } from "./added_tokens.ts";
import { withConfiguredTokens } from "./configured_tokens.ts";
import { makeNormalizer } from "./normalizer.ts";
import { type Frame, specialFrame } from "./post_processor.ts";
import { makePreTokenizer } from "./pre_tokenizer.ts";
import { isRecord, quote, type ValueRecord } from "./python_value.ts";
import { makeTokenModel } from "./token_model.ts";
import { checkRuns, checkTokenizerLimits } from "./tokenizer_limits.ts";
import { parseObject, specialTokenText, type TokenizerSettings } from "./tokenizer_settings.ts";

/** How to encode one text. */
export interface EncodeOptions {
  /**
   * Whether the checkpoint's special tokens go in front. Default: yes, unless the text starts with the prefix token.
   */
  readonly addSpecialTokens?: boolean;
}

/** Text to token ids and back. */
export interface Tokenizer {
  /** One more than the largest token id. The model's vocabulary V may be larger, never smaller. */
  readonly vocabularySize: number;
  /** Id of the beginning-of-sequence token, or null where the checkpoint has none. */
  readonly bosId: number | null;
  /** Id of the end-of-sequence token, or null where the checkpoint has none. */
  readonly eosId: number | null;
  /** What stands before a continuation whose context is empty: BOS, else EOS, else null. */
  readonly prefixId: number | null;
  /**
   * Token ids of a text `[T]`; empty for the empty text without special tokens.
   *
   * @throws {RangeError} If a part of the text has no token in the vocabulary, or more than `LONGEST_RUN` characters in
   * a row are white space, or have none among them.
   */
  encode(text: string, options?: EncodeOptions): Uint32Array;
  /**
   * Text of token ids, special tokens included.
   *
   * @throws {RangeError} If an id is outside the vocabulary.
   */
  decode(ids: ArrayLike<number>): string;
  /**
   * What one token adds to a text, such as ` yes`; the vocabulary's own spelling where it is part of a character.
   *
   * @throws {RangeError} If the id is outside the vocabulary.
   */
  tokenText(id: number): string;
}

/** How to load a tokenizer. */
export interface LoadTokenizerOptions {
  /** Whether BOS goes in front of every text, whatever the checkpoint says. Default: as the checkpoint says. */
  readonly addBosToken?: boolean;
}

/** Classes that, in transformers, rebuild the special tokens from `add_bos_token` and ignore `tokenizer.json` there. */
const CLASSES_WITH_ADD_BOS = /^(?:Llama|CodeLlama|Gemma|Cohere)Tokenizer(?:Fast)?$/;

/** Ids beyond which no vocabulary reaches: the package keeps a table up to the largest. */
const MOST_IDS = 2 ** 24;

/** Refuses what the tokenizer package would silently do differently from the original. */
function checkSupported(path: string, file: ValueRecord): void {
  const model = file.model;
  if (!isRecord(model)) throw new TypeError(`Cannot load ${path}: expected an object under "model"`);
  if (!isRecord(model.vocab) && !Array.isArray(model.vocab)) {
    throw new TypeError(`Cannot load ${path}: expected the vocabulary under "model.vocab"`);
  }
  if (typeof model.dropout === "number" && model.dropout > 0) {
    throw new RangeError(`Cannot load ${path}: model.dropout is ${model.dropout}, which makes token ids random`);
  }
  const added = file.added_tokens ?? [];
  if (!Array.isArray(added)) throw new TypeError(`Cannot load ${path}: added_tokens is no list`);
  // An unigram vocabulary is a list, whose places are the ids.
  const ids = isRecord(model.vocab) ? Object.entries(model.vocab) : [];
  for (const token of added) ids.push([String(token?.content), token?.id]);
  for (const [token, id] of ids) {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < MOST_IDS) continue;
    throw new RangeError(
      `Cannot load ${path}: token ${quote(token)} has the id ${quote(id)}, expected a whole number below ${MOST_IDS}`,
    );
  }
}

/** The calls of the tokenizer package that are used here. */
type Calls = Pick<HuggingFaceTokenizer, "decode" | "get_vocab" | "id_to_token" | "token_to_id">;

/** From a text to the ids of its tokens without special ones; undefined where the unknown token is not there. */
interface Encoder {
  readonly encode: (text: string) => (number | undefined)[];
  readonly unknownToken: string | null;
  /** The special tokens around every text, as the file says. */
  readonly frame: Frame;
}

/**
 * Puts together the steps of a file. The package has them all, but not all with the results of the Rust library: here
 * they are computed anew, and the package is asked for patterns, merges and decoding.
 */
function makeEncoder(path: string, file: ValueRecord): Encoder {
  return guarded(path, () => {
    const normalize = makeNormalizer(file.normalizer);
    const divide = makePreTokenizer(file.pre_tokenizer, file.normalizer);
    const model = makeTokenModel(file.model as ValueRecord);
    const sections = makeAddedTokens((file.added_tokens ?? []) as ValueRecord[], model.ids, normalize);
    const frame = specialFrame(file.post_processor);
    const encode = (text: string) =>
      guarded(
        path,
        () =>
          sections(text).flatMap((section) =>
            "id" in section ? [section.id] : divide([section.piece]).flatMap((piece) => model.encode(piece.text))
          ),
      );
    return { encode, unknownToken: model.unknownToken, frame };
  });
}

/**
 * Does what the tokenizer package does. An error that it means keeps its words; where it stumbles over a malformed
 * file, the error says that.
 */
function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { message } = error as Error;
    const stumbled = error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
    const problem = /call stack/.test(message)
      ? "a text or a part of it is too long to be taken at once"
      : stumbled
      ? "some part of it has not the form that it has in a tokenizer's file"
      : message;
    throw new RangeError(`Cannot use ${path}: ${problem}`, { cause: error });
  }
}

function guardedCalls(path: string, inner: HuggingFaceTokenizer): Calls {
  return {
    decode: (...args) => guarded(path, () => inner.decode(...args)),
    get_vocab: (...args) => guarded(path, () => inner.get_vocab(...args)),
    id_to_token: (...args) => guarded(path, () => inner.id_to_token(...args)),
    token_to_id: (...args) => guarded(path, () => inner.token_to_id(...args)),
  };
}

class FolderTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly prefixId: number | null;
  readonly #prefixText: string;
  /** The special tokens in front of every text `[..]`. */
  readonly #specialIds: Uint32Array;
  /** A token that stands before another one while its text is found; null if there is none. */
  readonly #anchorId: number | null;

  constructor(
    readonly path: string,
    readonly inner: Calls,
    readonly encoder: Encoder,
    readonly bosId: number | null,
    readonly eosId: number | null,
    addBosToken: boolean | undefined,
  ) {
    this.vocabularySize = [...inner.get_vocab().values()].reduce((size, id) => Math.max(size, id + 1), 0);
    this.prefixId = bosId ?? eosId;
    this.#prefixText = this.prefixId === null ? "" : this.decode([this.prefixId]);
    this.#specialIds = addBosToken === undefined ? this.#ownSpecialIds() : this.#bosIds(addBosToken);
    this.#anchorId = this.#tryEncode("a")?.at(-1) ?? null;
  }

  #bosIds(addBosToken: boolean): Uint32Array {
    if (!addBosToken) return new Uint32Array();
    if (this.bosId !== null) return Uint32Array.of(this.bosId);
    throw new RangeError(`Cannot put BOS in front of texts: ${this.path} names no bos_token`);
  }

  /** The special tokens that the file's own post-processor puts in front of a text. */
  #ownSpecialIds(): Uint32Array {
    const { front, behind } = this.encoder.frame;
    if (behind.length > 0) {
      throw new RangeError(
        `Cannot use ${this.path}: it puts special tokens after the text (${quote(this.decode(behind))}), so a prompt ` +
          "cannot be continued",
      );
    }
    return Uint32Array.from(front);
  }

  #tryEncode(text: string): Uint32Array | undefined {
    const ids = this.encoder.encode(text);
    return ids.every((id) => id !== undefined) ? Uint32Array.from(ids) : undefined;
  }

  encode(text: string, options: EncodeOptions = {}): Uint32Array {
    checkRuns(text);
    const hasPrefix = this.#prefixText !== "" && text.startsWith(this.#prefixText);
    const special = options.addSpecialTokens ?? !hasPrefix ? this.#specialIds : [];
    const ids = this.#tryEncode(text);
    if (ids === undefined) {
      throw new RangeError(
        `Cannot encode ${quote(text)}: ${quote(this.encoder.unknownToken)} is not in the vocabulary of ${this.path}`,
      );
    }
    return Uint32Array.from([...special, ...ids]);
  }

  #checkId(id: number): void {
    if (this.inner.id_to_token(id) === undefined) {
      throw new RangeError(`Cannot decode token ${id}: ${this.path} has no such id (below ${this.vocabularySize})`);
    }
  }

  decode(ids: ArrayLike<number>): string {
    const list = Array.from(ids);
    list.forEach((id) => this.#checkId(id));
    return list.length === 0 ? "" : this.inner.decode(list, { clean_up_tokenization_spaces: false });
  }

  tokenText(id: number): string {
    this.#checkId(id);
    const spelling = this.inner.id_to_token(id)!;
    // Decoders may treat the first token of a text in a special way, so it is decoded behind another one.
    const before = this.#anchorId === null ? "" : this.decode([this.#anchorId]);
    const both = this.#anchorId === null ? this.decode([id]) : this.decode([this.#anchorId, id]);
    return both.startsWith(before) && !both.includes("\ufffd") ? both.slice(before.length) : spelling;
  }
}

/** The texts that a tokenizer is made of, wherever they come from. */
export interface TokenizerSources {
  /** Where they come from, for errors. */
  readonly location: string;
  /** `tokenizer.json`. */
  readonly tokenizer: string;
  /** `tokenizer_config.json`. */
  readonly config: string;
  /** `special_tokens_map.json`, where there is one. */
  readonly specialTokensMap?: string;
}

/**
 * Makes a tokenizer from texts, for where there is no folder: in a browser, or from an archive.
 *
 * @throws {RangeError} If a text asks for something that is not supported.
 * @throws {SyntaxError} If a text is no JSON object.
 * @throws {TypeError} If an entry has the wrong type.
 */
export function createTokenizer(sources: TokenizerSources, options: LoadTokenizerOptions = {}): Tokenizer {
  const { location, tokenizer, config, specialTokensMap } = sources;
  const [path, configPath, mapPath] = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
    .map((name) => `${name} of ${location}`);
  const settings = {
    configPath,
    config: parseObject(configPath, config),
    mapPath,
    map: specialTokensMap === undefined ? {} : parseObject(mapPath, specialTokensMap),
  };
  return buildTokenizer(path, parseObject(path, tokenizer), settings, options);
}

/**
 * Makes a tokenizer from what its files hold.
 *
 * @param path Names the file of the tokenizer in errors.
 * @param ownFile What `tokenizer.json` holds.
 * @throws {RangeError | TypeError} As `createTokenizer`.
 */
export function buildTokenizer(
  path: string,
  ownFile: ValueRecord,
  settings: TokenizerSettings,
  options: LoadTokenizerOptions,
): Tokenizer {
  const { configPath, config } = settings;
  const file = withConfiguredTokens(ownFile, settings);
  checkSupported(path, file);
  checkTokenizerLimits(path, file);

  const inner = guardedCalls(
    path,
    guarded(path, () => {
      // The package iterates over `added_tokens` and looks at the other sections; all of them may be absent in the
      // file.
      const sections = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
      // Merges are the encoder's, and take long to read.
      const model = { ...file.model as ValueRecord, merges: [] };
      return new HuggingFaceTokenizer({ ...sections, ...file, model }, config);
    }),
  );
  const findId = (name: string): number | null => {
    const text = specialTokenText(settings, name);
    if (text === null) return null;
    const id = inner.token_to_id(text);
    if (id !== undefined) return id;
    throw new RangeError(`Cannot load ${path}: it has no token ${quote(text)}, which ${configPath} names as ${name}`);
  };

  const followsConfig = CLASSES_WITH_ADD_BOS.test(String(config.tokenizer_class ?? ""));
  if (followsConfig && config.add_eos_token === true) {
    throw new RangeError(
      `Cannot use ${configPath}: add_eos_token is true, so every text would end with EOS and could not be continued`,
    );
  }
  const configured = followsConfig && typeof config.add_bos_token === "boolean" ? config.add_bos_token : undefined;
  const encoder = makeEncoder(path, file);
  return new FolderTokenizer(
    path,
    inner,
    encoder,
    findId("bos_token"),
    findId("eos_token"),
    options.addBosToken ?? configured,
  );
}
