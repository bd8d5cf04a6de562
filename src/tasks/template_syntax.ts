/**
 * From the text of a Jinja template to a checked syntax tree. The lexer and parser are those of `@huggingface/jinja`;
 * what they accept and the evaluator does not is refused here, before any row is read.
 */
import { parse, tokenize } from "@huggingface/jinja";
import { filters, tests } from "./template_functions.ts";
import { quote } from "./python_value.ts";

/** A name. */
export interface Identifier {
  readonly type: "Identifier";
  readonly value: string;
}

/** A call; its callee is a method (`x.strip()`), `range`, or the name of a filter. */
export interface Call {
  readonly type: "CallExpression";
  readonly callee: Expression;
  readonly args: readonly Expression[];
}

/** What has a value. `TupleLiteral` is evaluated as a list. */
export type Expression =
  | Identifier
  | Call
  | { readonly type: "StringLiteral"; readonly value: string }
  | { readonly type: "IntegerLiteral" | "FloatLiteral"; readonly value: number }
  | { readonly type: "ArrayLiteral" | "TupleLiteral"; readonly value: readonly Expression[] }
  | { readonly type: "ObjectLiteral"; readonly value: ReadonlyMap<Expression, Expression> }
  | {
    readonly type: "MemberExpression";
    readonly object: Expression;
    readonly property: Expression;
    /** `a[b]` as opposed to `a.b`. */
    readonly computed: boolean;
  }
  | {
    readonly type: "BinaryExpression";
    readonly operator: { readonly value: string };
    readonly left: Expression;
    readonly right: Expression;
  }
  | { readonly type: "UnaryExpression"; readonly operator: { readonly value: string }; readonly argument: Expression }
  | { readonly type: "FilterExpression"; readonly operand: Expression; readonly filter: Identifier | Call }
  | {
    readonly type: "TestExpression";
    readonly operand: Expression;
    readonly negate: boolean;
    readonly test: Identifier;
  }
  | {
    readonly type: "SliceExpression";
    readonly start?: Expression;
    readonly stop?: Expression;
    readonly step?: Expression;
  }
  | { readonly type: "KeywordArgumentExpression"; readonly key: Identifier; readonly value: Expression }
  /** `a if test`, without `else`. */
  | { readonly type: "SelectExpression"; readonly lhs: Expression; readonly test: Expression }
  | {
    readonly type: "Ternary";
    readonly condition: Expression;
    readonly trueExpr: Expression;
    readonly falseExpr: Expression;
  };

/** What a template consists of: text and `{{ }}` are expressions, `{% %}` are statements. */
export type Statement =
  | Expression
  | {
    readonly type: "If";
    readonly test: Expression;
    readonly body: readonly Statement[];
    readonly alternate: readonly Statement[];
  }
  | {
    readonly type: "For";
    readonly loopvar: Expression;
    readonly iterable: Expression;
    readonly body: readonly Statement[];
    readonly defaultBlock: readonly Statement[];
  }
  | {
    readonly type: "Set";
    readonly assignee: Expression;
    readonly value: Expression | null;
    readonly body: readonly Statement[];
  }
  | { readonly type: "Comment" | "Break" | "Continue" };

/** Longest template, in UTF-16 units. */
export const MAX_TEMPLATE_LENGTH = 100_000;

/** The package's lexer needs time quadratic in the length of a run of white space. */
const LONGEST_SPACE = 1_000;

const refused: Readonly<Record<string, string>> = {
  Macro: "macros",
  CallStatement: "call blocks",
  FilterStatement: "filter blocks",
  SpreadExpression: "* unpacking",
  KeywordSpreadExpression: "** unpacking",
};

const comparisons = new Set(["==", "!=", "<", ">", "<=", ">="]);

/**
 * Checks what the package's lexer cannot bear.
 *
 * @throws {SyntaxError} If the text is too long, or has too much white space in a row. The message is meant to follow a
 * colon.
 */
