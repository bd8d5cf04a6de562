/** A task file, checked: which keys of lm-evaluation-harness are understood, what they may be, and their defaults. */
import { dirname, isAbsolute, join } from "node:path";
import { isRecord, quote, type ValueRecord } from "./python_value.ts";
import { type FurtherMetric, furtherMetrics } from "./further_scoring.ts";
import { type Metric, metrics } from "./scoring.ts";
import type { TaskEntries } from "./task_file.ts";
import { type ColumnOrTemplate, refusedKeys, Settings } from "./task_settings.ts";

/** How one row becomes a question, its choices and its answer. */
export interface PromptSettings {
  /**
   * A column or template that gives the question, or the index of the right one where the choices are the questions.
   */
  readonly docToText: ColumnOrTemplate | number;
  /** A column or template that gives the list, or the list itself. */
  readonly docToChoice: ColumnOrTemplate | readonly string[];
  /**
   * A column or template that gives index or text of the right choice, or a list of them; or the index or list itself.
   * Where the choices are the questions: what follows every one of them.
   */
  readonly docToTarget: ColumnOrTemplate | number | readonly (number | string)[];
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

/** The dataset that a task file names. */
export interface DatasetName {
  /** Its name on the Hugging Face hub, such as `aps/super_glue`, or the kind of local files. */
  readonly path: string;
  /** The part of it, such as a language; null for the default or only one. */
  readonly subset: string | null;
}

/** A checked task file. */
export interface TaskConfig {
  /** The file: an absolute path, or `builtin:` and the path of a built-in one. */
  readonly file: string;
  readonly name: string;
  /** `metadata.version`, or null. */
  readonly version: string | number | null;
  /** `metadata`, such as the licence of the dataset. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /**
   * Absolute paths of the data files of each split; null if the rows are in a dataset of the Hugging Face hub, or
   * elsewhere.
   */
  readonly data: ReadonlyMap<string, readonly string[]> | null;
  /** `dataset_path` and `dataset_name`; null where the file names no dataset. */
  readonly dataset: DatasetName | null;
  readonly trainingSplit: string | null;
  readonly validationSplit: string | null;
  readonly testSplit: string | null;
  /** Text in front of everything; null for none. */
  readonly description: ColumnOrTemplate | null;
  readonly prompt: PromptSettings;
  readonly fewshot: FewshotSettings;
  /** Those that can decide; `acc` where the file names none of them. */
  readonly metrics: readonly Metric[];
  /** Those that are only reported. */
  readonly furtherMetrics: readonly FurtherMetric[];
}

/** Every metric that a task may name. */
const reportedMetrics: readonly (Metric | FurtherMetric)[] = [...metrics, ...furtherMetrics];

/** How each is made of the rows; no other way is supported. */
const aggregations: Readonly<Record<Metric | FurtherMetric, string>> = {
  acc: "mean",
  acc_norm: "mean",
  acc_bytes: "mean",
  acc_mutual_info: "mean",
  f1: "f1",
  mcc: "matthews_corrcoef",
};

/** Keys that change neither requests nor metrics. */
const ignoredKeys = ["tag", "task_alias", "group_alias", "should_decontaminate", "doc_to_decontamination_query"];

/** Every other key of a task. */
const taskKeys = [
  "data",
  "dataset_kwargs",
  "dataset_name",
  "dataset_path",
  "description",
  "doc_to_choice",
  "doc_to_target",
  "doc_to_text",
  "fewshot_config",
  "fewshot_delimiter",
  "fewshot_split",
  "gen_prefix",
  "metadata",
  "metric_list",
  "num_fewshot",
  "output_type",
  "repeats",
  "target_delimiter",
  "task",
  "test_split",
  "training_split",
  "validation_split",
];

function readDocToText(settings: Settings): PromptSettings["docToText"] | undefined {
  if (typeof settings.value("doc_to_text") === "number") return settings.count("doc_to_text", 0);
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
  if (Array.isArray(value)) {
    if (value.length === 0) settings.expect("doc_to_target", value, "at least one right choice");
    return value.map((item) => {
      if (typeof item === "string" || Number.isInteger(item) && item >= 0) return item;
      settings.fail("doc_to_target", `has ${quote(item)} in its list, expected an index or the text of a choice`);
    });
  }
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

function readMetrics(settings: Settings): Pick<TaskConfig, "metrics" | "furtherMetrics"> {
  const list = settings.list("metric_list");
  if (list === undefined) return { metrics: ["acc", "acc_norm"], furtherMetrics: [] };
  const names = list.map((item, i) => {
    if (!isRecord(item)) settings.fail("metric_list", `has ${quote(item)}, expected a mapping such as {metric: acc}`);
    const { metric, aggregation, higher_is_better = true, ...rest } = item;
    const name = reportedMetrics.find((known) => known === metric);
    if (name === undefined) {
      const known = reportedMetrics.join(", ");
      settings.fail("metric_list", `has ${quote(metric ?? null)} as metric ${i}, expected one of ${known}`);
    }
    const expected = aggregations[name];
    if (aggregation !== undefined && aggregation !== null && aggregation !== expected || higher_is_better !== true) {
      settings.fail("metric_list", `changes the aggregation of ${name}: expected ${expected}, higher is better`);
    }
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      settings.fail("metric_list", `gives ${name} the option ${unknown}, which is not supported`);
    }
    return name;
  });
  if (names.length === 0) settings.expect("metric_list", list, "at least one metric");
  const deciding = metrics.filter((metric) => names.includes(metric));
  return {
    metrics: deciding.length === 0 ? ["acc"] : deciding.toSorted((a, b) => names.indexOf(a) - names.indexOf(b)),
    furtherMetrics: furtherMetrics.filter((metric) => names.includes(metric)),
  };
}

/** The split that files are whose split is not named, as in the harness. */
export const unnamedSplit = "train";

/** Paths from a mapping of splits, or from one path or list of paths without names of splits. */
function readPaths(settings: Settings, key: string): ReadonlyMap<string, readonly string[]> {
  const value = settings.value(key);
  const folder = dirname(settings.entries.get(key)?.file ?? settings.file);
  const splits = isRecord(value) ? Object.entries(value) : [[unnamedSplit, value] as const];
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

/** Values of `dataset_path` that stand for local files. */
const localKinds = ["json", "csv", "parquet"];

function readData(settings: Settings): Pick<TaskConfig, "data" | "dataset"> {
  const path = settings.name("dataset_path");
  const subset = settings.name("dataset_name");
  const dataset = path === null ? null : { path, subset };
  const options: Settings = settings.below("dataset_kwargs");
  if (settings.value("data") !== undefined) return { data: readPaths(settings, "data"), dataset };
  // Files that are not named here may be given when the task is loaded.
  if (path === null || !localKinds.includes(path)) return { data: null, dataset };
  if (options.value("data_files") === undefined) return { data: null, dataset: null };
  const data = readPaths(options, "data_files");
  options.checkUnknown();
  return { data, dataset };
}

/**
 * Checks the entries of a task file. No data file is opened.
 *
 * @param file The file, for messages.
 * @throws {TypeError} If a key is unknown, not supported, missing or of the wrong type; the message says what to do.
 * @throws {SyntaxError} If one of its templates cannot be parsed.
 */
export function checkTask(entries: TaskEntries, file: string): TaskConfig {
  const settings = new Settings(entries, file);
  // A task that generates text uses many unsupported keys; this is the one to name.
  const outputType = settings.text("output_type");
  if (outputType === undefined) settings.checkUnknown([...taskKeys, ...Object.keys(refusedKeys), ...ignoredKeys]);
  if (outputType !== "multiple_choice") {
    settings.expect("output_type", outputType, '"multiple_choice", the only kind of task that has choices to score');
  }
  for (const [key, advice] of Object.entries(refusedKeys)) settings.refuse(key, advice);
  for (const key of ignoredKeys) settings.value(key);
  // A misspelt key shows before the one that is missing for it.
  settings.checkUnknown(taskKeys);
  const repeats = settings.count("repeats", 1) ?? 1;
  if (repeats !== 1) settings.expect("repeats", repeats, "1: scoring the same choices again gives the same result");

  const prompt = readPrompt(settings);
  const config: TaskConfig = {
    file,
    name: settings.name("task") ?? settings.expect("task", undefined, "the name of the task"),
    version: settings.version(),
    metadata: settings.mapping("metadata"),
    ...readData(settings),
    trainingSplit: settings.name("training_split"),
    validationSplit: settings.name("validation_split"),
    testSplit: settings.name("test_split"),
    description: settings.optionalTemplate("description") ?? null,
    prompt,
    fewshot: readFewshot(settings, prompt),
    ...readMetrics(settings),
  };
  settings.checkUnknown();
  if (config.validationSplit === null && config.testSplit === null) {
    settings.expect("test_split", undefined, "the name of a split, here or under validation_split");
  }
  return config;
}
