/**
 * The rows that results are measured on: those that nothing was fitted on, and what must be said where that is in
 * doubt.
 */
import { basename, dirname, join, resolve } from "node:path";
import { readGrid, readPlan, readRun, readScores, runFileNames } from "../method/files.ts";
import type { Provenance } from "../method/provenance.ts";
import { prunedFolderName } from "../method/earlier_run.ts";
import type { Example } from "../tasks/example.ts";
import type { Task } from "../tasks/task.ts";
import { isRestMeasured, otherRows, takeRows, takeTestExamples } from "../tasks/test_rows.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import type { Side } from "./comparison.ts";
import { asUsage, CommandError, UsageError } from "./errors.ts";
import type { evaluatedOptions, testOptions } from "./options.ts";
import { type Opened, requireSplit } from "./session.ts";
import { counted } from "./text.ts";

type TestOptions = OptionValues<typeof testOptions>;
type EvaluatedOptions = OptionValues<typeof evaluatedOptions>;

/** Rows by their ids. */
type Rows = readonly Pick<Example, "id">[];

/**
 * The split to measure on.
 *
 * @throws {UsageError} If the data has none of that name.
 */
export function testSplit(task: Task, asked: string | undefined): string {
  return requireSplit(task, asked ?? task.evaluationSplit, "split");
}

/** What stands in for the split that the task names, in words; null where nothing does. */
function describeStandIn(task: Task, { split }: TestOptions): string | null {
  if (split !== undefined || task.standIn === null) return null;
  return `Task ${task.name} is evaluated on its split ${task.standIn.of}, which the data lacks: ` +
    `${task.evaluationSplit} stands in for it`;
}

/**
 * Adds what to do to an error about rows that are left, or used twice.
 *
 * @param more What to do where none is left.
 */
function explainRows(error: unknown, more: string): never {
  const unexplained = asUsage(error, "Cannot test on what is left: ", more);
  throw asUsage(unexplained, "Cannot test on example ", "name different splits with --adaptation-split and --split.");
}

/**
 * The examples of a run that nothing is chosen on.
 *
 * @throws {UsageError} If the data has no such split, no row of it is left, or one is an adaptation example.
 */
export async function testExamples(
  task: Task,
  options: TestOptions,
  used: readonly Example[],
  { note }: Pick<CommandContext, "note">,
): Promise<readonly Example[]> {
  // For its hint, where there is no such split.
  testSplit(task, options.split);
  const examples = await takeTestExamples(task, options, used).catch((error) =>
    explainRows(error, "lower --adaptation-examples, or give more rows with --data.")
  );
  const standIn = describeStandIn(task, options);
  const rest = isRestMeasured(task, options)
    ? "; adaptation examples are drawn from it, and its other rows are the test"
    : "";
  if (standIn !== null) note(`${standIn}${rest}.`);
  return examples;
}

/** Whether two results are of the same rows; null where nothing tells. */
function isSameData(a: Provenance, b: Provenance): boolean | null {
  const areKnown = a.dataSha256 !== undefined && b.dataSha256 !== undefined;
  if (areKnown && a.dataSha256 === b.dataSha256) return true;
  // Rows of the task's own files are the same rows where some were edited, and earlier versions took no digest of them.
  if (a.data === b.data && a.task === b.task && (a.data === undefined || a.dataSha256 === b.dataSha256)) return true;
  // A task may be named by another path, and what is a dataset there may be files here.
  return areKnown ? false : null;
}

/** Which rows were used to find a plan, and of which data they are. */
interface FoundOn {
  readonly provenance: Provenance;
  readonly ids: readonly string[];
}

/** As the record of a run tells it. */
async function foundByRun(folder: string): Promise<FoundOn> {
  const { provenance, examples: { adaptation, selection } } = await readRun(join(folder, runFileNames.run));
  return { provenance, ids: [...adaptation, ...selection] };
}

/** As the results of `score` and `search` tell it, which leave no record. */
async function foundInSteps(folder: string): Promise<FoundOn> {
  const { model } = await readPlan(join(folder, runFileNames.plan));
  const [grid, scores] = await Promise.all([
    readGrid(join(folder, runFileNames.grid), model),
    readScores(join(folder, runFileNames.scores), model),
  ]);
  if (!isSameData(grid.provenance, scores.provenance)) throw new RangeError("scores and grid are of other rows");
  return { provenance: grid.provenance, ids: [...scores.result.examples, ...grid.result.examples] };
}

/** A side of an evaluation, with what its model says of itself. */
export interface EvaluatedSide extends Side {
  /** Whether its model is known to be a pruned copy, whatever its folder is called. */
  readonly isPruned: boolean;
}

/** What was chosen on some rows, and where that may be told. */
interface Chosen {
  /** In words. */
  readonly what: "plan" | "pruned copy";
  /** The folder beside. */
  readonly folder: string;
  /** Whether it is what a run leaves there: other plans and copies may lie beside. */
  readonly isOwn: boolean;
}

/** What of a side was chosen on rows: nothing of a plain checkpoint. */
function listChosen({ model, plan, isPruned }: EvaluatedSide): Chosen[] {
  const chosen: Chosen[] = [];
  if (plan !== null) {
    const path = resolve(plan);
    chosen.push({ what: "plan", folder: dirname(path), isOwn: basename(path) === runFileNames.plan });
  }
  const path = resolve(model);
  const isOwn = basename(path) === prunedFolderName;
  if (isPruned || isOwn) chosen.push({ what: "pruned copy", folder: dirname(path), isOwn });
  return chosen;
}

/**
 * Rows of this task's data that something was chosen on; `elsewhere` where they are of other files, null where nothing
 * tells.
 */
