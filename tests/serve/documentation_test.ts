/**
 * `docs/service.md`: its settings are those there are, and its commands do what it says, with the permissions it names.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseRequest } from "../../src/serve/job_request.ts";
import { type ProblemError, problemResponse } from "../../src/serve/problem.ts";
import { variables } from "../../src/serve/settings.ts";
import { longRequest, posting, tinyRequest, writeTinyModel } from "../support/service.ts";
import { waitToBeTold } from "../support/service_process.ts";
import { withFolder } from "../support/temporary_folder.ts";

const program = fileURLToPath(new URL("../../", import.meta.url));
const text = await Deno.readTextFile(join(program, "docs/service.md"));
/** Lines of the code blocks. */
const commands = text.split("\n").filter((line) => line.startsWith("    ")).map((line) => line.trim());

/** Does what a `curl` of the document does. */
async function curl(line: string, folder: string): Promise<string> {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain).slice(1);
  const init: RequestInit & { headers: Record<string, string> } = { headers: {} };
  let url = "";
  let output: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "-s" || word === "-N") continue;
    if (word === "-X") init.method = words.shift()!;
    else if (word === "-o") output = words.shift()!;
    else if (word === "-H") {
      const [name, value] = words.shift()!.split(": ");
      init.headers[name] = value;
    } else if (word === "-d") {
      init.method ??= "POST";
      init.body = await Deno.readTextFile(join(folder, words.shift()!.slice(1)));
    } else url = word;
  }
  const answer = await fetch(`http://${url}`, init);
  const body = await answer.text();
  assert(answer.ok, `${line}: ${body}`);
  if (output !== undefined) await Deno.writeTextFile(join(folder, output), body);
  return body;
}

Deno.test("docs/service.md lists every setting and its default", () => {
  const listed = [...text.matchAll(/^\| `(SECATEUR_\w+)` +\| .* \| +(\S.*?) +\|$/gm)].map(([, name, value]) =>
    [name, value.replaceAll("`", "")] as const
  );
  assertEquals(listed.map(([name]) => name), Object.values(variables).map(({ name }) => name));
  for (const [name, value] of listed) {
    const { default: real } = Object.values(variables).find((variable) => variable.name === name)!;
    // Defaults in words may be shorter in the table.
    if (/^\S+$/.test(real)) assertEquals(value, real, name);
  }
});

Deno.test("docs/service.md has no `deno serve` listen on other addresses, and shows a refusal as it is", async () => {
  const serving = commands.filter((command) => command.includes("deno serve"));
  assertEquals(serving.map((command) => / --host 127\.0\.0\.1 /.test(command)), [true, true]);
  let refusal: unknown;
  try {
    parseRequest(JSON.stringify(tinyRequest({ seed: -1 })));
  } catch (error) {
    refusal = error;
  }
  assert(commands.includes((await problemResponse(refusal as ProblemError).text()).trim()));
});

Deno.test("the commands of docs/service.md run a job under `deno serve` with the permissions it names until it is asked to end", async () => {
  await withFolder({}, async (folder) => {
    await writeTinyModel(join(folder, "models"));
    await Deno.mkdir(join(folder, "jobs"));
    const line = commands.find((command) => command.includes("--no-prompt"))!;
    const [settings, serve] = line.split(" deno serve ");
    assertEquals(settings, "SECATEUR_JOBS=JOBS SECATEUR_MODELS=MODELS");
    const place = (words: string) =>
      words.replaceAll("MODELS", join(folder, "models")).replaceAll("JOBS", join(folder, "jobs"))
        .replaceAll("PROGRAM/", program).replaceAll("PROGRAM", program);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["serve", ...place(serve).replace("--port 8000", "--port 0").split(" ")],
      env: { SECATEUR_JOBS: join(folder, "jobs"), SECATEUR_MODELS: join(folder, "models") },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    try {
      const port = await waitToBeTold(child.stderr, /Listening on http:\/\/127\.0\.0\.1:(\d+)/);
      const calls = commands.filter((command) => command.startsWith("curl"));
      let id = "";
      for (const call of calls) {
        const own = call.replace("localhost:8000", `127.0.0.1:${port}`).replace("JOB", id);
        // The job has ended by then.
        if (call.endsWith("/cancel")) {
          assertMatch(await curl(own, folder).catch((error) => error.message), /Cannot cancel job \S+: it is done/);
          continue;
        }
        if (call.includes("@request.json")) {
          const request = JSON.parse(await Deno.readTextFile(join(folder, "request.json")));
          await Deno.writeTextFile(
            join(folder, "request.json"),
            JSON.stringify({ ...request, adaptation: { count: 2 }, test: { limit: 4 }, score: { nodes: 2 } }),
          );
        }
        const answer = await curl(own, folder);
        if (call.includes("@request.json")) id = JSON.parse(answer).id;
        if (call.includes("/events")) assertMatch(answer, /"state":"done"/);
      }
      assertMatch(await Deno.readTextFile(join(folder, "report.html")), /^<!doctype html>/);
      assertEquals(JSON.parse(await Deno.readTextFile(join(folder, "plan.json"))).format, "secateur-plan");

      const url = `http://127.0.0.1:${port}/v1/jobs`;
      const { id: long } = await (await fetch(url, posting(longRequest()))).json();
      for (;;) {
        const { state, progress } = await (await fetch(`${url}/${long}`)).json();
        assert(["queued", "running"].includes(state), state);
        if (progress?.stage.startsWith("score")) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const followed = fetch(`${url}/${long}/events`).then((answer) => answer.text());
      await new Promise((resolve) => setTimeout(resolve, 50));
      child.kill("SIGTERM");
      assertEquals((await child.status).code, 0);
      // Whether the end of the stream comes before that of the connection is a matter of luck.
      await followed.catch(() => {});
      const stopped = JSON.parse(await Deno.readTextFile(join(folder, "jobs", long, "state.json")));
      assertEquals([stopped.state, stopped.attempts], ["queued", 0]);
    } finally {
      // Nothing but what is left of a failed test: it has ended.
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
    }
  });
});
