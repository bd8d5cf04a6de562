/**
 * Attacks on the service, each with its size as a parameter: small in the tests, large in the soak. Each throws where the
 * service fails, and returns what was tried.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { equalsSecret } from "../../src/serve/access.ts";
import { requestSchema } from "../../src/serve/job_request.ts";
import { createRandom } from "../../src/tasks/random.ts";
import { longRequest, type TestService, tinyRequest, writeTinyModel } from "../support/service.ts";
import { ServiceProcess } from "../support/service_process.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Paths and names that lead elsewhere where they are taken for paths. */
export const traversals = [
  "..",
  "../..",
  "%2e%2e",
  "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
  "..%2f..%2fetc%2fpasswd",
  "..%5c..%5cwindows",
  "....//....//etc/passwd",
  "/etc/passwd",
  "//etc/passwd",
  "%00",
  "run.json%00.html",
  "state.json",
  "../state.json",
  "..%2fstate.json",
  "..%2frequest.json",
  ".lock",
  "..%2f.lock",
  "pruned%2fconfig.json",
  "file:///etc/passwd",
  "C:%5cwindows%5cwin.ini",
  "%c0%ae%c0%ae/",
  "run.json/",
  "RUN.JSON",
  "run.json::$DATA",
  "__proto__",
  "constructor",
  "0".repeat(5000),
];

/** Any JSON, and requests of which one part was replaced, removed or added. */
function hostileBody(): fc.Arbitrary<string> {
  const mutated = fc.tuple(
    fc.constantFrom(...Object.keys(requestSchema.properties), "__proto__", "constructor"),
    fc.oneof(fc.jsonValue(), fc.constantFrom(...traversals), fc.double(), fc.constant(undefined)),
    fc.option(fc.string()),
  ).map(([field, value, inner]) => {
    const request = tinyRequest();
    const old = request[field];
    const isInside = inner !== null && typeof old === "object" && old !== null;
    return JSON.stringify({ ...request, [field]: isInside ? { ...old, [inner]: value } : value });
  });
  return fc.oneof(fc.json(), fc.string(), mutated);
}

/**
 * Sends requests of every kind that no client would send.
 *
 * @returns Answers by status.
 */
export async function sendHostileRequests(test: TestService, runs: number, seed: number): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  const id = (await test.submit()).id;
  await test.wait(id);
  const path = fc.oneof(
    fc.constantFrom("/v1/jobs", "/v1/jobs?limit=1", `/v1/jobs/${id}`, "/v1/session", "/v1/models", "/metrics", "/"),
    fc.tuple(
      fc.constantFrom(`/v1/jobs/`, `/v1/jobs/${id}/files/`, `/v1/jobs/${id}/`, "/"),
      fc.constantFrom(...traversals),
    )
      .map(([base, name]) => base + name),
    fc.webPath(),
    fc.webQueryParameters().map((query) => `/v1/jobs?${query}`),
  );
  const headers = fc.dictionary(
    fc.constantFrom("content-type", "content-length", "last-event-id", "authorization", "cookie", "origin", "range"),
    fc.oneof(fc.constantFrom("application/json", "text/plain", "-1", "99999999999999999999", "NaN"), fc.string()),
    { maxKeys: 3 },
  );
  const method = fc.constantFrom("GET", "POST", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS");
  await fc.assert(
    fc.asyncProperty(method, path, headers, hostileBody(), async (method, path, headers, body) => {
      let init: RequestInit;
      try {
        init = { method, headers: method === "POST" ? { "content-type": "application/json", ...headers } : headers };
        if (method === "POST") init.body = body;
        new Request("http://localhost:8000/", init);
      } catch {
        // What the platform itself refuses to send does not arrive either.
        return;
      }
      const answer = await test.call(path, init);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      assert(answer.status < 500 || answer.status === 503, `${method} ${path} gave ${answer.status}`);
      const text = answer.headers.get("content-type") === "text/event-stream" ? "" : await answer.text();
      if (text === "") await answer.body?.cancel();
      assert(!text.includes("root:"), `${method} ${path} read a file of the machine`);
      // The job that the paths name must survive, unless it was deleted by its own path.
      if (method === "DELETE" && answer.status === 204) return;
      if (answer.status >= 400 && method !== "HEAD") assertEquals(JSON.parse(text).status, answer.status);
    }),
    { numRuns: runs, seed },
  );
  return statuses;
}

/**
 * Opens connections that are all there at the same time: followers of a job, bodies that stop in the middle, and callers
 * that just keep the line; then asks for health, and lets them all go without a word.
 *
 * @returns How many were open, and how long health took while they were, in milliseconds.
 */
