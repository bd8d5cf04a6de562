/** Child processes that end when a signal says so. */

/**
 * Starts a command and waits for it; kills it and all that it started when the signal says so.
 *
 * @throws {unknown} The signal's reason.
 */
export async function untilAborted<T>(
  command: Deno.Command,
  signal: AbortSignal,
  wait: (child: Deno.ChildProcess) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const child = command.spawn();
  // Deno's own way sends SIGTERM, which `unshare` ignores.
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  signal.addEventListener("abort", kill, { once: true });
  try {
    const result = await wait(child);
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
