/** Tokens that a `tokenizer.json` finds in a text as they stand, before the model sees the rest of it. */
import type { Normalizer } from "./normalizer.ts";
import type { Piece } from "./pre_tokenizer.ts";
import { quote, type ValueRecord } from "./python_value.ts";
import { unsupported, WORD_CHARACTERS } from "./tokenizer_section.ts";
import { Trie } from "./trie.ts";

/** An added token, or what lies between such tokens. */
export type TextSection = { readonly id: number } | { readonly piece: Piece };

/** How an added token is looked for. */
interface AddedToken {
  readonly id: number;
  readonly singleWord: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

const WORD_BEFORE = new RegExp(`[${WORD_CHARACTERS}]$`, "u");
const WORD_AFTER = new RegExp(`^[${WORD_CHARACTERS}]`, "u");
const SPACE = /\p{White_Space}/u;

function insert(tokens: Trie<AddedToken>, content: string, token: AddedToken): void {
  if (content === "") throw unsupported("an added token", content, "one that is not empty when it is normalized");
  tokens.insert(content, token);
}

/** Cuts a piece where tokens of a trie stand: from left to right, the longest one first. */
function cut(tokens: Trie<AddedToken>, { text, first }: Piece): TextSection[] {
  const sections: TextSection[] = [];
  let done = 0;
  // Where the white space ends that a token took: one inside of it takes no more, and need not look again.
  let spacesEnd = 0;
  const addPiece = (end: number) => {
    if (done < end) sections.push({ piece: { text: text.slice(done, end), first: first && done === 0 } });
  };
  for (let at = 0; at < text.length;) {
    const found = tokens.matchesAt(text, at).at(-1);
    if (found === undefined) {
      at++;
      continue;
    }
    const { value: token, end } = found;
    let start = at, stop = end;
    at = end;
    if (token.singleWord) {
      // Two UTF-16 units are enough for the character before and behind.
      const touches = WORD_BEFORE.test(text.slice(Math.max(0, start - 2), start)) ||
        WORD_AFTER.test(text.slice(stop, stop + 2));
      if (touches) continue;
    }
    if (token.lstrip) { while (start > done && SPACE.test(text[start - 1])) start--; }
    if (token.rstrip) {
      if (stop >= spacesEnd) { for (spacesEnd = stop; SPACE.test(text.charAt(spacesEnd)); spacesEnd++); }
      stop = spacesEnd;
    }
    addPiece(start);
    sections.push({ id: token.id });
    done = stop;
  }
  addPiece(text.length);
  return sections;
}

/**
 * Checks that the Rust library gives an added token the id that the file has: it numbers those that the model does not
 * have itself, and only warns.
 */
function checkIds(tokens: readonly ValueRecord[], ids: ReadonlyMap<string, number>): void {
  const given = new Map<string, number>();
  let largest = -1;
  for (const { content, id } of tokens) {
    const text = String(content);
    if (text === "" || given.has(text)) continue;
    const expected = ids.get(text) ?? (largest >= ids.size ? largest + 1 : ids.size);
    if (id !== expected) {
      throw new Error(
        `the added token ${quote(text)} has the id ${quote(id)}, but is given ${expected} when it is loaded`,
      );
    }
    given.set(text, expected);
    largest = Math.max(largest, expected);
  }
}

/**
 * Finds the added tokens of a file in texts.
 *
 * @param tokens `added_tokens` of the file.
 * @param ids The ids of the model's own tokens.
 * @returns What divides a text; pieces are normalized.
 * @throws {Error} If the file gives a token another id than it has when it is loaded.
 */
export function makeAddedTokens(
  tokens: readonly ValueRecord[],
  ids: ReadonlyMap<string, number>,
  normalize: Normalizer,
): (text: string) => TextSection[] {
  checkIds(tokens, ids);
  const asWritten = new Trie<AddedToken>(), normalized = new Trie<AddedToken>();
  for (const { content, id, single_word, lstrip, rstrip, normalized: late, special } of tokens) {
    const token = {
      id: id as number,
      singleWord: single_word === true,
      lstrip: lstrip === true,
      rstrip: rstrip === true,
    };
    if (late ?? special !== true) insert(normalized, normalize(String(content)), token);
    else insert(asWritten, String(content), token);
  }
  return (text) =>
    cut(asWritten, { text, first: true }).flatMap((section) =>
      "id" in section ? [section] : cut(normalized, { text: normalize(section.piece.text), first: section.piece.first })
    );
}
