/** Typed access to the settings of a task or group file, with errors that name file and key. */
import { didYouMean } from "./did_you_mean.ts";
import { isRecord, quote, type Value } from "./python_value.ts";
import { PythonFunction, type TaskEntries, type TaskEntry } from "./task_file.ts";
import { compileTemplate, type Template } from "./template.ts";

/** A setting that is the name of a column or else a Jinja template; plain text is a template too. */
export interface ColumnOrTemplate {
  /** The key that sets it, for error messages. */
  readonly key: string;
  readonly text: string;
  readonly template: Template;
}

/** Keys of lm-evaluation-harness that are not supported, and what to do instead. */
export const refusedKeys: Readonly<Record<string, string>> = {
  class: "write the task with doc_to_text, doc_to_choice and doc_to_target",
  custom_dataset: "save the rows as a JSONL file and name it under data",
  doc_to_audio: "only text is read",
  doc_to_image: "only text is read",
  filter_list: "multiple_choice tasks compare log-probabilities, so there is nothing to filter; remove it",
  generation_kwargs: "multiple_choice tasks generate nothing; remove it",
  process_docs: "change the rows beforehand and save them as JSONL, or use Jinja in doc_to_text",
  process_results: "name metrics under metric_list",
  recipe: "write the task with doc_to_text, doc_to_choice and doc_to_target",
  unsafe_code: "no code of a task file is ever run; remove it",
  use_prompt: "write the prompt as a template under doc_to_text",
};

/** Typed access to the entries of one mapping; whatever is read is known, and the rest is an error. */
export class Settings {
  readonly #known = new Set<string>();

  /** @param prefix Path of the mapping in the file, such as `fewshot_config.`. */
  constructor(readonly entries: TaskEntries, readonly file: string, readonly prefix = "") {}

  fail(key: string, problem: string): never {
    throw new TypeError(`Cannot read ${this.entries.get(key)?.file ?? this.file}: ${this.prefix}${key} ${problem}`);
  }

  refuse(key: string, advice: string): void {
    if (this.value(key) !== undefined) this.fail(key, `is not supported: ${advice}`);
  }

  /** The value; undefined where the key is missing or null. */
  value(key: string): unknown {
    this.#known.add(key);
    const value = this.entries.get(key)?.value ?? undefined;
    if (value instanceof PythonFunction) {
      const advice = refusedKeys[key] ?? "write it as a Jinja template";
      this.fail(key, `is the Python function ${value.name}, which is never run: ${advice}`);
    }
    return value;
  }

  expect(key: string, value: unknown, expectation: string): never {
    this.fail(
      key,
      value === undefined ? `is missing: expected ${expectation}` : `is ${quote(value)}, expected ${expectation}`,
    );
  }

  text(key: string): string | undefined {
    const value = this.value(key);
    return value === undefined || typeof value === "string" ? value : this.expect(key, value, "text");
  }

  name(key: string): string | null {
    const value = this.text(key) ?? null;
    return value === "" ? this.expect(key, value, "a name") : value;
  }

  count(key: string, least: number): number | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === "number" && Number.isInteger(value) && value >= least) return value;
    this.expect(key, value, `an integer of at least ${least}`);
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.value(key);
    return value === undefined || Array.isArray(value) ? value : this.expect(key, value, "a list");
  }

  /** Settings below a key; empty ones where it is missing. */
  below(key: string): Settings {
    const value = this.mapping(key);
    const file = this.entries.get(key)?.file ?? this.file;
    const entries = Object.entries(value).map(([name, item]): [string, TaskEntry] => [name, { value: item, file }]);
    return new Settings(new Map(entries), file, `${this.prefix}${key}.`);
  }

  template(key: string, text: string): ColumnOrTemplate {
    try {
      return { key: this.prefix + key, text, template: compileTemplate(text) };
    } catch (error) {
      throw new SyntaxError(
        `Cannot read ${this.entries.get(key)?.file ?? this.file}: ${this.prefix}${key}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  optionalTemplate(key: string): ColumnOrTemplate | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : this.template(key, text);
  }

  /** The mapping below a key, as it is; an empty one where the key is missing. */
  mapping(key: string): Readonly<Record<string, unknown>> {
    const value = this.value(key) ?? {};
    return isRecord(value) ? value : this.expect(key, value, "a mapping");
  }

  /** `metadata.version`, or null. */
  version(): string | number | null {
    const version = this.below("metadata").value("version") as Value | undefined;
    if (version === undefined || typeof version === "string" || typeof version === "number") return version ?? null;
    this.fail("metadata", `has ${quote(version)} as version, expected a number or text`);
  }

  /** @param further Keys that are known besides those that were read. */
  checkUnknown(further: readonly string[] = []): void {
    const known = new Set([...this.#known, ...further]);
    const unknown = [...this.entries.keys()].find((key) => !known.has(key));
    if (unknown === undefined) return;
    const useful = [...known].filter((key) => !(key in refusedKeys)).sort();
    const hint = didYouMean(unknown, useful);
    this.fail(unknown, `is not a known key${hint === "" ? "; known" : `${hint} Known`} are ${useful.join(", ")}`);
  }
}
