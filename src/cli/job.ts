/** The whole job of `run` and `demo`: score, search, prune, evaluate, and a folder with everything that came of it. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isLeftover, removeLeftovers, syncFolder, writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { isAbsent } from "../checkpoint/system_error.ts";
import { removeFolderAtomic } from "../checkpoint/atomic_folder.ts";
import { siteNeurons } from "../engine/engine.ts";
import { runFileNames } from "../method/files.ts";
import type { PlanningOptions } from "../method/pipeline.ts";
import {
  begunEngineName,
  type EarlierResults,
  findCompleteRun,
  keptAnswersName,
  prunedFolderName,
} from "../method/earlier_run.ts";
import { runInFolder } from "../method/run_folder.ts";
import type { RunResults } from "../method/run_results.ts";
import type { DrawnExamples } from "../tasks/draw.ts";
import type { Example } from "../tasks/example.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { remarkOnFractions } from "./empty_fractions.ts";
import { CommandError } from "./errors.ts";
import { checkFolder, lockName, withFolderLock } from "./folder_lock.ts";
import { forecastWork, formatPerformance } from "./forecast.ts";
import { type runOptions, runSearchSettings, scoreSettings } from "./options.ts";
import {
  checkSettings,
  countSkipped,
  decidingMetric,
  drawExamples,
  type EngineChoice,
  noteCuts,
  type Session,
  type Work,
} from "./session.ts";
import { plain, type Style } from "./style.ts";
import { testExamples } from "./test_rows.ts";
import { counted, formatChoice, formatCompleteness, formatEngine, formatShare, formatTable } from "./text.ts";

/** What to do with a folder that has results already. */
export type Existing = "refuse" | "resume" | "overwrite";

/** Options of the job. */
export interface JobOptions extends OptionValues<typeof runOptions> {
  readonly "skip-bad-rows"?: boolean;
  readonly model: string;
  readonly out: string;
}

/** Refuses a path that cannot become the folder of a run. */
async function checkPlace(out: string): Promise<void> {
  const status = await stat(out).catch(() => undefined);
  if (status && !status.isDirectory()) throw new CommandError(`${out} is a file`, "name a folder with --out.");
}

/**
 * What a run writes, in the order in which it is removed. What says that the run is complete goes first, and what
 * others follow from goes last: a kill in between leaves a run that can be resumed.
 */
const ours: readonly string[] = [
  runFileNames.run,
  runFileNames.report,
  runFileNames.traces,
  runFileNames.answers,
  keptAnswersName,
  prunedFolderName,
  runFileNames.plan,
  runFileNames.grid,
  runFileNames.scores,
  begunEngineName,
];

/** What a run leaves in its folder, in the order in which it appears. */
export const jobFiles: readonly string[] = ours.filter((name) => name !== keptAnswersName && name !== begunEngineName)
  .toReversed();

/** A job that is done, whenever that was. */
export interface DoneJob extends Pick<RunResults, "record" | "scored" | "searched"> {
  /** What of an earlier run was taken over; null where nothing was to be. */
  readonly earlier: EarlierResults | null;
  /** Whether all of it was there before. */
  readonly isComplete: boolean;
  /** Paths of everything that the run has in the folder. */
  readonly files: readonly string[];
}

/**
 * Looks at the folder of a run and changes nothing.
 *
 * @returns The names in it; none where it is not there yet.
 * @throws {CommandError} If a run may not write there.
 */
export async function inspectFolder(out: string, existing: Existing): Promise<string[]> {
  await checkPlace(out);
  const names = await readdir(out).catch((error) => {
    if (isAbsent(error)) return [];
    throw error;
  });
  const present = names.filter((name) => name !== lockName && !(existing === "overwrite" && isLeftover(name)));
  if (present.length === 0 || existing === "resume") return present;
  if (existing === "refuse") {
    throw new CommandError(
      `${out} is not empty`,
      "--resume continues the run in it, --overwrite replaces it, or name another folder with --out.",
    );
  }
  const foreign = present.find((name) => !ours.includes(name));
  if (foreign !== undefined) {
    throw new CommandError(
      `${out} has ${foreign}, which no run wrote`,
      "name a folder of an earlier run, or an empty one.",
    );
  }
  return present;
}

