/** A byte-level BPE tokenizer whose every merge is known, in the files of a Hugging Face checkpoint. */

/** The printable character that stands for each byte in byte-level vocabularies `[256]`. */
function byteCharacters(): string[] {
  const isPlain = (byte: number) => byte >= 33 && byte <= 126 || byte >= 161 && byte <= 172 || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : next++));
}

export interface TinyTokenizerOptions {
  /** Texts that become one token each, such as ` yes`; all else is one token per byte. */
  readonly words?: readonly string[];
  /** `front`: the post-processor puts `<s>` in front; `both`: also `</s>` behind. Default: no special tokens. */
  readonly postProcessor?: "front" | "both";
  /** More entries of tokenizer_config.json, which otherwise names bos_token and eos_token. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Id of `<s>`. */
export const tinyBosId = 256;
/** Id of `</s>`. */
export const tinyEosId = 257;

/** File names and texts of the tokenizer: bytes are ids 0 to 255, then `<s>`, `</s>`, then what the words need. */
export function tinyTokenizerFiles(options: TinyTokenizerOptions = {}): Record<string, string> {
  const characters = byteCharacters();
  const vocab: Record<string, number> = Object.fromEntries(characters.map((character, byte) => [character, byte]));
  Object.assign(vocab, { "<s>": tinyBosId, "</s>": tinyEosId });
  const merges = new Set<string>();
  for (const word of options.words ?? []) {
    const [first, ...rest] = [...new TextEncoder().encode(word)].map((byte) => characters[byte]);
    let joined = first;
    for (const character of rest) {
      merges.add(`${joined} ${character}`);
      joined += character;
      vocab[joined] ??= Object.keys(vocab).length;
    }
  }
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const sequence = { Sequence: { id: "A", type_id: 0 } };
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const single = [token("<s>"), sequence, ...options.postProcessor === "both" ? [token("</s>")] : []];
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [special(tinyBosId, "<s>"), special(tinyEosId, "</s>")],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: options.postProcessor === undefined ? null : {
      type: "TemplateProcessing",
      single,
      pair: single,
      special_tokens: {
        "<s>": { id: "<s>", ids: [tinyBosId], tokens: ["<s>"] },
        "</s>": { id: "</s>", ids: [tinyEosId], tokens: ["</s>"] },
      },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: [...merges],
    },
  };
  const config = { bos_token: "<s>", eos_token: "</s>", tokenizer_class: "PreTrainedTokenizerFast", ...options.config };
  return { "tokenizer.json": JSON.stringify(tokenizer), "tokenizer_config.json": JSON.stringify(config) };
}
