/** Pre-tokenizers of a `tokenizer.json`: what divides a text for the model, with the results of the Rust library. */
import { isRecord, type ValueRecord } from "./python_value.ts";
import { mayCutFront } from "./normalizer.ts";
import { listOf, patternOf, recordOf, type Section, unsupported, WORD_CHARACTERS } from "./tokenizer_section.ts";

/** A part of a text. */
export interface Piece {
  readonly text: string;
  /** Whether it begins where the whole text begins. */
  readonly first: boolean;
}

/** Divides pieces. */
export type PreTokenizer = (pieces: readonly Piece[]) => Piece[];

const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
const SPACE = /\p{White_Space}/gu;
const GPT2_WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const WORDS = new RegExp(`[${WORD_CHARACTERS}]+|[^${WORD_CHARACTERS}\\p{White_Space}]+`, "gu");

const BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
type Behavior = typeof BEHAVIORS[number];

/** All of a text in parts: those that a pattern matches, and those between. */
function partsOf(text: string, pattern: RegExp): { text: string; matches: boolean }[] {
  const parts: { text: string; matches: boolean }[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    // An empty match may stand inside of a character that takes two UTF-16 units.
    if (match[0] === "" && text.codePointAt(match.index - 1)! > 0xffff) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index), matches: false });
    parts.push({ text: match[0], matches: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), matches: false });
  return parts;
}

/** Joins or drops parts. */
function arrange(parts: { text: string; matches: boolean }[], behavior: Behavior): string[] {
  switch (behavior) {
    case "Isolated":
      return parts.map(({ text }) => text);
    case "Removed":
      return parts.filter(({ matches }) => !matches).map(({ text }) => text);
    case "Contiguous":
      return joinParts(parts, (part, previous) => part.matches === previous.matches);
    case "MergedWithPrevious":
      return joinParts(parts, (part, previous) => part.matches && !previous.matches);
    case "MergedWithNext":
      return joinParts(
        parts.toReversed(),
        (part, previous) => part.matches && !previous.matches,
        (text, joined) => text + joined,
      ).reverse();
  }
}

function joinParts(
  parts: readonly { text: string; matches: boolean }[],
  joins: (part: { matches: boolean }, previous: { matches: boolean }) => boolean,
  join = (text: string, joined: string) => joined + text,
): string[] {
  const texts: string[] = [];
  parts.forEach((part, i) => {
    if (i > 0 && joins(part, parts[i - 1])) texts[texts.length - 1] = join(part.text, texts[texts.length - 1]);
    else texts.push(part.text);
  });
  return texts;
}

/** Divides every piece where a pattern matches; with `invert`, what lies between the matches counts as matching. */
function split(pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  return (pieces) =>
    pieces.flatMap(({ text, first }) => {
      const parts = partsOf(text, pattern);
      const arranged = arrange(invert ? parts.map((part) => ({ ...part, matches: !part.matches })) : parts, behavior);
      // Parts come in order and only whole ones are dropped, so the front one is first if it is the text's beginning.
      const keepsFront = behavior !== "Removed" || parts[0]?.matches === invert;
      return arranged.map((part, i) => ({ text: part, first: first && keepsFront && i === 0 }))
        .filter((piece) => piece.text !== "");
    });
}

function behaviorOf(value: unknown, otherwise?: Behavior): Behavior {
  const behavior = BEHAVIORS.find((one) => one === (value ?? otherwise));
  if (behavior === undefined) throw unsupported("behavior", value, BEHAVIORS.join(", "));
  return behavior;
}

/** The printable character that stands for each byte in byte-level vocabularies `[256]`. */
const BYTE_CHARACTERS: readonly string[] = (() => {
  const isPlain = (byte: number) => byte >= 33 && byte <= 126 || byte >= 161 && byte <= 172 || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : next++));
})();

