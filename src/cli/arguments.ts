/** Declarative option tables over `node:util` parseArgs: types, ranges, defaults, help, and did-you-mean. */
import { parseArgs } from "node:util";
import { didYouMean } from "../tasks/did_you_mean.ts";
import { formatBytes } from "../text/bytes.ts";
import { UsageError } from "./errors.ts";

interface OptionBase {
  /** One sentence for `--help`, without the default. */
  readonly description: string;
  /** What stands for the value in `--help`, such as `DIR`. */
  readonly placeholder?: string;
  readonly required?: boolean;
  /** Heading in `--help` that it stands under; `Options` by default. */
  readonly heading?: string;
}

/** An option that is there or not. */
export interface FlagOption extends OptionBase {
  readonly type: "flag";
}
/** Any text, such as a path. */
export interface TextOption extends OptionBase {
  readonly type: "text";
  readonly default?: string;
}
/** Texts, one each time the option is given. */
export interface TextsOption extends OptionBase {
  readonly type: "texts";
}
/** One of some words. */
export interface ChoiceOption extends OptionBase {
  readonly type: "choice";
  readonly choices: readonly string[];
  /** What each of them means, in a few words, where their names do not say it. */
  readonly meanings?: Readonly<Record<string, string>>;
  readonly default?: string;
}
/** A number, or a whole number, between `min` and `max` inclusive. */
export interface NumberOption extends OptionBase {
  readonly type: "number" | "integer";
  readonly min: number;
  readonly max: number;
  readonly default?: number;
}
/** An amount of memory: a whole number of bytes, or a number with a unit, such as `512MiB` or `4GB`. */
export interface BytesOption extends OptionBase {
  readonly type: "bytes";
  readonly default?: number;
}
/** Numbers with commas between, each between `min` and `max` inclusive. */
export interface NumbersOption extends OptionBase {
  readonly type: "numbers" | "integers";
  readonly min: number;
  readonly max: number;
  readonly default?: readonly number[];
}

export type Option = FlagOption | TextOption | TextsOption | ChoiceOption | NumberOption | BytesOption | NumbersOption;

/** Options by name, without the two dashes. */
export type OptionTable = Readonly<Record<string, Option>>;

/** A table whose options stand under a heading of their own in `--help`. */
export function underHeading<const T extends OptionTable>(heading: string, table: T): T {
  return Object.fromEntries(Object.entries(table).map(([name, option]) => [name, { ...option, heading }])) as T;
}

type Present<O extends Option> = O extends FlagOption ? boolean
  : O extends ChoiceOption ? O["choices"][number]
  : O extends NumberOption | BytesOption ? number
  : O extends NumbersOption ? readonly number[]
  : O extends TextsOption ? readonly string[]
  : string;

type Value<O extends Option> = O extends FlagOption ? boolean
  : O extends { readonly required: true } | { readonly default: unknown } ? Present<O>
  : Present<O> | undefined;

/** What a command receives: a value for every option of its table, `undefined` where one was left out. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: Value<T[K]> };

/** Reads an amount of memory. Units: B, kB, MB, GB, TB (powers of 1,000) and KiB, MiB, GiB, TiB (powers of 1,024). */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text.trim());
  if (!match || (match[3] && !match[2])) {
    throw new RangeError(`Cannot read ${JSON.stringify(text)} as an amount of memory`);
  }
  const exponent = ["", "k", "m", "g", "t"].indexOf(match[2].toLowerCase());
  return Math.round(Number(match[1]) * (match[3] ? 1024 : 1000) ** exponent);
}

/** Options, and which of them were typed. */
export interface GivenOptions<T extends OptionTable = OptionTable> {
  readonly values: OptionValues<T>;
  /** Names of those that do not have their value by default. */
  readonly given: ReadonlySet<string>;
}

/**
 * Reads a command's arguments.
 *
 * @param command Name for messages, such as `score`.
 * @param words Takes the arguments that follow no option, where the command has such; else they are an error.
 * @throws {UsageError} If an option is unknown, repeated, missing, or has a value outside its type or range.
 */
