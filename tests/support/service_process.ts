/** The service as a process of its own, to be asked over the network and to be killed. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JobView } from "../../src/serve/job_state.ts";
import { posting } from "./service.ts";

/**
 * Waits until a process says something, and lets it say more afterwards: a pipe that fills up would hold it.
 *
 * @returns The first group of the pattern.
 */
export async function waitToBeTold(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  let text = "";
  const pieces = stream.pipeThrough(new TextDecoderStream());
  for await (const piece of pieces.values({ preventCancel: true })) {
    text += piece;
    const found = pattern.exec(text)?.[1];
    if (found === undefined) continue;
    pieces.pipeTo(new WritableStream()).catch(() => {});
    return found;
  }
  throw new Error(`The process ended before it said ${pattern}: ${text}`);
}

/** How `deno task serve` has glibc keep less of what was freed; what the environment says already stays. */
const heldAllocator = Object.fromEntries(
  Object.entries({ MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" })
    .map(([name, value]) => [name, Deno.env.get(name) ?? value]),
);

/** A service that runs. */
export class ServiceProcess {
  private constructor(readonly url: string, readonly child: Deno.ChildProcess) {}

  /** Starts `secateur serve` on a free port and waits until it listens. */
  static async start(
    folder: string,
    env: Readonly<Record<string, string>> = {},
    places: readonly string[] = ["--models", join(folder, "models"), "--jobs", join(folder, "jobs")],
  ): Promise<ServiceProcess> {
    const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
    const program = [Deno.execPath(), "run", "--quiet", "--allow-all", main, "serve", "--port", "0", ...places];
    // A limit on the size of files, which a test may set, is then an error instead of a signal that ends the process.
    const [first, ...rest] = Deno.build.os === "windows"
      ? program
      : ["bash", "-c", `trap '' XFSZ; exec "$@"`, "bash", ...program];
    const child = new Deno.Command(first, {
      args: rest,
      env: { SECATEUR_ENGINE: "reference", ...heldAllocator, ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    return new ServiceProcess(await waitToBeTold(child.stderr, /serves (http:\S+)\/ with/), child);
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
  }

  /** Ends it as a supervisor does; returns the exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.child.kill(signal);
    return (await this.child.status).code;
  }

  /** The JSON of an answer. */
  // deno-lint-ignore no-explicit-any
  async json(path: string, init?: RequestInit): Promise<any> {
    return await (await fetch(this.url + path, init)).json();
  }

  /** Posts a job, which must be taken. */
  async submit(request: unknown): Promise<JobView> {
    const answer = await fetch(`${this.url}/v1/jobs`, posting(request));
    const body = await answer.json();
    assertEquals(answer.status, 202, JSON.stringify(body));
    return body;
  }

  /** Waits until a job has ended, or is in that state. */
  async wait(id: string, state?: JobView["state"]): Promise<JobView> {
    for (;;) {
      const view: JobView = await this.json(`/v1/jobs/${id}`);
      if (view.state === state || view.finishedAt !== null) return view;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)![1]);
  }
}
