/** A group of tasks as one task: the rows of all of them, one task after the other. */
import type { SkippedRow } from "./bad_row.ts";
import type { Row } from "./dataset.ts";
import type { ChoiceRequest } from "./example_builder.ts";
import type { Example } from "./example.ts";
import type { FurtherMetric } from "./further_scoring.ts";
import type { Message } from "./message.ts";
import { quote, type ValueRecord } from "./python_value.ts";
import { drawRows, type SampleOptions } from "./sample.ts";
import type { Metric } from "./scoring.ts";
import type { StandIn } from "./split_roles.ts";
import type { RowMark, Selection, Task } from "./task.ts";
import type { TaskGroup } from "./task_tree.ts";

/** What a group needs of its tasks, besides what every caller may use. */
export interface GroupMember extends Task {
  /** Id and gold index of every row of a split; 0 for all where it is not wanted. */
  rowGolds(split: string, wanted: boolean): Promise<{ readonly id: string; readonly gold: number }[]>;
}

/** The name of the task that an example of a group belongs to, and the example's id in it. */
export function splitGroupId(id: string): { readonly task: string; readonly id: string } {
  const end = id.indexOf("/");
  return { task: id.slice(0, end), id: id.slice(end + 1) };
}

function agree<T>(group: TaskGroup, what: string, members: readonly Task[], read: (task: Task) => T): T {
  const [first, ...others] = members;
  const other = others.find((task) => read(task) !== read(first));
  if (other === undefined) return read(first);
  throw new RangeError(
    `Cannot load group ${group.name}: the ${what} of ${first.name} is ${
      quote(read(first))
    } and that of ${other.name} ` +
      `${quote(read(other))}; name the same splits in all its tasks, or run them one by one`,
  );
}

/** All tasks of a group. Ids of examples have the task's name in front: `mmlu_anatomy/test/17`. */
export class GroupTask implements Task {
  readonly name: string;
  readonly version: string | number | null;
  readonly metrics: readonly Metric[];
  readonly furtherMetrics: readonly FurtherMetric[];
  readonly splits: readonly string[];
  readonly trainingSplit: string | null;
  readonly evaluationSplit: string;
  readonly standIn: StandIn | null;
  readonly #members: ReadonlyMap<string, GroupMember>;

  /** @throws {RangeError} If the tasks do not agree on their splits, or have no metric in common. */
  constructor(readonly group: TaskGroup, members: readonly GroupMember[]) {
    this.name = group.name;
    this.version = group.version;
    const [first] = members;
    const wanted = group.aggregates.map(({ metric }) => metric);
    this.metrics = [...new Set(wanted.length > 0 ? wanted : first.metrics)]
      .filter((metric) => members.every((task) => task.metrics.includes(metric)));
    if (this.metrics.length === 0) {
      throw new RangeError(`Cannot load group ${group.name}: no metric is reported by all its tasks`);
    }
    this.furtherMetrics = first.furtherMetrics
      .filter((metric) => members.every((task) => task.furtherMetrics.includes(metric)));
    this.splits = first.splits.filter((split) => members.every((task) => task.splits.includes(split)));
    this.trainingSplit = agree(group, "training split", members, (task) => task.trainingSplit);
    this.evaluationSplit = agree(group, "split to evaluate", members, (task) => task.evaluationSplit);
    this.standIn = members.find(({ standIn }) => standIn !== null)?.standIn ?? null;
    this.#members = new Map(members.map((task) => [task.name, task]));
  }

  get skippedRows(): readonly SkippedRow[] {
    return [...this.#members.values()].flatMap(({ name, skippedRows }) =>
      skippedRows.map((row) => ({ ...row, id: `${name}/${row.id}` }))
    );
  }

  async #collect<T extends { readonly id: string }>(
    split: string,
    { limit, ids, worked }: Selection,
    ask: (task: GroupMember, selection: Selection) => Promise<T[]>,
  ): Promise<T[]> {
    const label = (task: Task) => (item: T): T => ({ ...item, id: `${task.name}/${item.id}` });
    if (ids === undefined) {
      const lists: T[][] = [];
      for (const task of this.#members.values()) {
        const own = { ...(limit !== undefined && { limit }), ...(worked && { worked }) };
        lists.push((await ask(task, own)).map(label(task)));
      }
      return lists.flat();
    }
    const byTask = new Map<string, string[]>();
    for (const id of ids) {
      const parts = splitGroupId(id);
      if (!this.#members.has(parts.task)) {
        throw new RangeError(
          `Cannot find row ${quote(id)}: expected a task of ${this.name}, its split ${split} and a row`,
        );
      }
      byTask.set(parts.task, [...byTask.get(parts.task) ?? [], parts.id]);
    }
    const found = new Map<string, T>();
    for (const [name, own] of byTask) {
      const task = this.#members.get(name)!;
      const items = await ask(task, { ids: own, ...(worked && { worked }) });
      for (const item of items.map(label(task))) found.set(item.id, item);
    }
    return ids.slice(0, limit).map((id) => found.get(id)!);
  }

  requests(split: string, selection: Selection = {}): Promise<ChoiceRequest[]> {
    return this.#collect(split, selection, (task, own) => task.requests(split, own));
  }

  examples(split: string, selection: Selection = {}): Promise<Example[]> {
    return this.#collect(split, selection, (task, own) => task.examples(split, own));
  }

  rows(split: string, selection: Selection = {}): Promise<Row[]> {
    return this.#collect(split, selection, (task, own) => task.rows(split, own));
  }

  settings(): readonly ValueRecord[] {
    return [...this.#members.values()].flatMap((task) => task.settings());
  }

  marks(split: string, column: string, selection: Selection = {}): Promise<RowMark[]> {
    return this.#collect(split, selection, (task, own) => task.marks(split, column, own));
  }

  async workedTurns(split: string, ids: readonly string[]): Promise<Message[]> {
    const turns: Message[] = [];
    for (const id of ids) {
      const own = splitGroupId(id);
      const task = this.#members.get(own.task);
      if (!task) {
        throw new RangeError(
          `Cannot find row ${quote(id)}: expected a task of ${this.name}, its split ${split} and a row`,
        );
      }
      turns.push(...await task.workedTurns(split, [own.id]));
    }
    return turns;
  }

  async sample(split: string, options: SampleOptions): Promise<Example[]> {
    const ids: string[] = [];
    const golds: number[] = [];
    for (const task of this.#members.values()) {
      const own = await task.rowGolds(split, options.sampling === "balanced");
      for (const { id, gold } of own) {
        ids.push(`${task.name}/${id}`);
        golds.push(gold);
      }
    }
    const drawn = drawRows(golds, options, `the split ${split}`);
    return await this.examples(split, { ids: drawn.map((position) => ids[position]) });
  }
}
