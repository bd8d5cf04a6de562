/** Which rows of a task a run works on: those that neurons are scored on, and those the configuration is chosen on. */
import type { Example } from "./example.ts";
import type { SampleOptions } from "./sample.ts";
import type { Task } from "./task.ts";

/** How adaptation examples are drawn. */
export interface DrawOptions extends SampleOptions {
  /** Further examples to choose the configuration on. Default 0: it is chosen on those that are scored. */
  readonly selectionCount?: number;
}

/** What was drawn. */
export interface DrawnExamples {
  /** To score neurons on. */
  readonly adaptation: readonly Example[];
  /** To choose the configuration on; the same list as `adaptation` where no further ones were asked for. */
  readonly selection: readonly Example[];
}

/**
 * Draws the examples of a run from one split.
 *
 * @throws {RangeError} As `Task.sample`.
 */
export async function drawAdaptation(task: Task, split: string, options: DrawOptions): Promise<DrawnExamples> {
  const { count, selectionCount = 0, ...rest } = options;
  // Both come from one draw, so that they never share a row.
  const drawn = await task.sample(split, { ...rest, count: count + selectionCount });
  const adaptation = drawn.slice(0, count);
  return { adaptation, selection: selectionCount === 0 ? adaptation : drawn.slice(count) };
}

/** The first of some examples that is also a test example: measuring on what was fitted proves nothing. */
export function findShared<T extends Pick<Example, "id">>(used: readonly T[], test: readonly Example[]): T | undefined {
  const ids = new Set(test.map(({ id }) => id));
  return used.find(({ id }) => ids.has(id));
}

/**
 * Refuses to measure on what was fitted.
 *
 * @param used Examples that something is chosen on.
 * @throws {RangeError} If one of them is a test example too.
 */
export function refuseShared(used: readonly Pick<Example, "id">[], test: readonly Example[]): void {
  const shared = findShared(used, test);
  if (!shared) return;
  throw new RangeError(
    `Cannot test on example ${shared.id}: it is an adaptation example too, and measuring on what was fitted proves ` +
      "nothing; expected different splits for adaptation and test",
  );
}
