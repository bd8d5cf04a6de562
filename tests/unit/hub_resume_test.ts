/** Downloads that break off, go on, stop, and share a cache with other processes. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ResolvedRepository } from "../../src/checkpoint/hub.ts";
import { sizeOf } from "../../src/checkpoint/hub_cache.ts";
import { brokenBody, gitId } from "../support/hub_server.ts";
import {
  assertHubError,
  files,
  id,
  model,
  partials,
  shortTiming,
  timing,
  wanted,
  weights,
  weightsBlob,
  withHub,
} from "../support/hub_setting.ts";

Deno.test("resolveModel() goes on where an attempt was cut off or fell silent, guarded by the entity tag", async () => {
  for (const then of ["end", "stall"] as const) {
    await withHub([model], async ({ server, folder, resolve }) => {
      server.fail(/^store/, () => brokenBody(weights, 1000, then, '"store-tag"'), 1);
      await resolve(id, { timing: shortTiming });
      const [first, second, ...more] = server.requests(/^store/).map(({ headers }) => headers);
      assertEquals([first.get("range"), first.get("if-range")], [null, null]);
      assertEquals([second.get("range"), second.get("if-range")], ["bytes=1000-", '"store-tag"']);
      assertEquals(more.length, 0);
      assertEquals(await partials(folder), []);
    });
  }
});

Deno.test("resolveModel() starts over when the file behind the entity tag has changed or ranges are not known", async () => {
  await withHub([model], async ({ server, resolve }) => {
    // Other bytes under another tag: they must not be joined with the right ones.
    server.fail(/^store/, () => brokenBody(new Uint8Array(weights.length), 1000, "end", '"older"'), 1);
    await resolve();
    assertEquals(server.requests(/^store/)[1].headers.get("if-range"), '"older"');
    assertEquals(server.requests(/^store/).length, 2);
  });
  await withHub([model], async ({ server, resolve }) => {
    server.fail(/^store/, () => brokenBody(weights, 1000, "end"), 1);
    server.fail(/^store/, () => new Response(weights as BodyInit));
    await resolve();
    assertEquals(server.requests(/^store/).length, 2);
  });
});

Deno.test("resolveModel() gives up on a server that always stalls or ends early, and keeps what has come", async () => {
  const cases = [["end", "no answer|ended model.safetensors after 300 of"], [
    "stall",
    "sent nothing for 0.5 s",
  ]] as const;
  for (const [then, message] of cases) {
    await withHub([model], async ({ server, folder, resolve }) => {
      server.fail(/^store/, ({ headers }) => {
        const start = Number(/\d+/.exec(headers.get("range") ?? "0")![0]);
        const rest = weights.subarray(start);
        const body = brokenBody(rest, 100, then);
        if (start === 0) return body;
        const range = { "content-range": `bytes ${start}-${weights.length - 1}/${weights.length}` };
        return new Response(body.body, { status: 206, headers: { ...Object.fromEntries(body.headers), ...range } });
      });
      const error = await assertHubError(() => resolve(id, { timing: shortTiming }), "(attempt 4)");
      assertMatch(error.message, new RegExp(message));
      assertMatch(error.advice, /what was downloaded is kept/);
      assertEquals(await partials(folder), [`${weightsBlob}.secateur.incomplete`]);
      assertEquals((await stat(join(folder, "blobs", `${weightsBlob}.secateur.incomplete`))).size, 400);
      server.forget();
      await resolve();
      assertEquals(server.requests(/^store/).map(({ headers }) => headers.get("range")), ["bytes=400-"]);
    });
  }
});

/** Leaves a partial file as an earlier download would. */
async function leavePartial(folder: string, name: string, bytes: Uint8Array, ageMs = 0): Promise<string> {
  const path = join(folder, "blobs", name);
  await mkdir(join(folder, "blobs"), { recursive: true });
  await writeFile(path, bytes);
  const then = new Date(Date.now() - ageMs);
  await utimes(path, then, then);
  return path;
}

