/** The whole job of `run` and `demo`: score, search, prune, evaluate, and a folder with everything that came of it. */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers, writeFileAtomic } from "../checkpoint/atomic_file.ts";
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { siteNeurons } from "../engine/engine.ts";
import { begunEngineName, findCompleteRun, keptAnswersName } from "../method/earlier_run.ts";
import { runFileNames } from "../method/files.ts";
import type { PlanningOptions } from "../method/pipeline.ts";
import { runInFolder } from "../method/run_folder.ts";
import type { RunResults } from "../method/run_results.ts";
import type { DrawnExamples } from "../tasks/draw.ts";
import type { Example } from "../tasks/example.ts";
import type { Task } from "../tasks/task.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { remarkOnFractions } from "./empty_fractions.ts";
import { checkFolder, withFolderLock } from "./folder_lock.ts";
import { forecastWork } from "./forecast.ts";
import { type Existing, inspectFolder, jobFiles, prepareFolder } from "./job_folder.ts";
import type { DoneJob } from "./job_text.ts";
import { type runOptions, runSearchSettings, scoreSettings } from "./options.ts";
import {
  adaptationSplit,
  checkSettings,
  countSkipped,
  decidingMetric,
  drawExamples,
  type EngineChoice,
  noteCuts,
  type Session,
  type Work,
} from "./session.ts";
import { testExamples, testSplit } from "./test_rows.ts";

/** Options of the job. */
export interface JobOptions extends OptionValues<typeof runOptions> {
  readonly "skip-bad-rows"?: boolean;
  readonly model: string;
  readonly out: string;
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
 * Finds mistakes in what decides a job that show before any row is read.
 *
 * @throws {UsageError} If a value does not fit the model, the task or its data.
 * @throws {OptionError} As `checkSettings`.
 */
export function checkJob(
  { config, task }: { readonly config: ModelConfig; readonly task: Task },
  options: JobOptions,
  note: CommandContext["note"],
): void {
  remarkOnFractions(options.fractions, siteNeurons(config, options.site), note);
  checkSettings(planningOptions({ task }, options), { config });
  adaptationSplit(task, options["adaptation-split"]);
  testSplit(task, options.split);
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
  checkJob({ config: checkpoint.config, task }, options, context.note);
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
 * @throws {OtherOptionsError} If the folder has results of a run with other options, of another model, of other rows,
 * or of another kind of engine.
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
    const earlier = { scored, searched, pruned: true, answers: false, stages: {} };
    return { record, scored, searched, earlier, isComplete: true, files: jobFiles.map((name) => join(out, name)) };
  });
}

/** Does the whole job in the folder of `--out`, in which no other process may work meanwhile. */
export async function runJob(
  session: Session,
  { adaptation, selection, test }: JobExamples,
  options: JobOptions,
  existing: Existing,
  { signal, onProgress, typed, note }: CommandContext,
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
    const ofUnknown = (["score", "search"] as const).filter((stage) => earlier?.stages[stage]?.kind === null);
    if (ofUnknown.length > 0) {
      const names = ofUnknown.map((stage) => stage === "score" ? runFileNames.scores : runFileNames.grid);
      note(
        `Nothing tells what computed ${
          names.join(" and ")
        }, which were there: ${runFileNames.run} names the engine of ` +
          "this run alone.",
      );
    }
    return { record, scored: result.scored, searched: result.searched, earlier, isComplete: false, files };
  });
}
