/** A task file, checked: which keys of lm-evaluation-harness are understood, what they may be, and their defaults. */
import { dirname, isAbsolute, join } from "node:path";
import { isRecord, quote, type Value, type ValueRecord } from "./python_value.ts";
import { type Metric, metrics } from "./scoring.ts";
import { PythonFunction, readTaskFile, type TaskEntry } from "./task_file.ts";
import { compileTemplate, type Template } from "./template.ts";

/** A setting that is the name of a column or else a Jinja template; plain text is a template too. */
export interface ColumnOrTemplate {
  /** The key that sets it, for error messages. */
  readonly key: string;
  readonly text: string;
  readonly template: Template;
}

/** How one row becomes a question, its choices and its answer. */
export interface PromptSettings {
  readonly docToText: ColumnOrTemplate;
  /** A column or template that gives the list, or the list itself. */
  readonly docToChoice: ColumnOrTemplate | readonly string[];
  /** A column or template that gives index or text of the right choice, or the index itself. */
  readonly docToTarget: ColumnOrTemplate | number;
  /** Start of every answer, put at the end of the prompt; null for none. */
  readonly genPrefix: ColumnOrTemplate | null;
  /** Between question and answer. */
  readonly targetDelimiter: string;
  /** After each few-shot example. */
  readonly fewshotDelimiter: string;
}

/** Worked examples in front of the question. */
export interface FewshotSettings {
  /** How many. */
  readonly count: number;
  /** `first_n`: the first rows. `default`: rows drawn as lm-evaluation-harness draws them. */
  readonly sampler: "default" | "first_n";
  /** Split to take them from; null for the default order training, validation, test. */
  readonly split: string | null;
  /** Rows written in the task file; used if `split` is null. */
  readonly samples: readonly ValueRecord[] | null;
  readonly prompt: PromptSettings;
}

/** A checked task file. */
export interface TaskConfig {
  /** The file, an absolute path. */
  readonly file: string;
  readonly name: string;
  /** `metadata.version`, or null. */
  readonly version: string | number | null;
  /** Absolute paths of the data files of each split; null if the rows are in a dataset of the Hugging Face hub. */
  readonly data: ReadonlyMap<string, readonly string[]> | null;
  /** `dataset_path` and `dataset_name`, or null. */
  readonly dataset: string | null;
  readonly trainingSplit: string | null;
  readonly validationSplit: string | null;
  readonly testSplit: string | null;
  /** Text in front of everything; null for none. */
  readonly description: ColumnOrTemplate | null;
  readonly prompt: PromptSettings;
  readonly fewshot: FewshotSettings;
  readonly metrics: readonly Metric[];
}

/** Keys that change neither requests nor metrics. */
const ignoredKeys = ["tag", "task_alias", "group_alias", "should_decontaminate", "doc_to_decontamination_query"];

/** Keys of lm-evaluation-harness that are not supported, and what to do instead. */
const refusedKeys: Readonly<Record<string, string>> = {
  class: "write the task with doc_to_text, doc_to_choice and doc_to_target",
  custom_dataset: "save the rows as a JSONL file and name it under data",
  doc_to_audio: "only text is read",
  doc_to_image: "only text is read",
  filter_list: "multiple_choice tasks compare log-probabilities, so there is nothing to filter; remove it",
  generation_kwargs: "multiple_choice tasks generate nothing; remove it",
  group: "groups of tasks are not supported; run their tasks one by one",
  process_docs: "change the rows beforehand and save them as JSONL, or use Jinja in doc_to_text",
  process_results: "name metrics under metric_list",
  recipe: "write the task with doc_to_text, doc_to_choice and doc_to_target",
  unsafe_code: "no code of a task file is ever run; remove it",
  use_prompt: "write the prompt as a template under doc_to_text",
};

/** Typed access to the entries of one mapping; whatever is read is known, and the rest is an error. */
class Settings {
  readonly #known = new Set<string>();

  /** @param prefix Path of the mapping in the file, such as `fewshot_config.`. */
  constructor(readonly entries: ReadonlyMap<string, TaskEntry>, readonly file: string, readonly prefix = "") {}

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
    const value = this.value(key) ?? {};
    if (!isRecord(value)) this.expect(key, value, "a mapping");
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

