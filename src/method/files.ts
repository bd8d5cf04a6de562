/**
 * The files of a run's folder. Each is complete under its name or not there at all. They depend on what was computed
 * only, so a repeated run gives the same bytes; but `run.json` also holds times, and the report shows them.
 */
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { openFileSource } from "../checkpoint/sources.ts";
import { type Answers, serialiseAnswers } from "./answers_file.ts";
import { parseGrid, type SavedGrid, serialiseGrid } from "./grid_file.ts";
import { parsePlan, type Plan, type PlanModel, serialisePlan } from "./plan.ts";
import type { Provenance } from "./provenance.ts";
import { parseRun, type RunRecord, serialiseRun } from "./run_record.ts";
import type { ScoreResult } from "./score.ts";
import { readRegularFile } from "../tasks/regular_file.ts";
import { decodeScores, encodeScores, type SavedScores } from "./scores_file.ts";
import type { SearchResult } from "./search.ts";
import type { NeuronTraces } from "./neuron_excerpts.ts";
import { serialiseTraces } from "./traces_file.ts";

/** Names of the files in a run's folder. */
export const runFileNames = {
  scores: "scores.safetensors",
  grid: "grid.json",
  plan: "plan.json",
  answers: "answers.json",
  traces: "traces.json",
  report: "report.html",
  run: "run.json",
} as const;

/** Longest file of JSON that is read, in bytes; a text of the language has no more. */
const LONGEST_RESULT = 500_000_000;

/**
 * The bytes of a file of an earlier run or study.
 *
 * @throws {RangeError} If it is no regular file, or longer than any text can be.
 */
export async function readResult(path: string): Promise<Uint8Array> {
  return await readRegularFile(path, LONGEST_RESULT);
}

/** Writes scores. The folder must exist. */
export async function writeScores(path: string, result: ScoreResult, provenance: Provenance): Promise<void> {
  await writeFileAtomic(path, encodeScores(result, provenance));
}

/**
 * Reads scores for a model.
 *
 * @throws {SyntaxError} If it is no scores file.
 * @throws {RangeError} If it does not fit the model.
 */
export async function readScores(path: string, config: PlanModel): Promise<SavedScores> {
  const source = await openFileSource(path);
  try {
    return await decodeScores(source, config);
  } finally {
    await source.close();
  }
}

/** Writes every configuration of a search. The folder must exist. */
export async function writeGrid(path: string, result: SearchResult, provenance: Provenance): Promise<void> {
  await writeFileAtomic(path, serialiseGrid(result, provenance));
}

/**
 * Reads a search for a model.
 *
 * @throws {SyntaxError} If it is no grid file.
 * @throws {RangeError} If it does not fit the model.
 */
export async function readGrid(path: string, config: PlanModel): Promise<SavedGrid> {
  return parseGrid(path, await readResult(path), config);
}

/** Writes a plan. The folder must exist. */
export async function writePlan(path: string, plan: Plan): Promise<void> {
  await writeFileAtomic(path, serialisePlan(plan));
}

/**
 * Reads a plan for a model.
 *
 * @param config The model; default: the shape the plan says it was made for.
 * @throws {SyntaxError} If it is no plan file.
 * @throws {RangeError} If it does not fit the model.
 */
export async function readPlan(path: string, config?: PlanModel): Promise<Plan> {
  return parsePlan(path, await readResult(path), config);
}

/** Writes the answers to the test examples. The folder must exist. */
export async function writeAnswers(path: string, answers: Answers): Promise<void> {
  await writeFileAtomic(path, serialiseAnswers(answers));
}

/** Writes what pruned neurons respond to. The folder must exist. */
export async function writeTraces(path: string, traces: NeuronTraces | null, provenance: Provenance): Promise<void> {
  await writeFileAtomic(path, serialiseTraces(traces, provenance));
}

/** Writes the record of a run. The folder must exist. */
export async function writeRun(path: string, run: RunRecord): Promise<void> {
  await writeFileAtomic(path, serialiseRun(run));
}

/**
 * Reads the record of a run.
 *
 * @throws {SyntaxError} If it is no run record.
 */
export async function readRun(path: string): Promise<RunRecord> {
  return parseRun(path, await readResult(path));
}
