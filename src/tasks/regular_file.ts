/**
 * Reads files that strangers may have named: only regular ones, and only up to a length, so that no device or pipe
 * hangs it.
 */
import { readFile, stat } from "node:fs/promises";

/**
 * Checks that a file is one, and not too long.
 *
 * @param longest Bytes that the file may have.
 * @throws {RangeError} If it is a folder, pipe or device, or longer. What the system says of a file that is not there
 * is passed on.
 */
export async function checkRegularFile(path: string, longest: number): Promise<void> {
  const status = await stat(path);
  if (!status.isFile()) throw new RangeError(`Cannot read ${path}: expected a regular file`);
  if (status.size > longest) {
    throw new RangeError(`Cannot read ${path}: it has ${status.size} bytes, expected at most ${longest}`);
  }
}

/**
 * The bytes of a file.
 *
 * @param longest Bytes that the file may have.
 * @throws As `checkRegularFile`.
 */
export async function readRegularFile(path: string, longest: number): Promise<Uint8Array> {
  await checkRegularFile(path, longest);
  return await readFile(path);
}
