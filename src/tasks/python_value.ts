/**
 * Values of dataset rows and templates, with Python's rules for text, truth and equality. lm-evaluation-harness
 * renders its prompts in Python, so a request is the same only if `None`, `True`, lists and white space are.
 *
 * A number is an integer here if it has no fraction: JSON's `1.0` cannot be told from `1` and prints as `1`.
 */

/** A cell of a dataset, or an intermediate value of a template. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [name: string]: Value };

/** A mapping from names to values. */
export type ValueRecord = { readonly [name: string]: Value };

/** Whether a value is a mapping (not null, not a list). */
export function isRecord(value: unknown): value is ValueRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The characters that Python's `str.isspace` accepts, as the inside of a regular-expression class. */
export const pythonSpace = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const leadingSpace = new RegExp(`^[${pythonSpace}]+`);
const spaceCharacter = new RegExp(`[${pythonSpace}]`);

/** Whether the character (one UTF-16 unit suffices: all of Python's white space is below U+10000) is white space. */
export function isPythonSpace(character: string): boolean {
  return spaceCharacter.test(character);
}

/** Drops white space at the start, as Python's `str.lstrip`. */
export function trimStart(text: string): string {
  return text.replace(leadingSpace, "");
}

/** Drops white space at the end, as Python's `str.rstrip`. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isPythonSpace(text[end - 1])) end--;
  return text.slice(0, end);
}

/** Number of Unicode code points, Python's `len` of a string. */
export function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** A short name of the value's type for error messages. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return "text";
    case "number":
      return Number.isInteger(value) ? "an integer" : "a number";
    case "boolean":
      return "a boolean";
    default:
      return "a mapping";
  }
}

/** The value as JSON for an error message, cut after 80 characters. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** Python's truth: null, false, 0 and whatever is empty are false. */
export function isTrue(value: Value): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isRecord(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/**
 * Python's `==`: numbers and booleans compare by number, text only equals text, lists and mappings compare by content.
 *
 * @param step Called once per comparison; it may throw to bound the work on values that share parts.
 */
export function equals(a: Value, b: Value, step: () => void): boolean {
  step();
  const isNumeric = (value: Value) => typeof value === "number" || typeof value === "boolean";
  if (isNumeric(a) && isNumeric(b)) return Number(a) === Number(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => equals(item, b[i], step));
  }
  if (isRecord(a) && isRecord(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && equals(a[name], b[name], step));
  }
  return a === b;
}

/** Text of a number as Python writes it. */
function numberText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  // Python changes to scientific notation below 1e-4 and writes two exponent digits; JavaScript below 1e-6, and one.
  const text = size < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Python's `repr` of a string: single quotes unless only double quotes avoid an escape. */
function stringRepr(text: string): string {
  const delimiter = text.includes("'") && !text.includes('"') ? '"' : "'";
  // deno-lint-ignore no-control-regex
  const body = text.replace(/[\\\n\r\t'"\x00-\x1f\x7f-\xa0\xad]/g, (character) => {
    if (character in escapes) return escapes[character];
    if (character === "'" || character === '"') return character === delimiter ? `\\${character}` : character;
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return delimiter + body + delimiter;
}

/**
 * Python's `str` of a value, which is what a template prints: text as it is, `True`, `None`, `['a', 'b']`.
 *
 * @param maxCharacters Longest result, in UTF-16 units.
 * @throws {RangeError} If the result would be longer.
 */
export function pythonText(value: Value, maxCharacters = Infinity): string {
  const parts: string[] = [];
  let length = 0;
  const add = (part: string) => {
    length += part.length;
    if (length > maxCharacters) throw new RangeError(`text of more than ${maxCharacters} characters`);
    parts.push(part);
  };
  const addRepr = (item: Value) => {
    if (item === null) add("None");
    else if (typeof item === "boolean") add(item ? "True" : "False");
    else if (typeof item === "number") add(numberText(item));
    else if (typeof item === "string") add(stringRepr(item));
    else if (Array.isArray(item)) {
      add("[");
      item.forEach((part, i) => {
        if (i > 0) add(", ");
        addRepr(part);
      });
      add("]");
    } else {
      add("{");
      Object.entries(item).forEach(([name, part], i) => {
        add(`${i > 0 ? ", " : ""}${stringRepr(name)}: `);
        addRepr(part);
      });
      add("}");
    }
  };
  if (typeof value === "string") add(value);
  else addRepr(value);
  return parts.join("");
}
