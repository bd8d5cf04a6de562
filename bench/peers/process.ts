/** A peer's process: asked in lines of JSON, one question at a time. */
import { lines } from "./protocol.ts";

/** A running peer. */
export interface PeerProcess<Hello, Answer> {
  /** What it said when it was ready. */
  readonly hello: Hello;
  /** @throws {Error} With the peer's own words if it could not do it. */
  ask(request: unknown): Promise<Answer>;
  /** Ends it. */
  close(): Promise<void>;
}

/**
 * Starts a program that speaks the protocol.
 *
 * @throws {Error} If it cannot be started, ends, or answers with an error first; the message says which.
 */
export async function startPeer<Hello, Answer>(
  program: string,
  args: readonly string[],
): Promise<PeerProcess<Hello, Answer>> {
  const child = new Deno.Command(program, { args: [...args], stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  const writer = child.stdin.getWriter();
  const answers = lines(child.stdout);
  const next = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error("its process ended without an answer");
    const answer: unknown = JSON.parse(value);
    if (typeof answer === "object" && answer !== null && "error" in answer) throw new Error(String(answer.error));
    return answer;
  };
  const close = async () => {
    await writer.close().catch(() => {});
    await answers.return(undefined);
    await child.status;
  };
  try {
    return {
      hello: await next() as Hello,
      async ask(request) {
        await writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
        return await next() as Answer;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
