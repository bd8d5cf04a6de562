/** The fetch handler of the service: which path does what, who may, and what goes wrong in words. */
import { Hono } from "hono";
import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { join } from "node:path";
import { runFileNames } from "../method/files.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import { Access, cookieName } from "./access.ts";
import { readJsonText } from "./body.ts";
import { eventStream } from "./event_stream.ts";
import { exampleRequest } from "./example.ts";
import { JobQueue } from "./job_queue.ts";
import { parseRequest } from "./job_request.ts";
import { isFinal } from "./job_state.ts";
import { isJobId } from "./job_store.ts";
import { formatMetrics, RequestMetrics } from "./metrics.ts";
import { listModels } from "./models.ts";
import { openApiDocument } from "./openapi.ts";
import { type PageFile, pageResponse, reportPolicy } from "./page.ts";
import { ProblemError, problemResponse } from "./problem.ts";
import type { ServiceSettings } from "./settings.ts";

/** What is known about the connection of a request. */
export interface ConnectionInfo {
  /** The other end; absent where it is not a network address. */
  readonly remoteAddr?: { readonly transport: string; readonly hostname?: string };
}

/** The service. */
export interface Service {
  /** Answers one request. */
  readonly fetch: (request: Request, info?: ConnectionInfo) => Promise<Response>;
  /** Stops the running job, which goes on when the service is started again, and lets go of the folder of jobs. */
  readonly close: () => Promise<void>;
}

/** How to open the service. */
export interface ServiceOptions {
  readonly settings: ServiceSettings;
  /** Version of this program. */
  readonly version: string;
  /** Told of errors that are nobody's request's fault. Default: the console. */
  readonly onError?: (error: unknown) => void;
}

type Environment = { Bindings: ConnectionInfo };
type Handler = (context: Context<Environment>) => Response | Promise<Response>;
type Method = "GET" | "POST" | "DELETE";

/** Who may use a path: anybody, whoever is on this machine or anybody where there is a token, or whoever may do all. */
type Audience = "all" | "page" | "callers";

/** Types of the files of results. */
const contentTypes: Readonly<Record<string, string>> = {
  json: "application/json",
  html: "text/html; charset=utf-8",
  safetensors: "application/octet-stream",
};

/** Query parameters of paths of the API that take some; all others are refused there, as unknown fields are. */
const queryParameters: Readonly<Record<string, readonly string[]>> = { "GET /v1/jobs": ["limit", "before"] };

