/** Results of an evaluation in the layout of lm-evaluation-harness, so that what reads its files reads these too. */
import type { Example } from "../tasks/example.ts";
import { splitGroupId } from "../tasks/group_task.ts";
import { scoreGroup } from "../tasks/group_scoring.ts";
import type { Metric } from "../tasks/scoring.ts";
import type { Task } from "../tasks/task.ts";
import type { TaskGroup } from "../tasks/task_tree.ts";
import type { Evaluation } from "./evaluate.ts";
import type { Jsonable } from "./json.ts";
import type { Sample } from "./samples.ts";

/** An evaluation and where it comes from. */
export interface HarnessInput {
  /** What was asked. */
  readonly task: Pick<Task, "name" | "version" | "group" | "metrics" | "settings">;
  /** The rows that were asked. */
  readonly examples: readonly Example[];
  /** What was answered. */
  readonly evaluation: Evaluation;
  /** The same, row by row. */
  readonly samples: readonly Sample[];
  /** Rows of the split, by name of the task, whether they were asked or not. */
  readonly rowsInSplit: Readonly<Record<string, number>>;
  /** The model as it was named. */
  readonly model: string;
  /** Most rows that were asked of each task; null for all. */
  readonly limit: number | null;
  /** When the evaluation started, in seconds since 1970. */
  readonly date: number;
  /** How long it took. */
  readonly seconds: number;
  /** What only this program knows, such as its version, the plan and the adapter. */
  readonly secateur: Readonly<Record<string, Jsonable>>;
}

type Fields = { readonly [name: string]: Jsonable };

/** `acc,none` and `acc_stderr,none`; the harness writes N/A where there is no standard error. */
function metricFields(metric: string, value: number, standardError: number): Fields {
  return {
    [`${metric},none`]: value,
    [`${metric}_stderr,none`]: Number.isFinite(standardError) ? standardError : "N/A",
  };
}

/** A task or group among the results. */
interface Part {
  readonly name: string;
  readonly isGroup: boolean;
  readonly count: number;
  readonly fields: Fields;
}

function describeGroup(
  group: TaskGroup,
  examples: readonly Example[],
  { logProbs }: Evaluation,
  metrics: readonly Metric[],
): Part[] {
  const parts = new Map<string, Part>();
  for (const metric of metrics) {
    for (const { name, isGroup, count, accuracy, standardError } of scoreGroup(group, examples, logProbs, metric)) {
      const fields = { ...parts.get(name)?.fields, ...metricFields(metric, accuracy, standardError) };
      parts.set(name, { name, isGroup, count, fields });
    }
  }
  return [...parts.values()];
}

function describeParts({ task, examples, evaluation }: HarnessInput): Part[] {
  if (task.group !== null) return describeGroup(task.group, examples, evaluation, task.metrics);
  const fields = [
    ...task.metrics.map((metric) => evaluation.scores[metric]).map(({ metric, accuracy, standardError }) =>
      metricFields(metric, accuracy, standardError)
    ),
    ...evaluation.further.map(({ metric, value, standardError }) => metricFields(metric, value, standardError)),
  ];
  return [{ name: task.name, isGroup: false, count: examples.length, fields: Object.assign({}, ...fields) }];
}

/** Names of what each group consists of: its groups, and those of its tasks that are in none of them. */
function groupSubtasks(group: TaskGroup | null): Record<string, string[]> {
  if (group === null) return {};
  const inGroups = new Set(group.groups.flatMap(({ tasks }) => tasks));
  const own = [...group.groups.map(({ name }) => name), ...group.tasks.filter((name) => !inGroups.has(name))];
  return Object.assign({ [group.name]: own }, ...group.groups.map(groupSubtasks));
}

function groupVersions(group: TaskGroup | null): Record<string, string | number | null> {
  return group === null ? {} : Object.assign({ [group.name]: group.version }, ...group.groups.map(groupVersions));
}

/** Describes an evaluation; the task's own settings are under `configs`. */
export function describeHarnessResults(input: HarnessInput): Fields {
  const { task, samples, rowsInSplit, model, limit } = input;
  const parts = describeParts(input);
  const settings = new Map(task.settings().map((config) => [String(config.task), config]));
  const byTask = (read: (config: Fields) => Jsonable): Fields =>
    Object.fromEntries([...settings].map(([name, config]) => [name, read(config as Fields)]));
  const entries = (wanted: readonly Part[]): Fields =>
    Object.fromEntries(wanted.map(({ name, count, fields }) => [
      name,
      { name, alias: name, sample_len: count, ...fields },
    ]));
  const samplesOf = (name: string) =>
    task.group === null ? samples : samples.filter(({ id }) => splitGroupId(String(id)).task === name);
  const metrics = Object.fromEntries(
    parts[0]
      ? Object.keys(parts[0].fields).flatMap((key) => {
        const [metric] = key.split(",");
        return metric.endsWith("_stderr") ? [] : [[metric, true]];
      })
      : [],
  );
  const groups = parts.filter(({ isGroup }) => isGroup);
  const tasks = parts.filter(({ isGroup }) => !isGroup);
  return {
    results: entries(parts),
    ...(groups.length > 0 && { groups: entries(groups) }),
    group_subtasks: groupSubtasks(task.group),
    configs: byTask((config) => config),
    versions: { ...byTask((config) => (config.metadata as Fields).version), ...groupVersions(task.group) },
    "n-shot": byTask((config) => config.num_fewshot),
    higher_is_better: Object.fromEntries(parts.map(({ name }) => [name, metrics])),
    "n-samples": Object.fromEntries(
      tasks.map(({ name, count }) => [name, { original: rowsInSplit[name] ?? count, effective: count }]),
    ),
    samples: Object.fromEntries(tasks.map(({ name }) => [name, samplesOf(name)])),
    config: { model: "secateur", model_args: `pretrained=${model}`, limit },
    date: input.date,
    model_source: "secateur",
    model_name: model,
    model_name_sanitized: model.replaceAll(/["<>:/|\\?*[\]]+/g, "__"),
    total_evaluation_time_seconds: String(input.seconds),
    secateur: input.secateur,
  };
}
