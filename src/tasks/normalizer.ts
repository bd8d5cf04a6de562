/** Normalizers of a `tokenizer.json`: what changes a text before it is divided, as the Rust library changes it. */
import { isRecord, type ValueRecord } from "./python_value.ts";
import { listOf, patternOf, recordOf, type Section, unsupported } from "./tokenizer_section.ts";

/** Changes a text as a whole. */
export type Normalizer = (text: string) => string;

const SPACE = /\p{White_Space}/gu;

/** Applies every character's own lower case: unlike that of a whole text, it has no final sigma. */
function lowercase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}

const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bertNormalizer(section: ValueRecord): Normalizer {
  const { clean_text: cleans, handle_chinese_chars: separates, strip_accents: strips, lowercase: lowers } = section;
  return (text) => {
    let result = text;
    if (cleans === true) {
      result = result.replace(/(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}]/gu, "").replace(SPACE, " ");
    }
    if (separates === true) result = result.replace(CHINESE, " $& ");
    if ((strips ?? lowers) === true) result = result.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lowers === true ? lowercase(result) : result;
  };
}

/**
 * The normalizer that a file asks for.
 *
 * @throws {Error} If it is one that is not computed; the message names it.
 */
export function makeNormalizer(section: Section): Normalizer {
  if (section === null || section === undefined) return (text) => text;
  const record = recordOf("normalizer", section);
  switch (record.type) {
    case "Sequence": {
      const steps = listOf(record, "normalizers").map(makeNormalizer);
      return (text) => steps.reduce((result, step) => step(result), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return (text) => text.normalize(record.type as string);
    case "Lowercase":
      return lowercase;
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Strip":
      return (text) => {
        const left = record.strip_left === true ? text.replace(/^\p{White_Space}+/u, "") : text;
        return record.strip_right === true ? left.slice(0, left.length - trailingSpaces(left)) : left;
      };
    case "Prepend":
      return (text) => text === "" ? text : `${record.prepend}${text}`;
    case "Replace": {
      const pattern = patternOf(record.pattern);
      return (text) => text.replace(pattern, () => String(record.content));
    }
    case "BertNormalizer":
      return bertNormalizer(record);
    default:
      throw unsupported("normalizer.type", record.type, "one whose results are known to be the same here");
  }
}

/** UTF-16 units of white space at the end, all of it in the basic plane. A pattern would take the square of a run. */
function trailingSpaces(text: string): number {
  let count = 0;
  while (count < text.length && /\p{White_Space}/u.test(text[text.length - 1 - count])) count++;
  return count;
}

/** Whether a normalizer may take away the beginning of a text, so that what follows is no longer its first part. */
export function mayCutFront(section: Section): boolean {
  if (!isRecord(section)) return false;
  if (section.type === "Sequence") return listOf(section, "normalizers").some(mayCutFront);
  if (section.type === "Replace") {
    return section.content === "" || !isRecord(section.pattern) || "Regex" in section.pattern;
  }
  return ["Strip", "StripAccents", "BertNormalizer"].includes(String(section.type));
}
