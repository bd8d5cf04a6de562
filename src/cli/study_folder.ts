/** The folder of a study: what may be in it, and what it was begun with. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers } from "../checkpoint/atomic_file.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine, type OpenEngineOptions } from "../engine/open.ts";
import { readBegunKernels, writeBegunEngine } from "../method/begun_engine.ts";
import { readResult } from "../method/files.ts";
import { parseStudy } from "../method/study/study.ts";
import { CommandError } from "./errors.ts";
import { lockName } from "./folder_lock.ts";

/** Names in the folder of a study. */
export const studyFileNames = {
  study: "study.json",
  summary: "study.md",
  report: "report.html",
  log: "log.json",
  begun: "engine.json",
  units: "units",
} as const;

/** Refuses a folder that holds something else, and empties it if so asked. */
export async function prepareStudyFolder(out: string, model: string, overwrite: boolean): Promise<void> {
  const ours: readonly string[] = Object.values(studyFileNames);
  await removeLeftovers(out);
  const names = (await readdir(out)).filter((name) => name !== lockName);
  const foreign = names.find((name) => !ours.includes(name));
  if (foreign !== undefined) {
    throw new CommandError(
      `${out} has ${foreign}, which no study wrote`,
      "name a folder of an earlier study, or an empty one.",
    );
  }
  if (overwrite) {
    // What says that the study is complete goes first.
    for (const name of ours) await rm(join(out, name), { recursive: true, force: true });
    return;
  }
  if (!names.includes(studyFileNames.study)) return;
  const path = join(out, studyFileNames.study);
  const earlier = parseStudy(path, await readResult(path));
  if (earlier.model !== model) {
    throw new CommandError(
      `${path} is a study of ${earlier.model}`,
      "--overwrite replaces it, or name another folder with --out.",
    );
  }
}

/** Opens an engine with the kernels that the folder was begun with, and notes those of a study that begins. */
export async function openSameEngine(
  out: string,
  checkpoint: Checkpoint,
  options: OpenEngineOptions,
): Promise<Engine> {
  const path = join(out, studyFileNames.begun);
  const adapterKernels = await readBegunKernels(path);
  const engine = await openEngine(checkpoint, { ...options, ...(adapterKernels && { adapterKernels }) });
  await writeBegunEngine(path, engine.info);
  return engine;
}
