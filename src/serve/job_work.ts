/** The work of one job, from its folder into its folder; run again, it goes on where it was. */
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fingerprintWeights } from "../checkpoint/digest.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { Engine, Progress } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { runFileNames } from "../method/files.ts";
import { type FolderRun, OtherOptionsError, prunedFolderName, runInFolder } from "../method/run_folder.ts";
import { defaultAdaptationSplit, drawAdaptation, refuseShared } from "../tasks/draw.ts";
import { loadTask, type Task } from "../tasks/task.ts";
import { loadTokenizer } from "../tasks/tokenizer.ts";
import { commandArguments, type JobSettings, planningOptions } from "./job_request.ts";
import type { RunMessage } from "./protocol.ts";

/** The surroundings of the work. */
export interface WorkSurroundings {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Called before a GPU is asked for. */
  readonly onEngine: () => void;
  /** Called after the engine was closed, with the bytes that are still on the GPU. */
  readonly onClosed: (gpuLiveBytes: number) => void;
}

function adaptationSplit(task: Task, asked: string | undefined): string {
  const split = asked ?? defaultAdaptationSplit(task);
  if (split !== null && task.splits.includes(split)) return split;
  throw new RangeError(
    `Cannot draw adaptation examples from ${split === null ? "no split" : `split ${split}`}: expected ` +
      `task.training_split or adaptation.split to be one of ${task.splits.join(", ")}`,
  );
}

/** Runs in the results folder; results of another version of this program are replaced. */
async function runAnew(run: FolderRun): Promise<void> {
  try {
    await runInFolder(run);
  } catch (error) {
    if (!(error instanceof OtherOptionsError)) throw error;
    for (const name of [...Object.values(runFileNames), prunedFolderName]) {
      await rm(join(run.folder, name), { recursive: true, force: true });
    }
    await runInFolder(run);
  }
}

/**
 * Does the work of a job.
 *
 * @throws {RangeError} If the request does not fit the model, the task or the rows. The signal's reason is thrown as it
 * is.
 */
export async function workOnJob(
  { folder, modelFolder, version, engine: choice }: RunMessage,
  around: WorkSurroundings,
) {
  const { signal, onProgress } = around;
  const results = join(folder, "results");
  if (await stat(join(results, runFileNames.run)).then(() => true, () => false)) return;
  const request: JobSettings = JSON.parse(await readFile(join(folder, "request.json"), "utf8"));
  const checkpoint = await openCheckpoint(modelFolder);
  let engine: Engine | undefined;
  try {
    const tokenizer = await loadTokenizer(modelFolder);
    signal.throwIfAborted();
    // All that strangers' templates and texts can slow down comes before the engine: until then a Worker can be ended.
    const task = await loadTask(join(folder, "task.yaml"), {
      tokenizer,
      ...(request.fewshot !== undefined && { fewshotCount: request.fewshot }),
    });
    const { split, count, selectionCount, sampling } = request.adaptation;
    const { adaptation, selection } = await drawAdaptation(task, adaptationSplit(task, split), {
      count,
      selectionCount,
      seed: request.seed,
      sampling,
    });
    const { limit } = request.test;
    const test = await task.examples(request.test.split ?? task.evaluationSplit, limit === undefined ? {} : { limit });
    refuseShared([...adaptation, ...selection], test);
    const weights = await fingerprintWeights(checkpoint, signal);
    signal.throwIfAborted();
    around.onEngine();
    const { memoryBudgetBytes, weightBudgetBytes } = choice;
    engine = await openEngine(checkpoint, {
      engine: choice.engine,
      ...(memoryBudgetBytes !== null && { memoryBudgetBytes }),
      ...(weightBudgetBytes !== null && { weightBudgetBytes }),
      // A job gives the bytes that the program gives.
      batchInvariant: true,
      signal,
      onProgress,
    });
    await runAnew({
      input: { engine, adaptation, selection, test, ...planningOptions(request, task.metrics), signal, onProgress },
      folder: results,
      resume: true,
      checkpoint: request.writePruned ? modelFolder : null,
      provenance: { model: request.model, task: task.name, weights, versions: { secateur: version } },
      arguments: commandArguments(request),
      tokenText: (id) => tokenizer.tokenText(id),
      report: async (results) => (await import("../report/run_report.ts")).renderRunReport(results),
    });
  } finally {
    await engine?.close();
    await checkpoint.close();
    const liveBytes = engine?.info.details.liveBytes;
    around.onClosed(typeof liveBytes === "number" ? liveBytes : 0);
  }
}
