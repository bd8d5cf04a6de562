/** The folder of a run: what may be in it, and how it is made ready. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isLeftover, removeLeftovers, syncFolder } from "../checkpoint/atomic_file.ts";
import { removeFolderAtomic } from "../checkpoint/atomic_folder.ts";
import { isAbsent } from "../checkpoint/system_error.ts";
import { begunEngineName, keptAnswersName, prunedFolderName } from "../method/earlier_run.ts";
import { runFileNames } from "../method/files.ts";
import { CommandError } from "./errors.ts";
import { lockName } from "./folder_lock.ts";

/** What to do with a folder that has results already. */
export type Existing = "refuse" | "resume" | "overwrite";

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

/** What to say of a folder that has nothing of a run to go on with, as where it is mistyped; null where it has. */
export async function remarkOnNothing(out: string): Promise<string | null> {
  const present = await inspectFolder(out, "resume");
  if (ours.some((name) => present.includes(name))) return null;
  const isThere = await stat(out).then(() => true, () => false);
  return `Nothing to resume: ${out} ${isThere ? "holds nothing of a run" : "is not there"}, so this run begins anew.`;
}

/** Leaves nothing in the folder of a run that is not wanted. */
export async function prepareFolder(out: string, existing: Existing): Promise<void> {
  const present = await inspectFolder(out, existing);
  if (existing === "resume") return;
  await removeLeftovers(out);
  for (const name of ours.filter((name) => present.includes(name))) {
    if (name === prunedFolderName || name === keptAnswersName) await removeFolderAtomic(join(out, name));
    else await rm(join(out, name));
    await syncFolder(out);
  }
}
