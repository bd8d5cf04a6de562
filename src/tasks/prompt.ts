/** From a dataset row to the texts of a request, as lm-evaluation-harness `multiple_choice` composes them. */
import { BadRowError } from "./bad_row.ts";
import type { Row } from "./dataset.ts";
import { didYouMean } from "./did_you_mean.ts";
import type { Message } from "./message.ts";
import { isPythonSpace, pythonText, quote, typeName, type Value } from "./python_value.ts";
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
  throw new BadRowError(row.id, row.place, `${setting.key}: ${problem}`);
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

/** What is asked about a row, and what may be answered. */
export interface Question {
  /** How the prompt ends: the question, or one for each choice where the choices stand in the question `[C]`. */
  readonly turns: readonly (readonly Message[])[];
  /**
   * What is scored after it `[C]`; the choices themselves, or the same text for each where they stand in the question.
   */
  readonly answers: readonly string[];
  /** The choices `[C]`. */
  readonly choices: readonly string[];
  /** Indices of the right choices, at least one. */
  readonly golds: readonly number[];
}

/** The parts of one row's prompt. All methods throw BadRowError naming row, place, key and value. */
export class Prompt {
  /** @param columns Names that are columns; any other text is a template. */
  constructor(readonly settings: PromptSettings, readonly columns: ReadonlySet<string>) {}