/** Refuses query parameters of other names. */
function refuseUnknownQuery(path: string, { method, url }: Request): void {
  const known = queryParameters[`${method === "HEAD" ? "GET" : method} ${path}`] ?? [];
  const unknown = [...new URL(url).searchParams.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const meant = didYouMean(unknown, known);
  throw new ProblemError(400, `The query has the unknown parameter ${JSON.stringify(unknown)}${meant}`);
}

const largestPage = 500;
const usualPage = 50;

/**
 * Opens the service; unfinished jobs of an earlier one go on.
 *
 * @throws {Error} If the folder of models cannot be read, or another service uses the folder of jobs, or it cannot be
 * used.
 */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { settings, version, onError = (error) => console.error(error) } = options;
  // A folder of models that is not there is noticed before anybody asks for one.
  await listModels(settings.modelsFolder);
  const queue = await JobQueue.open(settings, version, onError);
  const access = new Access(settings.token);
  const requests = new RequestMetrics();
  const closing = new AbortController();
  let followers = 0;

  const json = (value: unknown, status = 200, headers: Record<string, string> = {}) =>
    new Response(`${JSON.stringify(value)}\n`, { status, headers: { "content-type": "application/json", ...headers } });

  /** The job that a path names. */
  const jobOf = (context: Context<Environment>) => {
    const id = context.req.param("id") ?? "";
    const job = isJobId(id) ? queue.find(id) : undefined;
    if (!job) throw new ProblemError(404, "There is no job of that id");
    return { id, job };
  };

  const sendFile = async (context: Context<Environment>, name: string): Promise<Response> => {
    const { id, job } = jobOf(context);
    const files = await queue.results(id);
    if (!files.some((file) => file.name === name)) {
      const { state } = job.view();
      if (isFinal(state)) throw new ProblemError(404, `Job ${id} is ${state} and has no such file`);
      throw new ProblemError(409, `Job ${id} is ${state} and has no such file yet`);
    }
    const file = await Deno.open(join(queue.store.paths(id).results, name));
    const ending = name.slice(name.lastIndexOf(".") + 1);
    const headers: Record<string, string> = {
      "content-type": contentTypes[ending],
      "content-length": `${(await file.stat()).size}`,
      "content-security-policy": reportPolicy,
    };
    if (ending !== "html") headers["content-disposition"] = `attachment; filename="${name}"`;
    if (context.req.method === "HEAD") {
      file.close();
      return new Response(null, { headers });
    }
    // The stream closes the file at its end, and when the caller goes before.
    return new Response(file.readable, { headers });
  };

  const page = (name: PageFile): Handler => () => pageResponse(name);

  const routes: readonly (readonly [path: string, audience: Audience, handlers: { [M in Method]?: Handler }])[] = [
    ["/", "page", { GET: page("index.html") }],
    ["/page.css", "page", { GET: page("page.css") }],
    ["/page.js", "page", { GET: page("page.js") }],
    ["/health", "all", {
      GET: () => json({ status: queue.problem ? "failing" : "ok", problem: queue.problem }, queue.problem ? 503 : 200),
    }],
    ["/openapi.json", "page", { GET: () => json(openApiDocument(version, access.needsToken)) }],
    ["/metrics", "callers", {
      GET: () =>
        new Response(describeMetrics(queue, followers, version) + requests.format(), {
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
        }),
    }],
    ["/v1/session", "page", {
      POST: (context) => {
        const secure = new URL(context.req.url).protocol === "https:";
        setCookie(context, cookieName, access.session(context.req.header("authorization")), {
          httpOnly: true,
          sameSite: "Strict",
          path: "/",
          secure,
        });
        return context.body(null, 204);
      },
    }],
    ["/v1/models", "callers", {
      GET: async () => json({ models: (await listModels(settings.modelsFolder)).map(({ name }) => ({ name })) }),
    }],
    ["/v1/example", "callers", { GET: async () => json(await exampleRequest()) }],
    ["/v1/jobs", "callers", {
      GET: (context) => {
        const { limit: asked = `${usualPage}`, before } = context.req.query();
        const limit = Number(asked);
        if (!/^\d{1,4}$/.test(asked) || limit < 1 || limit > largestPage) {
          throw new ProblemError(400, `Cannot list jobs: limit must be a whole number from 1 to ${largestPage}`);
        }
        if (before !== undefined && !isJobId(before)) throw new ProblemError(400, "Cannot list jobs before that id");
        const jobs = queue.list(limit, before);
        return json({ jobs, next: jobs.length === limit ? jobs[limit - 1].id : null });
      },
      POST: async (context) => {
        const text = await readJsonText(context.req.raw, { bytes: settings.bodyBytes, seconds: settings.bodySeconds });
        const view = await queue.submit(parseRequest(text));
        return json(view, 202, { location: `/v1/jobs/${view.id}` });
      },
    }],
    ["/v1/jobs/:id", "callers", {
      GET: (context) => json(jobOf(context).job.view()),
      DELETE: async (context) => {
        await queue.remove(jobOf(context).id);
        return new Response(null, { status: 204 });
      },
    }],
    ["/v1/jobs/:id/cancel", "callers", { POST: async (context) => json(await queue.cancel(jobOf(context).id), 202) }],
    ["/v1/jobs/:id/events", "callers", {
      GET: (context) => {
        const { job } = jobOf(context);
        const lastEventId = context.req.header("last-event-id") ?? null;
        const isUpToDate = lastEventId !== null && job.events.after(lastEventId)?.length === 0;
        // A browser asks again when a stream ends, until it is told that there is no more.
        if (isUpToDate && isFinal(job.view().state)) return new Response(null, { status: 204 });
        if (context.req.method === "HEAD") {
          return new Response(null, { headers: { "content-type": "text/event-stream" } });
        }
        if (followers >= settings.followers) {
          throw new ProblemError(503, "Too many callers follow events", { "retry-after": "10" });
        }
        followers++;
        return eventStream(job, lastEventId, closing.signal, () => followers--);
      },
    }],
    ["/v1/jobs/:id/results", "callers", { GET: (context) => sendFile(context, runFileNames.run) }],
    ["/v1/jobs/:id/report", "callers", { GET: (context) => sendFile(context, runFileNames.report) }],
    ["/v1/jobs/:id/files", "callers", {
      GET: async (context) => json({ files: await queue.results(jobOf(context).id) }),
    }],
    ["/v1/jobs/:id/files/:name", "callers", {
      GET: (context) => sendFile(context, context.req.param("name") ?? ""),
    }],
  ];

  const app = new Hono<Environment>();
  app.use(async (context, next) => {
    const start = performance.now();
    await next();
    const { headers } = context.res;
    headers.set("x-content-type-options", "nosniff");
    headers.set("referrer-policy", "no-referrer");
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    requests.count(context.req.method, context.res.status, (performance.now() - start) / 1000);
  });
  for (const [path, audience, handlers] of routes) {
    app.use(path, async (context, next) => {
      if (audience === "callers" || audience === "page" && !access.needsToken) {
        access.check({
          authorization: context.req.header("authorization"),
          cookie: getCookie(context, cookieName),
          host: context.req.header("host") ?? new URL(context.req.url).host,
          origin: context.req.header("origin"),
          address: context.env?.remoteAddr?.hostname,
        });
      }
      if (path.startsWith("/v1/")) refuseUnknownQuery(path, context.req.raw);
      await next();
    });
    for (const [method, handler] of Object.entries(handlers)) app.on(method, path, handler);
    app.all(path, () => {
      const allowed = Object.keys(handlers).flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]);
      throw new ProblemError(405, `This path takes ${allowed.join(", ")}`, { allow: allowed.join(", ") });
    });
  }
  app.notFound(() => problemResponse(new ProblemError(404, "There is nothing at this path")));
  app.onError((error) => {
    if (error instanceof ProblemError) return problemResponse(error);
    onError(error);
    return problemResponse(new ProblemError(500, "The service has failed at this request; its log says more"));
  });

  return {
    fetch: async (request, info) => await app.fetch(request, info ?? {}),
    close: async () => {
      closing.abort();
      await queue.close();
    },
  };
}

