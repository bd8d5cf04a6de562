/** The service under attack, in small: hostile requests and bodies, many connections, kills, and memory over jobs. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { readJsonText } from "../../src/serve/body.ts";
import { ProblemError } from "../../src/serve/problem.ts";
import { posting, tinyRequest, withService, writeTinyModel } from "../support/service.ts";
import { ServiceProcess } from "../support/service_process.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { holdConnections, killServices, runManyJobs, sendHostileRequests, traversals } from "./service_attacks.ts";

/** A body that sends pieces of bytes for ever, or stops sending. */
function endless(piece: Uint8Array | null): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => piece ? controller.enqueue(piece) : new Promise(() => {}) });
}

async function refused(body: BodyInit | null, headers: Record<string, string>, bytes = 1000, seconds = 60) {
  const request = new Request("http://localhost/", {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  try {
    await readJsonText(request, { bytes, seconds });
  } catch (error) {
    if (error instanceof ProblemError) return error.status;
    throw error;
  }
  return 0;
}

Deno.test("readJsonText() refuses bodies that are too large, too slow, compressed, broken or no text", async () => {
  assertEquals(await refused("x".repeat(1000), {}), 0);
  assertEquals(await refused("x".repeat(1001), {}), 413);
  // Said beforehand: nothing is read.
  assertEquals(await refused(endless(null), { "content-length": "1001" }), 413);
  // Not said, or said wrongly.
  assertEquals(await refused(endless(new Uint8Array(100)), {}), 413);
  assertEquals(await refused(endless(new Uint8Array(100)), { "content-length": "5" }), 413);
  assertEquals(await refused(endless(null), {}, 1000, 0.01), 408);
  assertEquals(await refused("{}", { "content-encoding": "gzip" }), 415);
  assertEquals(await refused("{}", { "content-type": "text/plain" }), 415);
  assertEquals(await refused(Uint8Array.of(0x22, 0xff, 0x22), {}), 400);
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
  assertEquals(await refused(broken, {}), 400);
  assertEquals(await refused(null, {}), 0);
});

Deno.test("the service answers hostile requests with their own fault and keeps its jobs", async () => {
  await withService({ queueLength: 1 }, async (test) => {
    const statuses = await sendHostileRequests(test, 300, 7);
    assert(statuses.size >= 4, `${[...statuses]}`);
    // It still works, and whatever was taken ends.
    const { jobs } = await (await test.call("/v1/jobs?limit=500")).json();
    for (const { id } of jobs) await test.wait(id);
    assertEquals((await test.wait((await test.submit()).id)).state, "done");
  });
});

Deno.test("no id, file name or model name leads out of its folder", async () => {
  await withService({}, async (test) => {
    const { id } = await test.submit();
    await test.wait(id);
    for (const name of traversals) {
      for (const path of [`/v1/jobs/${name}`, `/v1/jobs/${name}/results`, `/v1/jobs/${id}/files/${name}`]) {
        // An address resolves dots before it is asked for; this one comes to the page.
        if (new URL(path, "http://localhost").pathname === "/") continue;
        const answer = await test.call(path);
        assertEquals([path, answer.status], [path, 404]);
        await answer.body?.cancel();
      }
      const plain = name.replaceAll("%2f", "/").replaceAll("%2e", ".").replaceAll("%00", "\0");
      for (const model of [plain, `tiny/${plain}`, `${plain}/tiny`, "../models/tiny", "tiny/.", "./tiny"]) {
        assertEquals((await test.call("/v1/jobs", posting(tinyRequest({ model })))).status, 400, model);
      }
    }
  });
});

Deno.test("the service holds many connections of slow and silent callers and forgets those that leave", async () => {
  await withFolder({}, async (folder) => {
    await writeTinyModel(join(folder, "models"));
    const service = await ServiceProcess.start(folder);
    try {
      const { open } = await holdConnections(service, 200);
      assertEquals(open, 200);
    } finally {
      assertEquals(await service.stop("SIGINT"), 130);
    }
  });
});

Deno.test("no job is lost and every one gives the same bytes when the service is killed while they run", async () => {
  await withFolder({}, async (folder) => {
    assertEquals(await killServices(folder, 3, 3, 1), { kills: 3, jobs: 3 });
  });
});

Deno.test("jobs in a row leave nothing on the GPU", async () => {
  await withFolder({}, async (folder) => {
    await writeTinyModel(join(folder, "models"));
    const service = await ServiceProcess.start(folder, { SECATEUR_ENGINE: "webgpu" });
    try {
      assertEquals((await runManyJobs(service, 3)).length, 3);
    } finally {
      await service.stop();
    }
  });
});