Deno.test("resolveModel() continues the partial file of an earlier download, whole or not", async () => {
  for (const count of [1, 5000, weights.length]) {
    await withHub([model], async ({ server, folder, resolve }) => {
      await leavePartial(folder, `${weightsBlob}.secateur.incomplete`, weights.subarray(0, count));
      const done: number[] = [];
      const { downloaded } = await resolve(id, {
        onProgress: ({ file, bytesDone }) => file === "model.safetensors" && done.push(bytesDone),
      });
      assert(downloaded.includes("model.safetensors"));
      const ranges = server.requests(/^store/).map(({ headers }) => headers.get("range"));
      assertEquals(ranges, count < weights.length ? [`bytes=${count}-`] : []);
      assertEquals(gitId(await readFile(join(folder, "blobs", weightsBlob))), gitId(weights));
    });
  }
});

Deno.test("resolveModel() starts over when a partial file is damaged, too long, or beyond what the server has", async () => {
  const longer = new Uint8Array(weights.length + 7);
  const refusing = () => new Response(null, { status: 416, headers: { "content-range": "bytes */3" } });
  const shifted = () =>
    new Response(weights.subarray(7) as BodyInit, {
      status: 206,
      headers: { "content-range": `bytes 7-${weights.length - 1}/${weights.length}` },
    });
  const otherTotal = () =>
    new Response(weights.subarray(100) as BodyInit, {
      status: 206,
      headers: { "content-range": `bytes 100-${weights.length - 1}/${weights.length + 1}` },
    });
  const noRange = () => new Response(weights.subarray(100) as BodyInit, { status: 206 });
  const cases: [Uint8Array, (() => Response) | undefined, (string | null)[]][] = [
    [new Uint8Array(100), undefined, ["bytes=100-", null]],
    [longer, undefined, [null]],
    [new Uint8Array(weights.length), undefined, [null]],
    [weights.subarray(0, 100), refusing, ["bytes=100-", null]],
    [weights.subarray(0, 100), shifted, ["bytes=100-", null]],
    [weights.subarray(0, 100), otherTotal, ["bytes=100-", null]],
    [weights.subarray(0, 100), noRange, ["bytes=100-", null]],
  ];
  for (const [left, fault, ranges] of cases) {
    await withHub([model], async ({ server, folder, resolve }) => {
      await leavePartial(folder, `${weightsBlob}.secateur.incomplete`, left);
      if (fault) server.fail(/^store/, fault, 1);
      await resolve();
      assertEquals(server.requests(/^store/).map(({ headers }) => headers.get("range")), ranges);
      assertEquals(gitId(await readFile(join(folder, "blobs", weightsBlob))), gitId(weights));
      assertEquals(await partials(folder), []);
    });
  }
});

Deno.test("resolveModel() takes over the file of a process that gives no sign of life", async () => {
  // Touched long ago, and touched just now by a process that is gone since.
  for (const [ageMs, heartbeatMs, least, most] of [[3_600_000, 5000, 0, 15_000], [0, 50, 290, 15_000]]) {
    await withHub([model], async ({ server, folder, resolve }) => {
      const name = `${weightsBlob}.0123456789ab.secateur.incomplete`;
      const start = performance.now();
      await leavePartial(folder, name, weights.subarray(0, 4000), ageMs);
      await resolve(id, { timing: { ...timing, heartbeatMs } });
      const tookMs = performance.now() - start;
      assert(tookMs >= least && tookMs < most, `${tookMs} ms`);
      assertEquals(server.requests(/^store/).map(({ headers }) => headers.get("range")), ["bytes=4000-"]);
      assertEquals(await partials(folder), []);
    });
  }
});

