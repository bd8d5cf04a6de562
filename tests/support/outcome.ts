/** Processes run to their end, and what they left. */

/** What a finished process left. */
export interface Outcome {
  readonly code: number;
  /** What killed it; null where nothing did. */
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a process printed and how it ended, once it has. */
export async function outcomeOf(process: Pick<Deno.Command, "output">): Promise<Outcome> {
  const { code, signal, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs Deno with all permissions in a shell that has prepared something first, such as a limit. */
export async function denoInShell(preparation: string, args: readonly string[]): Promise<Outcome> {
  return await outcomeOf(
    new Deno.Command("bash", {
      args: ["-c", `${preparation}; exec "$@"`, "bash", Deno.execPath(), "run", "-A", "--quiet", ...args],
      stdin: "null",
    }),
  );
}