export async function holdConnections(service: ServiceProcess, count: number) {
  const { hostname, port } = new URL(service.url);
  const { id } = await service.submit(longRequest());
  const head = (line: string, more = "") => `${line} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${more}\r\n`;
  const openings = [
    head(`GET /v1/jobs/${id}/events`),
    head("POST /v1/jobs", "Content-Type: application/json\r\nContent-Length: 1000\r\n") + '{"model": ',
    head("GET /health"),
    "GET /health HTTP/1.1\r\nHost: ",
  ];
  const connections: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const connection = await Deno.connect({ hostname, port: Number(port) });
      connections.push(connection);
      await connection.write(new TextEncoder().encode(openings[i % openings.length]));
    }
    const follower = connections[0];
    const bytes = new Uint8Array(1024);
    await follower.read(bytes);
    assert(new TextDecoder().decode(bytes).startsWith("HTTP/1.1 200 OK"));
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      assertEquals((await service.json("/health")).status, "ok");
      times.push(performance.now() - start);
    }
    assert(await service.metric("secateur_followers") >= Math.floor(count / openings.length));
    return { open: connections.length, worst: Math.max(...times) };
  } finally {
    for (const connection of connections) connection.close();
    while (await service.metric("secateur_followers") > 0) await pause(20);
    await fetch(`${service.url}/v1/jobs/${id}/cancel`, { method: "POST" }).then((answer) => answer.body?.cancel());
    assertEquals((await service.wait(id)).state, "cancelled");
  }
}

async function resultBytes(folder: string, id: string): Promise<Uint8Array[]> {
  const names = ["scores.safetensors", "grid.json", "plan.json"];
  return await Promise.all(names.map((name) => readFile(join(folder, "jobs", id, "results", name))));
}

/**
 * Kills the service again and again while jobs come in and run, and starts it anew.
 *
 * @param longest Most milliseconds from a start to a kill.
 * @returns How many kills there were, and how many jobs came through them with the bytes of an undisturbed job.
 */
export async function killServices(folder: string, kills: number, jobs: number, seed: number, longest = 500) {
  await writeTinyModel(join(folder, "models"));
  const random = createRandom(seed);
  const request = tinyRequest({ adaptation: { count: 8 }, score: { nodes: 16 } });
  let service = await ServiceProcess.start(folder);
  const undisturbed = await service.submit(request);
  assertEquals((await service.wait(undisturbed.id)).state, "done");
  const expected = await resultBytes(folder, undisturbed.id);
  const ids: string[] = [];
  for (let i = 0; i < kills; i++) {
    // Some of them arrive in the moment of the kill: those that were answered for must be there afterwards.
    const arriving = ids.length < jobs ? [service.submit(request).then(({ id }) => ids.push(id), () => {})] : [];
    await pause(longest * random.nextFloat());
    await service.kill();
    await Promise.all(arriving);
    service = await ServiceProcess.start(folder);
  }
  while (ids.length < jobs) ids.push((await service.submit(request)).id);
  for (const id of ids) {
    const job = await service.wait(id);
    assertEquals([job.state, job.error], ["done", null]);
    assertEquals(await resultBytes(folder, id), expected);
  }
  assertEquals(await service.stop(), 0);
  return { kills, jobs: ids.length };
}

/**
 * Runs jobs one after the other on the GPU and watches the memory of the process.
 *
 * @returns Resident bytes after every job.
 */
export async function runManyJobs(service: ServiceProcess, count: number): Promise<number[]> {
  const resident: number[] = [];
  for (let i = 0; i < count; i++) {
    const { id } = await service.submit(tinyRequest({ seed: i }));
    const job = await service.wait(id);
    assertEquals([job.state, job.error], ["done", null]);
    assertEquals(await service.metric("secateur_gpu_leaked_bytes"), 0);
    resident.push(await service.metric("secateur_resident_bytes"));
  }
  return resident;
}

/** Milliseconds below which a share of the times lie. */
export function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}

/**
 * Asks for health at a steady rate, whatever the answers take.
 *
 * @returns Milliseconds of every answer.
 */
export async function timeHealth(service: ServiceProcess, perSecond: number, seconds: number): Promise<number[]> {
  const start = performance.now();
  const answers: Promise<number>[] = [];
  for (let i = 0; i < perSecond * seconds; i++) {
    const due = start + 1000 * i / perSecond;
    await pause(Math.max(0, due - performance.now()));
    const asked = performance.now();
    answers.push(
      service.json("/health").then(({ status }) => {
        assertEquals(status, "ok");
        return performance.now() - asked;
      }),
    );
  }
  return await Promise.all(answers);
}

/**
 * Times the comparison of tokens that differ in the first and in the last character, turn by turn.
 *
 * @returns Median nanoseconds of both.
 */
export function timeTokens(rounds: number): { first: number; last: number } {
  const secret = "s".repeat(64);
  const wrong = [`x${secret.slice(1)}`, `${secret.slice(1)}x`];
  const times: [number[], number[]] = [[], []];
  const batch = 200;
  for (let round = 0; round < rounds; round++) {
    for (const which of round % 2 ? [1, 0] : [0, 1]) {
      const start = performance.now();
      for (let i = 0; i < batch; i++) equalsSecret(wrong[which], secret);
      times[which].push(1e6 * (performance.now() - start) / batch);
    }
  }
  return { first: percentile(times[0], 0.5), last: percentile(times[1], 0.5) };
}
