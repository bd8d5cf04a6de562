/** The service as a process of its own, to be asked over the network and to be killed. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JobView } from "../../src/serve/job_state.ts";
import { posting } from "./service.ts";

/** A service that runs. */
export class ServiceProcess {
  private constructor(readonly url: string, readonly child: Deno.ChildProcess) {}

  /** Starts `secateur serve` on a free port and waits until it listens. */
  static async start(folder: string, env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url)), "serve"]
        .concat(["--port", "0", "--models", join(folder, "models"), "--jobs", join(folder, "jobs")]),
      env: { SECATEUR_ENGINE: "reference", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let text = "";
    const lines = child.stderr.pipeThrough(new TextDecoderStream());
    for await (const piece of lines.values({ preventCancel: true })) {
      text += piece;
      const url = /serves (http:\S+)\/ with/.exec(text)?.[1];
      if (url === undefined) continue;
      // What it says later must not fill the pipe up.
      lines.pipeTo(new WritableStream()).catch(() => {});
      return new ServiceProcess(url, child);
    }
    throw new Error(`The service did not start: ${text}`);
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
