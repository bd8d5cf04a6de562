/** The settings of a task in the words of lm-evaluation-harness, as its results files list them. */
import type { ValueRecord } from "./python_value.ts";
import type { PromptSettings, TaskConfig } from "./task_config.ts";
import type { ColumnOrTemplate } from "./task_settings.ts";

type Setting = ColumnOrTemplate | string | number | readonly (string | number)[] | null;

function written(setting: Setting): ValueRecord[string] {
  if (setting === null || typeof setting !== "object") return setting;
  return "text" in setting ? setting.text : [...setting];
}

function plain(value: unknown): ValueRecord[string] {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

/**
 * Describes a checked task.
 *
 * @param fewshotCount Worked examples that were put in front of each question.
 */
export function harnessSettings(config: TaskConfig, fewshotCount: number): ValueRecord {
  const { prompt, fewshot, dataset, metrics, furtherMetrics } = config;
  const { docToText, docToChoice, docToTarget, genPrefix, targetDelimiter, fewshotDelimiter }: PromptSettings = prompt;
  return {
    task: config.name,
    ...(dataset && { dataset_path: dataset.path }),
    ...(dataset?.subset && { dataset_name: dataset.subset }),
    training_split: config.trainingSplit,
    validation_split: config.validationSplit,
    test_split: config.testSplit,
    fewshot_split: fewshot.split,
    output_type: "multiple_choice",
    description: written(config.description) ?? "",
    doc_to_text: written(docToText),
    doc_to_choice: written(docToChoice),
    doc_to_target: written(docToTarget),
    gen_prefix: written(genPrefix),
    target_delimiter: targetDelimiter,
    fewshot_delimiter: fewshotDelimiter,
    fewshot_config: { sampler: fewshot.sampler },
    num_fewshot: fewshotCount,
    metric_list: [...metrics, ...furtherMetrics].map((metric) => ({ metric, higher_is_better: true })),
    metadata: {
      ...Object.fromEntries(Object.entries(config.metadata).map(([name, value]) => [name, plain(value)])),
      version: config.version,
    },
  };
}
