/** From a dataset row to the texts of a request, as lm-evaluation-harness `multiple_choice` composes them. */
import type { Row } from "./dataset.ts";
import { isPythonSpace, quote, typeName, type Value } from "./python_value.ts";
import { parsePythonLiteral } from "./python_literal.ts";
import type { PromptSettings } from "./task_config.ts";
import type { ColumnOrTemplate } from "./task_settings.ts";

/** What a column or template gives for a row. */
interface Reading {
  readonly value: Value;
  /** A template's text that is all digits is a number; a column's is not. */
  readonly isColumn: boolean;
}

function fail(row: Row, setting: { readonly key: string }, problem: string): never {
  throw new RangeError(`Cannot build example ${row.id} (${row.place}): ${setting.key}: ${problem}`);
}

/** @param evaluates Whether the value of a template that is a single expression is wanted, instead of its text. */
function read(setting: ColumnOrTemplate, row: Row, columns: ReadonlySet<string>, evaluates = false): Reading {
  if (columns.has(setting.text)) {
    const isPresent = Object.hasOwn(row.values, setting.text);
    if (!isPresent) fail(row, setting, `the row has no column ${quote(setting.text)}, which other rows have`);
    return { value: row.values[setting.text], isColumn: true };
  }
  try {
    const { template } = setting;
    return { value: evaluates ? template.evaluate(row.values) : template.render(row.values), isColumn: false };
  } catch (error) {
    fail(row, setting, (error as Error).message);
  }
}

/**
 * Text of a setting for a row.
 *
 * @throws {RangeError} If the template fails or the column holds something else.
 */
export function readText(setting: ColumnOrTemplate, row: Row, columns: ReadonlySet<string>): string {
  const { value } = read(setting, row, columns);
  if (typeof value === "string") return value;
  fail(row, setting, `the column ${quote(setting.text)} holds ${quote(value)}, expected text`);
}

/** The parts of one row's prompt. All methods throw RangeError naming row, place, key and value. */
export class Prompt {
  /** @param columns Names that are columns; any other text is a template. */
  constructor(readonly settings: PromptSettings, readonly columns: ReadonlySet<string>) {}

  /** The question. */
  question(row: Row): string {
    const { docToText } = this.settings;
    const text = readText(docToText, row, this.columns);
    if (!this.columns.has(docToText.text)) {
      if (/^\d+$/.test(text)) {
        fail(
          row,
          docToText,
          `it gives the number ${text}, which asks for one prompt per choice: this is not supported`,
        );
      }
      if (/^[A-Za-z_]\w*$/.test(docToText.text)) {
        fail(row, docToText, `${docToText.text} is no column; the columns are ${[...this.columns].join(", ")}`);
      }
    }
    return text;
  }

  /** The choices `[C]`, C at least 2, none of them empty. */
  choices(row: Row): readonly string[] {
    const { docToChoice } = this.settings;
    const choices = "template" in docToChoice ? this.#readChoices(docToChoice, row) : docToChoice;
    const key = { key: "doc_to_choice" };
    if (choices.length < 2) fail(row, key, `it gives ${quote(choices)}, expected at least 2 choices`);
    if (choices.includes("")) fail(row, key, `choice ${choices.indexOf("")} is empty`);
    return choices;
  }

  #readChoices(docToChoice: ColumnOrTemplate, row: Row): readonly string[] {
    let { value, isColumn } = read(docToChoice, row, this.columns, true);
    if (typeof value === "string" && !isColumn) {
      try {
        value = parsePythonLiteral(value);
      } catch (error) {
        fail(row, docToChoice, `${quote(value)} is no list: ${(error as Error).message}`);
      }
    }
    if (!Array.isArray(value)) fail(row, docToChoice, `it gives ${typeName(value)}, ${quote(value)}, expected a list`);
    return value.map((choice, i) => {
      if (typeof choice === "string") return choice;
      fail(row, docToChoice, `choice ${i} is ${typeName(choice)}, ${quote(choice)}, expected text`);
    });
  }

  /** The right choice as the settings give it: an index, or a text. */
  #target(row: Row): number | string {
    const { docToTarget } = this.settings;
    if (typeof docToTarget === "number") return docToTarget;
    const { value, isColumn } = read(docToTarget, row, this.columns);
    if (typeof value === "string") {
      if (isColumn) return value;
      if (/^(?:0+|[1-9]\d*)$/.test(value)) return Number(value);
      if (/^\[.*\]$/s.test(value) && isLiteral(value)) {
        fail(row, docToTarget, `it gives the list ${quote(value)}: several right choices are not supported`);
      }
      return value;
    }
    if (typeof value === "boolean") return Number(value);
    if (typeof value === "number" && Number.isInteger(value)) return value;
    fail(row, docToTarget, `it gives ${typeName(value)}, ${quote(value)}, expected the index or the text of a choice`);
  }

  /** Index of the right choice. */
  gold(row: Row, choices: readonly string[]): number {
    const target = this.#target(row);
    const gold = typeof target === "number" ? target : choices.indexOf(target);
    if (gold >= 0 && gold < choices.length) return gold;
    const setting = this.settings.docToTarget;
    const key = typeof setting === "number" ? { key: "doc_to_target", text: "" } : setting;
    if (typeof target === "number") {
      fail(row, key, `the index ${target} is outside the choices 0..${choices.length - 1}`);
    }
    const isIndexAsText = /^\d+$/.test(target) && this.columns.has(key.text);
    const hint = isIndexAsText ? `; if it is an index, write "{{${key.text}}}"` : "";
    fail(row, key, `${quote(target)} is none of the choices ${quote(choices)}${hint}`);
  }

  /** Text of the right answer, for a few-shot example. */
  answer(row: Row): string {
    const target = this.#target(row);
    if (typeof target === "string" && target !== "") return target;
    const choices = this.choices(row);
    return choices[this.gold(row, choices)];
  }

  /** The text that starts every answer; empty for none. */
  genPrefix(row: Row): string {
    const { genPrefix } = this.settings;
    return genPrefix === null ? "" : readText(genPrefix, row, this.columns);
  }

  /** Question and start of the answer, which is where a prompt ends. */
  openTurn(row: Row): string {
    const question = this.question(row);
    const prefix = this.genPrefix(row);
    const delimiter = prefix !== "" && question !== "" && !meetsSpace(question, prefix)
      ? this.settings.targetDelimiter
      : "";
    return question + delimiter + prefix;
  }

  /** Question and answer of a few-shot example, with the delimiter that follows. */
  workedTurn(row: Row): string {
    const answer = this.answer(row);
    const { targetDelimiter, fewshotDelimiter } = this.settings;
    const prefix = this.genPrefix(row);
    if (prefix === "") return this.question(row) + targetDelimiter + answer + fewshotDelimiter;
    const space = meetsSpace(prefix, answer) ? "" : " ";
    return this.openTurn(row) + space + answer + fewshotDelimiter;
  }
}

/** Whether there is white space on either side of the place where two texts that are not empty meet. */
function meetsSpace(before: string, after: string): boolean {
  return isPythonSpace(before.at(-1)!) || isPythonSpace(after[0]);
}

function isLiteral(text: string): boolean {
  try {
    parsePythonLiteral(text);
    return true;
  } catch {
    return false;
  }
}
