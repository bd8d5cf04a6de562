/** Errors that callers get to read, as problem documents of RFC 9457. */

/** An error with the status and the words of its answer. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(readonly status: number, detail: string, readonly headers: Readonly<Record<string, string>> = {}) {
    super(detail);
  }
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad request",
  401: "Token missing or wrong",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  408: "Request too slow",
  409: "Conflict",
  413: "Request too large",
  415: "Unsupported media type",
  429: "Queue full",
  500: "Internal error",
  503: "Service unavailable",
  507: "Insufficient storage",
};

/** The answer that says what is wrong. */
export function problemResponse({ status, message, headers }: ProblemError): Response {
  const body = { type: "about:blank", title: titles[status] ?? "Error", status, detail: message };
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}
