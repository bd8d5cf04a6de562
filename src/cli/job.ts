/** The whole job of `run` and `demo`: score, search, prune, evaluate, and a folder with everything that came of it. */
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers } from "../checkpoint/atomic_file.ts";
import { runFileNames } from "../method/files.ts";
import type { PlanningOptions } from "../method/pipeline.ts";
import { type FolderRunResult, prunedFolderName, runInFolder } from "../method/run_folder.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { CommandError } from "./errors.ts";
import { forecastWork, formatPerformance } from "./forecast.ts";
import { type runOptions, scoreSettings, searchSettings } from "./options.ts";
import { decidingMetric, drawExamples, type Session, testExamples } from "./session.ts";
import { counted, formatChoice, formatCompleteness, formatEngine, formatShare, formatTable } from "./text.ts";

/** What to do with a folder that has results already. */
export type Existing = "refuse" | "resume" | "overwrite";

/** Options of the job. */
export interface JobOptions extends OptionValues<typeof runOptions> {
  readonly model: string;
  readonly out: string;
}

/** Prepares the folder of a run: it exists afterwards, and has nothing in it that is not wanted. */
async function prepareFolder(out: string, existing: Existing): Promise<void> {
  const status = await lstat(out).catch(() => undefined);
  if (status && !status.isDirectory()) {
    throw new CommandError(`${out} is a file`, "name a folder with --out.");
  }
  await mkdir(out, { recursive: true });
  if (existing === "overwrite") await removeLeftovers(out);
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

/** Does the whole job in the folder of `--out`. */
export async function runJob(
  session: Session,
  options: JobOptions,
  existing: Existing,
  { signal, onProgress, typed }: CommandContext,
): Promise<FolderRunResult> {
  const { engine, task, provenance } = session;
  const { out } = options;
  const { adaptation, selection } = await drawExamples(task, options);
  const test = await testExamples(task, options, [...adaptation, ...selection]);
  await prepareFolder(out, existing);
  return await runInFolder({
    input: { engine, adaptation, selection, test, ...planningOptions(session, options), signal, onProgress },
    folder: out,
    resume: existing === "resume",
    checkpoint: session.checkpoint.location,
    provenance,
    arguments: typed,
    forecast: (input, { scored, searched }) =>
      forecastWork(
        engine,
        { ...input, ...(scored && { adaptation: [] }) },
        (stage) => stage === "search" && searched !== undefined,
      ),
  });
}

/** The job's results as a person reads them. */
export function formatJob({ input, result, record, files }: FolderRunResult): string {
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
