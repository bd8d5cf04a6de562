/** Refuses to load what the machine's own memory cannot hold, before the first byte of it is allocated. */

/** What Node and Deno offer of themselves; browsers have no such thing. */
interface BuiltinModules {
  getBuiltinModule?(name: "node:os"): { totalmem(): number };
}

/** Bytes of memory of this machine, or Infinity where it is not to be known. */
function hostMemoryBytes(): number {
  try {
    // An import would keep the engine out of browsers.
    const runtime = (globalThis as { process?: BuiltinModules }).process;
    return runtime?.getBuiltinModule?.("node:os").totalmem() ?? Infinity;
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
