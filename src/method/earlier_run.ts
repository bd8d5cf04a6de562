/** What an earlier run left in a folder, and whether a run would find the same again. */
import { lstat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { areComparable } from "../checkpoint/digest.ts";
import type { AdapterKernels, Engine, EngineInfo } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { parseAnswers } from "./answers_file.ts";
import {
  type BegunEngine,
  kernelsOf,
  readBegunEngine,
  readBegunKernels,
  type StageOrigin,
  type Stages,
} from "./begun_engine.ts";
import { digestExamples } from "./example_digest.ts";
import { digestFile } from "./file_digest.ts";
import { readGrid, readPlan, readResult, readRun, readScores, runFileNames, writePlan } from "./files.ts";
import type { PipelineInput } from "./pipeline.ts";
import { serialisePlan } from "./plan.ts";
import type { Provenance } from "./provenance.ts";
import {
  describeDifferences,
  provenanceDifferences,
  rowDifferences,
  settingDifferences,
  valueDifference,
} from "./run_differences.ts";
import type { RunRecord } from "./run_record.ts";
import { readRunResults, type RunResults } from "./run_results.ts";
import { resolveScoreSettings, type ScoreResult, scoresToCome } from "./score.ts";
import { planFromSearch, resolveSearchSettings, type SearchResult } from "./search.ts";

/** Name of the pruned checkpoint in the folder of a run. */
export const prunedFolderName = "pruned";

/** Name of the folder with the answers of a run that is not complete. */
export const keptAnswersName = "answers.partial";

/** Name of the file that says what computes a run that is not complete. */
export const begunEngineName = "engine.partial";

/**
 * Thrown where the results of an earlier run are not those that this run would find: other options, model or rows, or
 * another kind of engine.
 */
export class OtherOptionsError extends RangeError {
  /** Tells this error from others by name. */
  override readonly name = "OtherOptionsError";

  /** @param reason What is wrong with the file, behind its name. */
  constructor(file: string, reason: string) {
    super(`${file} ${reason}`);
  }
}

/** The results of an earlier run. */
export interface EarlierResults {
  /** What was scored, with its seconds where they are known. */
  readonly scored?: ScoreResult;
  /** What was found, with its seconds where they are known. */
  readonly searched?: SearchResult;
  /** Whether the pruned checkpoint is there. */
  readonly pruned: boolean;
  /** Whether answers to some of the test examples are there. */
  readonly answers: boolean;
  /** What computed the files of these results, and how long it took. */
  readonly stages: Stages;
}

/** What a run finds where there is none. */
export const nothing: EarlierResults = { pruned: false, answers: false, stages: {} };

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(() => true, () => false);
}

/** What decides the results of a run. */
export interface WantedRun {
  /** The folder of the run. */
  readonly folder: string;
  /** As `runPipeline` takes it; of the engine, only the model. */
  readonly input: Omit<PipelineInput, "engine"> & { readonly engine: Pick<Engine, "config"> };
  /** What is run, with which versions. */
  readonly provenance: Provenance;
  /** What would compute it; `auto` stands for either. */
  readonly engine: EngineInfo["kind"] | "auto";
  /** Rows that were left out, by split, where that was asked for. */
  readonly skippedRows?: Readonly<Record<string, number>>;
}

/** Ids of examples. */
function idsOf(examples: readonly { readonly id: string }[]): string[] {
  return examples.map(({ id }) => id);
}

/** Refuses a file for what is different, if anything is. */
function refuse(file: string, differences: readonly string[]): void {
  const reason = describeDifferences(differences);
  if (reason !== undefined) throw new OtherOptionsError(file, reason);
}

/** Refuses a fingerprint of the weights of which nobody can tell whether it is of these. */
function refuseOldFingerprint(file: string, before: Provenance, now: Provenance): void {
  if (before.weights === undefined || now.weights === undefined || areComparable(before.weights, now.weights)) return;
  throw new OtherOptionsError(
    file,
    "is of an earlier version, whose fingerprint of the weights does not tell whether they are these",
  );
}

/** The record of a run that is complete; null where there is none that can be read. */
async function readRecord(folder: string): Promise<RunRecord | null> {
  return await readRun(join(folder, runFileNames.run)).catch(() => null);
}

/** What the seed of an interrupted run explains: rows that were drawn with another one are others. */
function seedDifference({ seed }: BegunEngine, input: WantedRun["input"]): string[] {
  return seed === undefined ? [] : valueDifference("--seed", seed, input.seed ?? 0);
}

