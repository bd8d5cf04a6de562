/**
 * Jinja templates over one dataset row, as lm-evaluation-harness renders them: an undefined name is an error, Python's
 * values and text, no white space dropped that the template does not ask to drop.
 *
 * `@huggingface/jinja` parses; the evaluation is our own, because the package prints `true` for `True`, ignores the
 * argument of `strip`, lets `"1" == 1` hold, drops undefined names silently and has no limit of time or memory. A
 * template sees the row and nothing else, and every rendering ends within `TemplateLimits`.
 */
import { isRecord, isTrue, pythonText, quote } from "./python_value.ts";
import type { Value, ValueRecord } from "./python_value.ts";
import { defaultTemplateLimits, TemplateBudget, type TemplateLimits } from "./template_budget.ts";
import { applyDefault, type Arguments, filters, findMethod, itemsOf, tests } from "./template_functions.ts";
import { applyBinary, applyUnary, makeRange, sliceValue } from "./template_operators.ts";
import { type Call, describeExpression, type Expression, parseTemplate, type Statement } from "./template_syntax.ts";

/** A parsed template. */
export interface Template {
  readonly source: string;
  /**
   * Text of the template for one row.
   *
   * @throws {RangeError} If a name is not defined, a value has the wrong type, or a limit is passed; the message is
   * meant to follow a colon.
   */
  render(row: ValueRecord): string;
  /**
   * Value of the template: of the expression if it is a single `{{ }}`, else the rendered text.
   *
   * @throws {RangeError} As `render`.
   */
  evaluate(row: ValueRecord): Value;
}

/** What an expression gives: a value, or undefined where a name or member does not exist. */
type Result = Value | undefined;

/** Names and their values, inner ones first. */
class Scope {
  readonly #names = new Map<string, Value>();

  constructor(readonly parent: Scope | ValueRecord) {}

