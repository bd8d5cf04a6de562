/** Reads the sections of a `tokenizer.json`, with errors that name what is not computed. */
import { isRecord, quote, type ValueRecord } from "./python_value.ts";
import { compilePattern } from "./tokenizer_limits.ts";

/** The section of a file that describes one step; null or absent: none. */
export type Section = ValueRecord[string] | undefined;

/** An error that says which part of the file is not supported. */
export function unsupported(what: string, value: unknown, expected: string): Error {
  return new Error(`${what} is ${quote(value)}, which is not supported, expected ${expected}`);
}

/** The sections in a list of a section. */
export function listOf(section: ValueRecord, name: string): readonly Section[] {
  const list = section[name];
  if (!Array.isArray(list)) throw unsupported(name, list, "a list");
  return list;
}

/** A section that has to be there. */
export function recordOf(what: string, section: Section): ValueRecord {
  if (!isRecord(section)) throw unsupported(what, section, "an object");
  return section;
}

/** Letters that are written otherwise without case, as several characters or as one: `ß`, `ﬁ`. */
const FOLDED_PAIRS = /ss|st|f[fil]/i;

/**
 * A pattern in which groups without case also have the two letters beyond ASCII that stand for one of its letters. The
 * package folds the letters of ASCII alone.
 *
 * @throws {Error} If such a group has anything but plain ASCII characters.
 */
function withFoldedLetters(pattern: string): string {
  return pattern.replace(/\(\?i:(([^()[\]\\]*)\))?/g, (group, closed, body) => {
    // deno-lint-ignore no-control-regex
    if (closed === undefined || /[^\x00-\x7f]/.test(body) || FOLDED_PAIRS.test(body)) {
      throw unsupported("a pattern", pattern, "a group (?i:…) of plain ASCII characters that have single lower cases");
    }
    return group.replace(body, () => body.replace(/s/gi, "[s\u017f]").replace(/k/gi, "[k\u212a]"));
  });
}

/** A `String` or `Regex` as a global regular expression. */
export function patternOf(section: Section): RegExp {
  const pattern = recordOf("a pattern", section);
  if (typeof pattern.String === "string" && pattern.String !== "") {
    return new RegExp(pattern.String.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "gu");
  }
  if (typeof pattern.Regex !== "string") throw unsupported("a pattern", section, "a Regex or a String");
  const compiled = compilePattern(withFoldedLetters(pattern.Regex));
  if (compiled === undefined) throw unsupported("a pattern", pattern.Regex, "one that can be used here too");
  return compiled;
}

/** Characters that belong to words, to stand in a class of a regular expression. */
export const WORD_CHARACTERS = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
