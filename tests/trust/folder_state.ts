/** What a run's folder holds, as bytes that can be compared. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { begunEngineName, keptAnswersName } from "../../src/method/earlier_run.ts";
import { lockName } from "../../src/cli/folder_lock.ts";

/** Bytes as text, by path from the folder, `/` between the parts; temporary names and the lock are left out. */
export type FolderState = Readonly<Record<string, string>>;

/** Reads every file of a folder that is not a temporary one. */
export async function folderState(folder: string): Promise<FolderState> {
  const state: Record<string, string> = {};
  const walk = async (path: string, name: string) => {
    const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
      if (error.code === "ENOENT" && name === "") return [];
      throw error;
    });
    for (const entry of entries) {
      if (entry.name === lockName || /^\..*\.partial$/.test(entry.name)) continue;
      const [inside, below] = [join(path, entry.name), name === "" ? entry.name : `${name}/${entry.name}`];
      if (entry.isDirectory()) await walk(inside, below);
      else state[below] = (await readFile(inside)).toString("latin1");
    }
  };
  await walk(folder, "");
  return state;
}

/**
 * A state without what only an interrupted run has, to go on from: how many answers there are depends on when it was.
 */
export function withoutKeptAnswers(state: FolderState): FolderState {
  const isKept = (name: string) => name === begunEngineName || name.startsWith(`${keptAnswersName}/`);
  return Object.fromEntries(Object.entries(state).filter(([name]) => !isKept(name)));
}

/**
 * `run.json` also holds times and the command line, and the report shows them: everything else of the one, whether the other
 * is whole, and of the other files all bytes.
 */
export function repeatable(state: FolderState): FolderState {
  const { "run.json": text, "report.html": report, ...others } = state;
  const rest = {
    ...others,
    ...(report !== undefined && { "report.html": /^<!doctype html>[^]*<\/html>\n$/.test(report) ? "whole" : report }),
  };
  if (text === undefined) return rest;
  const { startedAt: _startedAt, arguments: _arguments, seconds: _seconds, performance: _performance, engine, ...run } =
    JSON.parse(text);
  return { ...rest, "run.json": JSON.stringify({ ...run, adapter: engine.adapter }) };
}
