/**
 * The interpreter of `@huggingface/jinja` with a bound on work and memory, for chat templates: they come with a
 * checkpoint, use parts of Jinja that task templates do not (macros, namespaces), and are not trusted. The package has
 * no limits of its own. Every node of the syntax tree goes through `evaluate`, so steps, time and the size of every
 * value are checked there; what makes a large text of small ones in one step is given short arguments only.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { quote } from "./python_value.ts";
import { TemplateBudget, type TemplateLimits } from "./template_budget.ts";
import { checkTemplateText, childrenOf } from "./template_syntax.ts";

/** Far above what a chat needs: few-shot prompts of some hundred thousand characters. */
export const chatTemplateLimits: TemplateLimits = {
  steps: 500_000,
  characters: 1_000_000,
  charactersMade: 50_000_000,
  items: 10_000,
  milliseconds: 2_000,
};

/** Longest argument of what repeats its argument: characters, or the number itself. */
const LONGEST_REPEATED = 1_000;

/** Filters and methods that may put an argument many times into their result. */
const repeating = new Set(["replace", "join", "indent", "tojson"]);

/** A node of the package's syntax tree, as far as it is looked at here. */
interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly callee?: Node;
  readonly property?: Node;
  readonly filter?: Node;
  readonly args?: readonly Node[];
}

/** A value of the package, as far as it is looked at here. */
interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** A template that gave up by `raise_exception`, such as one that knows no system prompt. */
export class TemplateRefusal extends RangeError {}

/** The nodes whose values are arguments of what repeats them. */
function repeatedArguments(program: object): ReadonlySet<object> {
  const found = new Set<object>();
  const open: object[] = [program];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    open.push(...childrenOf(next));
    const node = next as Node;
    const call = node.type === "FilterExpression" || node.type === "FilterStatement" ? node.filter! : node;
    if (call.type !== "CallExpression") continue;
    const callee = call === node ? call.callee!.property ?? call.callee! : call.callee!;
    if (!repeating.has(String(callee.value))) continue;
    for (const argument of call.args ?? []) {
      if (/Spread/.test(argument.type)) throw new SyntaxError(`${callee.value}(*...) is not supported`);
      found.add(argument.type === "KeywordArgumentExpression" ? argument.value as object : argument);
    }
  }
  return found;
}

/** Characters and items of a value with all that is in it, counted again wherever it is shared. */
function weigh(value: Value | undefined, most: number): number {
  if (value === undefined) return 0;
  const { value: inner } = value;
  if (typeof inner === "string") return inner.length;
  const parts: Iterable<Value> | undefined = Array.isArray(inner)
    ? inner
    : inner instanceof Map
    ? inner.values()
    : undefined;
  let sum = 1;
  for (const part of parts ?? []) {
    sum += weigh(part, most - sum);
    if (sum > most) throw new RangeError(`a value of more than ${chatTemplateLimits.characters} characters`);
  }
  return sum;
}

class BoundedInterpreter extends Interpreter {
  constructor(environment: Environment, readonly budget: TemplateBudget, readonly repeated: ReadonlySet<object>) {
    super(environment);
  }

  override evaluate(...args: Parameters<Interpreter["evaluate"]>): ReturnType<Interpreter["evaluate"]> {
    this.budget.step();
    const result = super.evaluate(...args);
    const [node] = args;
    const { value } = result as Value;
    if (typeof value === "string") {
      this.budget.makeCharacters(value.length);
    } else if (typeof value === "object" && value !== null) {
      if (Array.isArray(value)) this.budget.checkItems(value.length);
      weigh(result as Value, this.budget.limits.characters);
    }
    if (node !== undefined && this.repeated.has(node)) {
      const size = typeof value === "number" ? Math.abs(value) : weigh(result as Value, this.budget.limits.characters);
      if (size > LONGEST_REPEATED) {
        throw new RangeError(`an argument of more than ${LONGEST_REPEATED} characters or spaces to be repeated`);
      }
    }
    return result;
  }
}

function range(...args: unknown[]): number[] {
  const numbers = args.filter((value): value is number => Number.isInteger(value));
  if (numbers.length !== args.length || numbers.length < 1 || numbers.length > 3) {
    throw new RangeError("range() expects one to three integers");
  }
  const [start, stop] = numbers.length === 1 ? [0, numbers[0]] : numbers;
  const step = numbers[2] ?? 1;
  const length = step === 0 ? Infinity : Math.max(0, Math.ceil((stop - start) / step));
  if (length > chatTemplateLimits.items) throw new RangeError(`a list of more than ${chatTemplateLimits.items} items`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** The date that templates are told, so that a run asks the same tomorrow. */
const fixedDate = new Date("2024-07-26T12:00:00Z");

function fixedTime(format: unknown): string {
  const part = (options: Intl.DateTimeFormatOptions) =>
    fixedDate.toLocaleString("en-US", { ...options, timeZone: "UTC" });
  const parts: Readonly<Record<string, string>> = {
    Y: "2024",
    y: "24",
    m: "07",
    d: "26",
    B: part({ month: "long" }),
    b: part({ month: "short" }),
    A: part({ weekday: "long" }),
    a: part({ weekday: "short" }),
    H: "12",
    I: "12",
    M: "00",
    S: "00",
    p: "PM",
    j: "208",
    "%": "%",
  };
  return String(format).replaceAll(/%(.)/g, (all, letter) => parts[letter] ?? all);
}

/** A parsed template whose renderings are bounded. */
export interface BoundedTemplate {
  /**
   * Text of the template for some variables.
   *
   * @throws {TemplateRefusal} If it calls `raise_exception`.
   * @throws {RangeError} If it fails or takes too much; the message is meant to follow a colon.
   */
  render(variables: Readonly<Record<string, unknown>>): string;
}

/**
 * Parses a template as transformers does: a newline after a block and white space before one are dropped.
 *
 * @throws {SyntaxError} If it cannot be parsed or is too long. The message is meant to follow a colon.
 */
export function compileBounded(source: string, limits: TemplateLimits = chatTemplateLimits): BoundedTemplate {
  checkTemplateText(source);
  let program: ReturnType<typeof parse>;
  let repeated: ReadonlySet<object>;
  try {
    program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
    repeated = repeatedArguments(program);
  } catch (error) {
    // The parser stumbles over a template that ends too soon.
    const problem = error instanceof TypeError || error instanceof RangeError
      ? "it is cut off or malformed"
      : String((error as Error).message);
    throw new SyntaxError(problem, { cause: error });
  }
  return {
    render(variables) {
      const environment = new Environment();
      const constants = { true: true, false: false, none: null, True: true, False: false, None: null };
      const functions = {
        range,
        strftime_now: fixedTime,
        raise_exception: (message: unknown) => {
          throw new TemplateRefusal(`it says ${quote(message)}`);
        },
      };
      for (const [name, value] of Object.entries({ ...constants, ...functions, ...variables })) {
        environment.set(name, value);
      }
      try {
        const interpreter = new BoundedInterpreter(environment, new TemplateBudget(limits), repeated);
        return String(interpreter.run(program).value);
      } catch (error) {
        if (error instanceof TemplateRefusal) throw error;
        // The interpreter's own stack limit also is a RangeError; its message names nothing the reader knows.
        const isDeep = error instanceof RangeError && /call stack/.test(error.message);
        throw new RangeError(isDeep ? "it is nested too deeply" : (error as Error).message, { cause: error });
      }
    },
  };
}
