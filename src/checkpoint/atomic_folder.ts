/** Folders that are either complete or absent: filled beside their place under a temporary name, synced, renamed. */
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createFolder, syncFolder, temporarySibling } from "./atomic_file.ts";

/**
 * Decides whether a folder may be written at `target`.
 *
 * @param marker A file that a folder must have to be replaced: a guard against a mistyped path that names something
 * else.
 * @returns Whether there is an older folder to replace.
 * @throws {RangeError} If something is there and may not be replaced.
 */
async function mustReplace(target: string, overwrite: boolean, marker: string): Promise<boolean> {
  const status = await lstat(target).catch((error) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!status) return false;
  if (!overwrite) throw new RangeError(`Cannot write ${target}: it exists, expected a new name or overwrite`);
  if (!status.isDirectory()) throw new RangeError(`Cannot overwrite ${target}: it is not a folder`);
  const names = await readdir(target);
  if (names.length > 0 && !names.includes(marker)) {
    throw new RangeError(`Cannot overwrite ${target}: it has no ${marker}, expected an older folder of the same kind`);
  }
  return true;
}

/**
 * Removes a folder so that a kill at any moment leaves it whole under its name, or not there: what is left of it is
 * then found under a temporary name (see `removeLeftovers`).
 */
export async function removeFolderAtomic(folder: string): Promise<void> {
  const place = resolve(folder);
  const leaving = temporarySibling(place);
  await rename(place, leaving);
  await syncFolder(dirname(place));
  await rm(leaving, { recursive: true });
}

/**
 * Writes a folder atomically: a kill at any moment leaves the target absent, or as it was, or complete; what was being
 * written stays beside it under a `.partial` name (see `removeLeftovers`). When an older folder is replaced there is
 * one moment, between two renames, at which it is found only under such a name.
 *
 * @param target Its parent folders are created.
 * @param marker A file that an older folder must have to be replaced.
 * @param fill Writes and syncs the files of the folder given to it; the folder itself is synced afterwards.
 * @returns What `fill` returned.
 * @throws {RangeError} If something is at `target` that may not be replaced. What `fill` throws is passed on, and then
 * nothing is left behind.
 */
export async function writeFolderAtomic<T>(
  target: string,
  marker: string,
  overwrite: boolean,
  fill: (temporary: string) => Promise<T>,
): Promise<T> {
  const place = resolve(target);
  await mustReplace(place, overwrite, marker);
  await createFolder(dirname(place));
  const temporary = temporarySibling(place);
  await mkdir(temporary);
  try {
    const result = await fill(temporary);
    await syncFolder(temporary);
    // Asked again: filling may have taken long.
    if (await mustReplace(place, overwrite, marker)) {
      const older = temporarySibling(place);
      await rename(place, older);
      try {
        await rename(temporary, place);
      } catch (error) {
        await rename(older, place);
        throw error;
      }
      await syncFolder(dirname(place));
      await rm(older, { recursive: true });
    } else {
      await rename(temporary, place);
    }
    await syncFolder(dirname(place));
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
