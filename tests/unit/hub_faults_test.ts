/** A hub that refuses, fails, lies or talks nonsense, and what a person is told. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { HubError } from "../../src/checkpoint/hub_error.ts";
import { brokenBody, contentId, gitId, HubServer, serveBytes, sha256, smallFile } from "../support/hub_server.ts";
import {
  assertHubError,
  commit,
  files,
  id,
  model,
  partials,
  shortTiming,
  token,
  wanted,
  weights,
  weightsBlob,
  withHub,
} from "../support/hub_setting.ts";

Deno.test("resolveModel() sends the token to the hub and to no other origin", async () => {
  await withHub([model], async ({ server, environment, resolve }) => {
    environment.HF_TOKEN = token;
    // A hub whose store sends the client back: what was left behind stays behind.
    server.fail(
      /^store/,
      () => new Response(null, { status: 302, headers: { location: `${server.endpoint}/back` } }),
      1,
    );
    server.fail(/^hub\/back/, () => new Response(null, { status: 503 }));
    await resolve();
    const authorization = (matches: RegExp) =>
      new Set(server.requests(matches).map(({ headers }) => headers.get("authorization")));
    assertEquals(authorization(/^hub\/(?!back)/), new Set([`Bearer ${token}`]));
    assertEquals(authorization(/^hub\/back/), new Set([null]));
    assertEquals(authorization(/^store/), new Set([null]));
    assertEquals(server.requests(/^store/).length, 2);
  });
});

Deno.test("resolveModel() follows redirects within the hub with the token, and refuses unsafe and endless ones", async () => {
  await withHub([model], async ({ server, environment, resolve }) => {
    environment.HF_TOKEN = token;
    server.fail(
      /^hub\/org.*config\.json$/,
      ({ path }) => new Response(null, { status: 307, headers: { location: `/cached?of=${path}` } }),
    );
    server.fail(/^hub\/cached/, ({ path, headers }) => {
      const name = path.split("/").at(-1)!;
      return serveBytes(files[name].bytes, headers, '"x"');
    });
    await resolve();
    assertEquals(
      server.requests(/^hub\/cached/).map(({ headers }) => headers.get("authorization")),
      Array(3).fill(`Bearer ${token}`),
    );
  });
  for (
    const location of ["file:///etc/passwd", "http://secret@127.0.0.1/", "http://:secret@127.0.0.1/", "http://", ""]
  ) {
    await withHub([model], async ({ server, resolve }) => {
      server.fail(/revision/, () => new Response(null, { status: 302, headers: { location } }));
      if (location === "") server.fail(/revision/, () => new Response(null, { status: 302 }));
      // An empty address is the address itself.
      await assertHubError(() => resolve(), location === "" ? "more than 8 redirects" : "Cannot follow the redirect");
    });
  }
});

Deno.test("resolveModel() says what to do when the hub refuses", async () => {
  const refusal = (status: number, code = "", message = "") => () =>
    new Response("<html>", { status, headers: { "x-error-code": code, "x-error-message": message } });
  type Case = [path: RegExp, fault: () => Response, hasToken: boolean, problem: string, advice: string];
  const cases: Case[] = [
    [/revision/, refusal(401), false, "there is no folder and no public model of that name", "set HF_TOKEN"],
    [/revision/, refusal(401, "RepoNotFound"), true, "no public model of that name", "account of your token"],
    [/revision/, refusal(401), true, "the token is not accepted", "renew it"],
    [/revision/, refusal(401, "GatedRepo"), false, "the model is gated", "/org/tiny-model, then set HF_TOKEN"],
    [/model\.saf/, refusal(403, "GatedRepo"), true, "the model is gated", "ask for access at http://127.0.0.1"],
    [/tree/, refusal(403), true, "access is forbidden", "which permissions your token has"],
    [/tree/, refusal(403, "", "Go\taway, see /x?signature=1"), false, "Go away, see /x (HTTP 403)", "HF_TOKEN"],
    [/revision/, refusal(404, "RepoNotFound"), false, "no public model of that name", "check the spelling"],
    [/revision/, refusal(404, "RevisionNotFound"), false, "it has no revision main", "choose a branch"],
    [/tokenizer\.json/, refusal(404, "EntryNotFound"), false, "it has no file tokenizer.json", "compare"],
    [/^store/, refusal(404), false, "it has no file model.safetensors", "compare"],
    [/revision/, refusal(451, "", "Access to this resource is disabled."), false, "is disabled", "try again later"],
    [/tree/, refusal(400), false, "the server refuses", "check HF_ENDPOINT"],
  ];
  for (const [path, fault, hasToken, problem, advice] of cases) {
    await withHub([model], async ({ server, environment, folder, resolve }) => {
      if (hasToken) environment.HF_TOKEN = token;
      server.fail(path, fault);
      const error = await assertHubError(() => resolve(), problem);
      assert(error.problem.startsWith(`Cannot download ${id}: `), error.problem);
      assert(error.advice.includes(advice), error.advice);
      assertEquals(error.status, fault().status);
      // A refusal is not repeated, and leaves no reference.
      assertEquals(server.requests(path).length, 1);
      await assertRejects(() => stat(join(folder, "refs")));
      // Files that were under way beside it may be continued by anybody.
      for (const name of await partials(folder).catch(() => [])) {
        assertMatch(name, /^[0-9a-f]{40}\.secateur\.incomplete$/);
      }
    });
  }
});

Deno.test("resolveModel() repeats what may succeed: 408, 429, 5xx, a refused connection, an expired address", async () => {
  const status = (status: number) => () => new Response("{}", { status });
  const faults: [RegExp, () => Response, number][] = [
    [/revision/, status(500), 2],
    [/tree/, status(503), 2],
    [/tree/, status(408), 1],
    [/config\.json/, status(502), 3],
    [/^hub.*model\.safetensors/, status(429), 2],
    [/^store/, status(504), 3],
    [/^store/, status(403), 2],
    [/revision/, () => brokenBody(new Uint8Array(100), 10, "end"), 2],
    [/tree/, () => brokenBody(new Uint8Array(100), 10, "stall"), 1],
  ];
  for (const [path, fault, times] of faults) {
    await withHub([model], async ({ server, resolve }) => {
      server.fail(path, fault, times);
      assertEquals((await resolve(id, { timing: shortTiming })).downloaded, wanted);
    });
  }
  for (
    const [path, fault, message] of [[/revision/, status(500), "answers 500"], [/^store/, status(403), "answers 403"]]
  ) {
    await withHub([model], async ({ server, folder, resolve }) => {
      server.fail(path as RegExp, fault as () => Response);
      await assertHubError(() => resolve(), `${message} (attempt 4)`);
      assertEquals(server.requests(path as RegExp).length, 4);
      assertEquals(await partials(folder).catch(() => []), []);
    });
  }
  const server = new HubServer([]);
  await server.close();
  await withHub([model], async ({ environment, resolve }) => {
    await assertHubError(
      () => resolve(id, { environment: { ...environment, HF_ENDPOINT: server.endpoint } }),
      `no answer from ${new URL(server.endpoint).host}`,
    );
  });
});

Deno.test("resolveModel() waits as long as it is asked to, up to a limit", async () => {
  const waits: [() => Record<string, string>, number][] = [
    [() => ({ "retry-after": "1" }), 950],
    // Dates have whole seconds.
    [() => ({ "retry-after": new Date(Date.now() + 2900).toUTCString() }), 1850],
    [() => ({ ratelimit: '"api";r=0;t=1' }), 950],
    [() => ({ "retry-after": "0" }), 0],
  ];
  await Promise.all(waits.map(([headers, least]) =>
    withHub([model], async ({ server, resolve }) => {
      server.fail(/revision/, () => new Response(null, { status: 429, headers: headers() }), 1);
      const start = performance.now();
      await resolve();
      const tookMs = performance.now() - start;
      assert(tookMs >= least, `${JSON.stringify(headers())}: ${tookMs} ms`);
    })
  ));
  const tooLong: Record<string, string>[] = [{ "retry-after": "900" }, { ratelimit: '"resolvers";r=0;t=900' }];
  for (const headers of tooLong) {
    await withHub([model], async ({ server, resolve }) => {
      server.fail(/tree/, () => new Response(null, { status: 429, headers }));
      await assertHubError(() => resolve(), "answers 429, and asks to wait 900 seconds");
      assertEquals(server.requests(/tree/).length, 1);
    });
  }
});

/** Bytes sent in pieces without a length in front. */
function chunked(bytes: Uint8Array): Response {
  return new Response(
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, 10));
        controller.enqueue(bytes.slice(10));
        controller.close();
      },
    }),
  );
}

