/** Requests to a Hugging Face hub: what a revision stands for, what a commit holds, and the bytes of a file. */
import { type RepositoryFile, repositoryFile, type RepositoryListing } from "./hub_cache.ts";
import { cleanMessage, HubError, refusal, type RequestContext, TransientError, withoutSecrets } from "./hub_error.ts";
import { apiPath, isCommit, pagePath, type RepositoryReference } from "./hub_reference.ts";
import { type HubTiming, requestedWait, retry, StallGuard } from "./hub_retry.ts";
import { isJsonObject, type Json } from "./strict_json.ts";

const MOST_REDIRECTS = 8;
const MOST_PAGES = 1000;
/** Longest answer of the API that is read, in bytes. */
const LONGEST_ANSWER = 1 << 26;

/** What to talk to, and as whom. */
export interface HubClientOptions {
  /** Ends with a slash. */
  readonly endpoint: URL;
  /** Sent to the endpoint's origin and to no other. */
  readonly token: string | null;
  readonly timing: HubTiming;
  readonly signal: AbortSignal;
}

/** A response after redirects, with what the hub itself said on the way. */
export interface HubResponse {
  readonly response: Response;
  /** Headers of the last response from the hub's own origin. */
  readonly hubHeaders: Headers;
}

function path(text: string): string {
  return text.split("/").map(encodeURIComponent).join("/");
}

/**
 * The error of an attempt that failed without an answer. It has no cause: the runtime's own error may hold a signed
 * address.
 */
export function connectionError(error: unknown, url: URL, guard: StallGuard, progressed = false): Error {
  if (guard.hasStalled) {
    return new TransientError(`${url.host} sent nothing for ${guard.stallMs / 1000} s`, undefined, progressed);
  }
  const { name, message, code, cause } = error as Error & { readonly code?: string };
  // Deno without --allow-net, and Node's permission model.
  if (name === "NotCapable" || code === "ERR_ACCESS_DENIED") {
    return new HubError(
      `Cannot reach ${url.host}: the program is not allowed to use the network`,
      "run it with --allow-net, or download the repository beforehand",
    );
  }
  const detail = (cause instanceof Error ? cause.message : message).replace(
    /^error sending request for url \([^)]*\): /,
    "",
  );
  return new TransientError(`no answer from ${url.host}: ${cleanMessage(detail)}`, undefined, progressed);
}

/** The target of a redirect. */
function redirectTarget(response: Response, url: URL): URL {
  const target = URL.parse(response.headers.get("location") ?? "", url);
  const isSafe = target !== null && /^https?:$/.test(target.protocol) && !target.username && !target.password &&
    !(url.protocol === "https:" && target.protocol === "http:");
  if (isSafe) return target;
  throw new HubError(
    `Cannot follow the redirect from ${withoutSecrets(url)}`,
    "expected a safe https address; check HF_ENDPOINT where it is set",
    response.status,
  );
}

/** Talks to one hub about one repository. */
export class HubClient {
  constructor(readonly reference: RepositoryReference, readonly options: HubClientOptions) {}

