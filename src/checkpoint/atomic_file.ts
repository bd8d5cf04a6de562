/**
 * Files that are either complete or absent: written beside their place under a temporary name, synced, renamed, and
 * the folder synced, so that a kill or a power cut at any moment leaves no half-written file under the real name.
 */
import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { systemErrorName } from "./system_error.ts";

/** What a file is made of: all of it, or pieces in order. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const TEMPORARY_NAME = /^\..+\.[0-9a-f]{12}\.partial$/;

/** A new name beside `path`, for a file or folder that will be renamed to `path` when it is complete. */
export function temporarySibling(path: string): string {
  const token = randomUUID().replaceAll("-", "").slice(0, 12);
  return join(dirname(path), `.${basename(path)}.${token}.partial`);
}

/** Whether a name is one that a killed writer may have left behind. */
export function isLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name);
}

/**
 * Deletes the temporary files and folders that killed writers left in a folder (not in its subfolders). Only for a
 * folder in which nobody else is writing, such as a run directory that is being resumed.
 *
 * @returns The names deleted, ascending.
 */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(isLeftover).sort();
  for (const name of names) await rm(join(folder, name), { recursive: true });
  return names;
}

/** Makes renames in a folder durable. A no-op on Windows, which cannot sync folders. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates a folder and the folders above it where they are missing, and makes them durable, except in a folder above
 * that this process may not read.
 */
export async function createFolder(folder: string): Promise<void> {
  const place = resolve(folder);
  const first = await mkdir(place, { recursive: true });
  if (first === undefined) return;
  // Each new folder is an entry of the one above it.
  for (let at = place;; at = dirname(at)) {
    await syncFolder(dirname(at)).catch((error) => {
      if (error.name !== "NotCapable" && error.code !== "EACCES" && error.code !== "EPERM") throw error;
    });
    if (at === resolve(first) || dirname(at) === at) return;
  }
}

/** The pieces of a content as one sequence of byte arrays. */
async function* pieces(content: FileContent): AsyncGenerator<Uint8Array> {
  if (typeof content === "string") yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}

/** Names the file in an error of the system that does not, such as that of a full disk. */
async function naming<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`Cannot write ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Creates a file that must not exist, writes it and syncs it. Not atomic by itself: for files inside a temporary
 * folder.
 *
 * @param name What the file is called in errors. Default: its path.
 * @returns Bytes written.
 * @throws {Error} With code `EEXIST` if the path exists; naming the file if the disk is full or fails.
 */
export async function writeNewFile(path: string, content: FileContent, name = path): Promise<number> {
  const handle = await open(path, "wx");
  let total = 0;
  try {
    for await (const piece of pieces(content)) {
      for (let done = 0; done < piece.byteLength;) {
        const { bytesWritten } = await naming(name, () => handle.write(piece, done, piece.byteLength - done));
        done += bytesWritten;
      }
      total += piece.byteLength;
    }
    await naming(name, () => handle.sync());
  } finally {
    await handle.close();
  }
  return total;
}

/**
 * Writes a file atomically, replacing an older one. When anything fails, the older file stays as it was.
 *
 * @param path Its folder must exist.
 * @throws {RangeError} If the path is a folder.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const older = await lstat(path).catch(() => undefined);
  if (older?.isDirectory()) throw new RangeError(`Cannot write ${path}: it is a folder, expected a file or nothing`);
  const temporary = temporarySibling(path);
  try {
    await writeNewFile(temporary, content, path);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Whether an error, or what caused it, says that a disk is full, a user's share of it used up, or a file at its limit.
 */
export function isDiskFull(error: unknown): boolean {
  const name = systemErrorName(error);
  return name === "ENOSPC" || name === "EDQUOT" || name === "EFBIG";
}