Deno.test("resolveModel() waits for another process that is alive, and takes its result", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    const name = `${weightsBlob}.0123456789ab.secateur.incomplete`;
    const other = await leavePartial(folder, name, weights.subarray(0, 4000));
    const alive = setInterval(() => utimes(other, new Date(), new Date()).catch(() => {}), 20);
    const seen: number[] = [];
    const { promise: hasWaited, resolve: waited } = Promise.withResolvers<void>();
    const resolved = resolve(id, {
      onProgress: ({ file, bytesDone }) => {
        if (file === "model.safetensors" && seen.push(bytesDone) > 2) waited();
      },
    });
    await hasWaited;
    await writeFile(other, weights);
    clearInterval(alive);
    await rename(other, join(folder, "blobs", weightsBlob));
    assert(!(await resolved).downloaded.includes("model.safetensors"));
    assertEquals(server.requests(/^store/).length, 0);
  });
});

Deno.test("resolveModel() called at once with the same cache downloads each file once", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    server.fail(/^store/, async (_, answer) => {
      await new Promise((done) => setTimeout(done, 100));
      return answer();
    });
    const calls = await Promise.all([resolve(), resolve(), resolve()]);
    assertEquals(calls.flatMap(({ downloaded }) => downloaded).sort(), wanted);
    for (const { files } of calls) assertEquals(files, wanted);
    assertEquals(server.requests(/^store/).length, 1);
    assertEquals(await partials(folder), []);
    assertEquals(gitId(await readFile(join(folder, "blobs", weightsBlob))), gitId(weights));
  });
});

Deno.test("resolveModel() leaves a slow download to the process that is at it", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    await leavePartial(folder, `${weightsBlob}.secateur.incomplete`, weights.subarray(0, 500), 3_600_000);
    // Longer than a process without signs of life is waited for.
    server.fail(/^store/, async (_, answer) => {
      await new Promise((done) => setTimeout(done, 1500));
      return answer();
    });
    const quick = { timing: { ...timing, heartbeatMs: 150 } };
    const calls = await Promise.all([resolve(id, quick), resolve(id, quick)]);
    assertEquals(calls.flatMap(({ downloaded }) => downloaded).sort(), wanted);
    assertEquals(server.requests(/^store/).map(({ headers }) => headers.get("range")), ["bytes=500-"]);
  });
});

Deno.test("resolveModel() begins again when its partial file is taken away", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    server.fail(/^store/, async () => {
      // What a process does that believes this one dead; it leaves the file behind soon after.
      const [claim] = (await partials(folder)).filter((name) => name.startsWith(weightsBlob));
      await rename(join(folder, "blobs", claim), join(folder, "blobs", `${weightsBlob}.secateur.incomplete`));
      return new Response(weights as BodyInit);
    }, 1);
    await resolve();
    assertEquals(gitId(await readFile(join(folder, "blobs", weightsBlob))), gitId(weights));
    assertEquals(await partials(folder), []);
  });
});

Deno.test("resolveModel() stops when its signal is aborted, and continues later", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    const reason = new Error("enough");
    await assertRejects(() => resolve(id, { signal: AbortSignal.abort(reason) }), Error, "enough");
    assertEquals(server.seen.length, 0);
    const controller = new AbortController();
    server.fail(/^store/, () => brokenBody(weights, 2000, "stall"), 1);
    const error = await assertRejects(
      () =>
        resolve(id, {
          signal: controller.signal,
          onProgress: ({ file, bytesDone, bytesTotal }) =>
            file === "model.safetensors" && bytesTotal - bytesDone <= weights.length - 2000 && controller.abort(reason),
        }),
    );
    assertEquals(error, reason);
    assertEquals(await partials(folder), [`${weightsBlob}.secateur.incomplete`]);
    server.forget();
    await resolve();
    assertEquals(server.requests(/^store/).map(({ headers }) => headers.get("range")), ["bytes=2000-"]);
  });
});

