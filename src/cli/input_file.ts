/** Files that options name: a path that leads to none is refused by its name, before anything is opened for it. */
import { mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isAbsent, isBlocked } from "../checkpoint/system_error.ts";
import { CommandError, UsageError } from "./errors.ts";

/**
 * Refuses a path that is not there or is a folder.
 *
 * @param option Name of the option that named it, without `--`.
 * @param usual What such a file is called in the folder of a run.
 * @throws {CommandError} Naming the path; where the folder has such a file, its hint is that.
 */
export async function requireFile(path: string, option: string, usual: string): Promise<void> {
  const look = (path: string) =>
    stat(path).catch((error) => {
      if (isAbsent(error)) return null;
      throw error;
    });
  const status = await look(path);
  if (status === null) {
    throw new CommandError(`there is no file ${path}`, `check the path; --${option} wants a file such as ${usual}.`);
  }
  if (!status.isDirectory()) return;
  const inside = join(path, usual);
  throw new CommandError(
    `${path} is a folder, and --${option} wants a file`,
    (await look(inside))?.isFile() ? `--${option} ${inside}` : `that folder has no ${usual}; name the file.`,
  );
}

/**
 * Refuses two files to be written that are one: the second would replace the first.
 *
 * @param names Names of the options that name them, without `--`.
 * @throws {UsageError} If two are the same path.
 */
export function refuseSamePlace<N extends string>(
  options: { readonly [name in N]?: string | undefined },
  names: readonly N[],
): void {
  const paths = names.map((name) => options[name] === undefined ? null : resolve(options[name]));
  const second = paths.findIndex((path, i) => path !== null && paths.indexOf(path) < i);
  if (second < 0) return;
  const first = names[paths.indexOf(paths[second])];
  throw new UsageError(
    `--${first} and --${names[second]} are the same file, ${options[names[second]]}`,
    "name another one with either of them.",
  );
}

/**
 * Sees to it that a file can be written later, before anything is computed for it.
 *
 * @throws {CommandError} If the path is no file, or lies in what is no folder.
 */
export async function preparePlace(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const status = await stat(path).catch(() => undefined);
  if (status && !status.isFile()) throw new CommandError(`${path} is no file`, "name a file, new or to be replaced.");
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    if (!isBlocked(error)) throw error;
    throw new CommandError(`${path} cannot be written: a part of its path is a file`, "name another path.");
  }
}
