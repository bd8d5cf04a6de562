/** The OpenAPI document of the service. */
import { requestSchema } from "./job_request.ts";
import { jobStates } from "./job_state.ts";

const id = {
  name: "id",
  in: "path",
  required: true,
  schema: { type: "string", pattern: "^[0-9a-z]{9}[0-9a-f]{16}$" },
} as const;

const text = { type: "string" } as const;
const textOrNull = { type: ["string", "null"] } as const;
const count = { type: "integer", minimum: 0 } as const;

/** Schemas of what is asked and answered, by name. */
export const schemas = {
  Request: requestSchema,
  Job: {
    type: "object",
    additionalProperties: false,
    required: [
      "id",
      "state",
      "model",
      "task",
      "createdAt",
      "startedAt",
      "finishedAt",
      "attempts",
      "error",
      "ahead",
      "progress",
    ],
    properties: {
      id: id.schema,
      state: { type: "string", enum: jobStates },
      model: text,
      task: text,
      createdAt: { type: "string", format: "date-time" },
      startedAt: { type: ["string", "null"], format: "date-time" },
      finishedAt: { type: ["string", "null"], format: "date-time" },
      attempts: { ...count, description: "How often the job was started: again after the service was restarted." },
      error: { ...textOrNull, description: "Why it failed." },
      ahead: { type: ["integer", "null"], description: "Jobs that run before this one; null unless it waits." },
      progress: {
        type: ["object", "null"],
        additionalProperties: false,
        required: ["stage", "done", "total", "unit"],
        properties: {
          stage: text,
          done: { type: "number" },
          total: { type: "number" },
          unit: text,
          takenOver: { type: "number", description: "Of `done`, what was there before and took no time." },
        },
      },
    },
  },
  Jobs: {
    type: "object",
    additionalProperties: false,
    required: ["jobs", "next"],
    properties: {
      jobs: { type: "array", items: { $ref: "#/components/schemas/Job" } },
      next: { ...textOrNull, description: "Value of `before` for the next page; null on the last one." },
    },
  },
  Models: {
    type: "object",
    additionalProperties: false,
    required: ["models"],
    properties: {
      models: {
        type: "array",
        items: { type: "object", additionalProperties: false, required: ["name"], properties: { name: text } },
      },
    },
  },
  Files: {
    type: "object",
    additionalProperties: false,
    required: ["files"],
    properties: {
      files: {
        type: "array",
        items: {
          type: "object",
          additionalProperties: false,
          required: ["name", "bytes"],
          properties: { name: text, bytes: count },
        },
      },
    },
  },
  Health: {
    type: "object",
    additionalProperties: false,
    required: ["status", "problem"],
    properties: { status: { type: "string", enum: ["ok", "failing"] }, problem: textOrNull },
  },
  Problem: {
    type: "object",
    additionalProperties: false,
    required: ["type", "title", "status", "detail"],
    properties: { type: text, title: text, status: { type: "integer" }, detail: text },
  },
} as const;

