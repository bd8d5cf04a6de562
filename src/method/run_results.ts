/** Everything that the files of a complete run hold: what a report or a comparison is made from, without the model. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { memorySource } from "../checkpoint/memory_source.ts";
import { hashOf } from "../checkpoint/tensor_store.ts";
import { type Answers, parseAnswers } from "./answers_file.ts";
import { readResult, runFileNames } from "./files.ts";
import { digestFile, readLongFile } from "./file_digest.ts";
import { parseGrid } from "./grid_file.ts";
import { parsePlan, type Plan, serialisePlan } from "./plan.ts";
import type { Provenance } from "./provenance.ts";
import { parseRun, type RunRecord } from "./run_record.ts";
import type { ScoreResult } from "./score.ts";
import { decodeScores } from "./scores_file.ts";
import { planFromSearch, type SearchResult } from "./search.ts";
import type { NeuronTraces } from "./neuron_excerpts.ts";
import { parseTraces } from "./traces_file.ts";

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

/** Where results come from, but for the examples, which differ between the files of one run. */
function withoutExamples({ examples: _, ...rest }: Provenance): Omit<Provenance, "examples"> {
  return rest;
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
  const digests = new Map<string, string>();
  // What is parsed are the very bytes that the digest is of, whatever happens to the file meanwhile.
  const open = async <T>(name: string, parse: (path: string, bytes: Uint8Array) => T): Promise<Awaited<T>> => {
    const path = join(folder, name);
    const bytes = await (name === scores ? readLongFile : readResult)(path);
    digests.set(name, hashOf(bytes));
    return await parse(path, bytes);
  };
  const made = await open(plan, (path, bytes) => parsePlan(path, bytes));
  const record = await open(run, parseRun);
  const foundScores = await open(scores, (path, bytes) => decodeScores(memorySource(path, bytes), made.model));
  const foundGrid = await open(grid, (path, bytes) => parseGrid(path, bytes, made.model));
  const foundAnswers = await open(answers, parseAnswers);
  const foundTraces = await open(traces, parseTraces);
  // A file of another run may have been copied here, or a run have ended between two files.
  const origins = { [scores]: foundScores, [grid]: foundGrid, [answers]: foundAnswers, [traces]: foundTraces };
  for (const [name, { provenance }] of Object.entries(origins)) {
    if (!isDeepStrictEqual(withoutExamples(provenance), withoutExamples(record.provenance))) {
      throw new RangeError(
        `Cannot use ${folder} as the folder of a run: its ${name} is of another run than its ${run}`,
      );
    }
  }
  const isOther = made.weights !== undefined && made.weights !== record.provenance.weights;
  const chosen = { ...planFromSearch(made.model, foundGrid.result), weights: made.weights };
  if (isOther || serialisePlan(made) !== serialisePlan(chosen)) {
    throw new RangeError(`Cannot use ${folder} as the folder of a run: its ${plan} is not what its ${grid} chose`);
  }
  // Two runs of one model and task may differ in their seed or settings alone.
  for (const [name, digest] of Object.entries(record.digests ?? {})) {
    if (present.includes(name) && (digests.get(name) ?? await digestFile(join(folder, name))) !== digest) {
      throw new RangeError(
        `Cannot use ${folder} as the folder of a run: its ${name} is of another run than its ${run}, or was changed since`,
      );
    }
  }
  return {
    record,
    scored: foundScores.result,
    searched: foundGrid.result,
    plan: made,
    answers: foundAnswers,
    traces: foundTraces.traces,
  };
}
