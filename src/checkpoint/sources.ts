/** Files as byte sources: read by position, never written. */
import { open, stat } from "node:fs/promises";
import { type ByteSource, checkRange } from "./byte_source.ts";

/** One read call asks for at most this many bytes; systems cut longer reads short at 2 GiB. */
const LONGEST_READ = 1 << 30;

/**
 * Opens a file for reading only. Reads name their position, so any number of them may run at once.
 *
 * @throws {RangeError} If the path is not a regular file. Reading throws RangeError outside the file, and when the file
 * has become shorter since it was opened.
 */
export async function openFileSource(path: string): Promise<ByteSource> {
  // Asked before opening: a pipe that nobody writes into would be waited for.
  if (!(await stat(path)).isFile()) throw new RangeError(`Cannot open ${path}: expected a regular file`);
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    return {
      name: path,
      size,
      async readInto(offset, target) {
        checkRange(path, size, offset, target.byteLength);
        let done = 0;
        while (done < target.byteLength) {
          const wanted = Math.min(target.byteLength - done, LONGEST_READ);
          const { bytesRead } = await handle.read(target, done, wanted, offset + done);
          if (bytesRead === 0) {
            throw new RangeError(`Cannot read ${path} at ${offset + done}: it became shorter than its ${size} bytes`);
          }
          done += bytesRead;
        }
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
