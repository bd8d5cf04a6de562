/**
 * The filter `regex_replace`: Python's `re.sub` over RE2, whose time grows with the product of pattern and text and no
 * faster, whatever the pattern. What RE2 has not (looking around, back-references) is an error.
 */
import { RE2JS } from "re2js";
import { pythonSpace, quote } from "./python_value.ts";
import type { TemplateBudget } from "./template_budget.ts";

/** Longest pattern, in UTF-16 units. */
const LONGEST_PATTERN = 1_000;

/** Largest product of the pattern's instructions and the text's characters. */
const MOST_WORK = 20_000_000;

const space = pythonSpace.replaceAll(/\\u([0-9a-f]{4})/g, "\\x{$1}");

/** Python's classes inside brackets; RE2's own are ASCII only. */
const classes: Readonly<Record<string, string>> = { d: "\\p{Nd}", w: "\\p{L}\\p{N}_", s: space };

interface Pattern {
  readonly regex: RE2JS;
  /** Whether `$` stands for the end of the text, which in Python is also before a newline at the end. */
  readonly hasEnd: boolean;
  /** Whether `\b` or `\B` is used, which in RE2 knows ASCII letters only. */
  readonly hasBoundary: boolean;
}

/** Rewrites a pattern of Python's `re` for RE2. */
function translate(pattern: string): Omit<Pattern, "regex"> & { readonly source: string } {
  let source = "";
  let inClass = false;
  let hasEnd = false;
  let hasBoundary = false;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i];
    if (character !== "\\") {
      if (character === "[" && !inClass) {
        inClass = true;
        // A bracket that closes at once is a bracket to be found.
        const start = /^\[\^?\]?/.exec(pattern.slice(i))![0];
        source += start.endsWith("]") ? `${start.slice(0, -1)}\\]` : start;
        i += start.length - 1;
        continue;
      }
      if (character === "]") inClass = false;
      if (character === "$" && !inClass) hasEnd = true;
      source += character === "[" && inClass ? "\\[" : character;
      continue;
    }
    const letter = pattern[++i] ?? "";
    const lower = letter.toLowerCase();
    if (Object.hasOwn(classes, lower)) {
      if (letter !== lower && inClass) {
        throw new RangeError(`regex_replace does not take \\${letter} inside brackets`);
      }
      source += inClass ? classes[lower] : letter === lower ? `[${classes[lower]}]` : `[^${classes[lower]}]`;
    } else if (letter === "Z") source += "\\z";
    else if (letter === "u") {
      source += `\\x{${pattern.slice(i + 1, i + 5)}}`;
      i += 4;
    } else {
      if (lower === "b" && !inClass) hasBoundary = true;
      source += `\\${letter}`;
    }
  }
  return { source, hasEnd: hasEnd && !/\(\?[a-z]*m/.test(pattern), hasBoundary };
}

function compile(pattern: string): Pattern {
  if (pattern.length > LONGEST_PATTERN) {
    throw new RangeError(`regex_replace takes a pattern of at most ${LONGEST_PATTERN} characters`);
  }
  const { source, ...facts } = translate(pattern);
  try {
    return { regex: RE2JS.compile(source), ...facts };
  } catch (error) {
    throw new RangeError(`regex_replace cannot use ${quote(pattern)}: ${(error as Error).message}`, { cause: error });
  }
}

/** Patterns of templates are few and used for every row. */
const compiled = new Map<string, Pattern>();
const MOST_COMPILED = 100;

function findPattern(source: string): Pattern {
  let pattern = compiled.get(source);
  if (pattern === undefined) {
    if (compiled.size >= MOST_COMPILED) compiled.clear();
    compiled.set(source, pattern = compile(source));
  }
  return pattern;
}

const simpleEscapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "\\": "\\" };

/** What a replacement consists of: text, and numbers or names of groups. */
function parseReplacement(text: string): readonly (string | { readonly group: string })[] {
  const parts: (string | { readonly group: string })[] = [];
  let at = 0;
  for (const match of text.matchAll(/\\(?:g<(\w+)>|([1-9]\d?)|([\s\S])|$)/g)) {
    parts.push(text.slice(at, match.index));
    const [all, name, number, letter] = match;
    if (name !== undefined || number !== undefined) parts.push({ group: name ?? number });
    else if (letter !== undefined && Object.hasOwn(simpleEscapes, letter)) parts.push(simpleEscapes[letter]);
    else throw new RangeError(`regex_replace does not take ${quote(all)} in the new text`);
    at = match.index + all.length;
  }
  return [...parts, text.slice(at)];
}

/**
 * `re.sub(pattern, replacement, text, count)`; a count of 0 replaces every match.
 *
 * @throws {RangeError} If the pattern or the replacement cannot be used, or the work or the result is too large.
 */
export function replaceRegex(
  text: string,
  pattern: string,
  replacement: string,
  count: number,
  budget: TemplateBudget,
): string {
  const { regex, hasEnd, hasBoundary } = findPattern(pattern);
  if (regex.programSize() * text.length > MOST_WORK) {
    throw new RangeError(`regex_replace takes too long for ${quote(pattern)} on ${text.length} characters`);
  }
  if (hasEnd && text.endsWith("\n")) {
    throw new RangeError("regex_replace does not take $ for a text that ends with a newline; write \\Z");
  }
  // deno-lint-ignore no-control-regex
  if (hasBoundary && /[^\x00-\x7f]/.test(text)) {
    throw new RangeError("regex_replace does not take \\b for a text with letters other than a to z");
  }
  const parts = parseReplacement(replacement);
  const names = regex.namedGroups() as Readonly<Record<string, number>>;
  const groupOf = (name: string): number => {
    const group = /^\d+$/.test(name) ? Number(name) : names[name];
    if (group !== undefined && group <= regex.groupCount()) return group;
    throw new RangeError(`regex_replace has no group ${name} in ${quote(pattern)}`);
  };
  const matcher = regex.matcher(text);
  let result = "";
  let at = 0;
  for (let done = 0; (count === 0 || done < count) && matcher.find(); done++) {
    budget.step();
    result += text.slice(at, matcher.start());
    for (const part of parts) result += typeof part === "string" ? part : matcher.group(groupOf(part.group)) ?? "";
    budget.checkCharacters(result.length);
    at = matcher.end();
  }
  return result + text.slice(at);
}
