/** Requests of every kind: who may ask, what may be asked, and that the API is what its document says. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parseOptions } from "../../src/cli/arguments.ts";
import { modelOptions, runOptions, runSearchSettings, scoreSettings, taskOptions } from "../../src/cli/options.ts";
import type { PlanningOptions } from "../../src/method/pipeline.ts";
import { Access, equalsSecret } from "../../src/serve/access.ts";
import {
  commandArguments,
  parseRequest,
  parseSettings,
  planningOptions,
  requestSchema,
} from "../../src/serve/job_request.ts";
import { openApiDocument, schemas } from "../../src/serve/openapi.ts";
import { ProblemError } from "../../src/serve/problem.ts";
import { wordedKeywords } from "../../src/serve/schema_words.ts";
import { settingsFrom, variables } from "../../src/serve/settings.ts";
import { posting, tinyRequest, withService } from "../support/service.ts";

const token = "a token of no less than sixteen".replaceAll(" ", "-");

function refusal(work: () => unknown): ProblemError {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error("expected a refusal");
}

Deno.test("settingsFrom() gives defaults, reads the listed variables alone, and refuses values out of range", () => {
  const asked: string[] = [];
  const settings = settingsFrom((name) => {
    asked.push(name);
    return undefined;
  });
  assertEquals([...new Set(asked)].sort(), Object.values(variables).map(({ name }) => name).sort());
  assertEquals([settings.queueLength, settings.bodyBytes, settings.token], [16, 4_194_304, null]);
  const bad: Record<string, string[]> = {
    SECATEUR_QUEUE: ["-1", "1.5", "many", "10001", "1e3", "99999999999999999999"],
    SECATEUR_BODY_BYTES: ["1023", "0x400"],
    SECATEUR_ENGINE: ["cuda"],
    SECATEUR_TOKEN: ["short", "has a space in the middle", "hidden\nnewline-token-text"],
    SECATEUR_JOB_SECONDS: ["0"],
  };
  for (const [variable, values] of Object.entries(bad)) {
    for (const value of values) {
      try {
        settingsFrom((name) => name === variable ? value : undefined);
      } catch (error) {
        assert(error instanceof RangeError && error.message.includes(variable), `${variable}=${value}: ${error}`);
        // Secrets do not belong into logs.
        if (variable === "SECATEUR_TOKEN") assert(!error.message.includes(value));
        continue;
      }
      throw new Error(`${variable}=${value} was taken`);
    }
  }
  const budgets: Record<string, string> = {
    SECATEUR_MEMORY_BUDGET_BYTES: "1000000",
    SECATEUR_WEIGHT_BUDGET_BYTES: "1000001",
  };
  assertThrows(
    () => settingsFrom((name) => budgets[name]),
    RangeError,
    "expected at most SECATEUR_MEMORY_BUDGET_BYTES",
  );
  assertThrows(
    () => settingsFrom((name) => ({ SECATEUR_ENGINE: "reference", SECATEUR_WEIGHT_BUDGET_BYTES: "1000" })[name]),
    RangeError,
    'SECATEUR_WEIGHT_BUDGET_BYTES="1000": expected none with SECATEUR_ENGINE=reference',
  );
});

Deno.test("Access lets only callers on this machine pass when there is no token", () => {
  const access = new Access(null);
  const caller = {
    authorization: undefined,
    cookie: undefined,
    host: "localhost:8000",
    origin: undefined,
    address: "127.0.0.1",
  };
  for (const address of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]) access.check({ ...caller, address });
  for (const host of ["127.0.0.1", "LOCALHOST:1", "[::1]:8000"]) access.check({ ...caller, host });
  access.check({ ...caller, origin: "http://localhost:8000" });
  for (
    const strange of [
      { address: "10.0.0.1" },
      { address: "127.0.0.1.example.org" },
      { address: undefined },
      { host: "evil.example" },
      { host: "localhost.evil.example" },
      { host: undefined },
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: "http://localhost:9000" },
    ]
  ) assertEquals(refusal(() => access.check({ ...caller, ...strange })).status, 403, JSON.stringify(strange));
});

Deno.test("Access asks for the token, or the cookie that stands for it, when there is one", () => {
  const access = new Access(token);
  const caller = {
    authorization: undefined,
    cookie: undefined,
    host: "example.org",
    origin: undefined,
    address: "10.0.0.1",
  };
  access.check({ ...caller, authorization: `Bearer ${token}`, origin: "http://anywhere.example" });
  const cookie = access.session(`bearer ${token}`);
  assert(!cookie.includes(token));
  access.check({ ...caller, cookie });
  access.check({ ...caller, cookie, origin: "https://example.org" });
  assertEquals(refusal(() => access.check({ ...caller, cookie, origin: "https://evil.example" })).status, 403);
  for (
    const wrong of [
      {},
      { authorization: "" },
      { authorization: `Basic ${token}` },
      { authorization: `Bearer ${token}x` },
      { authorization: `Bearer ${token.slice(1)}` },
      { authorization: "Bearer" },
      { authorization: "Bearer x", cookie },
      { cookie: token },
      { cookie: "" },
    ]
  ) {
    const { status, headers } = refusal(() => access.check({ ...caller, ...wrong }));
    assertEquals([status, headers["www-authenticate"]], [401, "Bearer"]);
  }
  assertEquals(refusal(() => access.session("Bearer nonsense")).status, 401);
  assertEquals(refusal(() => new Access(null).session(`Bearer ${token}`)).status, 401);
  // The cookie ends with the token.
  assertEquals(refusal(() => new Access(`${token}2`).check({ ...caller, cookie })).status, 401);
});

Deno.test("equalsSecret() tells texts of any length apart", () => {
  for (const other of ["", "b", "ab", token, token.slice(1), `${token}\0`]) {
    assertEquals(equalsSecret(other, token), other === token);
  }
});

Deno.test("every path but the page, health and the document asks for the token when there is one", async () => {
  await withService({ token }, async ({ call }) => {
    const open = ["/", "/page.css", "/page.js", "/health", "/openapi.json"];
    for (const path of open) assertEquals((await call(path, {}, "10.0.0.1")).status, 200, path);
    const id = "0".repeat(25);
    for (const [path, item] of Object.entries(openApiDocument("0", true).paths)) {
      for (const method of ["get", "post", "delete"] as const) {
        if (!(method in item) || open.includes(path)) continue;
        const place = path.replace("{id}", id).replace("{name}", "run.json");
        const refused = await call(place, { method: method.toUpperCase() }, "10.0.0.1");
        assertEquals([refused.status, (await refused.json()).title], [401, "Token missing or wrong"], place);
      }
    }
    const session = await call("/v1/session", { method: "POST", headers: { authorization: `Bearer ${token}` } });
    const cookie = session.headers.get("set-cookie")!;
    assertMatch(cookie, /; HttpOnly; SameSite=Strict$/);
    assertEquals((await call("/v1/jobs", { headers: { cookie: cookie.split(";")[0] } })).status, 200);
    assertEquals((await call("/v1/jobs", { headers: { authorization: `Bearer ${token}` } }, "10.0.0.1")).status, 200);
  });
});

Deno.test("nobody but callers on this machine is answered when there is no token, except about health", async () => {
  await withService({}, async ({ call }) => {
    assertEquals((await call("/health", {}, "10.0.0.1")).status, 200);
    for (const path of ["/", "/v1/jobs", "/openapi.json", "/metrics"]) {
      assertEquals((await call(path, {}, "10.0.0.1")).status, 403, path);
    }
    const posted = await call("/v1/jobs", {
      ...posting(tinyRequest()),
      headers: { "content-type": "application/json", origin: "http://evil.example" },
    });
    assertEquals(posted.status, 403);
  });
});

Deno.test("every answer is what the API's document says it is", async () => {
  await withService({}, async ({ call, submit, wait }) => {
    const document = await (await call("/openapi.json")).json();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: "api", components: document.components });
    const { id } = await submit();
    const queued = await submit();
    await wait(id);
    await wait(queued.id);
    const bodies: Record<string, RequestInit> = {
      "/v1/jobs post": posting(await (await call("/v1/example")).json()),
      "/v1/session post": { method: "POST" },
    };
    for (
      const [path, item] of Object.entries<Record<string, { responses: Record<string, { content: object }> }>>(
        document.paths,
      )
    ) {
      const methods = Object.keys(item).filter((key) => key !== "parameters");
      // Deleting last, and not the job that the other paths look at.
      for (const method of methods) {
        const place = path.replace("{id}", method === "delete" ? queued.id : id).replace("{name}", "run.json");
        const answer = await call(place, bodies[`${path} ${method}`] ?? { method: method.toUpperCase() });
        const described = item[method].responses[answer.status];
        assert(described, `${method} ${path} answered ${answer.status}: ${await answer.clone().text()}`);
        const type = answer.headers.get("content-type")?.split(";")[0];
        const content = described.content as Record<string, { schema: object }>;
        if (answer.status === 204) assertEquals(type, undefined);
        else assert(type !== undefined && type in content, `${method} ${path} answered with ${type}`);
        const text = await answer.text();
        if (!type?.endsWith("json")) continue;
        const schema = JSON.parse(JSON.stringify(content[type].schema).replaceAll('"#/', '"api#/'));
        assert(ajv.validate(schema, JSON.parse(text)), `${method} ${path}: ${ajv.errorsText()}: ${text}`);
      }
      // What the document does not list is refused, and the refusal lists it.
      const other = await call(path.replace("{id}", id).replace("{name}", "run.json"), { method: "PATCH" });
      assertEquals(other.status, 405);
      const allowed = other.headers.get("allow")!.split(", ").filter((method) => method !== "HEAD");
      assertEquals(allowed.map((method) => method.toLowerCase()).sort(), methods.sort(), path);
    }
    for (const { id } of (await (await call("/v1/jobs")).json()).jobs) {
      await call(`/v1/jobs/${id}/cancel`, { method: "POST" });
    }
  });
});

Deno.test("parseRequest() fills in defaults, and names what it refuses", () => {
  const request = parseRequest(JSON.stringify(tinyRequest()));
  assertEquals(request.adaptation, { count: 3, selectionCount: 0, sampling: "plain" });
  assertEquals([request.seed, request.writePruned, request.task.output_type], [0, false, "multiple_choice"]);
  assertEquals([request.skipBadRows, request.truncate], [false, false]);
  const task = tinyRequest().task as object;
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [null, /the request must be an object$/],
    [[], /the request must be an object$/],
    [{ rows: {}, task: {} }, /the request lacks the field "model"$/],
    [tinyRequest({ model: 7 }), /model must be a text$/],
    [tinyRequest({ model: "" }), /model must not be empty$/],
    [tinyRequest({ model: "m".repeat(301) }), /model must have at most 300 characters$/],
    [tinyRequest({ task: { ...task, output_type: "generate_until" } }), /task\.output_type must be "multiple_choice"$/],
    [tinyRequest({ adaptation: { split: "../up" } }), /adaptation\.split must be a name of letters, digits, _ and -$/],
    [tinyRequest({ rows: { train: [] } }), /rows\.train must not be empty$/],
    [
      tinyRequest({ rows: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`s${i}`, [{}]])) }),
      /rows must have at most 16 fields$/,
    ],
    [
      tinyRequest({ search: { fractions: Array.from({ length: 1001 }, (_, i) => (i + 1) / 1001) } }),
      /search\.fractions must have at most 1000 items$/,
    ],
    [
      tinyRequest({ search: { fractions: [0.1, 0.2, 0.1] } }),
      /search\.fractions has the same value at 0 and at 2: name/,
    ],
    [tinyRequest({ colour: "red" }), /the request has the unknown field "colour"/],
    [tinyRequest({ seed: 0.5 }), /seed must be a whole number$/],
    [tinyRequest({ seed: -1 }), /seed must be at least 0$/],
    [tinyRequest({ skipBadRows: 1 }), /skipBadRows must be true or false$/],
    [tinyRequest({ truncate: "yes" }), /truncate must be true or false$/],
    [tinyRequest({ score: { site: "head" } }), /score\.site must be one of gate, up, down/],
    [tinyRequest({ search: { fractions: [0.1, 2] } }), /search\.fractions\.1 must be at most 1$/],
    [tinyRequest({ rows: {} }), /rows must not be empty$/],
    [tinyRequest({ rows: { "../up": [{}] } }), /rows has the name "\.\.\/up"/],
    [tinyRequest({ rows: { train: [{}], test: ["text"] } }), /rows\.test\.0 must be an object$/],
    [tinyRequest({ task: { ...task, num_fewshot: 0.5 } }), /task\.num_fewshot must be a whole number or null$/],
    // Each of these would make a task read files of the server.
    ...["include", "group", "dataset_path", "dataset_name", "dataset_kwargs", "data", "class", "custom_dataset"].map((
      key,
    ) =>
      [
        tinyRequest({ task: { ...task, [key]: "/etc/passwd" } }),
        new RegExp(`task has the unknown field "${key}"`),
      ] as const
    ),
    [tinyRequest({ task: { ...task, task: ["/etc/passwd"] } }), /task\.task must be a text$/],
  ];
  for (const [value, words] of refused) {
    const { status, message } = refusal(() => parseRequest(JSON.stringify(value)));
    assertEquals(status, 400);
    assertMatch(message, /^Cannot start the job: /);
    assertMatch(message, words);
  }
  for (const text of ["", "{", "nope", '{"a":1}x', "[".repeat(200_000)]) {
    assertEquals(refusal(() => parseRequest(text)).status, 400, text.slice(0, 20));
  }
});

Deno.test("parseSettings() gives what was kept of a request, and refuses what is none", () => {
  const { task: _task, rows: _rows, ...settings } = parseRequest(JSON.stringify(tinyRequest()));
  assertEquals(parseSettings("request.json", JSON.stringify(settings)), settings);
  // One that an earlier version took has not all of them.
  const { skipBadRows: _skipBadRows, truncate: _truncate, ...older } = settings;
  assertEquals(parseSettings("request.json", JSON.stringify(older)), settings);
  const refused = [
    ["{", /^Cannot read request\.json: /],
    ["[]", /^Cannot read request\.json: the request must be an object$/],
    [JSON.stringify({ ...settings, seed: -1 }), /^Cannot read request\.json: seed must be at least 0$/],
    [
      JSON.stringify({ ...settings, rows: {} }),
      /^Cannot read request\.json: the request has the unknown field "rows"$/,
    ],
  ] as const;
  for (const [text, message] of refused) {
    assertMatch(assertThrows(() => parseSettings("request.json", text), SyntaxError).message, message);
  }
});

Deno.test("commandArguments() gives a command line that the program understands in the same way", () => {
  const request = parseRequest(JSON.stringify(tinyRequest({
    adaptation: { split: "train", count: 3, selectionCount: 2, sampling: "balanced" },
    test: { split: "test", limit: 5 },
    fewshot: 1,
    skipBadRows: true,
    truncate: true,
    metric: "acc_norm",
    seed: 9,
    randomDraws: 7,
    score: {
      site: "up",
      positions: "last",
      objective: "margin",
      path: "joint",
      rule: "midpoint",
      nodes: 2,
      tolerance: 0.5,
      maxNodes: 8,
      filter: "confident",
      confidence: 0.5,
      normalise: "layer-max",
      layers: [0, 1],
    },
    search: { fractions: [0.1, 0.25], ranking: "absolute", selectionRule: "smoothed", layers: [1] },
  })));
  const [command, ...typed] = commandArguments(request);
  assertEquals(command, "run");
  const table = { ...modelOptions, ...taskOptions, out: { type: "text", description: "" }, ...runOptions } as const;
  const options = parseOptions("run", table, typed);
  assertEquals([options.model, options.seed, options.metric, options.limit], ["tiny", 9, "acc_norm", 5]);
  assertEquals([options.fewshot, options.split, options["adaptation-split"]], [1, "test", "train"]);
  assertEquals([options["skip-bad-rows"], options.truncate], [true, true]);
  assertEquals([options["adaptation-examples"], options["selection-examples"], options.sampling], [3, 2, "balanced"]);
  assertEquals(options["random-draws"], 7);
  // What a request can say of scoring and searching is all said here, and all of it arrives.
  const { score, search } = requestSchema.properties;
  for (const [said, all] of [[request.score, score], [request.search, search]] as const) {
    assertEquals(Object.keys(said).sort(), Object.keys(all.properties).sort());
  }
  const defaults = { maxNodes: 64, confidence: 0.8 };
  const asJob = ({ metric: _, ...score }: NonNullable<PlanningOptions["score"]>) => ({ ...defaults, ...score });
  assertEquals(scoreSettings(options), asJob(planningOptions(request, ["acc"]).score!));
  assertEquals(scoreSettings(options), { ...request.score, maxNodes: 64 });
  assertEquals(runSearchSettings(options), request.search);
  // Most nodes say something where their number is not the same for every path.
  const { nodes: _, ...adaptive } = request.score;
  const [, ...again] = commandArguments({ ...request, score: { ...adaptive, filter: "all" } });
  const settings = scoreSettings(parseOptions("run", table, again));
  assertEquals([settings.nodes, settings.maxNodes, settings.filter, settings.confidence], [null, 8, "all", 0.8]);
});

Deno.test("a fault of a request has words for every keyword that the schema has", () => {
  const described = ["type", "properties", "items", "default", "description"];
  const keywords = new Set<string>();
  const visit = (schema: object): void => {
    for (const [keyword, value] of Object.entries(schema)) {
      keywords.add(keyword);
      if (keyword === "properties") Object.values(value as object).forEach(visit);
      if (["items", "additionalProperties", "propertyNames"].includes(keyword) && typeof value === "object") {
        visit(value);
      }
    }
  };
  visit(requestSchema);
  const unworded = [...keywords].filter((keyword) => !wordedKeywords.includes(keyword) && !described.includes(keyword));
  assertEquals(unworded, []);
});

Deno.test("the API refuses query parameters that it does not know, and says what was meant", async () => {
  await withService({}, async ({ call }) => {
    const refused = [
      ["/v1/jobs?limt=3", 'The query has the unknown parameter "limt"; did you mean limit?'],
      ["/v1/jobs?limit=3&limit=4&page=2", 'The query has the unknown parameter "page"'],
      ["/v1/models?limit=3", 'The query has the unknown parameter "limit"'],
    ];
    for (const [path, detail] of refused) {
      const answer = await call(path);
      assertEquals([answer.status, (await answer.json()).detail], [400, detail]);
    }
    assertEquals((await call("/v1/jobs?limit=3", posting(tinyRequest()))).status, 400);
    // Pages, and what machines look at, are none of the API.
    for (const path of ["/v1/jobs?limit=3", "/v1/jobs", "/?from=mail", "/health?now", "/metrics?x=1"]) {
      assertEquals((await call(path)).status, 200, path);
    }
    assertEquals((await call("/v1/jobs?limit=3", { method: "HEAD" })).status, 200);
  });
});

Deno.test("the schema of requests says what each field is for", () => {
  for (const [name, field] of Object.entries(schemas.Request.properties)) {
    assert("description" in field, name);
  }
});