function describeMetrics(queue: JobQueue, followers: number, version: string): string {
  const { jobs, ended, busySeconds, gpuLiveBytes } = queue.counts;
  const byState = (counts: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(counts).map(([state, count]) => [`state="${state}"`, count]));
  return formatMetrics([
    { name: "secateur_info", help: "The version.", type: "gauge", values: { [`version="${version}"`]: 1 } },
    { name: "secateur_jobs", help: "Jobs that are kept, by state.", type: "gauge", values: byState(jobs) },
    {
      name: "secateur_jobs_ended_total",
      help: "Jobs that have ended since the start.",
      type: "counter",
      values: byState(ended),
    },
    {
      name: "secateur_job_seconds_total",
      help: "Seconds that jobs have run since the start.",
      type: "counter",
      values: { "": busySeconds },
    },
    {
      name: "secateur_gpu_leaked_bytes",
      help: "Bytes that the last job left on the GPU.",
      type: "gauge",
      values: { "": gpuLiveBytes },
    },
    { name: "secateur_followers", help: "Callers that follow events.", type: "gauge", values: { "": followers } },
    {
      name: "secateur_resident_bytes",
      help: "Memory of the process.",
      type: "gauge",
      values: { "": Deno.memoryUsage().rss },
    },
  ]);
}
