/**
 * Filters, tests and methods of templates, with the results Jinja2 and Python give. Each takes a value and arguments
 * and says what it expects when they do not fit; the messages are meant to follow a colon.
 */
import {
  countCodePoints,
  equals,
  isPythonSpace,
  isRecord,
  isTrue,
  pythonText,
  quote,
  trimEnd,
  trimStart,
  typeName,
  type Value,
} from "./python_value.ts";
import type { TemplateBudget } from "./template_budget.ts";
import { replaceRegex } from "./template_regex.ts";

/** Arguments of a call. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A filter or a method: what it is applied to, its arguments, and what it may use up. */
export type TemplateFunction = (value: Value, args: Arguments, budget: TemplateBudget) => Value;

/** The i-th argument, by position or by one of its names; undefined where it is not given. */
function argument(args: Arguments, i: number, name: string): Value | undefined {
  return i < args.positional.length ? args.positional[i] : args.named.get(name);
}

function checkArguments(what: string, args: Arguments, names: readonly string[]): void {
  const unknown = [...args.named.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined || args.positional.length > names.length) {
    const list = names.length === 0 ? "none" : names.join(", ");
    throw new TypeError(`${what} has no argument ${unknown ?? args.positional.length}; its arguments are: ${list}`);
  }
}

function expectText(what: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw new TypeError(`${what} expects text, and got ${value === undefined ? "nothing" : typeName(value)}`);
}

function expectInteger(what: string, value: Value | undefined): number {
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new TypeError(`${what} expects an integer, and got ${value === undefined ? "nothing" : typeName(value)}`);
}

/** The items of a list, the characters of a text, or the keys of a mapping. */
export function itemsOf(what: string, value: Value, budget: TemplateBudget): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (typeof value === "string") {
    budget.checkItems(countCodePoints(value));
    return [...value];
  }
  if (isRecord(value)) return Object.keys(value);
  throw new TypeError(`${what} expects a list, text or a mapping, and got ${typeName(value)}`);
}

function lengthOf(value: Value): number {
  if (typeof value === "string") return countCodePoints(value);
  if (Array.isArray(value)) return value.length;
  if (isRecord(value)) return Object.keys(value).length;
  throw new TypeError(`length expects a list, text or a mapping, and got ${typeName(value)}`);
}

/** Python's `str.strip` and its one-sided forms: white space, or any of the given characters. */
function strip(text: string, characters: Value | undefined, sides: "both" | "left" | "right"): string {
  if (characters === undefined || characters === null) {
    const left = sides === "right" ? text : trimStart(text);
    return sides === "left" ? left : trimEnd(left);
  }
  const set = new Set(expectText("strip()", characters));
  const letters = [...text];
  let start = 0;
  let end = letters.length;
  if (sides !== "right") { while (start < end && set.has(letters[start])) start++; }
  if (sides !== "left") { while (end > start && set.has(letters[end - 1])) end--; }
  return letters.slice(start, end).join("");
}

