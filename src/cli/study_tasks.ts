/** What a study reads before it asks a model anything: the rows of its tasks, those that must stay, and a text. */
import { loadTask } from "../method/load_task.ts";
import type { StudyTask } from "../method/study/study.ts";
import { findShared } from "../tasks/draw.ts";
import type { Example } from "../tasks/example.ts";
import { createRandom } from "../tasks/random.ts";
import { readRegularFile } from "../tasks/regular_file.ts";
import type { LoadTaskOptions, Selection, Task } from "../tasks/task.ts";
import { cutText, type TextWindows } from "../tasks/text_windows.ts";
import type { Tokenizer } from "../tasks/tokenizer.ts";
import type { CommandContext } from "./command.ts";
import { asUsage, UsageError } from "./errors.ts";
import { adaptationSplit, decidingMetric, noteCuts, noteSkipped, requireSplit, taskSettings } from "./session.ts";
import type { StudyOptions } from "./study_options.ts";

/** Most rows of the split that is like the training. */
const trainRows = 512;

/** What rows are encoded with, and how long they may be. */
export type AskedModel = Required<Pick<LoadTaskOptions, "tokenizer" | "maxTokens">>;

/** Loads a task of the study. */
function openTask(reference: string, model: AskedModel, options: StudyOptions, context: CommandContext): Promise<Task> {
  const { prompt, "skip-bad-rows": skipBadRows, truncate } = options;
  const settings = taskSettings({ prompt, "skip-bad-rows": skipBadRows, truncate }, context);
  return loadTask(reference, { ...model, ...settings });
}

/** Says which rows were left out, and which were cut. */
function noteRows(task: Task, rows: readonly Example[], { maxTokens }: AskedModel, context: CommandContext): void {
  noteSkipped(task, context);
  noteCuts(rows, maxTokens, context);
}

/** The rows that must stay as they are. */
export async function readRetained(
  reference: string | undefined,
  model: AskedModel,
  options: StudyOptions,
  context: CommandContext,
): Promise<Pick<StudyTask, "retained">> {
  if (reference === undefined) return {};
  const task = await openTask(reference, model, options, context);
  const split = adaptationSplit(task, undefined);
  const pool = await task.examples(split, { limit: options["pool-rows"] });
  noteRows(task, pool, model, context);
  return { retained: { name: reference, pool } };
}

/** Longest text whose perplexity is measured, in bytes. */
const LONGEST_TEXT = 100_000_000;

/** The text whose perplexity is measured. */
export async function readText(
  path: string | undefined,
  tokenizer: Tokenizer,
  positions: number,
): Promise<TextWindows[]> {
  if (path === undefined) return [];
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(await readRegularFile(path, LONGEST_TEXT));
  return [cutText(text, tokenizer, { windowTokens: positions - 1, name: path })];
}

/** What the test rows have in the column of marks. */
async function readMarks(task: Task, split: string, column: string, selection: Selection): Promise<string[]> {
  try {
    return (await task.marks(split, column, selection)).map(({ mark }) => mark);
  } catch (error) {
    throw asUsage(error, "Cannot mark row ", "name a column of text, numbers or booleans with --mark.");
  }
}

/** Refuses a row that adaptation examples may be drawn from and that would be tested on. */
function refuseCommon({ name, splits }: Task, pool: readonly Example[], test: readonly Example[]): void {
  const common = findShared(pool, test);
  if (!common) return;
  throw new UsageError(
    `adaptation examples of task ${name} may be drawn from rows that are tested on, such as ${common.id}`,
    splits.length > 1
      ? "name different splits with --adaptation-split and --split."
      : "a study draws again and again and has the same test rows for all draws: divide the rows into two files, name " +
        "them in the task file, such as data: {train: train.jsonl, test: test.jsonl}, and write test_split: test there.",
  );
}

/** The rows that adaptation examples are drawn from, and the test rows. */
export async function readTask(
  reference: string,
  model: AskedModel,
  options: StudyOptions,
  context: CommandContext,
): Promise<StudyTask> {
  const task = await openTask(reference, model, options, context);
  const split = adaptationSplit(task, options["adaptation-split"]);
  const testSplit = requireSplit(task, options.split ?? task.evaluationSplit, "split");
  const ids = (await task.requests(split)).map(({ id }) => id);
  const most = options["pool-rows"];
  const kept = ids.length <= most ? ids : createRandom(options.seed).sample(ids, most);
  const { limit } = options;
  const selection = limit === undefined ? {} : { limit };
  const test = await task.examples(testSplit, selection);
  const { mark } = options;
  const trainSplit = options["train-split"] === undefined
    ? task.splits.includes("train") && split !== "train" ? "train" : undefined
    : requireSplit(task, options["train-split"], "train-split");
  const train = trainSplit === undefined ? undefined : await task.examples(trainSplit, { limit: trainRows });
  const pool = await task.examples(split, { ids: kept });
  refuseCommon(task, pool, test);
  noteRows(task, [...pool, ...test, ...train ?? []], model, context);
  return {
    ...(mark !== undefined && {
      marks: { column: mark, values: await readMarks(task, testSplit, mark, selection) },
    }),
    ...(train && { train }),
    tokenizer: model.tokenizer,
    task: options.prompt === "instruction" ? task.name : reference,
    pool,
    test,
    metric: decidingMetric(task, options.metric),
    testWithWorked: async (worked, only) =>
      await task.examples(testSplit, {
        ids: only ?? test.map(({ id }) => id),
        worked: await task.workedTurns(split, worked),
      }),
  };
}
