/** Everything that the files of a complete run hold: what a report or a comparison is made from, without the model. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Answers } from "./answers_file.ts";
import { readAnswers, readGrid, readPlan, readRun, readScores, readTraces, runFileNames } from "./files.ts";
import type { Plan } from "./plan.ts";
import type { RunRecord } from "./run_record.ts";
import type { ScoreResult } from "./score.ts";
import type { SearchResult } from "./search.ts";
import type { NeuronTraces } from "./neuron_excerpts.ts";

/** The results of one run. */
export interface RunResults {
  /** `run.json` */
  readonly record: RunRecord;
  /** `scores.safetensors` */
  readonly scored: ScoreResult;
  /** `grid.json` */
  readonly searched: SearchResult;
  /** `plan.json` */
  readonly plan: Plan;
  /** `answers.json` */
  readonly answers: Answers;
  /** `traces.json`; null where there was nothing to trace. */
  readonly traces: NeuronTraces | null;
}

/**
 * Reads the folder of a complete run.
 *
 * @throws {RangeError} If a file is missing, or they do not belong together.
 * @throws {SyntaxError} If one is not what its name says.
 */
export async function readRunResults(folder: string): Promise<RunResults> {
  const present = await readdir(folder);
  const { scores, grid, plan, answers, traces, run } = runFileNames;
  const missing = [run, scores, grid, plan, answers, traces].find((name) => !present.includes(name));
  if (missing !== undefined) {
    throw new RangeError(`Cannot use ${folder} as the folder of a complete run: it has no ${missing}`);
  }
  const made = await readPlan(join(folder, plan));
  return {
    record: await readRun(join(folder, run)),
    scored: (await readScores(join(folder, scores), made.model)).result,
    searched: (await readGrid(join(folder, grid), made.model)).result,
    plan: made,
    answers: await readAnswers(join(folder, answers)),
    traces: await readTraces(join(folder, traces)),
  };
}