  get(name: string): Result {
    if (this.#names.has(name)) return this.#names.get(name);
    if (this.parent instanceof Scope) return this.parent.get(name);
    return Object.hasOwn(this.parent, name) ? this.parent[name] : undefined;
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

/** Leaves a loop early: `break` or `continue`. */
class LoopExit extends Error {
  constructor(readonly kind: "Break" | "Continue") {
    super(`${kind.toLowerCase()} outside a loop`);
  }
}

const constants: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);

class Evaluation {
  constructor(readonly row: ValueRecord, readonly budget: TemplateBudget) {}

  text(value: Value): string {
    return pythonText(value, this.budget.limits.characters);
  }

  block(body: readonly Statement[], scope: Scope): string {
    let result = "";
    for (const statement of body) {
      result += this.statement(statement, scope);
      this.budget.checkCharacters(result.length);
    }
    return result;
  }

  statement(node: Statement, scope: Scope): string {
    switch (node.type) {
      case "Comment":
        return "";
      case "Break":
      case "Continue":
        throw new LoopExit(node.type);
      case "If":
        return this.block(isTrue(this.value(node.test, scope)) ? node.body : node.alternate, scope);
      case "Set":
        this.assign(node.assignee, node.value ? this.value(node.value, scope) : this.block(node.body, scope), scope);
        return "";
      case "For":
        return this.loop(node, scope);
      default:
        return this.text(this.value(node, scope));
    }
  }

  assign(target: Expression, value: Value, scope: Scope): void {
    if (target.type === "Identifier") return scope.set(target.value, value);
    if (target.type !== "TupleLiteral") throw new RangeError(`${describeExpression(target)} cannot be assigned to`);
    const items = itemsOf("unpacking", value, this.budget);
    if (items.length !== target.value.length) {
      throw new RangeError(`${items.length} items cannot be unpacked into ${target.value.length} names`);
    }
    target.value.forEach((name, i) => this.assign(name, items[i], scope));
  }

  loop(node: Extract<Statement, { type: "For" }>, scope: Scope): string {
    const select = node.iterable.type === "SelectExpression" ? node.iterable : undefined;
    let items = itemsOf("for", this.value(select?.lhs ?? node.iterable, scope), this.budget);
    const inner = (item: Value): Scope => {
      this.budget.step();
      const own = new Scope(scope);
      this.assign(node.loopvar, item, own);
      return own;
    };
    if (select) items = items.filter((item) => isTrue(this.value(select.test, inner(item))));
    if (items.length === 0) return this.block(node.defaultBlock, scope);

    const length = items.length;
    let result = "";
    for (const [i, item] of items.entries()) {
      const own = inner(item);
      own.set("loop", {
        index: i + 1,
        index0: i,
        revindex: length - i,
        revindex0: length - i - 1,
        first: i === 0,
        last: i === length - 1,
        length,
      });
      try {
        result += this.block(node.body, own);
      } catch (error) {
        if (!(error instanceof LoopExit)) throw error;
        if (error.kind === "Break") break;
      }
      this.budget.checkCharacters(result.length);
    }
    return result;
  }

  /** Value of an expression that must be defined. */
  value(node: Expression, scope: Scope): Value {
    const result = this.result(node, scope);
    if (result !== undefined) return result;
    // Jinja2 prints nothing for an if-expression without else, even where undefined names are errors.
    if (node.type === "SelectExpression") return "";
    if (node.type !== "Identifier") throw new RangeError(`${describeExpression(node)} does not exist`);
    const columns = Object.keys(this.row);
    const list = columns.length > 20 ? `${columns.slice(0, 20).join(", ")}, ...` : columns.join(", ");
    throw new RangeError(`the row has no column ${quote(node.value)}; its columns are ${list}`);
  }

  result(node: Expression, scope: Scope): Result {
    this.budget.step();
    switch (node.type) {
      case "StringLiteral":
      case "IntegerLiteral":
      case "FloatLiteral":
        return node.value;
      case "ArrayLiteral":
      case "TupleLiteral":
        return node.value.map((item) => this.value(item, scope));
      case "ObjectLiteral":
        return Object.fromEntries(
          [...node.value].map(([name, value]) => [this.text(this.value(name, scope)), this.value(value, scope)]),
        );
      case "Identifier":
        return constants.has(node.value) ? constants.get(node.value) : scope.get(node.value);
      case "MemberExpression":
        return this.member(node, scope);
      case "CallExpression":
        return this.call(node, scope);
      case "FilterExpression":
        return this.filter(node, scope);
      case "TestExpression":
        return this.test(node, scope) !== node.negate;
      case "UnaryExpression":
        return applyUnary(node.operator.value, this.value(node.argument, scope));
      case "BinaryExpression":
        return this.binary(node, scope);
      case "Ternary":
        return this.result(isTrue(this.value(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
      case "SelectExpression":
        return isTrue(this.value(node.test, scope)) ? this.result(node.lhs, scope) : undefined;
      default:
        throw new RangeError(`${node.type} is not expected here`);
    }
  }

  member(node: Extract<Expression, { type: "MemberExpression" }>, scope: Scope): Result {
    const object = this.value(node.object, scope);
    if (node.property.type === "SliceExpression") return this.slice(object, node.property, scope);
    const key = !node.computed && node.property.type === "Identifier"
      ? node.property.value
      : this.value(node.property, scope);
    if (isRecord(object)) {
      return typeof key === "string" && Object.hasOwn(object, key) ? object[key] : undefined;
    }
    if (typeof key !== "number" || !Number.isInteger(key)) return undefined;
    if (Array.isArray(object)) return object.at(key);
    return typeof object === "string" ? itemsOf("[]", object, this.budget).at(key) : undefined;
  }

  slice(object: Value, node: Extract<Expression, { type: "SliceExpression" }>, scope: Scope): Value {
    const bound = (part: Expression | undefined) => part === undefined ? null : this.value(part, scope);
    return sliceValue(object, bound(node.start), bound(node.stop), bound(node.step), this.budget);
  }

  arguments(nodes: readonly Expression[], scope: Scope): Arguments {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    for (const node of nodes) {
      if (node.type === "KeywordArgumentExpression") named.set(node.key.value, this.value(node.value, scope));
      else positional.push(this.value(node, scope));
    }
    return { positional, named };
  }

  call(node: Call, scope: Scope): Value {
    const { callee } = node;
    const args = this.arguments(node.args, scope);
    if (callee.type === "MemberExpression" && !callee.computed && callee.property.type === "Identifier") {
      const object = this.value(callee.object, scope);
      return this.checked(findMethod(object, callee.property.value)(object, args, this.budget));
    }
    if (callee.type === "Identifier" && callee.value === "range") return makeRange(args, this.budget);
    throw new RangeError(`${describeExpression(callee)} cannot be called; range and methods can`);
  }

  filter(node: Extract<Expression, { type: "FilterExpression" }>, scope: Scope): Value {
    const { filter } = node;
    const name = filter.type === "Identifier" ? filter.value : describeExpression(filter.callee);
    const args = this.arguments(filter.type === "Identifier" ? [] : filter.args, scope);
    if (name === "default" || name === "d") return applyDefault(this.result(node.operand, scope), args);
    return this.checked(filters.get(name)!(this.value(node.operand, scope), args, this.budget));
  }

  test(node: Extract<Expression, { type: "TestExpression" }>, scope: Scope): boolean {
    const name = node.test.value;
    if (name === "defined" || name === "undefined") {
      return (this.result(node.operand, scope) !== undefined) === (name === "defined");
    }
    return tests.get(name)!(this.value(node.operand, scope));
  }

  /** Passes on what a filter or method made, unless it is too large. */
  checked(value: Value): Value {
    if (typeof value === "string") this.budget.makeCharacters(value.length);
    if (Array.isArray(value)) this.budget.checkItems(value.length);
    return value;
  }

  binary(node: Extract<Expression, { type: "BinaryExpression" }>, scope: Scope): Value {
    const operator = node.operator.value;
    const left = this.value(node.left, scope);
    if (operator === "and") return isTrue(left) ? this.value(node.right, scope) : left;
    if (operator === "or") return isTrue(left) ? left : this.value(node.right, scope);
    return applyBinary(operator, left, this.value(node.right, scope), this.budget);
  }
}

/**
 * Parses a template.
 *
 * @param limits Default `defaultTemplateLimits`.
 * @throws {SyntaxError} If it cannot be parsed or uses something that is not supported; the message is meant to follow
 * a colon.
 */
export function compileTemplate(source: string, limits: TemplateLimits = defaultTemplateLimits): Template {
  const body = parseTemplate(source);
  const run = <T>(row: ValueRecord, use: (evaluation: Evaluation, scope: Scope) => T): T => {
    try {
      return use(new Evaluation(row, new TemplateBudget(limits)), new Scope(row));
    } catch (error) {
      // The interpreter's own stack limit also is a RangeError; its message names nothing the reader knows.
      const isDeep = error instanceof RangeError && /call stack/.test(error.message);
      throw new RangeError(isDeep ? "it is nested too deeply" : (error as Error).message, { cause: error });
    }
  };
  const render = (row: ValueRecord) => run(row, (evaluation, scope) => evaluation.block(body, scope));
  const [only] = body;
  const isExpression = body.length === 1 && !["If", "For", "Set", "Comment", "Break", "Continue"].includes(only.type);
  return {
    source,
    render,
    evaluate: (row) =>
      isExpression ? run(row, (evaluation, scope) => evaluation.value(only as Expression, scope)) : render(row),
  };
}