Deno.test("resolveModel() accepts no other length than the listed one", async () => {
  const longer = new Uint8Array(weights.length + 1);
  longer.set(weights);
  const cases: [() => Response, string][] = [
    [() => new Response(longer as BodyInit), `announces ${longer.length} bytes for model.safetensors`],
    [() => new Response(weights.slice(1) as BodyInit), `announces ${weights.length - 1} bytes`],
    [() => chunked(longer), `sends more than the ${weights.length} bytes`],
    [() => chunked(weights.slice(0, -5)), `ended model.safetensors after ${weights.length - 5} of ${weights.length}`],
    [() => new Response(null), "announces 0 bytes"],
  ];
  for (const [fault, message] of cases) {
    await withHub([model], async ({ server, folder, resolve }) => {
      server.fail(/^store/, fault);
      await assertHubError(() => resolve(), message);
      assert(!(await readdir(join(folder, "blobs"))).includes(weightsBlob));
      server.forget();
      await resolve();
      assertEquals(gitId(await readFile(join(folder, "blobs", weightsBlob))), gitId(weights));
    });
  }
  await withHub([model], async ({ server, resolve }) => {
    // The length is not known beforehand, and right.
    server.fail(/^store/, () => chunked(weights), 1);
    await resolve();
    assertEquals(server.requests(/^store/).length, 1);
  });
});

