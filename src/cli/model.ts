/** Finds the model that a command line names: a folder, or a name that is looked up and downloaded. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ResolvedRepository, resolveModel } from "../checkpoint/hub.ts";
import { isAbsent } from "../checkpoint/system_error.ts";
import { checkSeparate } from "../checkpoint/prune_checkpoint.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import type { CommandContext } from "./command.ts";
import { CommandError } from "./errors.ts";

/** Names in a folder; none where it cannot be listed. */
async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then((status) => status.isDirectory(), () => false);
}

/**
 * Refuses to write a pruned copy inside or around the folder of its model, or over it.
 *
 * @param model As named on the command line; a name of the hub has no folder that anybody would write into.
 * @throws {OptionError} If `copy` is such a place.
 */
export async function checkCopyPlace(model: string, copy: string): Promise<void> {
  if (await isFolder(model)) await checkSeparate(model, copy);
}

/** Refuses a folder that holds a checkpoint one level deeper. */
async function checkDepth(folder: string): Promise<void> {
  const names = await namesIn(folder);
  if (names.includes("config.json")) return;
  for (const name of names.sort()) {
    if (!(await namesIn(join(folder, name))).includes("config.json")) continue;
    throw new CommandError(
      `${folder} has no config.json, and its folder ${name} has one`,
      `--model ${join(folder, name)}`,
    );
  }
}

/**
 * Refuses a path that leads nowhere instead of looking for it on the hub: one that begins as paths do, or in a folder
 * that is here. A name with a revision is a name.
 */
async function checkPath(model: string): Promise<void> {
  const above = dirname(model);
  const isPath = /^(?:[.~]|[a-zA-Z]:)?[/\\]|^\.\.[/\\]|^~/.test(model);
  const first = model.split("/")[0];
  // No name of the hub is a single word.
  if (!isPath && first !== model && (model.includes("@") || !await isFolder(first))) return;
  const suggestion = didYouMean(basename(model), await namesIn(above), above === "." ? "" : join(above, "/"));
  throw new CommandError(
    `there is no folder ${model}${suggestion}`,
    isPath || first === model
      ? "check the path; a model is a folder with config.json, or org/name[@revision] of the hub."
      : `check the path, or write ${model}@main for the model of that name on the hub.`,
  );
}

/**
 * Resolves `--model`, showing the bytes of a download.
 *
 * @throws {CommandError} If it is a path that leads to a file or nowhere, or to the folder above that of a checkpoint.
 */
export async function findModel(
  model: string,
  { signal, onProgress }: Pick<CommandContext, "signal" | "onProgress">,
): Promise<ResolvedRepository> {
  const status = await stat(model).catch((error) => isAbsent(error) ? null : undefined);
  if (status === null) await checkPath(model);
  else if (status?.isDirectory()) await checkDepth(model);
  else if (status) {
    const folder = dirname(model);
    throw new CommandError(
      `${model} is a file, and a model is a folder`,
      (await namesIn(folder)).includes("config.json")
        ? `--model ${folder}`
        : "name a folder with config.json, or org/name[@revision] of the hub.",
    );
  }
  return await resolveModel(model, {
    signal,
    onProgress: ({ bytesDone, bytesTotal }) =>
      onProgress({ stage: "download", done: bytesDone, total: bytesTotal, unit: "bytes" }),
  });
}
