/** What an earlier run left in a folder, and whether a run would find the same again. */
import { lstat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { areComparable } from "../checkpoint/digest.ts";
import type { AdapterKernels, Engine, EngineInfo } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { kernelsOf, readBegunKernels } from "./begun_engine.ts";
import { digestExamples } from "./example_digest.ts";
import { digestFile } from "./file_digest.ts";
import { readGrid, readPlan, readRun, readScores, runFileNames, writePlan } from "./files.ts";
import type { PipelineInput } from "./pipeline.ts";
import { serialisePlan } from "./plan.ts";
import type { Provenance } from "./provenance.ts";
import { readRunResults, type RunResults } from "./run_results.ts";
import { resolveScoreSettings, type ScoreResult } from "./score.ts";
import { planFromSearch, resolveSearchSettings, type SearchResult } from "./search.ts";

/** Name of the pruned checkpoint in the folder of a run. */
export const prunedFolderName = "pruned";

/** Name of the folder with the answers of a run that is not complete. */
export const keptAnswersName = "answers.partial";

/** Name of the file that says what computes a run that is not complete. */
export const begunEngineName = "engine.partial";

/** Thrown where the results of an earlier run are not those that this run would find: other options, model or rows. */
export class OtherOptionsError extends RangeError {
  /** Tells this error from others by name. */
  override readonly name = "OtherOptionsError";

  constructor(file: string, reason = "was made with other options, or of another model or other rows") {
    super(`${file} ${reason}`);
  }
}

/** The results of an earlier run. */
export interface EarlierResults {
  /** What was scored. */
  readonly scored?: ScoreResult;
  /** What was found. */
  readonly searched?: SearchResult;
  /** Whether the pruned checkpoint is there. */
  readonly pruned: boolean;
  /** Whether answers to some of the test examples are there. */
  readonly answers: boolean;
}

/** What a run finds where there is none. */
export const nothing: EarlierResults = { pruned: false, answers: false };

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(() => true, () => false);
}

/** What decides the results of a run, but for what computes them. */
export interface WantedRun {
  /** The folder of the run. */
  readonly folder: string;
  /** As `runPipeline` takes it; of the engine, only the model. */
  readonly input: Omit<PipelineInput, "engine"> & { readonly engine: Pick<Engine, "config"> };
  /** What is run, with which versions. */
  readonly provenance: Provenance;
}

/**
 * The results of an interrupted run that this run would find again.
 *
 * @throws {OtherOptionsError} If there are such that it would not find.
 */
export async function readEarlier({ folder, input, provenance }: WantedRun): Promise<EarlierResults> {
  const { engine } = input;
  const ids = (examples: readonly { readonly id: string }[]) => examples.map(({ id }) => id);
  const scoresFile = join(folder, runFileNames.scores);
  if (!await exists(scoresFile)) return nothing;
  const scores = await readScores(scoresFile, engine.config);
  const scored = scores.result;
  const sameExamples = scored.settings.filter === "all"
    ? isDeepStrictEqual(scored.examples, ids(input.adaptation))
    : scored.examples.every((id) => ids(input.adaptation).includes(id));
  const [before, now] = [scores.provenance.weights, provenance.weights];
  if (before !== undefined && now !== undefined && !areComparable(before, now)) {
    throw new OtherOptionsError(
      scoresFile,
      "is of an earlier version, whose fingerprint of the weights does not tell whether they are these",
    );
  }
  const wantedScore = resolveScoreSettings(input.score ?? {}, engine);
  const wantedOf = (examples: readonly Example[]) => ({ ...provenance, examples: digestExamples(examples) });
  const wanted = [wantedScore, wantedOf(input.adaptation)];
  if (!sameExamples || !isDeepStrictEqual([scored.settings, scores.provenance], wanted)) {
    throw new OtherOptionsError(scoresFile);
  }

  const gridFile = join(folder, runFileNames.grid);
  const planFile = join(folder, runFileNames.plan);
  if (!await exists(gridFile)) return { ...nothing, scored };
  const grid = await readGrid(gridFile, engine.config);
  const wantedSearch = resolveSearchSettings(input.search ?? {}, engine, scored.scores);
  const selection = input.selection ?? input.adaptation;
  const found = [grid.result.examples, grid.result.settings, grid.provenance];
  if (!isDeepStrictEqual(found, [ids(selection), wantedSearch, wantedOf(selection)])) {
    throw new OtherOptionsError(gridFile);
  }
  // The plan follows from the grid, so one that is missing is only written again.
  const plan = { ...planFromSearch(engine.config, grid.result), weights: provenance.weights };
  if (!await exists(planFile)) await writePlan(planFile, plan);
  else if (serialisePlan(await readPlan(planFile, engine.config)) !== serialisePlan(plan)) {
    throw new OtherOptionsError(planFile);
  }
  const [pruned, answers] = await Promise.all(
    [prunedFolderName, keptAnswersName].map((name) => exists(join(folder, name))),
  );
  return { scored, searched: grid.result, pruned, answers };
}