function capitalize(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** Python's `str.title`: every run of letters is a word. */
function titleLetters(text: string): string {
  return text.replace(/\p{L}+/gu, capitalize);
}

/** Jinja2's `title` filter: words are separated by white space and opening brackets. */
function titleWords(text: string): string {
  return text.replace(/[^-\s({[<]+/gu, capitalize);
}

function replace(text: string, from: string, to: string, most: number, budget: TemplateBudget): string {
  const limit = most < 0 ? Infinity : most;
  // Python puts the new text between all characters when the old one is empty.
  const parts = from === "" ? ["", ...text, ""] : text.split(from);
  const count = Math.min(limit, parts.length - 1);
  budget.makeCharacters(text.length + count * (to.length - from.length));
  return parts.slice(0, count + 1).join(to) + parts.slice(count + 1).map((part) => from + part).join("");
}

function join(separator: string, items: readonly Value[], asText: boolean, budget: TemplateBudget): string {
  const parts = items.map((item) => asText ? pythonText(item, budget.limits.characters) : expectText("join()", item));
  budget.makeCharacters(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
  return parts.join(separator);
}

function split(text: string, separator: Value | undefined, most: number): Value {
  const limit = most < 0 ? Infinity : most;
  const parts: string[] = [];
  if (separator === undefined || separator === null) {
    let rest = trimStart(text);
    while (rest !== "") {
      if (parts.length === limit) {
        parts.push(rest);
        break;
      }
      let end = 0;
      while (end < rest.length && !isPythonSpace(rest[end])) end++;
      parts.push(rest.slice(0, end));
      rest = trimStart(rest.slice(end));
    }
    return parts;
  }
  const by = expectText("split()", separator);
  if (by === "") throw new RangeError("split() expects a separator that is not empty");
  const all = text.split(by);
  return all.length - 1 <= limit ? all : [...all.slice(0, limit), all.slice(limit).join(by)];
}

function hasAffix(what: string, text: string, affix: Value | undefined, side: "startsWith" | "endsWith"): boolean {
  return (Array.isArray(affix) ? affix : [affix]).some((one) => text[side](expectText(what, one)));
}

function find(text: string, part: string): number {
  const index = text.indexOf(part);
  return index < 0 ? -1 : countCodePoints(text.slice(0, index));
}

function indexIn(value: Value, item: Value | undefined, budget: TemplateBudget): number {
  if (item === undefined) throw new TypeError("index() expects an argument");
  const index = typeof value === "string"
    ? find(value, expectText("index()", item))
    : itemsOf("index()", value, budget).findIndex((other) => equals(other, item, () => budget.step()));
  if (index < 0) throw new RangeError(`${quote(item)} is not in ${quote(value)}`);
  return index;
}

function count(value: Value, item: Value | undefined, budget: TemplateBudget): number {
  if (typeof value === "string") {
    const part = expectText("count()", item);
    return part === "" ? countCodePoints(value) + 1 : value.split(part).length - 1;
  }
  if (item === undefined) throw new TypeError("count() expects an argument");
  return itemsOf("count()", value, budget).filter((other) => equals(other, item, () => budget.step())).length;
}

/** `operand | default(default_value, boolean)`: the one filter that takes an operand that is not defined. */
export function applyDefault(operand: Value | undefined, args: Arguments): Value {
  checkArguments("default", args, ["default_value", "boolean"]);
  const fallback = argument(args, 0, "default_value");
  const replacesFalse = isTrue(argument(args, 1, "boolean") ?? false);
  return operand === undefined || replacesFalse && !isTrue(operand)
    ? (fallback === undefined ? "" : fallback)
    : operand;
}

function readAttribute(value: Value, name: string): Value {
  if (Array.isArray(value) && /^\d+$/.test(name) && Number(name) < value.length) return value[Number(name)];
  if (isRecord(value) && Object.hasOwn(value, name)) return value[name];
  throw new RangeError(`${typeName(value)} has no ${quote(name)}`);
}

/** Adds the check of argument names to a function. */
function define(
  name: string,
  names: readonly string[],
  apply: (value: Value, argument: (i: number) => Value | undefined, budget: TemplateBudget) => Value,
): [string, TemplateFunction] {
  return [name, (value, args, budget) => {
    checkArguments(name, args, names);
    return apply(value, (i) => argument(args, i, names[i]), budget);
  }];
}

/** A function of text. */
function defineText(
  name: string,
  names: readonly string[],
  apply: (text: string, argument: (i: number) => Value | undefined, budget: TemplateBudget) => Value,
): [string, TemplateFunction] {
  return define(name, names, (value, arg, budget) => apply(expectText(name, value), arg, budget));
}

function parseInteger(value: Value, fallback: Value): Value {
  if (typeof value === "number" || typeof value === "boolean") return Math.trunc(Number(value));
  const text = typeof value === "string" ? strip(value, undefined, "both") : "";
  return /^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,2})?$/.test(text) ? Math.trunc(Number(text)) : fallback;
}

/** What `x | name` and `x | name(...)` may be. Filters of text take any value and use its text, as in Jinja2. */
export const filters: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ["default", (value, args) => applyDefault(value, args)],
  ["d", (value, args) => applyDefault(value, args)],
  define("length", [], lengthOf),
  define("count", [], lengthOf),
  define("upper", [], (value, _, budget) => pythonText(value, budget.limits.characters).toUpperCase()),
  define("lower", [], (value, _, budget) => pythonText(value, budget.limits.characters).toLowerCase()),
  define("capitalize", [], (value, _, budget) => capitalize(pythonText(value, budget.limits.characters))),
  define("title", [], (value, _, budget) => titleWords(pythonText(value, budget.limits.characters))),
  define("trim", ["chars"], (value, arg, budget) => strip(pythonText(value, budget.limits.characters), arg(0), "both")),
  define("string", [], (value, _, budget) => pythonText(value, budget.limits.characters)),
  define("safe", [], (value) => value),
  define("int", ["default"], (value, arg) => parseInteger(value, arg(0) ?? 0)),
  define("abs", [], (value) => {
    if (typeof value === "number") return Math.abs(value);
    throw new TypeError(`abs expects a number, and got ${typeName(value)}`);
  }),
  define("list", [], (value, _, budget) => itemsOf("list", value, budget)),
  define("first", [], (value, _, budget) => {
    const [first] = itemsOf("first", value, budget);
    if (first === undefined) throw new RangeError("first expects at least one item");
    return first;
  }),
  define("last", [], (value, _, budget) => {
    const last = itemsOf("last", value, budget).at(-1);
    if (last === undefined) throw new RangeError("last expects at least one item");
    return last;
  }),
  // The form `map("name of a filter")` is not supported.
  ["map", (value, args, budget) => {
    checkArguments("map", args, ["attribute"]);
    const path = expectText("map(attribute=...)", args.named.get("attribute")).split(".");
    return itemsOf("map", value, budget).map((item) => path.reduce(readAttribute, item));
  }],
  define("reverse", [], (value, _, budget) => {
    const reversed = itemsOf("reverse", value, budget).toReversed();
    return typeof value === "string" ? reversed.join("") : reversed;
  }),
  define(
    "join",
    ["d"],
    (value, arg, budget) => join(expectText("join", arg(0) ?? ""), itemsOf("join", value, budget), true, budget),
  ),
  define("replace", ["old", "new", "count"], (value, arg, budget) =>
    replace(
      pythonText(value, budget.limits.characters),
      expectText("replace", arg(0)),
      expectText("replace", arg(1)),
      expectInteger("replace", arg(2) ?? -1),
      budget,
    )),
  define("regex_replace", ["pattern", "repl", "count"], (value, arg, budget) =>
    replaceRegex(
      expectText("regex_replace", value),
      expectText("regex_replace", arg(0)),
      expectText("regex_replace", arg(1)),
      expectInteger("regex_replace", arg(2) ?? 0),
      budget,
    )),
]);

/** What `x is name` may be; `defined` and `undefined` are the evaluator's own. */
export const tests: ReadonlyMap<string, (value: Value) => boolean> = new Map<string, (value: Value) => boolean>([
  ["defined", () => true],
  ["undefined", () => false],
  ["none", (value) => value === null],
  ["boolean", (value) => typeof value === "boolean"],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["integer", (value) => Number.isInteger(value)],
  ["float", (value) => typeof value === "number" && !Number.isInteger(value)],
  ["number", (value) => typeof value === "number" || typeof value === "boolean"],
  ["string", (value) => typeof value === "string"],
  ["mapping", isRecord],
  ["sequence", (value) => typeof value === "object" && value !== null || typeof value === "string"],
  ["iterable", (value) => typeof value === "object" && value !== null || typeof value === "string"],
  ["odd", (value) => Math.abs(expectInteger("odd", value)) % 2 === 1],
  ["even", (value) => expectInteger("even", value) % 2 === 0],
]);

const textMethods: ReadonlyMap<string, TemplateFunction> = new Map([
  defineText("strip", ["chars"], (text, arg) => strip(text, arg(0), "both")),
  defineText("lstrip", ["chars"], (text, arg) => strip(text, arg(0), "left")),
  defineText("rstrip", ["chars"], (text, arg) => strip(text, arg(0), "right")),
  defineText("upper", [], (text) => text.toUpperCase()),
  defineText("lower", [], (text) => text.toLowerCase()),
  defineText("capitalize", [], capitalize),
  defineText("title", [], titleLetters),
  defineText("startswith", ["prefix"], (text, arg) => hasAffix("startswith()", text, arg(0), "startsWith")),
  defineText("endswith", ["suffix"], (text, arg) => hasAffix("endswith()", text, arg(0), "endsWith")),
  defineText("removeprefix", ["prefix"], (text, arg) => {
    const prefix = expectText("removeprefix()", arg(0));
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  }),
  defineText("removesuffix", ["suffix"], (text, arg) => {
    const suffix = expectText("removesuffix()", arg(0));
    return text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text;
  }),
  defineText("split", ["sep", "maxsplit"], (text, arg) => split(text, arg(0), expectInteger("split()", arg(1) ?? -1))),
  defineText(
    "replace",
    ["old", "new", "count"],
    (text, arg, budget) =>
      replace(
        text,
        expectText("replace()", arg(0)),
        expectText("replace()", arg(1)),
        expectInteger("replace()", arg(2) ?? -1),
        budget,
      ),
  ),
  defineText(
    "join",
    ["iterable"],
    (text, arg, budget) => join(text, itemsOf("join()", arg(0) ?? null, budget), false, budget),
  ),
  defineText("find", ["sub"], (text, arg) => find(text, expectText("find()", arg(0)))),
  defineText("index", ["sub"], (text, arg, budget) => indexIn(text, arg(0), budget)),
  defineText("count", ["sub"], (text, arg, budget) => count(text, arg(0), budget)),
  defineText("isdigit", [], (text) => /^\p{Nd}+$/u.test(text)),
]);

const listMethods: ReadonlyMap<string, TemplateFunction> = new Map([
  define("index", ["value"], (list, arg, budget) => indexIn(list, arg(0), budget)),
  define("count", ["value"], (list, arg, budget) => count(list, arg(0), budget)),
]);

const recordMethods: ReadonlyMap<string, TemplateFunction> = new Map([
  define("get", ["key", "default"], (record, arg) => {
    const key = expectText("get()", arg(0));
    return isRecord(record) && Object.hasOwn(record, key) ? record[key] : arg(1) ?? null;
  }),
  define("keys", [], (record) => Object.keys(record as object)),
  define("values", [], (record) => Object.values(record as object)),
  define("items", [], (record) => Object.entries(record as object)),
]);

/**
 * Finds `value.name()`.
 *
 * @throws {TypeError} If values of that type have no such method here.
 */
export function findMethod(value: Value, name: string): TemplateFunction {
  const methods = typeof value === "string"
    ? textMethods
    : Array.isArray(value)
    ? listMethods
    : isRecord(value)
    ? recordMethods
    : new Map<string, TemplateFunction>();
  const method = methods.get(name);
  if (method) return method;
  const known = methods.size === 0 ? "none" : [...methods.keys()].join(", ");
  throw new TypeError(`${typeName(value)} has no method ${name}(); known are ${known}`);
}