export function checkTemplateText(source: string): void {
  if (source.length > MAX_TEMPLATE_LENGTH) {
    throw new SyntaxError(`${source.length} characters exceed the limit of ${MAX_TEMPLATE_LENGTH}`);
  }
  if (new RegExp(`\\s{${LONGEST_SPACE + 1}}`).test(source)) {
    throw new SyntaxError(`more than ${LONGEST_SPACE} white-space characters in a row`);
  }
}

/** The nodes directly below a node, a list of nodes or a map of nodes. */
export function childrenOf(node: object): object[] {
  const values = node instanceof Map ? [...node.keys(), ...node.values()] : Object.values(node);
  return values.filter((value): value is object => typeof value === "object" && value !== null);
}

function checkNode(node: object): void {
  if (!("type" in node)) return;
  const type = String(node.type);
  if (Object.hasOwn(refused, type)) throw new SyntaxError(`${refused[type]} are not supported`);
  const expression = node as Statement;
  switch (expression.type) {
    case "FilterExpression": {
      const { filter } = expression;
      const identifier = filter.type === "CallExpression" ? filter.callee : filter;
      // `x | f(y).z` parses as a member of the filter's result; Jinja2 refuses it.
      if (identifier.type !== "Identifier") throw new SyntaxError("write (x | filter(...)).name with parentheses");
      const name = identifier.value;
      if (!filters.has(name)) {
        throw new SyntaxError(`unknown filter ${quote(name)}; known are ${[...filters.keys()].join(", ")}`);
      }
      break;
    }
    case "TestExpression":
      if (!tests.has(expression.test.value)) {
        const known = [...tests.keys()].join(", ");
        throw new SyntaxError(`unknown test ${quote(expression.test.value)}; known are ${known}`);
      }
      break;
    case "BinaryExpression":
      // Python reads `a < b < c` as `a < b and b < c`; the parser reads it as `(a < b) < c`.
      if (
        comparisons.has(expression.operator.value) && expression.left.type === "BinaryExpression" &&
        comparisons.has(expression.left.operator.value)
      ) throw new SyntaxError("a comparison of a comparison is not supported; join two comparisons with `and`");
      break;
    case "FloatLiteral":
      if (Number.isInteger(expression.value)) {
        throw new SyntaxError(`the number ${expression.value}.0 is not supported; write ${expression.value}`);
      }
      break;
    case "Set":
      if (expression.assignee.type === "MemberExpression") {
        throw new SyntaxError("setting an attribute is not supported; set a plain name");
      }
  }
}

/**
 * Parses and checks a template. White space is kept as written, except what `{%-` and the like strip; the last
 * newline is kept too, as in lm-evaluation-harness.
 *
 * @throws {SyntaxError} If it cannot be parsed, is too long, or uses something that is not supported. The message is
 * meant to follow a colon.
 */
export function parseTemplate(source: string): readonly Statement[] {
  checkTemplateText(source);
  let body: readonly Statement[];
  try {
    // The package drops one newline at the end of the source.
    body = parse(tokenize(source.endsWith("\n") ? `${source}\n` : source)).body as unknown as readonly Statement[];
  } catch (error) {
    // Where the source ends too early, the package reads a property of undefined.
    const reason = error instanceof TypeError
      ? "it ends before a {{, {% or bracket is closed"
      : error instanceof RangeError
      ? "it is nested too deeply"
      : String(error);
    throw new SyntaxError(reason.replace(/^(?:\w*Error: )+/, ""), { cause: error });
  }
  const open: object[] = [...body];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    checkNode(node);
    open.push(...childrenOf(node));
  }
  return body;
}

/** A short form of an expression for error messages, such as `choices[4]`. */
export function describeExpression(node: Expression): string {
  switch (node.type) {
    case "Identifier":
      return node.value;
    case "StringLiteral":
    case "IntegerLiteral":
    case "FloatLiteral":
      return quote(node.value);
    case "MemberExpression": {
      const object = describeExpression(node.object);
      const property = describeExpression(node.property);
      return node.computed ? `${object}[${property}]` : `${object}.${property}`;
    }
    case "CallExpression":
      return `${describeExpression(node.callee)}(...)`;
    case "FilterExpression":
      return `${describeExpression(node.operand)} | ...`;
    default:
      return "an expression";
  }
}
