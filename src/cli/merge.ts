/** `secateur merge`: joins the parts of a scoring or a search, and says which are missing and how to make them. */
import { join } from "node:path";
import { readScores, runFileNames, writeGrid, writePlan, writeScores } from "../method/files.ts";
import { digestFile } from "../method/file_digest.ts";
import {
  checkPartials,
  missingUnits,
  type Partial,
  partialDifference,
  partialFolder,
  type PartialStep,
  readPartial,
} from "../method/partial_file.ts";
import { planFromSearch } from "../method/search.ts";
import { mergeScores } from "../method/shard_score.ts";
import { mergeSearch } from "../method/shard_search.ts";
import { defineCommand } from "./command.ts";
import { CommandError } from "./errors.ts";
import { withFolderLock } from "./folder_lock.ts";
import { missingShards, partialPaths } from "./parts.ts";
import { checkFolders } from "./report.ts";
import { counted, formatChoice, formatCompleteness } from "./text.ts";

/** Longest list of missing shards that an error spells out. */
const shown = 20;

/**
 * Checks that the partials of a step are of one job.
 *
 * @throws {CommandError} If they are not; the hint names the files of the job that has fewer, or those in another
 * number of parts.
 */
function requireOneJob(partials: readonly Partial[]): void {
  try {
    checkPartials(partials);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const jobs: Partial[][] = [];
    for (const partial of partials) {
      const job = jobs.find(([first]) =>
        first.shard.count === partial.shard.count && partialDifference(first, partial) === undefined
      );
      if (job) job.push(partial);
      else jobs.push([partial]);
    }
    const most = Math.max(...jobs.map(({ length }) => length));
    const largest = jobs.filter(({ length }) => length === most);
    const files = (parts: readonly Partial[]) => parts.map(({ file }) => file).slice(0, shown).join(", ");
    const others = jobs.filter((job) => job !== largest[0]).flat();
    throw new CommandError(
      error.message,
      largest.length === 1
        ? `delete what is not of the larger job, and merge again: ${files(others)}`
        : `they are of ${jobs.length} jobs: delete the files of all but one, and merge again: ${
          jobs.map(files).join("; or ")
        }`,
      { cause: error },
    );
  }
}

/**
 * Checks that the partials of a step are all there.
 *
 * @throws {CommandError} If some are missing; the hint names the commands that make them.
 */
function requireComplete(folder: string, step: PartialStep, partials: readonly Partial[]): void {
  requireOneJob(partials);
  const missing = missingUnits(partials);
  if (missing.length === 0) return;
  const { shards, commands } = missingShards(partials);
  const units = counted(missing.length, step === "score" ? "path" : "cell");
  throw new CommandError(
    `${folder} lacks ${units} of ${partials[0].unitCount}: shards ${shards.join(", ")} of ${step} are missing`,
    `make them and merge again:\n${commands.slice(0, shown).map((command) => `  ${command}`).join("\n")}` +
      (commands.length > shown ? `\n  and ${commands.length - shown} more` : ""),
  );
}

export const merge = defineCommand({
  name: "merge",
  summary: "Join the parts that `score --shard` or `search --shard` wrote.",
  description:
    `Reads ${partialFolder}/ in DIR and writes ${runFileNames.scores}, or ${runFileNames.grid} and ${runFileNames.plan}, into DIR: the same\n` +
    "bytes as one process writes, for any number of parts. Says which parts are missing and the commands that make them. The\n" +
    "model is not needed.",
  example: "merge out/demo-shards",
  words: "DIR",
  options: {
    step: {
      type: "choice",
      choices: ["score", "search"],
      description: "What to join. Default: everything there are parts of.",
    },
    scores: {
      type: "text",
      placeholder: "FILE",
      description: `The scores that were searched over. Default: ${runFileNames.scores} in DIR.`,
    },
  },
  run: async ({ step, scores }, _context, words) => {
    await checkFolders(words, ["DIR"], "merge", "the --out of a job in shards");
    const [folder] = words;
    const steps = (["score", "search"] as const).filter((name) => step === undefined || step === name);
    const found = new Map<PartialStep, Partial[]>();
    for (const name of steps) {
      const partials = await Promise.all((await partialPaths(folder, name)).map(readPartial));
      if (partials.length > 0) found.set(name, partials);
    }
    if (found.size === 0) {
      throw new CommandError(
        `${folder} has no parts to join`,
        `${step ?? "score or search"} --shard writes them into ${join(folder, partialFolder)}.`,
      );
    }
    return await withFolderLock(folder, async () => {
      const texts: string[] = [];
      const files: string[] = [];
      const scoresFile = scores ?? join(folder, runFileNames.scores);
      const scoring = found.get("score");
      if (scoring) {
        requireComplete(folder, "score", scoring);
        const result = mergeScores(scoring);
        const file = join(folder, runFileNames.scores);
        await writeScores(file, result, scoring[0].provenance);
        files.push(file);
        texts.push(
          `score: ${counted(scoring.length, "part")}, ${counted(result.examples.length, "example")}, ${
            formatCompleteness(result.completenessError)
          }`,
          engines(scoring),
        );
      }
      const searching = found.get("search");
      if (searching) {
        requireComplete(folder, "search", searching);
        const { model, inputs, provenance, file: part } = searching[0];
        if (await digestFile(scoresFile) !== inputs.scores) {
          throw new CommandError(
            `${part} was made with other scores than ${scoresFile}`,
            "name the scores with --scores, or search again.",
          );
        }
        const result = mergeSearch(searching, (await readScores(scoresFile, model)).result.scores);
        const [grid, plan] = [join(folder, runFileNames.grid), join(folder, runFileNames.plan)];
        await writeGrid(grid, result, provenance);
        await writePlan(plan, { ...planFromSearch(model, result), weights: provenance.weights });
        files.push(grid, plan);
        texts.push(`search: ${counted(searching.length, "part")}, ${formatChoice(result)}`, engines(searching));
      }
      return {
        text: `${texts.join("\n")}\nWritten: ${files.join(", ")}\n`,
        json: { files, parts: Object.fromEntries([...found].map(([name, partials]) => [name, partials.length])) },
      };
    });
  },
});

/** What computed the parts; different adapters may differ in the last bits. */
function engines(partials: readonly Partial[]): string {
  const names = [...new Set(partials.map(({ engine }) => engine))];
  return names.length === 1
    ? `  computed by ${names[0]}`
    : `  computed by ${names.join("; ")}: adapters differ in the last bits, so one process may too`;
}
