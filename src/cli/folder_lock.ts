/**
 * One writer per output folder: a lock that the system releases when its process ends, however it ends, so that a
 * killed run leaves nothing to clean up.
 */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createFolder } from "../checkpoint/atomic_file.ts";
import { isBlocked } from "../checkpoint/system_error.ts";
import { CommandError } from "./errors.ts";

/** Name of the locked file; it is in the folder while somebody works there, and after a kill. */
export const lockName = ".secateur.lock";

async function lock(folder: string): Promise<Deno.FsFile> {
  const path = join(folder, lockName);
  for (;;) {
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      if (!await file.tryLock(true)) {
        throw new CommandError(
          `${folder} is in use by another process`,
          "wait until it ends, or name another folder with --out.",
        );
      }
      // Whoever had the lock before may have removed the file between our opening and our locking it.
      const [ours, there] = [await file.stat(), await stat(path).catch(() => undefined)];
      if (there && (ours.ino === null || ours.ino === there.ino)) return file;
      file.close();
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

/**
 * Creates a folder if need be and finds out whether one may work in it, before long work begins elsewhere.
 *
 * @throws {CommandError} As `withFolderLock`.
 */
export async function checkFolder(folder: string): Promise<void> {
  await withFolderLock(folder, () => Promise.resolve());
}

/**
 * Creates a folder if need be and lets `use` work in it as the only process that does.
 *
 * @throws {CommandError} If another process works in it. What the system says of a folder that cannot be written is
 * passed on before `use` begins.
 */
export async function withFolderLock<T>(folder: string, use: () => Promise<T>): Promise<T> {
  try {
    await createFolder(folder);
  } catch (error) {
    if (!isBlocked(error)) throw error;
    throw new CommandError(
      `${folder} cannot be made: a part of that path is a file`,
      "name another folder with --out.",
    );
  }
  const file = await lock(folder);
  try {
    return await use();
  } finally {
    // Removed while it is still locked: nobody else can be relying on it. Windows removes no open file.
    await rm(join(folder, lockName), { force: true }).catch(() => {});
    file.close();
  }
}
