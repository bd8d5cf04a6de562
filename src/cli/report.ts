/** `secateur report`: makes the page of a run again, from the files of its folder. */
import { join } from "node:path";
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { runFileNames } from "../method/files.ts";
import { readRunResults } from "../method/run_results.ts";
import { defineCommand } from "./command.ts";
import { UsageError } from "./errors.ts";

/**
 * The folders that stand after a command's name, as many as there are placeholders.
 *
 * @throws {UsageError} If there are fewer or more.
 */
export function checkFolders(words: readonly string[], placeholders: readonly string[], command: string): void {
  const hint = `secateur ${command} ${placeholders.join(" ")}; each is the folder of a complete run.`;
  if (words.length < placeholders.length) throw new UsageError(`${placeholders[words.length]} is missing`, hint);
  if (words.length > placeholders.length) {
    throw new UsageError(`unexpected argument ${JSON.stringify(words[placeholders.length])}`, hint);
  }
}

export const report = defineCommand({
  name: "report",
  summary: "Make the report of a run again.",
  description:
    `Reads the files that \`run\` wrote into the folder DIR and writes its ${runFileNames.report} anew: a page that needs\n` +
    "nothing else, for reading, printing and sending. The model is not needed.",
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
    checkFolders(words, ["DIR"], "report");
    const [folder] = words;
    const results = await readRunResults(folder);
    const { renderRunReport } = await import("../report/run_report.ts");
    const path = out ?? join(folder, runFileNames.report);
    await writeFileAtomic(path, renderRunReport(results));
    return { text: `written: ${path}\n`, json: { files: [path] } };
  },
});
