/**
 * A run that keeps its results in a folder and can go on after an interruption. Files appear as soon as they are known:
 * scores, then grid and plan, then answers to one block of test examples after another, then the pruned checkpoint,
 * then all answers, traces and the report, and last `run.json`; a folder with `run.json` is complete.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { removeLeftovers, writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { hashOf } from "../checkpoint/tensor_store.ts";
import { checkSpace, prunedCheckpointBytes, writePrunedCheckpoint } from "../checkpoint/prune_checkpoint.ts";
import { describeAnswers } from "./answers_file.ts";
import { stageOrigin, type Stages, writeBegunEngine } from "./begun_engine.ts";
import { digestExamples } from "./example_digest.ts";
import {
  begunEngineName,
  type EarlierResults,
  keptAnswersName,
  nothing,
  prunedFolderName,
  readEarlier,
} from "./earlier_run.ts";
import { runFileNames, writeAnswers, writeGrid, writePlan, writeRun, writeScores, writeTraces } from "./files.ts";
import { digestFile } from "./file_digest.ts";
import { describePerformance, type ForecastSummary } from "./performance.ts";
import { type PipelineInput, type PipelineResult, runPipeline } from "./pipeline.ts";
import { runOptionsOf } from "./progress.ts";
import { keepAnswers, removeKeptAnswers } from "./kept_answers.ts";
import type { Provenance } from "./provenance.ts";
import { describeRun, type RunRecord } from "./run_record.ts";
import type { RunResults } from "./run_results.ts";
import { traceNeurons } from "./neuron_excerpts.ts";

/** What to run, and where its results go. */
export interface FolderRun {
  /** As `runPipeline` takes it. */
  readonly input: PipelineInput;
  /** Folder for the results; it exists, and nobody else writes into it. */
  readonly folder: string;
  /** Whether to take over what an interrupted run left in the folder. */
  readonly resume: boolean;
  /** Folder of the checkpoint, whose files the pruned checkpoint copies; null to write none. */
  readonly checkpoint: string | null;
  /** What is run, with which versions. */
  readonly provenance: Provenance;
  /** Rows that were left out, by split, where that was asked for. */
  readonly skippedRows?: Readonly<Record<string, number>>;
  /** The command's arguments, as they would be typed again. */
  readonly arguments: readonly string[];
  /** Text of one token, such as `Tokenizer.tokenText`, for the examples of pruned neurons. */
  readonly tokenText: (id: number) => string;
  /** Makes `report.html` of the results; none is written without it. */
  readonly report?: (results: RunResults) => string | Promise<string>;
  /** Forecasts what is still to be done; called once, before the work starts. */
  readonly forecast?: (input: PipelineInput, earlier: EarlierResults) => ForecastSummary | null;
}

/** What a run in a folder did. */
export interface FolderRunResult {
  /** What was run, with the earlier results that were taken over. */
  readonly input: PipelineInput;
  /** What was found. */
  readonly result: PipelineResult;
  /** What of an earlier run was there to be taken over; null without `resume`. */
  readonly earlier: EarlierResults | null;
  /** The content of `run.json`. */
  readonly record: RunRecord;
  /** Paths of everything that the run has in the folder. */
  readonly files: readonly string[];
}

