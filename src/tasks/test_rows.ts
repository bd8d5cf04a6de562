/** The rows of a task that results are measured on: those that nothing was fitted on. */
import { OptionError } from "../text/option_error.ts";
import { requireSplit } from "./asked_split.ts";
import { refuseShared } from "./draw.ts";
import type { Example } from "./example.ts";
import { splitGroupId } from "./group_task.ts";
import type { Task } from "./task.ts";

/** Which rows to measure on. */
export interface TestRowsOptions {
  /** Default: the split that the task is evaluated on. */
  readonly split?: string | undefined;
  /** At most so many, the first ones; of a group, so many of each of its tasks. */
  readonly limit?: number | undefined;
}

/** Whether the rows to measure on are what is left of the only split: nobody has asked for a split by its name. */
export function isRestMeasured({ splits }: Pick<Task, "splits">, { split }: TestRowsOptions): boolean {
  return split === undefined && splits.length === 1;
}

/**
 * Refuses to measure on what is left of a split of which nothing is left.
 *
 * @param count Rows that are left.
 * @param all Rows that there are.
 * @throws {OptionError} If so.
 */
export function requireRest({ name }: Pick<Task, "name">, count: number, all: number): void {
  if (count > 0) return;
  throw new OptionError(
    `Cannot test on what is left: all ${all} examples of ${name} are adaptation examples`,
  );
}

/**
 * Ids of rows, without those that are used already.
 *
 * @throws {OptionError} If there is no other.
 */
export function otherRows(task: Pick<Task, "name">, ids: readonly string[], used: ReadonlySet<string>): string[] {
  const others = ids.filter((id) => !used.has(id));
  requireRest(task, others.length, ids.length);
  return others;
}

/**
 * The first `limit` rows of each task that are among some others, and those that were passed over to find so many.
 *
 * @param ids What to take from, in order.
 * @param among Default: all.
 */
export function takeRows(
  { group }: Pick<Task, "group">,
  ids: readonly string[],
  limit = Infinity,
  among: { has(id: string): boolean } = { has: () => true },
): { readonly taken: string[]; readonly passed: string[] } {
  const counts = new Map<string, number>();
  const [taken, passed]: string[][] = [[], []];
  for (const id of ids) {
    const name = group === null ? "" : splitGroupId(id).task;
    const count = counts.get(name) ?? 0;
    if (count >= limit) continue;
    if (among.has(id)) counts.set(name, count + 1);
    (among.has(id) ? taken : passed).push(id);
  }
  return { taken, passed };
}

/**
 * The examples of a run that nothing is chosen on: those of the split that is asked for, or that the task is evaluated
 * on; where that is the only one, its rows that are not used.
 *
 * @param used The examples that something is chosen on.
 * @throws {AskedSplitError} If the data has no such split.
 * @throws {OptionError} If no row is left.
 * @throws {RangeError} If one of the used examples is among those of the split; and as `Task.examples`.
 */
export async function takeTestExamples(
  task: Task,
  options: TestRowsOptions,
  used: readonly Example[],
): Promise<readonly Example[]> {
  const split = requireSplit(task, options.split ?? task.evaluationSplit);
  const { limit } = options;
  if (isRestMeasured(task, options)) {
    const ids = (await task.rows(split)).map(({ id }) => id);
    const others = otherRows(task, ids, new Set(used.map(({ id }) => id)));
    return await task.examples(split, { ids: takeRows(task, others, limit).taken });
  }
  const examples = await task.examples(split, limit === undefined ? {} : { limit });
  refuseShared(used, examples);
  return examples;
}