Deno.test("resolveModel() stops during a pause and while it waits for another process", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    const stop = () => AbortSignal.timeout(100);
    server.fail(/revision/, () => new Response(null, { status: 503, headers: { "retry-after": "60" } }), 1);
    const start = performance.now();
    const patient = { ...timing, longestWaitMs: 100_000 };
    await assertRejects(() => resolve(id, { signal: stop(), timing: patient }), DOMException, "timeout");
    const name = `${weightsBlob}.0123456789ab.secateur.incomplete`;
    const other = await leavePartial(folder, name, weights.subarray(0, 4000));
    const alive = setInterval(() => utimes(other, new Date(), new Date()).catch(() => {}), 20);
    await assertRejects(() => resolve(id, { signal: stop() }), DOMException, "timeout");
    clearInterval(alive);
    assert(performance.now() - start < 30_000, "the pause went on");
  });
});

Deno.test("resolveModel() stops all downloads at the first that fails", async () => {
  await withHub([model], async ({ server, folder, resolve }) => {
    server.fail(/generation_config/, () => new Response(null, { status: 403 }));
    server.fail(/tokenizer_config/, () => brokenBody(files["tokenizer_config.json"].bytes, 5, "stall"));
    const start = performance.now();
    await assertHubError(() => resolve(), "access is forbidden");
    assert(performance.now() - start < 20_000);
    assertEquals((await partials(folder)).every((name) => /^[0-9a-f]{40}\.secateur/.test(name)), true);
  });
});

/** Where this Deno keeps what it has downloaded; a process with another home would download it all again. */
async function denoFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], stdin: "null" }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Resolves the model in a process of its own. */
async function resolveInProcess(environment: Record<string, string>): Promise<Deno.ChildProcess> {
  const script = fileURLToPath(new URL("../support/resolve_model.ts", import.meta.url));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--cached-only", script, id, JSON.stringify(timing)],
    env: { DENO_DIR: await denoFolder(), ...environment },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function found(process: Deno.ChildProcess): Promise<ResolvedRepository> {
  const { code, stdout } = await process.output();
  assertEquals(code, 0);
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("resolveModel() goes on in a new process where a killed one was", async () => {
  await withHub([model], async ({ server, environment, folder, resolve }) => {
    server.fail(/^store/, () => brokenBody(weights, 7000, "stall"), 1);
    const process = await resolveInProcess(environment);
    const blobs = join(folder, "blobs");
    const sizes = async () => {
      const names = (await readdir(blobs).catch(() => [])).filter((name) => name.startsWith(`${weightsBlob}.`));
      return await Promise.all(names.map((name) => sizeOf(join(blobs, name))));
    };
    while (!(await sizes()).includes(7000)) await new Promise((done) => setTimeout(done, 10));
    process.kill("SIGKILL");
    await process.output();
    assertEquals(await sizes(), [7000]);
    server.forget();
    const { downloaded } = await resolve(id, { timing: { ...timing, heartbeatMs: 20 } });
    assert(downloaded.includes("model.safetensors"));
    assertEquals(server.requests(/^store/).map(({ headers }) => headers.get("range")), ["bytes=7000-"]);
    assertEquals(await partials(folder), []);
  });
});

Deno.test("resolveModel() in two processes at once downloads each file once", async () => {
  await withHub([model], async ({ server, environment, folder }) => {
    // Both are there before either has its answer.
    let asking = 0;
    server.fail(/revision/, async (_, answer) => {
      for (asking++; asking < 2;) await new Promise((done) => setTimeout(done, 5));
      return answer();
    });
    server.fail(/^store/, async (_, answer) => {
      await new Promise((done) => setTimeout(done, 200));
      return answer();
    });
    const both = await Promise.all([1, 2].map(() => resolveInProcess(environment)));
    const results = await Promise.all(both.map(found));
    assertEquals(results.flatMap(({ downloaded }) => downloaded).sort(), wanted);
    assertEquals(server.requests(/^store/).length, 1);
    assertEquals(await partials(folder), []);
    for (const { folder: snapshot } of results) {
      assertEquals(gitId(await readFile(join(snapshot, "model.safetensors"))), gitId(weights));
    }
  });
});
