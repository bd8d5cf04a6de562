/** A job that is done, as a person reads it. */
import { type EarlierResults, keptAnswersName, prunedFolderName } from "../method/earlier_run.ts";
import { runFileNames } from "../method/files.ts";
import type { RunResults } from "../method/run_results.ts";
import { formatPerformance } from "./forecast.ts";
import { jobFiles } from "./job_folder.ts";
import { plain, type Style } from "./style.ts";
import { counted, formatChoice, formatCompleteness, formatEngine, formatShare, formatTable } from "./text.ts";

/** A job that is done, whenever that was. */
export interface DoneJob extends Pick<RunResults, "record" | "scored" | "searched"> {
  /** What of an earlier run was taken over; null where nothing was to be. */
  readonly earlier: EarlierResults | null;
  /** Whether all of it was there before. */
  readonly isComplete: boolean;
  /** Paths of everything that the run has in the folder. */
  readonly files: readonly string[];
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
  if (names === null) return [];
  return [`taken over from the earlier run: ${names.length === 0 ? "nothing" : names.join(", ")}`];
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
    job.isComplete ? `${formatEngine(record.engine)}, as ${runFileNames.run} says` : formatEngine(record.engine),
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
