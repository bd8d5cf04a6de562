/** JSON for files that others wrote: valid UTF-8, no repeated names, and an error that says where. */

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A JSON object. */
export type JsonObject = { [name: string]: Json };

/** Whether a value is a JSON object (not null, not an array). */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Index just after the string literal that starts at `start` in valid JSON. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/**
 * Finds a name that occurs twice in one object. `JSON.parse` keeps the last of the two without a word, so two readers
 * of the same file could disagree on what it says. A plain scan: patterns and recursion run out of stack on long files.
 *
 * @param text Valid JSON.
 */
function findRepeatedName(text: string): string | undefined {
  /** The names seen so far in each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let nameIsNext = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{") {
      open.push(new Set());
      nameIsNext = true;
    } else if (character === "[") {
      open.push(null);
      nameIsNext = false;
    } else if (character === "}" || character === "]") {
      open.pop();
      nameIsNext = false;
    } else if (character === ",") {
      nameIsNext = open.at(-1) !== null;
    } else if (character === '"') {
      const end = endOfString(text, at);
      if (nameIsNext) {
        const names = open.at(-1) as Set<string>;
        const name: string = JSON.parse(text.slice(at, end));
        if (names.has(name)) return name;
        names.add(name);
        nameIsNext = false;
      }
      at = end - 1;
    }
  }
}

/**
 * Parses a JSON object strictly.
 *
 * @param what Named in errors, such as a path.
 * @param text A string, or bytes that must be UTF-8 without a byte order mark.
 * @throws {SyntaxError} If the bytes are no UTF-8, the text is no JSON object, or a name occurs twice in one object.
 */
export function parseJsonObject(what: string, text: string | Uint8Array): JsonObject {
  let decoded: string;
  let value: Json;
  try {
    decoded = typeof text === "string" ? text : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
    value = JSON.parse(decoded);
  } catch (error) {
    throw new SyntaxError(`Cannot parse ${what}: ${(error as Error).message}`, { cause: error });
  }
  if (!isJsonObject(value)) throw new SyntaxError(`Cannot parse ${what}: expected a JSON object`);
  const repeated = findRepeatedName(decoded);
  if (repeated !== undefined) {
    throw new SyntaxError(`Cannot parse ${what}: the name ${JSON.stringify(repeated)} occurs twice in one object`);
  }
  return value;
}
