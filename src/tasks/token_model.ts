/** Models of a `tokenizer.json`: from a word to token ids, with the results of the Rust library. */
import { BPE } from "@huggingface/tokenizers";
import { isRecord, type ValueRecord } from "./python_value.ts";
import { unsupported } from "./tokenizer_section.ts";
import { Trie } from "./trie.ts";

/** A tokenizer's model. */
export interface TokenModel {
  /** Ids of the model's own tokens. */
  readonly ids: ReadonlyMap<string, number>;
  /** The token that stands for what is not in the vocabulary; null if there is none. */
  readonly unknownToken: string | null;
  /** Ids of a word's tokens; undefined where the unknown token would stand, but is not in the vocabulary. */
  encode(word: string): (number | undefined)[];
}

const BYTE_TOKENS = Array.from({ length: 256 }, (_, byte) => {
  const digits = byte.toString(16).toUpperCase().padStart(2, "0");
  return `<0x${digits}>`;
});

/** The token of every byte, or undefined where texts do not fall back on bytes. */
function byteIds(model: ValueRecord, ids: ReadonlyMap<string, number>): number[] | undefined {
  if (model.byte_fallback !== true) return undefined;
  return BYTE_TOKENS.map((token) => {
    const id = ids.get(token);
    if (id === undefined) throw unsupported("model.byte_fallback", true, `a token ${token} beside it`);
    return id;
  });
}

const bytesOf = (text: string) => Array.from(new TextEncoder().encode(text));

/** The two parts of each merge. */
function mergesOf(model: ValueRecord): [string, string][] {
  const merges = model.merges;
  if (!Array.isArray(merges)) throw unsupported("model.merges", merges, "a list");
  return merges.map((merge) => {
    const parts = typeof merge === "string" ? merge.split(" ") : merge;
    if (Array.isArray(parts) && parts.length === 2) return parts as [string, string];
    throw unsupported("a merge", merge, "two parts");
  });
}

/** Refuses merges that would be made in another order, or not at all. */
function checkMerges(model: ValueRecord, ids: ReadonlyMap<string, number>): void {
  const special = new Set(model.byte_fallback === true ? BYTE_TOKENS : []);
  if (typeof model.unk_token === "string") special.add(model.unk_token);
  for (const [left, right] of mergesOf(model)) {
    if (!ids.has(left) || !ids.has(right) || !ids.has(left + right)) {
      throw unsupported("a merge", [left, right], "its parts and what they make in the vocabulary");
    }
    if (special.has(left) || special.has(right)) {
      throw unsupported("a merge", [left, right], "no token in it that stands for a byte or for what is unknown");
    }
  }
}

function bpe(model: ValueRecord, ids: ReadonlyMap<string, number>): TokenModel["encode"] {
  if ((model.continuing_subword_prefix ?? "") !== "") {
    throw unsupported("model.continuing_subword_prefix", model.continuing_subword_prefix, "none");
  }
  checkMerges(model, ids);
  const bytes = byteIds(model, ids);
  const unknown = typeof model.unk_token === "string" ? model.unk_token : null;
  const suffix = typeof model.end_of_word_suffix === "string" ? model.end_of_word_suffix : "";
  // What it makes of a word depends on the merges alone.
  const makeMerger = (end: string) =>
    new BPE({ ...model, vocab: {}, end_of_word_suffix: end } as unknown as ConstructorParameters<typeof BPE>[0]);
  const merger = makeMerger(suffix), openMerger = suffix === "" ? merger : makeMerger("");
  /** Where nothing stands for unknown characters they are left out first, so that their neighbours may merge. */
  const merge = (word: string): string[] => {
    if (unknown !== null || bytes) return merger.bpe(word);
    const characters = Array.from(word);
    const last = characters.pop() ?? "";
    const known = characters.filter((character) => ids.has(character)).join("");
    return ids.has(last + suffix) ? merger.bpe(known + last) : openMerger.bpe(known);
  };
  return (word) => {
    const whole = model.ignore_merges === true ? ids.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const result: (number | undefined)[] = [];
    let inUnknown = false;
    for (const part of merge(word)) {
      const id = ids.get(part);
      const known = id !== undefined ? [id] : bytes && bytesOf(part).map((byte) => bytes[byte]);
      if (known) result.push(...known);
      else if (unknown !== null && !(inUnknown && model.fuse_unk === true)) result.push(ids.get(unknown));
      inUnknown = known === undefined;
    }
    return result;
  };
}

