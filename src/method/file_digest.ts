/** The digest of a file among results: what tells that a file is the one that another file speaks of. */
import { hashOf } from "../checkpoint/tensor_store.ts";
import { readRegularFile } from "../tasks/regular_file.ts";

/** Longest file, in bytes: scores of the largest model, and what the system reads at once. */
const LONGEST_FILE = 2 ** 31 - 1;

/**
 * The bytes of a file among results, whatever it holds.
 *
 * @throws {RangeError} If it is no regular file, or longer than 2 GiB.
 */
export async function readLongFile(path: string): Promise<Uint8Array> {
  return await readRegularFile(path, LONGEST_FILE);
}

/**
 * Digest of a file's bytes.
 *
 * @throws {RangeError} As `readLongFile`.
 */
export async function digestFile(path: string): Promise<string> {
  return hashOf(await readLongFile(path));
}
