/** A Hugging Face hub on the loopback interface, and a second origin for large files; both can be told to misbehave. */
import { createHash } from "node:crypto";

/** A repository at one commit. */
export interface ServedRepository {
  readonly kind?: "model" | "dataset";
  /** `org/name`. */
  readonly id: string;
  readonly commit: string;
  /** Branches and tags that stand for the commit, besides the commit itself. Default: `main`. */
  readonly revisions?: readonly string[];
  readonly files: Readonly<Record<string, ServedFile>>;
}

/** A file; one in large-file storage is served by the second origin. */
export interface ServedFile {
  readonly bytes: Uint8Array;
  readonly isLarge: boolean;
}

/** A request as it came. */
export interface SeenRequest {
  /** `hub`, or `store` for the second origin. */
  readonly origin: "hub" | "store";
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
}

/** Replaces an answer; undefined leaves it as it is. */
export type Fault = (request: SeenRequest, answer: () => Response) => Response | undefined | Promise<Response>;

export function largeFile(bytes: Uint8Array): ServedFile {
  return { bytes, isLarge: true };
}

export function smallFile(content: string | Uint8Array): ServedFile {
  return { bytes: typeof content === "string" ? new TextEncoder().encode(content) : content, isLarge: false };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The id that git gives a file. */
export function gitId(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** The name that a cache gives the content of a file. */
export function contentId({ bytes, isLarge }: ServedFile): string {
  return isLarge ? sha256(bytes) : gitId(bytes);
}

/** Bytes that differ everywhere, the same for the same seed. */
export function someBytes(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => (state = Math.imul(state, 1103515245) + 12345 >>> 0) >>> 16);
}

/** Bytes with ranges, as a web server sends them. */
export function serveBytes(bytes: Uint8Array, headers: Headers, tag: string): Response {
  const range = /^bytes=(\d+)-$/.exec(headers.get("range") ?? "");
  const condition = headers.get("if-range");
  const common = { etag: tag, "accept-ranges": "bytes" };
  if (!range || condition !== null && condition !== tag) {
    return new Response(bytes as BodyInit, { headers: { ...common, "content-length": String(bytes.length) } });
  }
  const start = Number(range[1]);
  if (start >= bytes.length) {
    return new Response(null, { status: 416, headers: { ...common, "content-range": `bytes */${bytes.length}` } });
  }
  return new Response(bytes.subarray(start) as BodyInit, {
    status: 206,
    headers: {
      ...common,
      "content-length": String(bytes.length - start),
      "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
    },
  });
}

/** The first bytes of a file with the length of all of it; then silence, or the end of the connection. */
export function brokenBody(bytes: Uint8Array, count: number, then: "stall" | "end", tag = '"t"'): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes.slice(0, count));
    },
    async pull(controller) {
      // What was sent must have arrived before the connection goes away.
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (then === "end") controller.error(new Error("cut"));
    },
  });
  return new Response(body, { headers: { "content-length": String(bytes.length), etag: tag } });
}

/** A hub that serves some repositories. */
export class HubServer {
  readonly seen: SeenRequest[] = [];
  readonly #faults: { readonly matches: RegExp; times: number; readonly fault: Fault }[] = [];
  readonly #hub: Deno.HttpServer<Deno.NetAddr>;
  readonly #store: Deno.HttpServer<Deno.NetAddr>;

  constructor(readonly repositories: ServedRepository[]) {
    const serve = (origin: SeenRequest["origin"]) =>
      Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null, { status: 500 }) },
        (
          request,
        ) => this.#handle(origin, request),
      );
    this.#hub = serve("hub");
    this.#store = serve("store");
  }

  /** Its address, as `HF_ENDPOINT` has it. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#hub.addr.port}`;
  }

  /** Address of the second origin. */
  get store(): string {
    return `http://127.0.0.1:${this.#store.addr.port}`;
  }

  /** Misbehaves for the next requests to a path (`hub/...` or `store/...`). */
  fail(matches: RegExp, fault: Fault, times = Infinity): void {
    this.#faults.push({ matches, times, fault });
  }

  /** The requests to a path since the last call of `forget`. */
  requests(matches: RegExp): SeenRequest[] {
    return this.seen.filter(({ origin, path }) => matches.test(`${origin}${path}`));
  }

  /** Forgets requests and faults. */
  forget(): void {
    this.seen.length = 0;
    this.#faults.length = 0;
  }

  async close(): Promise<void> {
    // A stalled answer would keep a graceful shutdown waiting.
    await Promise.all([this.#hub, this.#store].map((server) => server.shutdown()));
  }

  async #handle(origin: SeenRequest["origin"], request: Request): Promise<Response> {
    const url = new URL(request.url);
    const seen = { origin, path: url.pathname + url.search, headers: request.headers };
    this.seen.push(seen);
    const answer = () =>
      origin === "hub" ? this.#answer(url, request.headers) : this.#answerStore(url, request.headers);
    const fault = this.#faults.find(({ matches, times }) => times > 0 && matches.test(`${origin}${seen.path}`));
    if (!fault) return answer();
    fault.times--;
    return await fault.fault(seen, answer) ?? answer();
  }

  #answer(url: URL, headers: Headers): Response {
    for (const repository of this.repositories) {
      const { kind = "model", id, commit, revisions = ["main"], files } = repository;
      const api = `/api/${kind}s/${id}`;
      if (url.pathname.startsWith(`${api}/revision/`)) {
        const revision = decodeURIComponent(url.pathname.slice(`${api}/revision/`.length));
        if ([...revisions, commit].includes(revision)) return Response.json({ id, sha: commit });
      }
      if (url.pathname === `${api}/tree/${commit}`) {
        return Response.json([
          { type: "directory", oid: "0".repeat(40), size: 0, path: "folder" },
          ...Object.entries(files).map(([path, file]) => ({
            type: "file",
            oid: file.isLarge ? gitId(new TextEncoder().encode(sha256(file.bytes))) : gitId(file.bytes),
            size: file.bytes.length,
            path,
            ...(file.isLarge && { lfs: { oid: sha256(file.bytes), size: file.bytes.length, pointerSize: 134 } }),
          })),
        ]);
      }
      const root = kind === "model" ? `/${id}/resolve/` : `/datasets/${id}/resolve/`;
      if (!url.pathname.startsWith(root)) continue;
      const [revision, ...parts] = url.pathname.slice(root.length).split("/").map(decodeURIComponent);
      const file = files[parts.join("/")];
      if (![...revisions, commit].includes(revision) || !file) continue;
      const tag = `"${contentId(file)}"`;
      if (!file.isLarge) {
        const response = serveBytes(file.bytes, headers, tag);
        response.headers.set("x-repo-commit", commit);
        return response;
      }
      return new Response(null, {
        status: 302,
        headers: {
          location: `${this.store}/${contentId(file)}?signature=secret`,
          "x-repo-commit": commit,
          "x-linked-etag": tag,
          "x-linked-size": String(file.bytes.length),
        },
      });
    }
    return new Response(null, { status: 404, headers: { "x-error-code": "RepoNotFound" } });
  }

  #answerStore(url: URL, headers: Headers): Response {
    for (const { files } of this.repositories) {
      for (const file of Object.values(files)) {
        if (url.pathname === `/${contentId(file)}`) return serveBytes(file.bytes, headers, '"store-tag"');
      }
    }
    return new Response(null, { status: 404 });
  }
}
