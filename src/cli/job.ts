/** The whole job of `run` and `demo`: score, search, prune, evaluate, and a folder with everything that came of it. */
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { removeLeftovers } from "../checkpoint/atomic_file.ts";
import { writePrunedCheckpoint } from "../checkpoint/prune_checkpoint.ts";
import {
  readGrid,
  readPlan,
  readScores,
  runFileNames,
  writeGrid,
  writePlan,
  writeRun,
  writeScores,
} from "../method/files.ts";
import { type PipelineInput, type PipelineResult, type PlanningOptions, runPipeline } from "../method/pipeline.ts";
import { serialisePlan } from "../method/plan.ts";
import { describeRun, type RunRecord } from "../method/run_record.ts";
import { resolveScoreSettings, type ScoreResult } from "../method/score.ts";
import { planFromSearch, resolveSearchSettings, type SearchResult } from "../method/search.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { CommandError } from "./errors.ts";
import { describePerformance, forecastWork, formatPerformance } from "./forecast.ts";
import { type runOptions, scoreSettings, searchSettings } from "./options.ts";
import { decidingMetric, drawExamples, type Session, testExamples } from "./session.ts";
import { counted, formatChoice, formatCompleteness, formatEngine, formatShare, formatTable } from "./text.ts";

/** Name of the pruned checkpoint in the folder of a run. */
export const prunedFolderName = "pruned";

/** What to do with a folder that has results already. */
export type Existing = "refuse" | "resume" | "overwrite";

/** Options of the job. */
export interface JobOptions extends OptionValues<typeof runOptions> {
  readonly model: string;
  readonly out: string;
}

/** What the job did. */
export interface Job {
  readonly input: PipelineInput;
  readonly result: PipelineResult;
  readonly record: RunRecord;
  /** Everything in the folder. */
  readonly files: readonly string[];
}

/** Prepares the folder of a run: it exists afterwards, and has nothing in it that is not wanted. */
async function prepareFolder(out: string, existing: Existing): Promise<void> {
  const status = await lstat(out).catch(() => undefined);
  if (status && !status.isDirectory()) {
    throw new CommandError(`${out} is a file`, "name a folder with --out.");
  }
  await mkdir(out, { recursive: true });
  if (existing !== "refuse") await removeLeftovers(out);
  const ours: readonly string[] = [...Object.values(runFileNames), prunedFolderName];
  const names = await readdir(out);
  if (names.length === 0 || existing === "resume") return;
  if (existing === "refuse") {
    throw new CommandError(
      `${out} is not empty`,
      "--resume continues the run in it, --overwrite replaces it, or name another folder with --out.",
    );
  }
  const foreign = names.find((name) => !ours.includes(name));
  if (foreign !== undefined) {
    throw new CommandError(
      `${out} has ${foreign}, which no run wrote`,
      "name a folder of an earlier run, or an empty one.",
    );
  }
  for (const name of names) await rm(join(out, name), { recursive: true });
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(() => true, () => false);
}

/** The results of an interrupted run that this run would find again. */
async function readEarlier(
  session: Session,
  out: string,
  input: PipelineInput,
): Promise<{ scored?: ScoreResult; searched?: SearchResult; pruned: boolean }> {
  const { engine, provenance } = session;
  const differs = (file: string) =>
    new CommandError(
      `${join(out, file)} was made with other options`,
      "repeat the command as it was, or name another folder with --out.",
    );
  const ids = (examples: readonly { readonly id: string }[]) => examples.map(({ id }) => id);
  const scoresFile = join(out, runFileNames.scores);
  if (!await exists(scoresFile)) return { pruned: false };
  const scores = await readScores(scoresFile, engine.config);
  const scored = scores.result;
  const sameExamples = scored.settings.filter === "all"
    ? isDeepStrictEqual(scored.examples, ids(input.adaptation))
    : scored.examples.every((id) => ids(input.adaptation).includes(id));
  const wantedScore = resolveScoreSettings(input.score ?? {}, engine);
  if (!sameExamples || !isDeepStrictEqual([scored.settings, scores.provenance], [wantedScore, provenance])) {
    throw differs(runFileNames.scores);
  }

  const gridFile = join(out, runFileNames.grid);
  const planFile = join(out, runFileNames.plan);
  if (!await exists(gridFile)) return { scored, pruned: false };
  const grid = await readGrid(gridFile, engine.config);
  const wantedSearch = resolveSearchSettings(input.search ?? {}, engine, scored.scores);
  const found = [grid.result.examples, grid.result.settings, grid.provenance];
  if (!isDeepStrictEqual(found, [ids(input.selection ?? input.adaptation), wantedSearch, provenance])) {
    throw differs(runFileNames.grid);
  }
  // The plan follows from the grid, so one that is missing is only written again.
  const plan = planFromSearch(engine.config, grid.result);
  if (!await exists(planFile)) await writePlan(planFile, plan);
  else if (serialisePlan(await readPlan(planFile, engine.config)) !== serialisePlan(plan)) {
    throw differs(runFileNames.plan);
  }
  return { scored, searched: grid.result, pruned: await exists(join(out, prunedFolderName)) };
}