/** Leaves nothing in the folder of a run that is not wanted. */
async function prepareFolder(out: string, existing: Existing): Promise<void> {
  const present = await inspectFolder(out, existing);
  if (existing === "resume") return;
  await removeLeftovers(out);
  for (const name of ours.filter((name) => present.includes(name))) {
    if (name === prunedFolderName || name === keptAnswersName) await removeFolderAtomic(join(out, name));
    else await rm(join(out, name));
    await syncFolder(out);
  }
}

/** How plans are made, in the method's words. */
export function planningOptions({ task }: Pick<Work, "task">, options: JobOptions): PlanningOptions {
  const metric = decidingMetric(task, options.metric);
  return {
    score: { ...scoreSettings(options), metric },
    search: { ...runSearchSettings(options), metric },
    seed: options.seed,
    randomDraws: options["random-draws"],
  };
}

/** What a job works on. */
export interface JobExamples extends DrawnExamples {
  /** Those that nothing is chosen on. */
  readonly test: readonly Example[];
}

/**
 * Checks the options of a job, draws its examples and sees to it that its folder can be written, before weights are
 * loaded.
 */
export async function prepareJob(
  { checkpoint, task }: Work,
  options: JobOptions,
  existing: Existing,
  context: CommandContext,
): Promise<JobExamples> {
  remarkOnFractions(options.fractions, siteNeurons(checkpoint.config, options.site), context.note);
  checkSettings(planningOptions({ task }, options), checkpoint);
  const { adaptation, selection } = await drawExamples(task, options);
  const used = new Set([...adaptation, ...selection]);
  const test = await testExamples(task, options, [...used], context);
  noteCuts([...used, ...test], checkpoint.config.maxPositions, context);
  await checkFolder(options.out);
  await inspectFolder(options.out, existing);
  return { adaptation, selection, test };
}

/** Rows that were left out, where that was asked for. */
function skippedIn({ task }: Pick<Work, "task">, options: JobOptions) {
  return options["skip-bad-rows"] ? { skippedRows: countSkipped(task) } : {};
}

/** Makes the page of a run. Loaded late: what draws charts is large, and no other command needs it. */
async function renderPage(results: RunResults): Promise<string> {
  return (await import("../report/run_report.ts")).renderRunReport(results);
}

/**
 * Looks whether the job is done already, as it would be done now. A page that is missing is made again, for which
 * nothing is computed.
 *
 * @returns Null where something is still to be computed.
 * @throws {OtherOptionsError} If the folder has results of a run with other options, of another model or of other rows.
 */
export async function findDoneJob(
  work: Work,
  { adaptation, selection, test }: JobExamples,
  options: JobOptions & Pick<EngineChoice, "engine">,
): Promise<DoneJob | null> {
  const { out, engine } = options;
  return await withFolderLock(out, async () => {
    const results = await findCompleteRun({
      input: { engine: work.checkpoint, adaptation, selection, test, ...planningOptions(work, options) },
      folder: out,
      provenance: work.provenance,
      engine,
      prunes: true,
      ...skippedIn(work, options),
    });
    if (results === null) return null;
    // A kill between the record and these leaves them.
    for (const name of [keptAnswersName, begunEngineName]) await rm(join(out, name), { recursive: true, force: true });
    await removeLeftovers(out);
    const page = join(out, runFileNames.report);
    if (!await stat(page).then(() => true, () => false)) await writeFileAtomic(page, await renderPage(results));
    const { record, scored, searched } = results;
    const earlier = { scored, searched, pruned: true, answers: false };
    return { record, scored, searched, earlier, isComplete: true, files: jobFiles.map((name) => join(out, name)) };
  });
}