/** Removes everything that a run has in its folder. */
export async function removeResults(folder: string): Promise<void> {
  for (const name of [...Object.values(runFileNames), prunedFolderName, keptAnswersName, begunEngineName]) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Scores, searches, prunes and evaluates, and writes what comes of it into a folder.
 *
 * @throws {OtherOptionsError} If `resume` is set and the folder has results of a run with other options, of another
 * model, of other rows, or of another kind of engine.
 * @throws {RangeError} As `runPipeline`. The signal's reason is thrown as it is; finished files stay.
 */
export async function runInFolder(run: FolderRun): Promise<FolderRunResult> {
  const { folder, resume, checkpoint, provenance } = run;
  const { engine, signal, onProgress } = run.input;
  const startedAt = new Date().toISOString();
  const place = {
    scores: join(folder, runFileNames.scores),
    grid: join(folder, runFileNames.grid),
    plan: join(folder, runFileNames.plan),
    pruned: join(folder, prunedFolderName),
    answers: join(folder, runFileNames.answers),
    traces: join(folder, runFileNames.traces),
    report: join(folder, runFileNames.report),
    run: join(folder, runFileNames.run),
    begun: join(folder, begunEngineName),
  };
  const keptFolder = join(folder, keptAnswersName);
  if (resume) await removeLeftovers(folder);
  else await removeKeptAnswers(keptFolder);
  const earlier = resume ? await readEarlier({ ...run, engine: engine.info.kind }) : nothing;
  const { scored, searched, pruned } = earlier;
  let { stages } = earlier;
  const noteBegun = async (done: Stages) => {
    stages = { ...stages, ...done };
    await writeBegunEngine(place.begun, engine.info, { seed: run.input.seed ?? 0, stages });
  };
  // Before the record goes, which says it of a run that was complete.
  if (scored) await noteBegun({});
  // From here on the folder is not complete, whatever it was.
  await rm(place.run, { force: true });
  const input: PipelineInput = {
    ...run.input,
    ...(scored && { scored }),
    ...(searched && { searched }),
    onScored: async (result) => {
      signal?.throwIfAborted();
      // Before the first result that others must go with.
      await noteBegun({});
      await writeScores(place.scores, result, { ...provenance, examples: digestExamples(run.input.adaptation) });
      await noteBegun({ score: await stageOrigin(place.scores, engine.info.kind, result.seconds) });
      await run.input.onScored?.(result);
    },
    onSearched: async (result, plan) => {
      signal?.throwIfAborted();
      const { adaptation, selection = adaptation } = run.input;
      await writeGrid(place.grid, result, { ...provenance, examples: digestExamples(selection) });
      await noteBegun({ search: await stageOrigin(place.grid, engine.info.kind, result.seconds) });
      await writePlan(place.plan, { ...plan, weights: provenance.weights });
      await run.input.onSearched?.(result, plan);
    },
  };
  // How much is left of a stage that was interrupted is not known.
  const forecast = earlier.answers ? null : run.forecast?.(input, earlier) ?? null;
  // The copy comes last; a disk that is too small for it is noticed before hours of work.
  if (checkpoint !== null && !pruned) await checkSpace(folder, await prunedCheckpointBytes(checkpoint));
  const { kind, adapter, details } = engine.info;
  // Another adapter, other kernels, or another runtime, which brings its own compiler of kernels and its own Math, give
  // other last bits: their answers must not be mixed.
  const { deno, node, v8 } = process.versions;
  const namespace = hashOf(JSON.stringify([provenance, kind, adapter, details.kernels, { deno, node, v8 }]));
  const kept = keepAnswers(engine, keptFolder, { namespace });
  const found = await runPipeline({ ...input, answering: kept });
  const total = found.seconds.total + (scored?.seconds ?? 0) + (searched?.seconds ?? 0);
  const result: PipelineResult = { ...found, seconds: { ...found.seconds, total } };
  signal?.throwIfAborted();
  if (checkpoint !== null && !pruned) {
    const plan = result.plans.pruned;
    await writePrunedCheckpoint(checkpoint, place.pruned, plan.masks, {
      note: { version: provenance.versions.secateur, plan: plan.chosen },
      ...(signal && { signal }),
      onProgress: ({ bytesDone, bytesTotal }) =>
        onProgress?.({ stage: "prune", done: bytesDone, total: bytesTotal, unit: "bytes" }),
    });
  }
  // Before the traces, which no forecast covers.
  const performance = describePerformance(engine.info, forecast);
  const record = describeRun(input, result, {
    provenance,
    startedAt,
    arguments: run.arguments,
    performance,
    ...(run.skippedRows && { skippedRows: run.skippedRows }),
  });
  const results = { record, scored: result.scored, searched: result.searched, plan: result.plans.pruned };
  const answers = describeAnswers(input.test, result.test, { ...provenance, examples: digestExamples(input.test) });
  await writeAnswers(place.answers, answers);
  const read = [...input.adaptation, ...(input.selection ?? []), ...input.test];
  const traces = await traceNeurons(engine, read, results.plan, results.scored.scores, {
    ranking: results.searched.settings.ranking,
    tokenText: run.tokenText,
    ...runOptionsOf(input),
  });
  await writeTraces(place.traces, traces, provenance);
  if (run.report) await writeFileAtomic(place.report, await run.report({ ...results, answers, traces }));
  const named = [runFileNames.scores, runFileNames.grid, runFileNames.plan, runFileNames.answers, runFileNames.traces];
  const digests = await Promise.all(named.map(async (name) => [name, await digestFile(join(folder, name))] as const));
  const complete: RunRecord = { ...record, digests: Object.fromEntries(digests) };
  await removeKeptAnswers(keptFolder);
  await writeRun(place.run, complete);
  await rm(place.begun, { force: true });
  const unwritten = [
    place.begun,
    ...(checkpoint === null ? [place.pruned] : []),
    ...(run.report ? [] : [place.report]),
  ];
  const taken = resume ? { ...earlier, answers: kept.hasFound } : null;
  return {
    input,
    result,
    earlier: taken,
    record: complete,
    files: Object.values(place).filter((path) => !unwritten.includes(path)),
  };
}