function wordPiece(model: ValueRecord, ids: ReadonlyMap<string, number>): TokenModel["encode"] {
  const prefix = String(model.continuing_subword_prefix ?? "##");
  const most = Number(model.max_input_chars_per_word ?? 100);
  const unknown = () => [ids.get(String(model.unk_token))];
  return (word) => {
    const characters = Array.from(word);
    if (characters.length > most) return unknown();
    const result: number[] = [];
    for (let start = 0; start < characters.length;) {
      let end = characters.length, id: number | undefined;
      for (; end > start && id === undefined; end--) {
        id = ids.get((start > 0 ? prefix : "") + characters.slice(start, end).join(""));
      }
      if (id === undefined) return unknown();
      result.push(id);
      start = end + 1;
    }
    return result;
  };
}

/** What the score of an unknown character is below the lowest of the vocabulary. */
const UNKNOWN_PENALTY = 10;

/** Where the best way to a place comes from. */
interface Step {
  readonly score: number;
  readonly start: number;
  readonly id: number | undefined;
}

function unigram(model: ValueRecord, ids: ReadonlyMap<string, number>): TokenModel["encode"] {
  const vocabulary = model.vocab as unknown as readonly (readonly [string, number])[];
  const unknownId = typeof model.unk_id === "number" ? model.unk_id : undefined;
  const bytes = byteIds(model, ids);
  const pieces = new Trie<number>();
  for (const [piece, id] of ids) pieces.insert(piece, id);
  const unknownScore = vocabulary.reduce((least, [, score]) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;

  const bestSteps = (word: string) => {
    const best: (Step | undefined)[] = [{ score: 0, start: 0, id: undefined }];
    const offer = (start: number, end: number, score: number, id: number | undefined) => {
      if (best[end] === undefined || score > best[end].score) best[end] = { score, start, id };
    };
    for (let start = 0; start < word.length;) {
      const width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      const { score } = best[start]!;
      let hasSingle = false;
      for (const { value: id, end } of pieces.matchesAt(word, start)) {
        offer(start, end, score + vocabulary[id][1], id);
        hasSingle ||= end === start + width;
      }
      if (!hasSingle) offer(start, start + width, score + unknownScore, unknownId);
      start += width;
    }
    return best;
  };
  return (word) => {
    const best = bestSteps(word);
    const texts: { text: string; isUnknown: boolean }[] = [];
    for (let end = word.length; end > 0; end = best[end]!.start) {
      const { start, id } = best[end]!;
      const text = word.slice(start, end), isUnknown = id === unknownId;
      const behind = texts.at(-1);
      if (isUnknown && behind?.isUnknown) behind.text = text + behind.text;
      else texts.push({ text, isUnknown });
    }
    return texts.reverse().flatMap(({ text }) => {
      const id = ids.get(text);
      if (id !== undefined) return [id];
      return bytes ? bytesOf(text).map((byte) => bytes[byte]) : [unknownId];
    });
  };
}

/** The type of a model; files that leave it out show it by what else they have. */
function typeOf(model: ValueRecord): unknown {
  if (model.type !== undefined) return model.type;
  if (Array.isArray(model.vocab)) return "Unigram";
  if (model.merges !== undefined) return "BPE";
  return model.continuing_subword_prefix === undefined ? "WordLevel" : "WordPiece";
}

/**
 * The model that a file asks for.
 *
 * @throws {Error} If it is one that is not computed; the message names the field.
 */
export function makeTokenModel(model: ValueRecord): TokenModel {
  const { vocab } = model;
  const type = typeOf(model);
  if ((type === "Unigram") !== Array.isArray(vocab)) {
    throw unsupported("model.type", type, "Unigram with a list of pieces, or another with an object of tokens");
  }
  const ids = new Map<string, number>(
    isRecord(vocab)
      ? Object.entries(vocab) as [string, number][]
      : (vocab as unknown as readonly (readonly [string, number])[]).map(([piece], id) => [piece, id]),
  );
  const unknownToken = typeof model.unk_token === "string" ? model.unk_token : null;
  const common = { ids, unknownToken };
  switch (type) {
    case "BPE":
      return { ...common, encode: bpe(model, ids) };
    case "WordPiece":
      return { ...common, encode: wordPiece(model, ids) };
    case "WordLevel":
      return { ...common, encode: (word) => [ids.get(word) ?? ids.get(unknownToken ?? "")] };
    case "Unigram":
      return { ...common, encode: unigram(model, ids) };
    default:
      throw unsupported("model.type", type, "BPE, WordPiece, WordLevel or Unigram");
  }
}