/** In what an engine of another kind computed; nothing where either is not known. */
function kindDifference(there: EngineInfo["kind"] | null, here: WantedRun["engine"]): string[] {
  return there === null || here === "auto" ? [] : valueDifference("--engine", there, here);
}

/** Refuses scores and a grid that are not those of the record beside them: what follows would be of neither. */
async function refuseChanged(folder: string, digests: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const name of [runFileNames.scores, runFileNames.grid]) {
    const path = join(folder, name);
    if (digests[name] === undefined || !await exists(path) || await digestFile(path) === digests[name]) continue;
    throw new OtherOptionsError(path, `was changed since ${runFileNames.run} was written`);
  }
}

/** Refuses a complete run that differs in anything: what it found would be replaced. */
async function refuseOtherRecord(run: WantedRun, record: RunRecord): Promise<void> {
  const { folder, input, provenance, skippedRows } = run;
  const file = join(folder, runFileNames.run);
  await refuseChanged(folder, record.digests);
  refuseOldFingerprint(file, record.provenance, provenance);
  const { adaptation, selection = adaptation, test, seed = 0, randomDraws = 5, randomSearch = true } = input;
  const score = resolveScoreSettings(input.score ?? {}, input.engine);
  const search = resolveSearchSettings(input.search ?? {}, input.engine, scoresToCome(score, input.engine.config));
  refuse(file, [
    ...provenanceDifferences(record.provenance, provenance),
    ...kindDifference(record.engine.kind, run.engine),
    ...valueDifference("--seed", record.seed, seed),
    ...settingDifferences(record.score, score),
    ...settingDifferences(record.search, search, searchNames),
    ...valueDifference("--random-draws", record.randomDraws, randomDraws),
    ...valueDifference("the search of a random order", record.randomSearch, randomSearch),
    ...rowDifferences("the adaptation rows", record.examples.adaptation, idsOf(adaptation)),
    ...rowDifferences("the selection rows", record.examples.selection, idsOf(selection)),
    ...rowDifferences("the test rows", record.examples.test, idsOf(test)),
    ...valueDifference("--skip-bad-rows", record.skippedRows !== undefined, skippedRows !== undefined),
    ...(record.skippedRows && skippedRows ? valueDifference("rows left out", record.skippedRows, skippedRows) : []),
  ]);
}

/** Options of a search that are not called as its fields. */
const searchNames = { layers: "--search-layers" };

/** Refuses answers to other prompts of the same rows; those that are not the record's are made again anyway. */
function refuseOtherAnswers(folder: string, { examples }: Provenance, test: readonly Example[]): void {
  const here = digestExamples(test);
  if (examples === here) return;
  refuse(join(folder, runFileNames.answers), ["the test rows or their prompts (another digest)"]);
}

/** As `refuseOtherAnswers`, of the file as it was written with the record. */
async function refuseOtherAnswersFile({ folder, input }: WantedRun, { digests }: RunRecord): Promise<void> {
  const path = join(folder, runFileNames.answers);
  const expected = digests?.[runFileNames.answers];
  if (expected === undefined || await digestFile(path).catch(() => null) !== expected) return;
  refuseOtherAnswers(folder, parseAnswers(path, await readResult(path)).provenance, input.test);
}

/**
 * The results of an interrupted run that this run would find again, or of a complete one of which a file is missing.
 *
 * @throws {OtherOptionsError} If there are such that it would not find, or the run is complete and differs.
 */
export async function readEarlier(run: WantedRun): Promise<EarlierResults> {
  const record = await readRecord(run.folder);
  if (record !== null) {
    await refuseOtherRecord(run, record);
    await refuseOtherAnswersFile(run, record);
  }
  return await readStages(run, record);
}

/** How a file came about, as the record of its run tells. */
function originOf(
  sha256: string,
  stage: keyof Stages,
  record: RunRecord | null,
  begun: BegunEngine,
): StageOrigin {
  const noted = begun.stages?.[stage];
  if (noted?.sha256 === sha256) return noted;
  // A run that was killed between the file and the note, or is of an earlier version.
  if (noted === undefined && begun.kind !== undefined) return { kind: begun.kind, seconds: 0, sha256 };
  if (record?.digests?.[runFileNames[stage === "score" ? "scores" : "grid"]] !== sha256) {
    return { kind: null, seconds: 0, sha256 };
  }
  return { kind: record.engine.kind, seconds: record.seconds[stage], sha256 };
}

