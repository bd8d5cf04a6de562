/** Which split of data that the caller chose stands for which split that the task names. */

/** The splits that a task names. */
export interface NamedSplits {
  readonly trainingSplit: string | null;
  readonly validationSplit: string | null;
  readonly testSplit: string | null;
}

/** A split that is evaluated because the data lacks the one that the task names. */
export interface StandIn {
  /** The split that the task names. */
  readonly of: string;
  /** Whether what stands in is by its name a split that models or plans are fitted on. */
  readonly isTraining: boolean;
  /** Whether what stands in has a name that the task gives a split, or a usual one; any other may be misspelt. */
  readonly isKnown: boolean;
}

/** The splits that are used. */
export interface SplitRoles {
  /** Adaptation examples come from it; null where the task names none. */
  readonly trainingSplit: string | null;
  /** The split a result is measured on. */
  readonly evaluationSplit: string;
  /**
   * What `evaluationSplit` stands in for; null where it is the split that the task names, or one of the same meaning.
   */
  readonly standIn: StandIn | null;
  /** The split in the data for a name in the task, such as for that of the few-shot examples. */
  find(name: string): string;
}

/** Names that mean the same split. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  train: ["training"],
  validation: ["valid", "val", "dev"],
  test: ["testing", "eval", "evaluation"],
};

/** Names that say what a split is for. */
export const usualSplits: readonly string[] = [
  ...Object.entries(synonyms).flatMap(([name, others]) => [name, ...others]),
  "adaptation",
];

/** Name of the split that a file without one is: it was given for everything, so it stands in for nothing. */
export const onlySplit = "data";

/** Whether two names mean the same split. */
function isSame(name: string, other: string): boolean {
  return name === other || (synonyms[name] ?? []).includes(other);
}

/** The roles as the task names them. */
export function ownRoles({ trainingSplit, validationSplit, testSplit }: NamedSplits): SplitRoles {
  return { trainingSplit, evaluationSplit: (testSplit ?? validationSplit)!, standIn: null, find: (name) => name };
}

/**
 * The split that worked examples are taken from where the task writes none of its own.
 *
 * @param named What the task names.
 * @param roles What stands for that in the data.
 */
export function fewshotSplit(
  named: Pick<NamedSplits, "trainingSplit" | "validationSplit"> & { readonly fewshotSplit: string | null },
  roles: SplitRoles,
): string {
  const { trainingSplit, validationSplit } = named;
  if (named.fewshotSplit !== null) return roles.find(named.fewshotSplit);
  return trainingSplit === null && validationSplit !== null
    ? roles.find(validationSplit)
    : roles.trainingSplit ?? roles.evaluationSplit;
}

/**
 * The roles of splits that may have other names: a split that means the same stands in for one that is not there, and a
 * split that is alone is used for everything.
 *
 * @param splits Names of the splits in the data, at least one.
 */
export function chosenRoles(named: NamedSplits, splits: readonly string[]): SplitRoles {
  const only = splits.length === 1 ? splits[0] : null;
  const stand = (name: string): string | null => {
    if (splits.includes(name)) return name;
    const same = (synonyms[name] ?? []).filter((other) => splits.includes(other));
    return same.length === 1 ? same[0] : only;
  };
  const find = (name: string) => stand(name) ?? name;
  const { trainingSplit, validationSplit, testSplit } = named;
  const measured = [testSplit, validationSplit].filter((name) => name !== null);
  const evaluationSplit = measured.map(stand).find((name) => name !== null) ?? measured[0];
  const isNamed = isSame(measured[0], evaluationSplit) || evaluationSplit === onlySplit;
  const training = [trainingSplit ?? "train", "train", "adaptation"];
  const known = [trainingSplit, ...measured, ...usualSplits];
  return {
    trainingSplit: trainingSplit === null ? only : find(trainingSplit),
    evaluationSplit,
    standIn: isNamed ? null : {
      of: measured[0],
      isTraining: training.some((name) => isSame(name, evaluationSplit)),
      isKnown: known.includes(evaluationSplit),
    },
    find,
  };
}
