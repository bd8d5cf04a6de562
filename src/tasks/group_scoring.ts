/** Results of a group's tasks, and of the groups as lm-evaluation-harness sums them up. */
import type { Example } from "./example.ts";
import { splitGroupId } from "./group_task.ts";
import { type Metric, scoreExamples } from "./scoring.ts";
import type { TaskGroup } from "./task_tree.ts";

/** Accuracy of a task or group. */
export interface PartScore {
  readonly name: string;
  /** A group, as opposed to a task. */
  readonly isGroup: boolean;
  /** Number of examples. */
  readonly count: number;
  /** Of a group: the mean of its tasks' accuracies, weighted as the group says. */
  readonly accuracy: number;
  /** NaN if a task has a single example. */
  readonly standardError: number;
}

/** Mean and standard error of the mean of independent tasks. */
function summarise(
  name: string,
  parts: readonly PartScore[],
  weightBySize: boolean,
): PartScore {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  if (!weightBySize) {
    const accuracy = parts.reduce((sum, part) => sum + part.accuracy, 0) / parts.length;
    const variance = parts.reduce((sum, part) => sum + part.standardError ** 2, 0);
    return { name, isGroup: true, count, accuracy, standardError: Math.sqrt(variance) / parts.length };
  }
  const accuracy = parts.reduce((sum, part) => sum + part.accuracy * part.count, 0) / count;
  // The pooled variance of one example, from each task's own: s^2 = n se^2.
  const squares = parts.reduce((sum, part) => sum + (part.count - 1) * part.count * part.standardError ** 2, 0);
  const standardError = Math.sqrt(squares / (count - parts.length) / count);
  return { name, isGroup: true, count, accuracy, standardError };
}

/**
 * Scores every task of a group and every group that says how its tasks are summed up: groups first, then their parts.
 * The group counts all tasks alike only if it says so for the metric.
 *
 * @param examples Of `GroupTask`, `[N]`; tasks without examples are left out.
 * @param logProbs Natural-log probability of each choice `[N][C]`.
 * @throws {RangeError} As `scoreExamples`.
 */
export function scoreGroup(
  group: TaskGroup,
  examples: readonly Example[],
  logProbs: readonly ArrayLike<number>[],
  metric: Metric,
): PartScore[] {
  const byTask = new Map<string, number[]>();
  examples.forEach(({ id }, index) => {
    const { task } = splitGroupId(id);
    byTask.set(task, [...byTask.get(task) ?? [], index]);
  });
  const scores = new Map([...byTask].map(([name, indices]): [string, PartScore] => {
    const { count, accuracy, standardError } = scoreExamples(
      indices.map((index) => examples[index]),
      indices.map((index) => logProbs[index]),
      metric,
    );
    return [name, { name, isGroup: false, count, accuracy, standardError }];
  }));
  const describe = ({ name, tasks, groups, aggregates }: TaskGroup): PartScore[] => {
    const leaves = tasks.flatMap((task) => scores.get(task) ?? []);
    const how = aggregates.find((aggregate) => aggregate.metric === metric);
    const inGroups = new Set(groups.flatMap((part) => part.tasks));
    return [
      ...(how && leaves.length > 0 ? [summarise(name, leaves, how.weightBySize)] : []),
      ...groups.flatMap(describe),
      ...leaves.filter((leaf) => !inGroups.has(leaf.name)),
    ];
  };
  return describe(group);
}