async function fittedRows(
  { folder, isOwn }: Chosen,
  { task, provenance }: Pick<Opened, "task" | "provenance">,
): Promise<Rows | "elsewhere" | null> {
  // A run that did not finish, or a file that another program wrote, tells as little as none.
  const found = isOwn ? await foundByRun(folder).catch(() => foundInSteps(folder)).catch(() => null) : null;
  const isSame = found && isSameData(found.provenance, provenance);
  if (found === null || isSame === null) return null;
  if (!isSame) return "elsewhere";
  const ids = [...new Set(found.ids)];
  // The same file may have been given as another split: its rows have the same numbers.
  const isOneFile = task.group === null && task.splits.length === 1 && provenance.dataSha256 !== undefined;
  return ids.map((id) => ({ id: isOneFile ? `${task.splits[0]}/${id.slice(id.lastIndexOf("/") + 1)}` : id }));
}

/** What would tell which rows something was chosen on, and does not. */
function describeMissing({ what }: Chosen): string {
  return `beside the ${what} is no ${runFileNames.run} of this data, nor ${runFileNames.scores} with ` +
    runFileNames.grid;
}

/** The rows of an evaluation. */
export interface EvaluatedRows {
  /** Ids of all that the model can be asked, in their order: the examples are the first of them. */
  readonly candidates: readonly string[];
  readonly examples: readonly Example[];
  /** What a reader of the results must know about them. */
  readonly notes: readonly string[];
}

/** Ids of rows that nothing was chosen on. */
function unfittedRows(task: Task, ids: readonly string[], fitted: ReadonlySet<string>): string[] {
  try {
    return otherRows(task, ids, fitted);
  } catch (error) {
    return explainRows(error, "give more rows with --data.");
  }
}

/** The first `limit` rows of each task that two models can be asked, and how many others were passed over. */
function takeCommon(
  task: Task,
  candidates: readonly string[],
  others: readonly string[],
  limit: number | undefined,
): { readonly ids: readonly string[]; readonly missing: number } {
  const { taken, passed } = takeRows(task, candidates, limit, new Set(others));
  if (taken.length === 0 && passed.length > 0) {
    throw new CommandError("no row can be asked of both models", "evaluate them one by one, or give other rows.");
  }
  return { ids: taken, missing: passed.length + takeRows(task, others, limit, new Set(candidates)).passed.length };
}

/**
 * The examples to evaluate models and plans on.
 *
 * @param sides What is evaluated. Rows that a plan was chosen on are left out where that is asked for (`--unseen`) or
 * the data has one split only and none is asked for; otherwise they are counted in a note.
 * @param others `candidates` of the model that this one is compared with: only rows that both can be asked are taken,
 * which are not the same where those that are too long for a model are left out. Default: all rows.
 * @throws {UsageError} If the training split would stand in for the one that the task names, and nothing tells which of
 * its rows a plan was chosen on.
 * @throws {CommandError} If no row can be asked of both models, or nothing tells which rows to leave out.
 */
export async function evaluatedRows(
  work: Pick<Opened, "task" | "provenance">,
  options: EvaluatedOptions,
  sides: readonly EvaluatedSide[],
  others?: readonly string[],
): Promise<EvaluatedRows> {
  const { task } = work;
  const split = testSplit(task, options.split);
  const chosen = sides.flatMap(listChosen);
  const known = await Promise.all(chosen.map((one) => fittedRows(one, work)));
  const fitted = new Set(known.flatMap((rows) => typeof rows === "string" ? [] : rows ?? []).map(({ id }) => id));
  const untold = chosen.find((_, index) => known[index] === null);
  const standIn = describeStandIn(task, options);
  if (standIn !== null && task.standIn!.isTraining && fitted.size === 0) {
    throw new UsageError(
      `task ${task.name} is evaluated on its split ${task.standIn!.of}, and the data has only ${
        task.splits.join(", ")
      }`,
      `give its rows (--data ${
        task.standIn!.of
      }=FILE), or name the training split with --split ${split} to evaluate on it.`,
    );
  }
  const notes = standIn === null ? [] : [`${standIn}.`];
  if (options.unseen && untold) {
    throw new CommandError(
      `nothing tells which rows the ${untold.what} was chosen on: ${describeMissing(untold)}`,
      "evaluate the plan where the run has left it, or leave out --unseen.",
    );
  }
  // They may have some of the same rows: the files of a run are known as a whole.
  const elsewhere = chosen.find((_, index) => known[index] === "elsewhere");
  if (options.unseen && elsewhere) {
    notes.push(`The ${elsewhere.what} was chosen on other files than these, so no row was left out for it.`);
  }
  if (task.splits.length === 1 && untold) {
    notes.push(
      `Rows that the ${untold.what} was chosen on may be among those evaluated: the data has one split only, and ` +
        `nothing tells which they are: ${describeMissing(untold)}.`,
    );
  }
  const isRest = fitted.size > 0 && (options.unseen || isRestMeasured(task, options));
  const all = (await task.rows(split)).map(({ id }) => id);
  const candidates = isRest ? unfittedRows(task, all, fitted) : all;
  const seen = all.length - candidates.length;
  if (seen > 0) notes.push(`Left out ${counted(seen, "row")} of ${split} that the plan was chosen on.`);
  const { ids, missing } = takeCommon(task, candidates, others ?? candidates, options.limit);
  const examples = await task.examples(split, { ids });
  if (missing > 0) notes.push(`Left out ${counted(missing, "row")} that only one of the two models can be asked.`);
  const shared = examples.filter(({ id }) => fitted.has(id)).length;
  if (shared > 0) {
    notes.push(
      `The plan was chosen on ${shared} of the ${counted(examples.length, "row")} evaluated: measuring on what was ` +
        "fitted proves nothing.",
    );
  }
  return { candidates, examples, notes };
}
