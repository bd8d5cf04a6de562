/** `secateur report`: makes the page of a run or of a study again, from the files of its folder. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { isAbsent } from "../checkpoint/system_error.ts";
import { parseJsonObject } from "../checkpoint/strict_json.ts";
import { readResult, runFileNames } from "../method/files.ts";
import { readRunResults, type RunResults } from "../method/run_results.ts";
import { list, text } from "../method/schema.ts";
import { parseStudy } from "../method/study/study.ts";
import { commandLine } from "../report/command_line.ts";
import { defineCommand } from "./command.ts";
import { CommandError, UsageError } from "./errors.ts";
import { studyFileNames } from "./study_folder.ts";

/**
 * Checks the folders that stand after a command's name: as many as there are placeholders, and all there.
 *
 * @throws {UsageError} If there are fewer or more.
 * @throws {CommandError} If one is no folder.
 */
export async function checkFolders(
  words: readonly string[],
  placeholders: readonly string[],
  command: string,
  each = "the folder of a complete run",
): Promise<void> {
  const hint = `secateur ${command} ${placeholders.join(" ")}; each is ${each}.`;
  if (words.length < placeholders.length) throw new UsageError(`${placeholders[words.length]} is missing`, hint);
  if (words.length > placeholders.length) {
    throw new UsageError(`unexpected argument ${JSON.stringify(words[placeholders.length])}`, hint);
  }
  for (const folder of words) {
    const status = await stat(folder).catch((error) => {
      if (isAbsent(error)) return null;
      throw error;
    });
    if (status === null) throw new CommandError(`there is no folder ${folder}`, hint);
    if (!status.isDirectory()) throw new CommandError(`${folder} is a file, expected a folder`, hint);
  }
}

/** The page of a study, with the command of its log where that is there. */
async function studyPage(folder: string, names: readonly string[]): Promise<string> {
  const path = join(folder, studyFileNames.study);
  const study = parseStudy(path, await readResult(path));
  const { renderStudyReport } = await import("../report/study_report.ts");
  if (!names.includes(studyFileNames.log)) return renderStudyReport(study);
  const log = join(folder, studyFileNames.log);
  const { arguments: typed } = parseJsonObject(log, await readResult(log));
  return renderStudyReport(study, commandLine(list(text)(typed, `Cannot read ${log}: arguments`)));
}

/**
 * Reads the folder of a complete run.
 *
 * @throws {CommandError} If a file of it is missing.
 */
export async function readCompleteRun(folder: string): Promise<RunResults> {
  try {
    return await readRunResults(folder);
  } catch (error) {
    if (!(error instanceof RangeError && error.message.includes(": it has no "))) throw error;
    throw new CommandError(error.message, "name the --out of a run; `run --resume` completes an interrupted one.");
  }
}

async function runPage(folder: string): Promise<string> {
  const results = await readCompleteRun(folder);
  const { renderRunReport } = await import("../report/run_report.ts");
  return renderRunReport(results);
}

export const report = defineCommand({
  name: "report",
  summary: "Make the report of a run or of a study again.",
  description:
    `Reads the files that \`run\` or \`study\` wrote into the folder DIR and writes its ${runFileNames.report} anew: a page that\n` +
    "needs nothing else, for reading, printing and sending. The model is not needed.",
  example: "report out/demo-run --out out/demo-run.html",
  words: "DIR",
  options: {
    out: {
      type: "text",
      placeholder: "FILE",
      description: `Where to write the page. Default: ${runFileNames.report} in that folder.`,
    },
  },
  run: async ({ out }, _context, words) => {
    await checkFolders(words, ["DIR"], "report");
    const [folder] = words;
    const names = await readdir(folder);
    const page = names.includes(studyFileNames.study) ? await studyPage(folder, names) : await runPage(folder);
    const path = out ?? join(folder, runFileNames.report);
    await writeFileAtomic(path, page);
    return { text: `written: ${path}\n`, json: { files: [path] } };
  },
});
