/** Operators, slices and `range` of templates, with Python's results. The messages are meant to follow a colon. */
import { equals, isRecord, isTrue, pythonText, typeName, type Value } from "./python_value.ts";
import type { TemplateBudget } from "./template_budget.ts";
import { type Arguments, itemsOf } from "./template_functions.ts";

function compare<T extends string | number>(operator: string, a: T, b: T): boolean | undefined {
  switch (operator) {
    case "<":
      return a < b;
    case ">":
      return a > b;
    case "<=":
      return a <= b;
    case ">=":
      return a >= b;
  }
}

function compute(operator: string, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "**":
      return a ** b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    default:
      return a - b * Math.floor(a / b);
  }
}

function arithmetic(operator: string, a: number, b: number): number {
  if (b === 0 && ["/", "//", "%"].includes(operator)) throw new RangeError("division by zero");
  const result = compute(operator, a, b);
  if (!Number.isFinite(result) || Number.isInteger(result) && !Number.isSafeInteger(result)) {
    throw new RangeError(`the result of ${a} ${operator} ${b} is out of range`);
  }
  if (operator === "/" && Number.isInteger(result)) {
    throw new RangeError(`${a} / ${b} is the float ${result}.0 in Python, which is not supported; write //`);
  }
  return result;
}

function contains(container: Value, item: Value, budget: TemplateBudget): boolean {
  if (typeof container === "string") {
    if (typeof item === "string") return container.includes(item);
    throw new TypeError(`only text can be in text, not ${typeName(item)}`);
  }
  if (isRecord(container)) return typeof item === "string" && Object.hasOwn(container, item);
  return itemsOf("in", container, budget).some((other) => equals(other, item, () => budget.step()));
}

function repeat(text: string, times: number, budget: TemplateBudget): string {
  const count = Math.max(0, times);
  budget.makeCharacters(text.length * count);
  return text.repeat(count);
}

function isInteger(value: Value): value is number {
  return typeof value === "number" && Number.isInteger(value);
}

/**
 * `left operator right`, except `and` and `or`.
 *
 * @throws {TypeError} If the operator does not take such values.
 * @throws {RangeError} If the result is out of range or too large.
 */
export function applyBinary(operator: string, left: Value, right: Value, budget: TemplateBudget): Value {
  switch (operator) {
    case "==":
      return equals(left, right, () => budget.step());
    case "!=":
      return !equals(left, right, () => budget.step());
    case "in":
      return contains(right, left, budget);
    case "not in":
      return !contains(right, left, budget);
    case "~": {
      const [a, b] = [left, right].map((value) => pythonText(value, budget.limits.characters));
      budget.makeCharacters(a.length + b.length);
      return a + b;
    }
  }
  if (operator === "+" && typeof left === "string" && typeof right === "string") {
    budget.makeCharacters(left.length + right.length);
    return left + right;
  }
  if (operator === "+" && Array.isArray(left) && Array.isArray(right)) {
    budget.checkItems(left.length + right.length);
    return [...left, ...right];
  }
  if (operator === "*" && typeof left === "string" && isInteger(right)) return repeat(left, right, budget);
  if (operator === "*" && isInteger(left) && typeof right === "string") return repeat(right, left, budget);

  const isNumeric = (value: Value) => typeof value === "number" || typeof value === "boolean";
  const areNumbers = isNumeric(left) && isNumeric(right);
  const order = areNumbers
    ? compare(operator, Number(left), Number(right))
    : typeof left === "string" && typeof right === "string"
    ? compare(operator, left, right)
    : undefined;
  if (order !== undefined) return order;
  if (areNumbers) return arithmetic(operator, Number(left), Number(right));
  throw new TypeError(`${operator} does not take ${typeName(left)} and ${typeName(right)}`);
}

/**
 * `not x`, `-x` or `+x`.
 *
 * @throws {TypeError} If the sign of something other than a number is asked for.
 */
export function applyUnary(operator: string, operand: Value): Value {
  if (operator === "not") return !isTrue(operand);
  if (typeof operand === "number") return operator === "-" ? -operand : operand;
  throw new TypeError(`${operator} expects a number, and got ${typeName(operand)}`);
}

/**
 * `object[start:stop:step]`; null stands for a part that is not given.
 *
 * @throws {TypeError} If the object is neither text nor a list, or a part is no integer.
 */
export function sliceValue(object: Value, start: Value, stop: Value, step: Value, budget: TemplateBudget): Value {
  if (isRecord(object)) throw new TypeError("a mapping cannot be sliced");
  const items = itemsOf("a slice", object, budget);
  const bad = [start, stop, step].find((part) => part !== null && !isInteger(part));
  if (bad !== undefined) throw new TypeError(`a slice expects integers, and got ${typeName(bad)}`);
  const stride = (step ?? 1) as number;
  if (stride === 0) throw new RangeError("a slice expects a step other than 0");

  const length = items.length;
  const [low, high] = stride > 0 ? [0, length] : [-1, length - 1];
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + length : i, low), high);
  const from = start === null ? (stride > 0 ? low : high) : clamp(start as number);
  const to = stop === null ? (stride > 0 ? high : low) : clamp(stop as number);
  const picked: Value[] = [];
  for (let i = from; stride > 0 ? i < to : i > to; i += stride) picked.push(items[i]);
  return typeof object === "string" ? picked.join("") : picked;
}

/**
 * `range(stop)`, `range(start, stop)` or `range(start, stop, step)`.
 *
 * @throws {TypeError} If the arguments are not one to three integers.
 * @throws {RangeError} If the step is 0 or the list is too long.
 */
export function makeRange({ positional, named }: Arguments, budget: TemplateBudget): Value {
  if (named.size > 0 || positional.length < 1 || positional.length > 3 || !positional.every(isInteger)) {
    throw new TypeError("range() expects one to three integers");
  }
  const numbers = positional as readonly number[];
  const [start, stop] = numbers.length === 1 ? [0, numbers[0]] : numbers;
  const step = numbers[2] ?? 1;
  if (step === 0) throw new RangeError("range() expects a step other than 0");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  budget.checkItems(length);
  return Array.from({ length }, (_, i) => start + i * step);
}