  checkUnknown(): void {
    const unknown = [...this.entries.keys()].find((key) => !this.#known.has(key));
    if (unknown === undefined) return;
    this.fail(unknown, `is not a known key; known are ${[...this.#known].sort().join(", ")}`);
  }
}

function readDocToText(settings: Settings): ColumnOrTemplate | undefined {
  const value = settings.value("doc_to_text");
  if (typeof value === "number") {
    settings.fail("doc_to_text", `is ${value}, which asks for one prompt per choice: this is not supported`);
  }
  return settings.optionalTemplate("doc_to_text");
}

function readDocToChoice(settings: Settings): PromptSettings["docToChoice"] | undefined {
  const value = settings.value("doc_to_choice");
  if (value === undefined) return undefined;
  if (typeof value === "string") return settings.template("doc_to_choice", value);
  const list: unknown[] = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
  if (list.length === 0) settings.expect("doc_to_choice", value, "a list of choices, a column or a template");
  return list.map((choice, i) => {
    if (typeof choice === "string") return choice;
    settings.fail("doc_to_choice", `has ${quote(choice)} as choice ${i}, expected text: put it in quotes`);
  });
}

function readDocToTarget(settings: Settings): PromptSettings["docToTarget"] | undefined {
  const value = settings.value("doc_to_target");
  if (Array.isArray(value)) settings.fail("doc_to_target", "is a list: several right choices are not supported");
  if (typeof value === "number") return settings.count("doc_to_target", 0);
  if (typeof value === "boolean") settings.expect("doc_to_target", value, "text: put it in quotes");
  return settings.optionalTemplate("doc_to_target");
}

/** @param inherited What holds where a key is missing; absent for the task itself, where three keys are required. */
function readPrompt(settings: Settings, inherited?: PromptSettings): PromptSettings {
  return {
    docToText: readDocToText(settings) ?? inherited?.docToText ??
      settings.expect("doc_to_text", undefined, "a column or a template"),
    docToChoice: readDocToChoice(settings) ?? inherited?.docToChoice ??
      settings.expect("doc_to_choice", undefined, "a list of choices, a column or a template"),
    docToTarget: readDocToTarget(settings) ?? inherited?.docToTarget ??
      settings.expect("doc_to_target", undefined, "the index of the right choice, a column or a template"),
    genPrefix: settings.optionalTemplate("gen_prefix") ?? inherited?.genPrefix ?? null,
    targetDelimiter: settings.text("target_delimiter") ?? inherited?.targetDelimiter ?? " ",
    fewshotDelimiter: settings.text("fewshot_delimiter") ?? inherited?.fewshotDelimiter ?? "\n\n",
  };
}

function readFewshot(settings: Settings, prompt: PromptSettings): FewshotSettings {
  const count = settings.count("num_fewshot", 0) ?? 0;
  const split = settings.name("fewshot_split");
  const own: Settings = settings.below("fewshot_config");
  own.refuse("process_docs", refusedKeys.process_docs);
  own.refuse("fewshot_indices", "list the rows under fewshot_config.samples");
  const sampler = own.text("sampler") ?? "default";
  if (sampler !== "default" && sampler !== "first_n") own.expect("sampler", sampler, '"default" or "first_n"');
  const samples = own.list("samples")?.map((row, i) => {
    if (isRecord(row)) return row;
    own.fail("samples", `has ${quote(row)} as row ${i}, expected a mapping from columns to cells`);
  });
  const result = {
    count,
    sampler,
    split: own.name("split") ?? split,
    samples: samples ?? null,
    prompt: readPrompt(own, prompt),
  } as const;
  own.checkUnknown();
  return result;
}

function readMetrics(settings: Settings): readonly Metric[] {
  const list = settings.list("metric_list");
  if (list === undefined) return metrics;
  const names = list.map((item, i) => {
    if (!isRecord(item)) settings.fail("metric_list", `has ${quote(item)}, expected a mapping such as {metric: acc}`);
    const { metric, aggregation = "mean", higher_is_better = true, ...rest } = item;
    const name = metrics.find((known) => known === metric);
    if (name === undefined) {
      settings.fail("metric_list", `has ${quote(metric ?? null)} as metric ${i}, expected ${metrics.join(" or ")}`);
    }
    if (aggregation !== "mean" || higher_is_better !== true) {
      settings.fail("metric_list", `changes the aggregation of ${name}: expected mean, higher is better`);
    }
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      settings.fail("metric_list", `gives ${name} the option ${unknown}, which is not supported`);
    }
    return name;
  });
  if (names.length === 0) settings.expect("metric_list", list, "at least one metric");
  return [...new Set(names)];
}