export function parseOptions<const T extends OptionTable>(
  command: string,
  table: T,
  args: readonly string[],
  words?: string[],
): OptionValues<T> {
  return parseGivenOptions(command, table, args, words).values;
}

/** As `parseOptions`, and says which options were typed. */
export function parseGivenOptions<const T extends OptionTable>(
  command: string,
  table: T,
  args: readonly string[],
  words?: string[],
): GivenOptions<T> {
  const hint = `run \`secateur ${command} --help\` for the options.`;
  const names = Object.keys(table);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      names.map((name) => [name, { type: table[name].type === "flag" ? "boolean" : "string" }] as const),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, Present<Option>>();
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      if (words) {
        words.push(token.value);
        continue;
      }
      throw new UsageError(
        `unexpected argument ${JSON.stringify(token.value)}`,
        `every value follows an option; ${hint}`,
      );
    }
    const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (option === undefined) {
      throw new UsageError(`unknown option ${token.rawName}${didYouMean(token.name, names, "--")}`, hint);
    }
    if (given.has(token.name) && option.type !== "texts") {
      throw new UsageError(`${token.rawName} is given twice`, "give it once.");
    }
    if (option.type === "flag") {
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`, hint);
      given.set(token.name, true);
    } else {
      // Without `=`, a value that looks like an option is far more often a forgotten value.
      if (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))) {
        throw new UsageError(`${token.rawName} needs a value`, `${describeValue(option)}; ${hint}`);
      }
      const value = readValue(token.name, option, token.value);
      const before = given.get(token.name) as readonly string[] | undefined;
      given.set(token.name, option.type === "texts" ? [...before ?? [], value as string] : value);
    }
  }
  const values: Record<string, Present<Option> | undefined> = {};
  for (const name of names) {
    const option = table[name];
    if (option.required && !given.has(name)) {
      throw new UsageError(`--${name} is missing`, `${describeValue(option)}; ${hint}`);
    }
    values[name] = given.get(name) ??
      (option.type === "flag" ? false : option.type === "texts" ? undefined : option.default);
  }
  return { values: values as OptionValues<T>, given: new Set(given.keys()) };
}

/** The arguments that `parseOptions` reads the values from; those that are as they would be without are left out. */
export function optionWords<const T extends OptionTable>(table: T, values: OptionValues<T>): string[] {
  return Object.entries(table).flatMap(([name, option]) => {
    const value: unknown = values[name];
    if (
      value === undefined || value === false ||
      (option.type !== "flag" && "default" in option && value === option.default)
    ) {
      return [];
    }
    if (value === true) return [`--${name}`];
    const texts = option.type === "texts"
      ? value as readonly string[]
      : [Array.isArray(value) ? value.join(",") : String(value)];
    // Joined by `=` where the value would be taken for an option.
    return texts.flatMap((text) => text.startsWith("-") ? [`--${name}=${text}`] : [`--${name}`, text]);
  });
}

function readValue(name: string, option: Exclude<Option, FlagOption>, text: string): Present<Option> {
  const refuse = () => new UsageError(`--${name} cannot be ${JSON.stringify(text)}`, `${describeValue(option)}.`);
  switch (option.type) {
    case "text":
    case "texts":
      if (text === "") throw refuse();
      return text;
    case "choice":
      if (!option.choices.includes(text)) {
        throw new UsageError(
          `--${name} cannot be ${JSON.stringify(text)}${didYouMean(text, option.choices)}`,
          `${describeValue(option)}.`,
        );
      }
      return text;
    case "bytes":
      try {
        return parseBytes(text);
      } catch {
        throw refuse();
      }
    case "number":
    case "integer": {
      const value = readNumber(text, option);
      if (value === null) throw refuse();
      return value;
    }
    case "numbers":
    case "integers": {
      const values = text.split(",").map((part) => readNumber(part, option));
      if (values.some((value) => value === null)) throw refuse();
      return values as number[];
    }
  }
}

function readNumber(text: string, option: NumberOption | NumbersOption): number | null {
  const value = text.trim() === "" ? NaN : Number(text);
  const whole = option.type === "integer" || option.type === "integers";
  const fits = value >= option.min && value <= option.max && (!whole || Number.isSafeInteger(value));
  return fits ? value : null;
}

/** What a value may be, in words. */
function describeValue(option: Option): string {
  const range = (option: NumberOption | NumbersOption) =>
    option.max >= Number.MAX_SAFE_INTEGER ? `of at least ${option.min}` : `from ${option.min} to ${option.max}`;
  switch (option.type) {
    case "flag":
      return "takes no value";
    case "text":
    case "texts":
      return `expected ${option.placeholder ?? "text"}`;
    case "choice":
      return `expected one of ${option.choices.join(", ")}`;
    case "bytes":
      return "expected an amount of memory, such as 512MiB or 4GiB";
    case "integer":
      return `expected a whole number ${range(option)}`;
    case "number":
      return `expected a number ${range(option)}`;
    case "integers":
      return `expected whole numbers ${range(option)}, with commas between`;
    case "numbers":
      return `expected numbers ${range(option)}, with commas between`;
  }
}

/** Columns of `--help`. */
const helpColumns = 100;

/** The lines of `--help` that list a table, under its headings in the order in which they come up. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, option]) => ({
    heading: option.heading ?? "Options",
    left: `--${name}${placeholder(option)}`,
    option,
  }));
  const width = Math.min(32, Math.max(...rows.map(({ left }) => left.length)));
  const indent = " ".repeat(width + 4);
  const sections = Map.groupBy(rows, ({ heading }) => heading);
  return [...sections].map(([heading, rows]) =>
    [
      `${heading}:`,
      ...rows.map(({ left, option }) => {
        const first = left.length > width ? `  ${left}\n${indent}` : `  ${left.padEnd(width)}  `;
        return first + explanation(option, helpColumns - indent.length).join(`\n${indent}`);
      }),
    ].join("\n")
  ).join("\n\n");
}

/** The options that must be given, as the usage line names them, such as `--model MODEL --task TASK`. */
export function describeRequired(table: OptionTable): string {
  return Object.entries(table).filter(([, { required }]) => required)
    .map(([name, option]) => `--${name}${placeholder(option)}`).join(" ");
}

/** Paragraphs as wide as the rest of `--help`; those with indented lines stay as they are. */
export function wrapParagraphs(text: string): string {
  return text.split("\n\n").map((paragraph) =>
    /^ /m.test(paragraph) ? paragraph : wrap(paragraph.replaceAll("\n", " "), helpColumns).join("\n")
  ).join("\n\n");
}

function placeholder(option: Option): string {
  if (option.type === "flag") return "";
  if (option.placeholder) return ` ${option.placeholder}`;
  const words = {
    text: "TEXT",
    texts: "TEXT",
    choice: "WORD",
    bytes: "SIZE",
    integer: "N",
    number: "X",
    integers: "N,N",
    numbers: "X,X",
  };
  return ` ${words[option.type]}`;
}

/** The lines that explain an option. */
function explanation(option: Option, width: number): string[] {
  const parts = [option.description];
  const meanings = option.type === "choice" && option.meanings ? Object.entries(option.meanings) : [];
  if (option.type === "choice" && meanings.length === 0) parts.push(`One of ${option.choices.join(", ")}.`);
  if (option.required) parts.push("Required.");
  if (option.type !== "flag" && option.type !== "texts" && option.default !== undefined) {
    const value = option.type === "bytes" ? formatBytes(option.default) : String(option.default);
    parts.push(`Default: ${value}.`);
  }
  if (meanings.length > 0) parts.push("One of:");
  const list = meanings.flatMap(([choice, meaning]) =>
    wrap(`${choice}: ${meaning}`, width - 4).map((line, index) => (index === 0 ? "  " : "    ") + line)
  );
  return [...wrap(parts.join(" "), width), ...list];
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
