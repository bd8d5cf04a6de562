/** Refuses to load what the machine's own memory cannot hold, before the first byte of it is allocated. */
import { totalmem } from "node:os";

/** Bytes of memory of this machine, or Infinity where it is not to be known. */
function hostMemoryBytes(): number {
  try {
    return totalmem();
  } catch {
    // Asking needs a permission that the program may not have been given.
    return Infinity;
  }
}

/**
 * @param what Begins the message, such as `Cannot open MODEL: its weights`.
 * @param advice Ends it.
 * @throws {RangeError} If the machine has less memory than that.
 */
export function requireHostMemory(what: string, bytes: number, advice: string, available = hostMemoryBytes()): void {
  if (bytes <= available) return;
  throw new RangeError(`${what} take ${bytes} bytes of this machine's memory, which has ${available}; ${advice}`);
}
