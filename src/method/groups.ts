/**
 * Before and after pruning on marked rows, such as rows on which a shortcut agrees with the label and rows on which it
 * does not.
 */
import type { Example } from "../tasks/example.ts";
import { accuracyStandardError, type Metric } from "../tasks/scoring.ts";
import { calibrate, type Calibration } from "./calibration.ts";
import type { Evaluation } from "./evaluate.ts";

/** How a model answers the rows of one group. */
export interface GroupAnswers {
  /** Examples answered rightly by the metric. */
  readonly correct: number;
  /** `correct` over the number of rows. */
  readonly accuracy: number;
  /** Standard error of `accuracy`; null for a single row. */
  readonly standardError: number | null;
  /** Mean of gold choice minus best other one, in the metric's unit. */
  readonly meanMargin: number;
  /** Confidence and calibration of the most probable choices. */
  readonly calibration: Calibration;
}

/** One group of rows before and after. */
export interface GroupComparison {
  /** Its mark; null for all rows together. */
  readonly group: string | null;
  /** Number of rows. */
  readonly count: number;
  /** The first evaluation, such as the unmodified model's. */
  readonly before: GroupAnswers;
  /** The second evaluation, such as the pruned model's. */
  readonly after: GroupAnswers;
  /** `after.accuracy - before.accuracy` */
  readonly gain: number;
  /** Rows that only the second one answers rightly. */
  readonly mended: number;
  /** Rows that only the first one answers rightly. */
  readonly broken: number;
}

/** What `compareGroups` found. */
export interface GroupsComparison {
  /** How answers were judged. */
  readonly metric: Metric;
  /** All rows together. */
  readonly all: GroupComparison;
  /** By mark, in the order of the marks. */
  readonly groups: readonly GroupComparison[];
}

/**
 * Compares two evaluations of the same examples on groups of rows.
 *
 * @param marks The group of each example, such as `task.marks(split, "marker")` gives them.
 * @param options `metric`, default `acc`; `bins` of the calibration, default 10.
 * @throws {RangeError} If marks, evaluations and examples do not fit each other, or there is no example.
 */
export function compareGroups(
  examples: readonly Example[],
  marks: readonly string[],
  before: Evaluation,
  after: Evaluation,
  options: { readonly metric?: Metric; readonly bins?: number } = {},
): GroupsComparison {
  const { metric = "acc", bins } = options;
  if (marks.length !== examples.length) {
    throw new RangeError(`Cannot group ${examples.length} examples by ${marks.length} marks: expected one each`);
  }
  for (const { examples: ids } of [before, after]) {
    if (ids.length === examples.length && ids.every((id, index) => id === examples[index].id)) continue;
    throw new RangeError("Cannot compare evaluations of other examples: expected those given, in their order");
  }
  const describe = (group: string | null): GroupComparison => {
    const only = [...marks.keys()].filter((index) => group === null || marks[index] === group);
    const answers = (evaluation: Evaluation): GroupAnswers => {
      const { correct, margins } = evaluation.scores[metric];
      const right = only.filter((index) => correct[index]).length;
      const accuracy = right / only.length;
      return {
        correct: right,
        accuracy,
        standardError: only.length === 1 ? null : accuracyStandardError(accuracy, only.length),
        meanMargin: only.reduce((sum, index) => sum + margins[index], 0) / only.length,
        calibration: calibrate(examples, evaluation, { only, ...(bins !== undefined && { bins }) }),
      };
    };
    const [first, second] = [answers(before), answers(after)];
    const rightOnlyIn = (one: Evaluation, other: Evaluation) =>
      only.filter((index) => one.scores[metric].correct[index] && !other.scores[metric].correct[index]).length;
    return {
      group,
      count: only.length,
      before: first,
      after: second,
      gain: second.accuracy - first.accuracy,
      mended: rightOnlyIn(after, before),
      broken: rightOnlyIn(before, after),
    };
  };
  return { metric, all: describe(null), groups: [...new Set(marks)].sort().map(describe) };
}