  /** The question, or the index of the right one of the choices where those are the questions. */
  #question(row: Row): string | number {
    const { docToText } = this.settings;
    if (typeof docToText === "number") return docToText;
    const { value, isColumn } = read(docToText, row, this.columns);
    if (isColumn && typeof value === "number" && Number.isInteger(value)) return value;
    if (typeof value !== "string") {
      fail(row, docToText, `the column ${quote(docToText.text)} holds ${quote(value)}, expected text`);
    }
    if (isColumn) return value;
    if (/^\d+$/.test(value)) return Number(value);
    if (isName(docToText.text)) this.#failColumn(row, docToText);
    return value;
  }

  /** Says that a setting looks like the name of a column, but is none. */
  #failColumn(row: Row, { key, text }: { readonly key: string; readonly text: string }): never {
    const columns = [...this.columns];
    fail(row, { key }, `${text} is no column; the columns are ${columns.join(", ")}${didYouMean(text, columns)}`);
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
        if (isName(docToChoice.text)) this.#failColumn(row, docToChoice);
        fail(row, docToChoice, `${quote(value)} is no list: ${(error as Error).message}`);
      }
    }
    if (!Array.isArray(value)) fail(row, docToChoice, `it gives ${typeName(value)}, ${quote(value)}, expected a list`);
    return value.map((choice, i) => {
      if (typeof choice === "string") return choice;
      fail(row, docToChoice, `choice ${i} is ${typeName(choice)}, ${quote(choice)}, expected text`);
    });
  }

  /** The right choices as the settings give them: an index, a text, or a list of those. */
  #target(row: Row): Value {
    const { docToTarget } = this.settings;
    if (!isSetting(docToTarget)) return docToTarget;
    const { value, isColumn } = read(docToTarget, row, this.columns);
    if (typeof value !== "string" || isColumn) return value;
    if (/^(?:0+|[1-9]\d*)$/.test(value)) return Number(value);
    return /^\[.*\]$/s.test(value) ? literalOr(value) : value;
  }

  /** Indices of the right choices; several only where the settings give a list. */
  #golds(row: Row, choices: readonly string[]): readonly number[] {
    const target = this.#target(row);
    const setting = this.settings.docToTarget;
    const key = isSetting(setting) ? setting : { key: "doc_to_target", text: "" };
    if (!Array.isArray(target)) return [this.#gold(row, key, target, choices)];
    if (target.length === 0) fail(row, key, "it gives an empty list, expected at least one right choice");
    return [...new Set(target.map((item) => this.#gold(row, key, item, choices)))];
  }

  #gold(
    row: Row,
    key: { readonly key: string; readonly text: string },
    target: Value,
    choices: readonly string[],
  ): number {
    const index = typeof target === "boolean" ? Number(target) : target;
    if (typeof index !== "string" && !(typeof index === "number" && Number.isInteger(index))) {
      fail(row, key, `it gives ${typeName(target)}, ${quote(target)}, expected the index or the text of a choice`);
    }
    const gold = typeof index === "number" ? index : choices.indexOf(index);
    if (gold >= 0 && gold < choices.length) return gold;
    if (typeof index === "number") fail(row, key, `the index ${index} is outside the choices 0..${choices.length - 1}`);
    if (isName(key.text) && !this.columns.has(key.text)) this.#failColumn(row, key);
    if (index === "" && this.columns.has(key.text)) fail(row, key, `the column ${quote(key.text)} is empty`);
    const isIndexAsText = /^\d+$/.test(index) && this.columns.has(key.text);
    const hint = isIndexAsText ? `; if it is an index, write "{{${key.text}}}"` : "";
    fail(row, key, `${quote(index)} is none of the choices ${quote(choices)}${hint}`);
  }

  /** The answer that follows every choice, where the choices stand in the question. */
  #sharedAnswer(row: Row): string {
    const { docToTarget } = this.settings;
    if (!isSetting(docToTarget)) return pythonText(docToTarget);
    return pythonText(read(docToTarget, row, this.columns).value);
  }

  /** The questions of a row whose choices are questions: checks the index of the right one. */
  #checkQuestion(row: Row, right: number, choices: readonly string[]): void {
    if (right >= 0 && right < choices.length) return;
    const key = { key: "doc_to_text" };
    fail(
      row,
      key,
      `it gives the number ${right}, which asks for one prompt per choice, and the choices are 0..${
        choices.length - 1
      }`,
    );
  }

  /** Question and choices. */
  ask(row: Row): Question {
    const question = this.#question(row);
    const choices = this.choices(row);
    if (typeof question === "string") {
      const turns = [this.#openTurn(row, question, this.settings.targetDelimiter)];
      return { turns, answers: choices, choices, golds: this.#golds(row, choices) };
    }
    this.#checkQuestion(row, question, choices);
    const answer = this.#sharedAnswer(row);
    return {
      turns: choices.map((choice) => this.#openTurn(row, choice, "")),
      answers: choices.map(() => answer),
      choices,
      golds: [question],
    };
  }

  /** Index of the right choice; of several, the first one given. */
  gold(row: Row): number {
    const question = this.#question(row);
    const choices = this.choices(row);
    if (typeof question === "string") return this.#golds(row, choices)[0];
    this.#checkQuestion(row, question, choices);
    return question;
  }

  #genPrefix(row: Row): string {
    const { genPrefix } = this.settings;
    return genPrefix === null ? "" : readText(genPrefix, row, this.columns);
  }

  /** Question and start of the answer, which is where a prompt ends. */
  #openTurn(row: Row, question: string, targetDelimiter: string): Message[] {
    const prefix = this.#genPrefix(row);
    if (prefix === "") return [{ role: "user", content: question, delimiter: "" }];
    const delimiter = question !== "" && !meetsSpace(question, prefix) ? targetDelimiter : "";
    return [{ role: "user", content: question, delimiter }, { role: "assistant", content: prefix, delimiter: "" }];
  }

  /** Question and answer of a few-shot example, with the delimiter that follows. */
  workedTurn(row: Row): Message[] {
    const [question, answer] = this.#worked(row);
    const { targetDelimiter, fewshotDelimiter } = this.settings;
    const [asked, prefix] = this.#openTurn(row, question, targetDelimiter);
    if (prefix === undefined) {
      return [{ ...asked, delimiter: targetDelimiter }, {
        role: "assistant",
        content: answer,
        delimiter: fewshotDelimiter,
      }];
    }
    const space = meetsSpace(prefix.content, answer) ? "" : " ";
    return [asked, { role: "assistant", content: prefix.content + space + answer, delimiter: fewshotDelimiter }];
  }

  #worked(row: Row): [question: string, answer: string] {
    const question = this.#question(row);
    if (typeof question === "number") {
      const choices = this.choices(row);
      this.#checkQuestion(row, question, choices);
      return [choices[question], this.#sharedAnswer(row)];
    }
    const target = this.#target(row);
    // A few-shot example may be worded otherwise than the choices.
    if (typeof target === "string" && target !== "") return [question, target];
    const choices = this.choices(row);
    return [question, choices[this.#golds(row, choices)[0]]];
  }
}

/** Whether there is white space on either side of the place where two texts meet. */
export function meetsSpace(before: string, after: string): boolean {
  return before === "" || after === "" || isPythonSpace(before.at(-1)!) || isPythonSpace(after[0]);
}

/** Whether a text may be the name of a column, which no template with braces or sentence is. */
function isName(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text);
}

function isSetting(setting: PromptSettings["docToTarget"]): setting is ColumnOrTemplate {
  return typeof setting === "object" && "template" in setting;
}

/** The value of a Python literal, or the text itself where it is none. */
function literalOr(text: string): Value {
  try {
    return parsePythonLiteral(text);
  } catch {
    return text;
  }
}