Deno.test("resolveModel() keeps no file whose hash is wrong", async () => {
  const wrong = weights.slice();
  wrong[wrong.length - 1] ^= 1;
  const text = new TextEncoder().encode("[]\n");
  const cases: [RegExp, Uint8Array, string, string][] = [
    [/^store/, wrong, weightsBlob, `its sha256 is ${sha256(wrong)}, expected ${weightsBlob}`],
    [
      /tokenizer\.json/,
      text,
      contentId(files["tokenizer.json"]),
      `its git sha1 is ${gitId(text)}, expected ${contentId(files["tokenizer.json"])}`,
    ],
  ];
  for (const [path, bytes, blob, message] of cases) {
    await withHub([model], async ({ server, folder, resolve }) => {
      server.fail(path, () => new Response(bytes as BodyInit));
      await assertHubError(() => resolve(), message);
      assertEquals(server.requests(path).length, 2);
      assert(!(await readdir(join(folder, "blobs"))).some((name) => name.startsWith(blob)));
      server.forget();
      // Wrong once may be an accident on the way.
      server.fail(path, () => new Response(bytes as BodyInit), 1);
      await resolve();
    });
  }
});

Deno.test("resolveModel() refuses a hub that describes another file than it lists", async () => {
  const others: [string, string][] = [
    ["x-linked-etag", `"${"0".repeat(64)}"`],
    ["x-linked-size", "1"],
    ["x-repo-commit", "f".repeat(40)],
  ];
  for (const [header, value] of others) {
    await withHub([model], async ({ server, resolve }) => {
      server.fail(/^hub.*model\.safetensors/, (_, answer) => {
        const response = answer();
        response.headers.set(header, value);
        return response;
      });
      await assertHubError(() => resolve(), "the server describes another file than it lists");
      assertEquals(server.requests(/^store/).length, 1);
    });
  }
});

Deno.test("resolveModel() refuses a hub that talks nonsense", async () => {
  const page = () => new Response("<html>Log in to the airport</html>", { headers: { "content-type": "text/html" } });
  const list = (entry: Record<string, unknown>) => () => Response.json([entry]);
  const oid = "0".repeat(40);
  const cases: [RegExp, () => Response, string][] = [
    [/revision/, page, "is no JSON"],
    [/revision/, () => Response.json({ sha: "../../x" }), "names no commit"],
    [/revision/, () => Response.json([commit]), "names no commit"],
    [/revision/, () => Response.json(null), "names no commit"],
    [/tree/, () => Response.json({}), "lists no files"],
    [/tree/, list({ type: "file", oid, size: 1 }), "an entry has no path"],
    [/tree/, list({ type: "file", oid, size: -1, path: "x" }), "x has no size"],
    [/tree/, list({ type: "file", oid, size: "1", path: "x" }), "x has no size"],
    [/tree/, list({ type: "file", oid: "../../x", size: 1, path: "x" }), "x has no git id"],
    [/tree/, list({ type: "file", oid, size: 1, path: "x", lfs: { oid: "../x", size: 1 } }), "x has no sha256"],
    [/tree/, () => Response.json([], { headers: { link: '<http://>; rel="next"' } }), "names no next page"],
    [/tree/, () => Response.json([], { headers: { link: '</again>; rel="next"' } }), "HTTP 404"],
  ];
  for (const [path, fault, message] of cases) {
    await withHub([model], async ({ server, folder, resolve }) => {
      server.fail(path, fault);
      await assertHubError(() => resolve(), message);
      await assertRejects(() => stat(folder));
    });
  }
});

Deno.test("resolveModel() reads a listing of several pages from the hub it asked, whatever the links say", async () => {
  await withHub([model], async ({ server, environment, resolve }) => {
    environment.HF_TOKEN = token;
    server.fail(/tree/, async ({ path }, answer) => {
      const list = await answer().json();
      if (path.includes("cursor")) return Response.json(list.slice(5));
      const link = `<${server.store}/api/models/${id}/tree/${commit}?cursor=5>; rel="next"`;
      return Response.json(list.slice(0, 5), { headers: { link } });
    });
    assertEquals((await resolve()).downloaded, wanted);
    assertEquals(server.requests(/^store\/api/).length, 0);
    assertEquals(server.requests(/^hub.*cursor/).length, 1);
  });
});

Deno.test("resolveModel() refuses an index that leads out of the folder", async () => {
  const { "model.safetensors": _, ...others } = files;
  const index = JSON.stringify({ weight_map: { a: "../../../stolen.safetensors" } });
  const hostile = { ...others, "model.safetensors.index.json": smallFile(index) };
  await withHub([{ ...model, files: hostile }], async ({ server, resolve }) => {
    await assertRejects(() => resolve(), SyntaxError, "expected a *.safetensors file beside the index");
    assertEquals(server.requests(/^store|stolen/).length, 0);
  });
});

Deno.test("HubError has the problem and the advice in its message", () => {
  const error = new HubError("Cannot download x", "do y", 404);
  assertEquals([error.message, error.name, error.status], ["Cannot download x: do y", "HubError", 404]);
  assertThrows(() => {
    throw error;
  }, HubError);
});