/** What the files of the stages hold, each of which has to be as this run would make it. */
async function readStages(
  { folder, input, provenance, engine: kind }: WantedRun,
  record: RunRecord | null,
): Promise<EarlierResults> {
  const { engine } = input;
  const scoresFile = join(folder, runFileNames.scores);
  if (!await exists(scoresFile)) return nothing;
  const begun = await readBegunEngine(join(folder, begunEngineName));
  const scores = await readScores(scoresFile, engine.config);
  const scored = scores.result;
  const sameExamples = scored.settings.filter === "all"
    ? isDeepStrictEqual(scored.examples, idsOf(input.adaptation))
    : scored.examples.every((id) => idsOf(input.adaptation).includes(id));
  refuseOldFingerprint(scoresFile, scores.provenance, provenance);
  const wantedOf = (examples: readonly Example[]) => ({ ...provenance, examples: digestExamples(examples) });
  const scoreOrigin = originOf(await digestFile(scoresFile), "score", record, begun);
  const drawn = sameExamples ? [] : [
    ...seedDifference(begun, input),
    ...rowDifferences("the adaptation rows", scored.examples, idsOf(input.adaptation)),
  ];
  refuse(scoresFile, [
    ...kindDifference(scoreOrigin.kind, kind),
    ...settingDifferences(scored.settings, resolveScoreSettings(input.score ?? {}, engine)),
    ...drawn,
    ...provenanceDifferences(scores.provenance, wantedOf(input.adaptation)),
  ]);
  const known = { ...nothing, scored: { ...scored, seconds: scoreOrigin.seconds }, stages: { score: scoreOrigin } };

  const gridFile = join(folder, runFileNames.grid);
  const planFile = join(folder, runFileNames.plan);
  if (!await exists(gridFile)) return known;
  const grid = await readGrid(gridFile, engine.config);
  const wantedSearch = resolveSearchSettings(input.search ?? {}, engine, scored.scores);
  const selection = input.selection ?? input.adaptation;
  const searchOrigin = originOf(await digestFile(gridFile), "search", record, begun);
  const rows = rowDifferences("the selection rows", grid.result.examples, idsOf(selection));
  refuse(gridFile, [
    ...kindDifference(searchOrigin.kind, kind),
    ...settingDifferences(grid.result.settings, wantedSearch, searchNames),
    ...(rows.length > 0 ? seedDifference(begun, input) : []),
    ...rows,
    ...provenanceDifferences(grid.provenance, wantedOf(selection)),
  ]);
  // The plan follows from the grid, so one that is missing is only written again.
  const plan = { ...planFromSearch(engine.config, grid.result), weights: provenance.weights };
  if (!await exists(planFile)) await writePlan(planFile, plan);
  else if (serialisePlan(await readPlan(planFile, engine.config)) !== serialisePlan(plan)) {
    throw new OtherOptionsError(planFile, `is not what ${runFileNames.grid} chose`);
  }
  const [pruned, answers] = await Promise.all(
    [prunedFolderName, keptAnswersName].map((name) => exists(join(folder, name))),
  );
  const searched = { ...grid.result, seconds: searchOrigin.seconds };
  return { ...known, searched, pruned, answers, stages: { score: scoreOrigin, search: searchOrigin } };
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
  /** Whether a pruned checkpoint is wanted. */
  readonly prunes: boolean;
}

/**
 * The results of a run that is complete: its record and every file that the record has a digest of are there, as they
 * were written, and all that decides them is as it is wanted: weights, prompts and answers of all rows, settings, seed,
 * number of draws, versions, and the kind of engine. The adapter and budgets of memory are not asked about.
 *
 * @returns Null where the run is not complete, or files that follow from the rest are missing or damaged.
 * @throws {OtherOptionsError} As `readEarlier`, and if scores or grid are not those that the record is of.
 */
export async function findCompleteRun(run: CompletableRun): Promise<RunResults | null> {
  const { folder, input, prunes } = run;
  const record = await readRecord(folder);
  if (record?.digests === undefined) return null;
  await refuseOtherRecord(run, record);
  const earlier = await readStages(run, record);
  if (earlier.searched === undefined || (prunes && !earlier.pruned)) return null;
  let results: RunResults;
  try {
    results = await readRunResults(folder);
  } catch (error) {
    // Answers and traces follow from the rest, and are computed again.
    if (error instanceof RangeError || error instanceof SyntaxError) return null;
    throw error;
  }
  refuseOtherAnswers(folder, results.answers.provenance, input.test);
  return results;
}
