/** The splits that somebody asks a task for, by name or by saying nothing: rows can be taken of those it has. */
import { OptionError } from "../text/option_error.ts";
import { didYouMean } from "./did_you_mean.ts";
import type { Task } from "./task.ts";

type Splits = Pick<Task, "name" | "splits">;

/** A task's data has no split of the name that was asked for, or no name was given where one is needed. */
export class AskedSplitError extends OptionError {
  /** Splits that can be named instead. */
  readonly splits: readonly string[];

  /** @param problem What is wrong, in words that may stand alone. */
  constructor({ splits }: Splits, readonly problem: string) {
    super(`Cannot take rows: expected one of the splits ${splits.join(", ")}; ${problem}`);
    this.splits = splits;
  }
}

/**
 * The same split, if there is one of that name.
 *
 * @throws {AskedSplitError} If the data has none.
 */
export function requireSplit(task: Splits, split: string): string {
  if (task.splits.includes(split)) return split;
  throw new AskedSplitError(task, `task ${task.name} has no split ${split}${didYouMean(split, task.splits)}`);
}

/**
 * The split that adaptation examples are drawn from: the one asked for, else `adaptation` if there is one, else the
 * training split.
 *
 * @throws {AskedSplitError} If the data has none of that name, or the task names none.
 */
export function adaptationSplit(task: Splits & Pick<Task, "trainingSplit">, asked: string | undefined): string {
  const split = asked ?? (task.splits.includes("adaptation") ? "adaptation" : task.trainingSplit);
  if (split !== null) return requireSplit(task, split);
  throw new AskedSplitError(task, `task ${task.name} names no training split to draw adaptation examples from`);
}