/** Does the whole job in the folder of `--out`, in which no other process may work meanwhile. */
export async function runJob(
  session: Session,
  { adaptation, selection, test }: JobExamples,
  options: JobOptions,
  existing: Existing,
  { signal, onProgress, typed }: CommandContext,
): Promise<DoneJob> {
  const { engine, provenance } = session;
  const { out } = options;
  return await withFolderLock(out, async () => {
    await prepareFolder(out, existing);
    const { record, result, earlier, files } = await runInFolder({
      input: { engine, adaptation, selection, test, ...planningOptions(session, options), signal, onProgress },
      folder: out,
      resume: existing === "resume",
      checkpoint: session.checkpoint.location,
      provenance,
      ...skippedIn(session, options),
      arguments: typed,
      tokenText: (id) => session.tokenizer.tokenText(id),
      report: renderPage,
      forecast: (input, { scored, searched }) =>
        forecastWork(
          engine,
          { ...input, ...(scored && { adaptation: [] }) },
          (stage) => stage === "search" && searched !== undefined,
        ),
    });
    return { record, scored: result.scored, searched: result.searched, earlier, isComplete: false, files };
  });
}

/** What was not computed again; null where nothing was to be taken over. */
export function namesTakenOver({ earlier, isComplete }: DoneJob): string[] | null {
  if (isComplete) return jobFiles.map((name) => name === prunedFolderName ? `${name}/` : name);
  if (earlier === null) return null;
  const { scored, searched, pruned, answers } = earlier;
  return [
    ...(scored ? [runFileNames.scores] : []),
    ...(searched ? [runFileNames.grid, runFileNames.plan] : []),
    ...(pruned ? [`${prunedFolderName}/`] : []),
    ...(answers ? [`${keptAnswersName}/`] : []),
  ];
}

function formatTakenOver(job: DoneJob): string[] {
  if (job.isComplete) return ["this run is complete already, with the same options: nothing was computed"];
  const names = namesTakenOver(job);
  return names && [`taken over from the earlier run: ${names.length === 0 ? "nothing" : names.join(", ")}`] || [];
}

/** The job's results as a person reads them. */
export function formatJob(job: DoneJob, style: Style = plain): string {
  const { record, scored, searched, files } = job;
  const { test, seconds } = record;
  const { metric } = searched.settings;
  const row = (name: string, score: { accuracy: number; standardError: number | null }, remark = "") => [
    name,
    formatShare(score.accuracy),
    formatShare(score.standardError),
    remark,
  ];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const random = test.random.map((scores) => scores[metric]);
  const rows = [
    ["", "accuracy", "std. error", ""],
    row("unpruned", test.unpruned[metric]),
    row("pruned", test.pruned[metric]),
    row(
      "random neurons",
      { accuracy: mean(random.map((score) => score.accuracy)), standardError: null },
      `mean of ${counted(random.length, "draw")} at the chosen layer and fraction`,
    ),
    ...(test.randomSearched ? [row("random, searched", test.randomSearched[metric], "own layer and fraction")] : []),
    row("lowest attribution", test.lowest[metric], "as many neurons of the chosen layer"),
  ];
  const gain = test.pruned[metric].accuracy - test.unpruned[metric].accuracy;
  const table = formatTableWithRemarks(rows).split("\n").map((line) =>
    !line.startsWith("  pruned ") || gain === 0 ? line : style(gain > 0 ? "good" : "bad", line)
  );
  const stages = Object.entries({
    score: seconds.score,
    search: seconds.search,
    "random search": seconds.randomSearch,
    evaluate: seconds.evaluate,
    total: seconds.total,
  }).map(([name, value]) => `${name} ${value.toFixed(1)}`).join(", ");
  return [
    formatEngine(record.engine),
    ...formatTakenOver(job),
    style("emphasis", formatChoice(searched)),
    `${formatCompleteness(scored.completenessError)} (${counted(scored.examples.length, "scored example")})`,
    "",
    `${counted(record.examples.test.length, "test example")}, ${metric}:`,
    ...table,
    "",
    `seconds: ${stages}`,
    ...formatPerformance(record.performance).split("\n").filter((line) => line !== ""),
    `${job.isComplete ? "there" : "written"}: ${files.join(", ")}`,
  ].join("\n");
}

/** A table whose last column is a remark, which leans left. */
function formatTableWithRemarks(rows: readonly (readonly string[])[]): string {
  const remarks = rows.map((row) => row[row.length - 1]);
  return formatTable(rows.map((row) => row.slice(0, -1))).split("\n").map((line, index) =>
    remarks[index] === "" ? line : `${line}  ${remarks[index]}`
  ).join("\n");
}