/** How plans are made, in the method's words. */
export function planningOptions(session: Session, options: JobOptions): PlanningOptions {
  const metric = decidingMetric(session.task, options.metric);
  return {
    score: { ...scoreSettings(options), metric },
    search: { ...searchSettings(options), metric },
    seed: options.seed,
    randomDraws: options["random-draws"],
  };
}

/**
 * Does the whole job. Files appear as soon as they are known: scores, then grid and plan, then the pruned checkpoint, and
 * last `run.json`; a folder with `run.json` is complete.
 */
export async function runJob(
  session: Session,
  options: JobOptions,
  existing: Existing,
  { signal, onProgress, typed }: CommandContext,
): Promise<Job> {
  const { engine, task, provenance } = session;
  const { out } = options;
  const startedAt = new Date().toISOString();
  const { adaptation, selection } = await drawExamples(task, options);
  const test = await testExamples(task, options, [...adaptation, ...selection]);
  await prepareFolder(out, existing);
  const place = {
    scores: join(out, runFileNames.scores),
    grid: join(out, runFileNames.grid),
    plan: join(out, runFileNames.plan),
    run: join(out, runFileNames.run),
    pruned: join(out, prunedFolderName),
  };
  const planned: PipelineInput = {
    engine,
    adaptation,
    selection,
    test,
    ...planningOptions(session, options),
    signal,
    onProgress,
    onScored: async (result) => {
      signal.throwIfAborted();
      await writeScores(place.scores, result, provenance);
    },
    onSearched: async (result, plan) => {
      signal.throwIfAborted();
      await writeGrid(place.grid, result, provenance);
      await writePlan(place.plan, plan);
    },
  };
  const { pruned, ...earlier } = existing === "resume" ? await readEarlier(session, out, planned) : { pruned: false };
  const input = { ...planned, ...earlier };
  const forecast = forecastWork(
    engine,
    { ...input, ...(earlier.scored && { adaptation: [] }) },
    (stage) => stage === "search" && earlier.searched !== undefined,
  );
  const result = await runPipeline(input);
  signal.throwIfAborted();
  if (!pruned) {
    const plan = result.plans.pruned;
    await writePrunedCheckpoint(session.checkpoint.location, place.pruned, plan.masks, {
      note: { version: provenance.versions.secateur, plan: plan.chosen },
      signal,
      onProgress: ({ bytesDone, bytesTotal }) =>
        onProgress({ stage: "prune", done: bytesDone, total: bytesTotal, unit: "bytes" }),
    });
  }
  const performance = describePerformance(engine.info, forecast);
  const record = describeRun(input, result, { provenance, startedAt, arguments: typed, performance });
  await writeRun(place.run, record);
  return { input, result, record, files: Object.values(place) };
}

/** The job's results as a person reads them. */
export function formatJob({ input, result, record, files }: Job): string {
  const { scored, searched, test, seconds } = result;
  const { metric } = searched.settings;
  const row = (name: string, score: { accuracy: number; standardError: number }, remark = "") => [
    name,
    formatShare(score.accuracy),
    formatShare(score.standardError),
    remark,
  ];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const random = test.random.map((evaluation) => evaluation.scores[metric]);
  const rows = [
    ["", "accuracy", "std. error", ""],
    row("unpruned", test.unpruned.scores[metric]),
    row("pruned", test.pruned.scores[metric]),
    row(
      "random neurons",
      { accuracy: mean(random.map((score) => score.accuracy)), standardError: NaN },
      `mean of ${counted(random.length, "draw")} at the chosen layer and fraction`,
    ),
    ...(test.randomSearched
      ? [row("random, searched", test.randomSearched.scores[metric], "own layer and fraction")]
      : []),
    row("lowest attribution", test.lowest.scores[metric], "as many neurons of the chosen layer"),
  ];
  const stages = Object.entries({
    score: seconds.score,
    search: seconds.search,
    "random search": seconds.randomSearch,
    evaluate: seconds.evaluate,
    total: seconds.total,
  }).map(([name, value]) => `${name} ${value.toFixed(1)}`).join(", ");
  return [
    formatEngine(input.engine.info),
    formatChoice(searched),
    `${formatCompleteness(scored.completenessError)} (${counted(scored.examples.length, "scored example")})`,
    "",
    `${counted(input.test.length, "test example")}, ${metric}:`,
    formatTableWithRemarks(rows),
    "",
    `seconds: ${stages}`,
    ...formatPerformance(record.performance).split("\n").filter((line) => line !== ""),
    `written: ${files.join(", ")}`,
  ].join("\n");
}

/** A table whose last column is a remark, which leans left. */
function formatTableWithRemarks(rows: readonly (readonly string[])[]): string {
  const remarks = rows.map((row) => row[row.length - 1]);
  return formatTable(rows.map((row) => row.slice(0, -1))).split("\n").map((line, index) =>
    remarks[index] === "" ? line : `${line}  ${remarks[index]}`
  ).join("\n");
}
