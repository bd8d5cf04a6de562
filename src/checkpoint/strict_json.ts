/** JSON for files that others wrote: valid UTF-8, no repeated names, bounded nesting, and an error that says where. */

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A JSON object. Parsed ones have no prototype, so that no name is special. */
export type JsonObject = { [name: string]: Json };

/** Deepest nesting accepted; the files read here need 4. */
const DEEPEST = 64;

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
 * Builds the value of a text that `JSON.parse` has accepted. The objects are not taken from there for two reasons: it
 * keeps the last of two equal names without a word, so that two readers of one file could disagree on what it says; and
 * V8 15.0 gives a name of one escaped character (`"\""`, `"\u0062"`) as `\` when an object of the same beginning was
 * parsed before. A string literal by itself is parsed rightly. A plain loop: patterns and recursion run out of stack.
 *
 * @throws {SyntaxError} If a name occurs twice in one object, or the nesting is too deep.
 */
function build(text: string): Json {
  const literal = /[^\s,\]}]+/y;
  /** The containers around the current position, outermost first; `name` is that of the member being read. */
  const open: { readonly container: Json[] | JsonObject; name: string | undefined }[] = [];
  let root: Json = null;
  const attach = (value: Json) => {
    const parent = open.at(-1);
    if (!parent) root = value;
    else if (Array.isArray(parent.container)) parent.container.push(value);
    else {
      parent.container[parent.name as string] = value;
      parent.name = undefined;
    }
  };
  for (let at = 0; at < text.length;) {
    const character = text[at];
    if (character === "{" || character === "[") {
      const container: Json[] | JsonObject = character === "[" ? [] : Object.create(null);
      attach(container);
      open.push({ container, name: undefined });
      if (open.length > DEEPEST) throw new SyntaxError(`nested deeper than ${DEEPEST} levels`);
      at++;
    } else if (character === '"') {
      const end = endOfString(text, at);
      const string: string = JSON.parse(text.slice(at, end));
      const parent = open.at(-1);
      if (parent && parent.name === undefined && !Array.isArray(parent.container)) {
        if (string in parent.container) {
          throw new SyntaxError(`the name ${JSON.stringify(string)} occurs twice in one object`);
        }
        parent.name = string;
      } else attach(string);
      at = end;
    } else if (character === "}" || character === "]") {
      open.pop();
      at++;
    } else if (character === "," || character === ":" || character <= " ") {
      at++;
    } else {
      literal.lastIndex = at;
      const [token] = literal.exec(text)!;
      attach(JSON.parse(token));
      at += token.length;
    }
  }
  return root;
}

/**
 * Parses a JSON object strictly.
 *
 * @param what Named in errors, such as a path.
 * @param text A string, or bytes that must be UTF-8 without a byte order mark.
 * @throws {SyntaxError} If the bytes are no UTF-8, the text is no JSON object, a name occurs twice in one object, or
 * the nesting is deeper than 64 levels.
 */
export function parseJsonObject(what: string, text: string | Uint8Array): JsonObject {
  try {
    const decoded = typeof text === "string"
      ? text
      : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
    JSON.parse(decoded);
    const value = build(decoded);
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw new SyntaxError(`Cannot parse ${what}: ${(error as Error).message}`, { cause: error });
  }
  throw new SyntaxError(`Cannot parse ${what}: expected a JSON object`);
}