/**
 * The kernels that a run was begun with, to go on with; undefined where nothing says.
 *
 * @param folder The folder of the run.
 */
export async function begunKernels(folder: string): Promise<AdapterKernels | undefined> {
  const begun = await readBegunKernels(join(folder, begunEngineName));
  if (begun) return begun;
  const record = await readRun(join(folder, runFileNames.run)).catch(() => null);
  return record === null ? undefined : kernelsOf(record.engine);
}

/** A run that may be complete already. */
export interface CompletableRun extends WantedRun {
  /** What would compute it; `auto` stands for either. */
  readonly engine: EngineInfo["kind"] | "auto";
  /** Whether a pruned checkpoint is wanted. */
  readonly prunes: boolean;
  /** Rows that were left out, by split, where that was asked for. */
  readonly skippedRows?: Readonly<Record<string, number>>;
}

/** Refuses scores and a grid that are not those of the record beside them: what follows would be of neither. */
async function refuseChanged(folder: string, digests: Readonly<Record<string, string>>): Promise<void> {
  for (const name of [runFileNames.scores, runFileNames.grid]) {
    const path = join(folder, name);
    if (digests[name] === undefined || !await exists(path) || await digestFile(path) === digests[name]) continue;
    throw new OtherOptionsError(path, `was changed since ${runFileNames.run} was written`);
  }
}

/**
 * The results of a run that is complete: its record and every file that the record has a digest of are there, as they
 * were written, and all that decides them is as it is wanted: weights, prompts and answers of all rows, settings, seed,
 * number of draws, versions, and the kind of engine. The adapter and budgets of memory are not asked about.
 *
 * @returns Null where something is still to be computed.
 * @throws {OtherOptionsError} As `readEarlier`, and if scores or grid are not those that the record is of.
 */
export async function findCompleteRun(run: CompletableRun): Promise<RunResults | null> {
  const { folder, input, provenance, prunes, skippedRows } = run;
  const record = await readRun(join(folder, runFileNames.run)).catch(() => null);
  if (record?.digests === undefined) return null;
  await refuseChanged(folder, record.digests);
  const earlier = await readEarlier(run);
  if (earlier.searched === undefined || (prunes && !earlier.pruned)) return null;
  const { seed = 0, randomDraws = 5, randomSearch = true, test } = input;
  const found = [record.provenance, record.seed, record.randomDraws, record.randomSearch, record.skippedRows];
  const wanted = [provenance, seed, randomDraws, randomSearch, skippedRows];
  if (!isDeepStrictEqual(found, wanted) || (run.engine !== "auto" && record.engine.kind !== run.engine)) return null;
  let results: RunResults;
  try {
    results = await readRunResults(folder);
  } catch (error) {
    // Answers and traces follow from the rest, and are computed again.
    if (error instanceof RangeError || error instanceof SyntaxError) return null;
    throw error;
  }
  return results.answers.provenance.examples === digestExamples(test) ? results : null;
}