function byteLevel(section: ValueRecord): PreTokenizer {
  const divide = section.use_regex === false ? undefined : split(GPT2_WORDS, "Isolated");
  return (pieces) => {
    const prefixed = section.add_prefix_space !== true
      ? pieces
      : pieces.map(({ text, first }) => ({ text: text.startsWith(" ") ? text : ` ${text}`, first }));
    return (divide?.(prefixed) ?? prefixed).map(({ text, first }) => ({
      text: Array.from(new TextEncoder().encode(text), (byte) => BYTE_CHARACTERS[byte]).join(""),
      first,
    }));
  };
}

function metaspace(section: ValueRecord): PreTokenizer {
  const { replacement, prepend_scheme: scheme = "always", add_prefix_space: adds } = section;
  if (typeof replacement !== "string" || [...replacement].length !== 1) {
    throw unsupported("replacement", replacement, "one character");
  }
  if (!["always", "first", "never"].includes(String(scheme)) || adds === false && scheme !== "never") {
    throw unsupported("prepend_scheme", scheme, "always, first or never, in agreement with add_prefix_space");
  }
  const divide = section.split === false ? undefined : split(patternOf({ String: replacement }), "MergedWithNext");
  return (pieces) => {
    const replaced = pieces.map(({ text, first }) => {
      const result = text.replaceAll(" ", () => replacement);
      const adds = scheme === "always" || scheme === "first" && first;
      return { text: adds && !result.startsWith(replacement) ? replacement + result : result, first };
    });
    return divide?.(replaced) ?? replaced;
  };
}

function fixedLength(section: ValueRecord): PreTokenizer {
  const length = section.length ?? 5;
  if (!Number.isSafeInteger(length) || (length as number) < 1) throw unsupported("length", length, "1 or more");
  return split(new RegExp(`[^]{1,${length}}`, "gu"), "Isolated");
}

function makeStep(section: Section): PreTokenizer {
  const record = recordOf("pre_tokenizer", section);
  switch (record.type) {
    case "Sequence": {
      const steps = listOf(record, "pretokenizers").map(makeStep);
      return (pieces) => steps.reduce<Piece[]>((result, step) => step(result), [...pieces]);
    }
    case "ByteLevel":
      return byteLevel(record);
    case "Metaspace":
      return metaspace(record);
    case "Split":
      return split(patternOf(record.pattern), behaviorOf(record.behavior), record.invert === true);
    case "Whitespace":
      return split(WORDS, "Removed", true);
    case "WhitespaceSplit":
      return split(SPACE, "Removed");
    case "Punctuation":
      return split(PUNCTUATION, behaviorOf(record.behavior, "Isolated"));
    case "Digits":
      return split(/\p{N}/gu, record.individual_digits === true ? "Isolated" : "Contiguous");
    case "FixedLength":
      return fixedLength(record);
    case "BertPreTokenizer": {
      const words = split(SPACE, "Removed"), marks = split(PUNCTUATION, "Isolated");
      return (pieces) => marks(words(pieces));
    }
    default:
      throw unsupported("pre_tokenizer.type", record.type, "one whose results are known to be the same here");
  }
}

/** Whether a step looks at where the whole text begins. */
function asksForFront(section: Section): boolean {
  if (!isRecord(section)) return false;
  if (section.type === "Sequence") return listOf(section, "pretokenizers").some(asksForFront);
  return section.type === "Metaspace" && section.prepend_scheme === "first";
}

/**
 * The pre-tokenizer that a file asks for.
 *
 * @param normalizer The file's normalizer, which may cut what the pre-tokenizer looks at.
 * @throws {Error} If it is one that is not computed; the message names it.
 */
export function makePreTokenizer(section: Section, normalizer: Section): PreTokenizer {
  if (section === null || section === undefined) return (pieces) => [...pieces];
  if (asksForFront(section) && mayCutFront(normalizer)) {
    throw unsupported("normalizer", normalizer, "one that keeps the beginning of a text, beside prepend_scheme first");
  }
  return makeStep(section);
}