function json(name: keyof typeof schemas) {
  return { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
}

function answer(description: string, content: object = {}) {
  return { description, content };
}

/** Answers that say what is wrong, by status. */
function problems(...statuses: readonly number[]) {
  const meanings: Readonly<Record<number, string>> = {
    400: "The request cannot be understood, or does not fit the service.",
    401: "The token is missing or wrong.",
    403: "The caller is not on this machine and there is no token, or the request comes from another site's page.",
    404: "There is nothing of that id or name.",
    408: "The body came too slowly.",
    409: "The job is not in a state for that.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many jobs wait.",
    507: "The disk of the jobs is full.",
    503: "The service is closing, or too many callers follow events.",
  };
  const content = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  return Object.fromEntries(statuses.map((status) => [status, answer(meanings[status], content)]));
}

const open: readonly [] = [];

/** The document, draft 3.1. */
export function openApiDocument(version: string, needsToken: boolean) {
  const secured = problems(401, 403);
  // Unknown query parameters are refused.
  const called = { ...problems(400), ...secured };
  return {
    openapi: "3.1.0",
    info: {
      title: "Secateur",
      version,
      summary: "Finds and prunes the neurons of a language model that drive confident but wrong answers.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    ...(needsToken && { security: [{ token: [] }, { session: [] }] }),
    paths: {
      "/health": {
        get: {
          summary: "Whether jobs can run.",
          security: open,
          responses: { 200: answer("They can.", json("Health")), 503: answer("They cannot.", json("Health")) },
        },
      },
      "/openapi.json": {
        get: {
          summary: "This document.",
          security: open,
          responses: { 200: answer("The document.", { "application/json": { schema: { type: "object" } } }) },
        },
      },
      "/metrics": {
        get: {
          summary: "Counts, in the text format of Prometheus.",
          responses: { 200: answer("The counts.", { "text/plain": { schema: text } }), ...secured },
        },
      },
      "/v1/session": {
        post: {
          summary: "Trades the token for a cookie, for browsers.",
          responses: { 204: answer("The cookie is set."), ...problems(400, 401) },
        },
      },
      "/v1/models": {
        get: {
          summary: "Models that jobs may use.",
          responses: { 200: answer("Models.", json("Models")), ...called },
        },
      },
      "/v1/example": {
        get: {
          summary: "A request that works: the bundled model on its own task.",
          responses: { 200: answer("To be posted to /v1/jobs.", json("Request")), ...called, ...problems(404) },
        },
      },
      "/v1/jobs": {
        get: {
          summary: "Jobs, the newest first.",
          parameters: [
            { name: "limit", in: "query", schema: { type: "integer", minimum: 1, maximum: 500, default: 50 } },
            { name: "before", in: "query", description: "Only jobs older than this id.", schema: id.schema },
          ],
          responses: { 200: answer("Jobs.", json("Jobs")), ...called },
        },
        post: {
          summary: "Starts a job.",
          requestBody: { required: true, content: json("Request") },
          responses: {
            202: {
              ...answer("The job is on the disk of the service and will run.", json("Job")),
              headers: { location: { schema: text, description: "Path of the job." } },
            },
            ...called,
            ...problems(408, 413, 415, 429, 503, 507),
          },
        },
      },
      "/v1/jobs/{id}": {
        parameters: [id],
        get: { summary: "A job.", responses: { 200: answer("The job.", json("Job")), ...called, ...problems(404) } },
        delete: {
          summary: "Deletes a job that has ended, with its results.",
          responses: { 204: answer("It is gone."), ...called, ...problems(404, 409) },
        },
      },
      "/v1/jobs/{id}/cancel": {
        parameters: [id],
        post: {
          summary: "Stops a job for good; results so far are kept.",
          responses: { 202: answer("It stops, or has stopped.", json("Job")), ...called, ...problems(404, 409) },
        },
      },
      "/v1/jobs/{id}/events": {
        parameters: [id],
        get: {
          summary: "What happens to a job, as Server-Sent Events `state` (a Job) and `progress`, until it has ended.",
          parameters: [{
            name: "Last-Event-ID",
            in: "header",
            description: "Go on after this event.",
            schema: text,
          }],
          responses: {
            200: answer("The events.", { "text/event-stream": { schema: text } }),
            204: answer("The job has ended, and nothing happened after that event."),
            ...called,
            ...problems(404, 503),
          },
        },
      },
      "/v1/jobs/{id}/results": {
        parameters: [id],
        get: {
          summary: "The record of the run, `run.json`.",
          responses: {
            200: answer("The record.", { "application/json": { schema: { type: "object" } } }),
            ...called,
            ...problems(404, 409),
          },
        },
      },
      "/v1/jobs/{id}/report": {
        parameters: [id],
        get: {
          summary: "The report, a page that needs nothing else.",
          responses: {
            200: answer("The page.", { "text/html": { schema: text } }),
            ...called,
            ...problems(404, 409),
          },
        },
      },
      "/v1/jobs/{id}/files": {
        parameters: [id],
        get: {
          summary: "The result files that there are so far.",
          responses: { 200: answer("Files.", json("Files")), ...called, ...problems(404) },
        },
      },
      "/v1/jobs/{id}/files/{name}": {
        parameters: [id, { name: "name", in: "path", required: true, schema: text }],
        get: {
          summary: "One of these files.",
          responses: {
            200: answer("The file.", {
              "application/octet-stream": { schema: { type: "string", format: "binary" } },
              "application/json": { schema: { type: "object" } },
              "text/html": { schema: text },
            }),
            ...called,
            ...problems(404),
          },
        },
      },
    },
    components: {
      schemas,
      securitySchemes: {
        token: { type: "http", scheme: "bearer" },
        session: { type: "apiKey", in: "cookie", name: "secateur_session" },
      },
    },
  };
}