  /** Beginning of every error about this repository. */
  get #what(): string {
    return `Cannot download ${this.reference.id}`;
  }

  #url(text: string): URL {
    return new URL(text, this.options.endpoint);
  }

  /** Address of a file of a commit. */
  fileUrl(commit: string, file: string): URL {
    return this.#url(`${pagePath(this.reference)}/resolve/${commit}/${path(file)}`);
  }

  #context(file: string | undefined): RequestContext {
    return {
      repository: this.reference,
      ...(file !== undefined && { file }),
      page: withoutSecrets(this.#url(pagePath(this.reference))),
      hasToken: this.options.token !== null,
    };
  }

  /**
   * One attempt at a request: follows redirects, and leaves the token behind at the first step to another origin.
   *
   * @param file Path in the repository that the request is for, for errors.
   * @returns A response whose body must be read or cancelled, with a status of 200, 206 or 416.
   * @throws {TransientError} If another attempt may succeed.
   * @throws {HubError} If it would not.
   */
  async request(url: URL, headers: Record<string, string>, guard: StallGuard, file?: string): Promise<HubResponse> {
    const { endpoint, token } = this.options;
    let isHub = true;
    let hubHeaders = new Headers();
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      let response: Response;
      isHub &&= url.origin === endpoint.origin;
      const sent: Record<string, string> = { ...headers, "user-agent": "secateur", "accept-encoding": "identity" };
      if (isHub && token !== null) sent.authorization = `Bearer ${token}`;
      try {
        response = await fetch(url, { headers: sent, redirect: "manual", signal: guard.signal });
      } catch (error) {
        throw connectionError(error, url, guard);
      }
      guard.heard();
      if (isHub) hubHeaders = response.headers;
      if (response.ok || response.status === 416) return { response, hubHeaders };
      await response.body?.cancel();
      const { status } = response;
      if ([301, 302, 303, 307, 308].includes(status)) {
        url = redirectTarget(response, url);
        continue;
      }
      // A signed address of another host that has expired: asking the hub again gives a new one.
      const isExpired = !isHub && (status === 401 || status === 403);
      if (isExpired || status === 408 || status === 429 || status >= 500) {
        throw new TransientError(`${url.host} answers ${status}`, requestedWait(response.headers));
      }
      throw refusal(response, this.#context(file));
    }
    throw new HubError(`${this.#what}: more than ${MOST_REDIRECTS} redirects`, "check HF_ENDPOINT where it is set");
  }

  /** Asks the API and parses the answer. */
  async #ask(url: URL): Promise<{ answer: Json; headers: Headers }> {
    const { timing, signal } = this.options;
    return await retry(
      this.#what,
      async () => {
        const guard = new StallGuard(timing.stallMs, signal);
        try {
          const { response } = await this.request(url, { accept: "application/json" }, guard);
          let text = "";
          let length = 0;
          const decoder = new TextDecoder();
          try {
            for await (const chunk of response.body ?? []) {
              guard.heard();
              length += chunk.length;
              if (length > LONGEST_ANSWER) break;
              text += decoder.decode(chunk, { stream: true });
            }
          } catch (error) {
            throw connectionError(error, url, guard);
          }
          try {
            return { answer: JSON.parse(text) as Json, headers: response.headers };
          } catch (error) {
            throw this.#strange(url, "is no JSON", error);
          }
        } finally {
          guard.stop();
        }
      },
      timing,
      signal,
    );
  }

  #strange(url: URL, problem: string, cause?: unknown): HubError {
    return new HubError(
      `${this.#what}: the answer of ${withoutSecrets(url)} ${problem}`,
      "check that HF_ENDPOINT, where it is set, is a Hugging Face hub",
      undefined,
      { cause },
    );
  }

  /** The commit that the revision stands for now. */
  async commit(): Promise<string> {
    const { revision } = this.reference;
    if (isCommit(revision)) return revision;
    const url = this.#url(`${apiPath(this.reference)}/revision/${encodeURIComponent(revision)}`);
    const { answer } = await this.#ask(url);
    if (isJsonObject(answer) && typeof answer.sha === "string" && isCommit(answer.sha)) return answer.sha;
    throw this.#strange(url, "names no commit");
  }

  /** The files of a commit. */
  async listing(commit: string): Promise<RepositoryListing> {
    const files = new Map<string, RepositoryFile>();
    let url = this.#url(`${apiPath(this.reference)}/tree/${commit}?recursive=true&expand=false`);
    for (let page = 0; page < MOST_PAGES; page++) {
      const { answer, headers } = await this.#ask(url);
      if (!Array.isArray(answer)) throw this.#strange(url, "lists no files");
      try {
        for (const entry of answer) {
          if (!isJsonObject(entry) || typeof entry.path !== "string") throw new SyntaxError("an entry has no path");
          if (entry.type !== "file") continue;
          const lfs = isJsonObject(entry.lfs) ? entry.lfs : undefined;
          const { path, oid: gitId, xetHash } = entry;
          files.set(
            path as string,
            repositoryFile(path as string, { size: lfs?.size ?? entry.size, gitId, sha256: lfs?.oid, xetHash }),
          );
        }
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw this.#strange(url, `makes no sense: ${cleanMessage(error.message)}`, error);
      }
      const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(headers.get("link") ?? "")?.[1];
      if (next === undefined) return files;
      const target = URL.parse(next, url);
      if (target === null) throw this.#strange(url, "names no next page");
      // A mirror may pass on the address of the hub behind it; the token stays with the one that was asked.
      url = new URL(target.pathname + target.search, this.options.endpoint.origin);
    }
    throw this.#strange(url, `has more than ${MOST_PAGES} pages`);
  }
}
