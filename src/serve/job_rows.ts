/** The examples of a job, made of the rows in its folder: what strangers' templates and texts can slow down. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { readModelConfig } from "../checkpoint/open.ts";
import { runFileNames } from "../method/files.ts";
import { adaptationSplit } from "../tasks/asked_split.ts";
import { drawAdaptation } from "../tasks/draw.ts";
import { countBySplit, type Example } from "../tasks/example.ts";
import type { Metric } from "../tasks/scoring.ts";
import { loadTask } from "../tasks/task.ts";
import { takeTestExamples } from "../tasks/test_rows.ts";
import { loadTokenizer } from "../tasks/tokenizer.ts";
import { jobPaths } from "./job_paths.ts";
import { type JobSettings, parseSettings } from "./job_request.ts";
import type { JobPlace } from "./protocol.ts";

/** What of a job goes to the engine; plain data. */
export interface JobRows {
  readonly settings: JobSettings;
  /** The task's name. */
  readonly task: string;
  /** What the task may be decided by. */
  readonly metrics: readonly Metric[];
  /** Examples to score neurons on. */
  readonly adaptation: readonly Example[];
  /** Examples to choose the configuration on. */
  readonly selection: readonly Example[];
  /** Examples to measure on. */
  readonly test: readonly Example[];
  /** Rows that were left out, by split; none unless that was asked for. */
  readonly skippedRows: Readonly<Record<string, number>>;
}

/**
 * Makes the examples of a job.
 *
 * @returns null where the job's results are complete already.
 * @throws {RangeError} If the request does not fit the task, or a row does not fit the task or the model.
 * @throws {SyntaxError} If a file of the job is malformed.
 */
export async function makeJobRows({ folder, modelFolder }: JobPlace): Promise<JobRows | null> {
  const paths = jobPaths(folder);
  const isComplete = await stat(join(paths.results, runFileNames.run)).then(() => true, () => false);
  if (isComplete) return null;
  const settings = parseSettings(paths.request, await readFile(paths.request, "utf8"));
  const task = await loadTask(paths.task, {
    tokenizer: await loadTokenizer(modelFolder),
    maxTokens: (await readModelConfig(modelFolder)).maxPositions,
    truncate: settings.truncate,
    skipBadRows: settings.skipBadRows,
    ...(settings.fewshot !== undefined && { fewshotCount: settings.fewshot }),
  });
  const { split, count, selectionCount, sampling } = settings.adaptation;
  const { adaptation, selection } = await drawAdaptation(task, adaptationSplit(task, split), {
    count,
    selectionCount,
    seed: settings.seed,
    sampling,
  });
  const test = await takeTestExamples(task, settings.test, [...adaptation, ...selection]);
  const { name, metrics, skippedRows } = task;
  return { settings, task: name, metrics, adaptation, selection, test, skippedRows: countBySplit(skippedRows) };
}
