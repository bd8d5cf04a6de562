/** The work of one job on its examples, into its folder; run again, it goes on where it was. */
import type { Engine, Progress } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { begunKernels, OtherOptionsError } from "../method/earlier_run.ts";
import { type FolderRun, removeResults, runInFolder } from "../method/run_folder.ts";
import type { FingerprintMemo } from "./fingerprint_memo.ts";
import { jobPaths } from "./job_paths.ts";
import { commandArguments, planningOptions } from "./job_request.ts";
import type { KeptDevice } from "./kept_device.ts";
import type { JobRows } from "./job_rows.ts";
import type { JobTask } from "./protocol.ts";
import type { TokenizerMemo } from "./tokenizer_memo.ts";

/** What to work on. */
export interface JobWork extends JobTask {
  readonly rows: JobRows;
}

/** The surroundings of the work. */
export interface WorkSurroundings {
  /** Shared with the jobs before and after it. */
  readonly device: KeptDevice;
  /** Shared with the jobs before and after it. */
  readonly fingerprints: FingerprintMemo;
  /** Shared with the jobs before and after it. */
  readonly tokenizers: TokenizerMemo;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Called after the engine was closed, with the bytes that are still on the GPU. */
  readonly onClosed: (gpuLiveBytes: number) => void;
}

/** Runs in the results folder; results of another version of this program are replaced. */
async function runAnew(run: FolderRun): Promise<void> {
  try {
    await runInFolder(run);
  } catch (error) {
    if (!(error instanceof OtherOptionsError)) throw error;
    await removeResults(run.folder);
    await runInFolder(run);
  }
}

/**
 * Does the work of a job.
 *
 * @throws {RangeError} If the request does not fit the model. The signal's reason is thrown as it is.
 */
export async function workOnJob(
  { folder, modelFolder, version, engine: choice, rows }: JobWork,
  { device: kept, fingerprints, tokenizers, signal, onProgress, onClosed }: WorkSurroundings,
): Promise<void> {
  const { settings, task, metrics, adaptation, selection, test, skippedRows } = rows;
  const { checkpoint, weights } = await fingerprints.open(modelFolder, signal);
  let engine: Engine | undefined;
  try {
    const tokenizer = await tokenizers.load(modelFolder);
    signal.throwIfAborted();
    const { memoryBudgetBytes, weightBudgetBytes } = choice;
    const device = choice.engine === "reference" ? null : await kept.get();
    const { results } = jobPaths(folder);
    const adapterKernels = await begunKernels(results);
    engine = await openEngine(checkpoint, {
      engine: choice.engine,
      ...(device !== null && { device }),
      ...(memoryBudgetBytes !== null && { memoryBudgetBytes }),
      ...(weightBudgetBytes !== null && { weightBudgetBytes }),
      ...(adapterKernels && { adapterKernels }),
      // A job gives the bytes that the program gives.
      batchInvariant: true,
      signal,
      onProgress,
    });
    await runAnew({
      input: { engine, adaptation, selection, test, ...planningOptions(settings, metrics), signal, onProgress },
      folder: results,
      resume: true,
      checkpoint: settings.writePruned ? modelFolder : null,
      provenance: {
        model: settings.model,
        task,
        ...(settings.fewshot !== undefined && { fewshot: settings.fewshot }),
        ...(settings.truncate && { truncated: checkpoint.config.maxPositions }),
        weights,
        versions: { secateur: version },
      },
      ...(settings.skipBadRows && { skippedRows }),
      arguments: commandArguments(settings),
      tokenText: (id) => tokenizer.tokenText(id),
      report: async (results) => (await import("../report/run_report.ts")).renderRunReport(results),
    });
  } finally {
    try {
      await engine?.close();
    } finally {
      await checkpoint.close();
    }
    const liveBytes = engine?.info.details.liveBytes;
    onClosed(typeof liveBytes === "number" ? liveBytes : 0);
  }
}
