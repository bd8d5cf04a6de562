/** Added tokens that `tokenizer_config.json` names: transformers gives them to the tokenizer when it loads both. */
import { isRecord, quote, type ValueRecord } from "./python_value.ts";
import { specialTokenText, type TokenizerSettings } from "./tokenizer_settings.ts";

/** Entries that name one special token each. */
const NAMED = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/** How a special token is looked for where nothing else is said. */
const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** The tokens of an entry that lists special tokens, or names them. */
function listed(settings: TokenizerSettings, name: string): readonly unknown[] {
  const entry = settings.config[name] ?? settings.map[name];
  return Array.isArray(entry) ? entry : isRecord(entry) ? Object.values(entry) : [];
}

/** The id of a token in the vocabulary of a file; undefined where it has none. */
function idIn(vocabulary: unknown, content: string): number | undefined {
  if (Array.isArray(vocabulary)) {
    const id = vocabulary.findIndex((entry) => Array.isArray(entry) && entry[0] === content);
    return id < 0 ? undefined : id;
  }
  return isRecord(vocabulary) && Object.hasOwn(vocabulary, content) ? vocabulary[content] as number : undefined;
}

/**
 * A `tokenizer.json` with the added tokens of the configuration beside it. `added_tokens_decoder` says how a token is
 * looked for also where the file says otherwise. A special token that is in no vocabulary is left out.
 *
 * @throws {RangeError} If special tokens are not to be looked for at all.
 * @throws {TypeError} If an entry has the wrong type.
 */
export function withConfiguredTokens(file: ValueRecord, settings: TokenizerSettings): ValueRecord {
  const { config, configPath } = settings;
  if (config.split_special_tokens === true) {
    throw new RangeError(`Cannot use ${configPath}: split_special_tokens is true, which is not supported`);
  }
  const added = file.added_tokens ?? [];
  if (!Array.isArray(added)) return file;
  const vocabulary = isRecord(file.model) ? file.model.vocab : undefined;
  const tokens = new Map<unknown, ValueRecord>(added.map((token) => [isRecord(token) ? token.content : token, token]));

  const decoder = config.added_tokens_decoder ?? {};
  const entries = isRecord(decoder) ? Object.entries(decoder) : [["", decoder] as const];
  // In the order of their ids, in which new tokens are numbered.
  for (const [id, token] of entries.toSorted(([one], [other]) => Number(one) - Number(other))) {
    if (!isRecord(token) || typeof token.content !== "string") {
      throw new TypeError(`Cannot load ${configPath}: added_tokens_decoder has ${quote(token)}, expected tokens by id`);
    }
    tokens.set(token.content, { ...token, id: tokens.get(token.content)?.id ?? Number(id) });
  }
  const special = [
    ...NAMED.map((name) => [specialTokenText(settings, name), config[name] ?? settings.map[name]] as const),
    ...["additional_special_tokens", "extra_special_tokens"].flatMap((name) => listed(settings, name)).map((entry) =>
      [isRecord(entry) ? entry.content : entry, entry] as const
    ),
  ];
  const known = new Set(tokens.keys());
  for (const [content, entry] of special) {
    if (typeof content !== "string" || known.has(content)) continue;
    const id = idIn(vocabulary, content);
    if (id !== undefined) tokens.set(content, { ...PLAIN, ...isRecord(entry) && entry, special: true, content, id });
  }
  return { ...file, added_tokens: [...tokens.values()] };
}