/** Paths from a mapping of splits, or from one path or list of paths, which is the split `train`. */
function readPaths(settings: Settings, key: string): ReadonlyMap<string, readonly string[]> {
  const value = settings.value(key);
  const folder = dirname(settings.entries.get(key)?.file ?? settings.file);
  const splits = isRecord(value) ? Object.entries(value) : [["train", value] as const];
  if (splits.length === 0) settings.expect(key, value, "a file for each split");
  return new Map(splits.map(([split, files]) => {
    const list: readonly unknown[] = Array.isArray(files) ? files : [files];
    if (list.length === 0) settings.expect(key, value, `at least one file for the split ${split}`);
    const paths = list.map((path) => {
      if (typeof path !== "string" || path === "") settings.expect(key, path, "the path of a data file");
      if (/^\w+:\/\//.test(path) || /[*?]/.test(path)) {
        settings.fail(key, `names ${quote(path)}, expected a local file: no address and no pattern`);
      }
      return isAbsolute(path) ? path : join(folder, path);
    });
    return [split, paths] as const;
  }));
}

function readData(settings: Settings): Pick<TaskConfig, "data" | "dataset"> {
  const path = settings.name("dataset_path");
  const name = settings.name("dataset_name");
  const dataset = path === null ? null : name === null ? path : `${path} (${name})`;
  const options: Settings = settings.below("dataset_kwargs");
  if (settings.value("data") !== undefined) return { data: readPaths(settings, "data"), dataset };
  if (path === null) settings.expect("data", undefined, "the data file of each split, or dataset_path: json");
  if (path !== "json" && path !== "csv") return { data: null, dataset };
  if (options.value("data_files") === undefined) options.expect("data_files", undefined, "the data file of each split");
  const data = readPaths(options, "data_files");
  options.checkUnknown();
  return { data, dataset };
}

function readVersion(settings: Settings): string | number | null {
  const version = settings.below("metadata").value("version") as Value | undefined;
  if (version === undefined || typeof version === "string" || typeof version === "number") return version ?? null;
  settings.fail("metadata", `has ${quote(version)} as version, expected a number or text`);
}

/**
 * Reads and checks a task file. No data file is opened.
 *
 * @throws {TypeError} If a key is unknown, not supported, missing or of the wrong type; the message says what to do.
 * @throws {SyntaxError} If the file or one of its templates cannot be parsed.
 * @throws {RangeError} If a file cannot be read or includes itself.
 */
export async function readTaskConfig(path: string): Promise<TaskConfig> {
  const entries = await readTaskFile(path);
  const settings = new Settings(entries, path);
  // A task that generates text uses many unsupported keys; this is the one to name.
  const outputType = settings.text("output_type");
  if (outputType !== "multiple_choice") {
    settings.expect("output_type", outputType, '"multiple_choice", the only kind of task that has choices to score');
  }
  for (const [key, advice] of Object.entries(refusedKeys)) settings.refuse(key, advice);
  for (const key of ignoredKeys) settings.value(key);
  const repeats = settings.count("repeats", 1) ?? 1;
  if (repeats !== 1) settings.expect("repeats", repeats, "1: scoring the same choices again gives the same result");

  const prompt = readPrompt(settings);
  const config: TaskConfig = {
    file: path,
    name: settings.name("task") ?? settings.expect("task", undefined, "the name of the task"),
    version: readVersion(settings),
    ...readData(settings),
    trainingSplit: settings.name("training_split"),
    validationSplit: settings.name("validation_split"),
    testSplit: settings.name("test_split"),
    description: settings.optionalTemplate("description") ?? null,
    prompt,
    fewshot: readFewshot(settings, prompt),
    metrics: readMetrics(settings),
  };
  settings.checkUnknown();
  if (config.validationSplit === null && config.testSplit === null) {
    settings.expect("test_split", undefined, "the name of a split, here or under validation_split");
  }
  return config;
}
