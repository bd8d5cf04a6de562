/**
 * Reads a Python literal, such as `['yes', "no"]`: lm-evaluation-harness renders `doc_to_choice` to text and reads the
 * list back this way.
 */
import { quote, type Value } from "./python_value.ts";

const simpleEscapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "\n": "",
};

const hexDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** Deeper nesting than this is refused: it is no list of choices, and the reader is recursive. */
const DEEPEST = 50;

class LiteralReader {
  #at = 0;

  constructor(readonly text: string) {}

  fail(expectation: string): never {
    const found = this.#at < this.text.length ? `found ${quote(this.text.slice(this.#at, this.#at + 20))}` : "it ends";
    throw new SyntaxError(`expected ${expectation} at character ${this.#at}, but ${found}`);
  }

  #skipSpace() {
    while (/[ \t\r\n\f]/.test(this.text[this.#at] ?? "")) this.#at++;
  }

  #take(token: string): boolean {
    this.#skipSpace();
    if (!this.text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  whole(): Value {
    const value = this.#value(0);
    this.#skipSpace();
    if (this.#at < this.text.length) this.fail("nothing more");
    return value;
  }

  #value(depth: number): Value {
    if (depth > DEEPEST) this.fail(`at most ${DEEPEST} levels of lists`);
    if (this.#take("[")) return this.#items("]", depth).items;
    if (this.#take("(")) {
      const { items, hasComma } = this.#items(")", depth);
      return items.length === 1 && !hasComma ? items[0] : items;
    }
    if (this.#take("{")) return this.#mapping(depth);
    this.#skipSpace();
    const next = this.text[this.#at];
    if (next === "'" || next === '"') {
      let text = "";
      // Python joins neighbouring literals.
      for (; this.text[this.#at] === "'" || this.text[this.#at] === '"'; this.#skipSpace()) text += this.#string();
      return text;
    }
    const word = /^(?:True|False|None)\b/.exec(this.text.slice(this.#at, this.#at + 6))?.[0];
    if (word !== undefined) {
      this.#at += word.length;
      return word === "None" ? null : word === "True";
    }
    const number = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/.exec(this.text.slice(this.#at, this.#at + 400))
      ?.[0];
    if (number === undefined) this.fail("a Python literal");
    this.#at += number.length;
    return Number(number);
  }

  #items(close: string, depth: number): { items: Value[]; hasComma: boolean } {
    const items: Value[] = [];
    let hasComma = false;
    while (!this.#take(close)) {
      if (items.length > 0 && !hasComma) this.fail(`"," or "${close}"`);
      items.push(this.#value(depth + 1));
      hasComma = this.#take(",");
    }
    return { items, hasComma };
  }

  #mapping(depth: number): Value {
    const entries: [string, Value][] = [];
    let hasComma = true;
    while (!this.#take("}")) {
      if (!hasComma) this.fail('"," or "}"');
      const name = this.#value(depth + 1);
      if (typeof name !== "string") this.fail("a name in quotes before this");
      if (!this.#take(":")) this.fail('":"');
      entries.push([name, this.#value(depth + 1)]);
      hasComma = this.#take(",");
    }
    return Object.fromEntries(entries);
  }

  #string(): string {
    const delimiter = this.text[this.#at++];
    let result = "";
    while (true) {
      const character = this.text[this.#at];
      if (character === undefined || character === "\n") this.fail(`a closing ${delimiter}`);
      this.#at++;
      if (character === delimiter) return result;
      result += character === "\\" ? this.#escape() : character;
    }
  }

  #escape(): string {
    const letter = this.text[this.#at];
    if (letter === undefined) this.fail("a character after the backslash");
    this.#at++;
    if (Object.hasOwn(simpleEscapes, letter)) return simpleEscapes[letter];
    if (!Object.hasOwn(hexDigits, letter)) return `\\${letter}`;
    const digits = this.text.slice(this.#at, this.#at + hexDigits[letter]);
    const code = /^[0-9a-fA-F]+$/.test(digits) && digits.length === hexDigits[letter] ? parseInt(digits, 16) : Infinity;
    if (code > 0x10ffff) this.fail(`${hexDigits[letter]} hexadecimal digits of a character`);
    this.#at += digits.length;
    return String.fromCodePoint(code);
  }
}

/**
 * Parses strings, numbers, `True`, `False`, `None`, lists, tuples (as lists) and mappings with string keys.
 *
 * @throws {SyntaxError} If the text is anything else; the message says where, and is meant to follow a colon.
 */
export function parsePythonLiteral(text: string): Value {
  return new LiteralReader(text).whole();
}
