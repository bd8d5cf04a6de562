/** What can go wrong between this program and a Hugging Face hub, and what a person can do about it. */
import type { RepositoryReference } from "./hub_reference.ts";

/** A repository cannot be had. The message is the problem and the advice in one. */
export class HubError extends Error {
  override readonly name = "HubError";
  /**
   * @param problem What failed, such as `Cannot download org/name: the repository is gated`.
   * @param advice What to do about it.
   * @param status The HTTP status where a server answered.
   */
  constructor(readonly problem: string, readonly advice: string, readonly status?: number, options?: ErrorOptions) {
    super(`${problem}: ${advice}`, options);
  }
}

/** A failure that may go away by itself: the request is repeated after a pause. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /**
   * @param waitMs What the server asks to wait, in milliseconds; absent: the usual pause.
   * @param progressed Whether the attempt brought the work forward, so that it does not count as one of several
   * failures in a row.
   */
  constructor(message: string, readonly waitMs?: number, readonly progressed = false, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Whom a refused request was for. */
export interface RequestContext {
  readonly repository: RepositoryReference;
  /** Path in the repository; absent for questions about the repository itself. */
  readonly file?: string;
  /** Where the repository is shown to people. */
  readonly page: string;
  readonly hasToken: boolean;
}

/** A URL for a message: without the query, which may hold a signature. */
export function withoutSecrets(url: URL): string {
  return url.origin + url.pathname;
}

/** A message of the runtime or of a server, fit for a terminal: one line, no controls, no queries of URLs. */
export function cleanMessage(text: string): string {
  return text.replaceAll(/\p{C}+/gu, " ").replaceAll(/\?[^\s)]*/g, "").slice(0, 300).trim();
}

const setToken = "set HF_TOKEN to a token from the settings of your account, or log in with `hf auth login`";

/** The error for a status that a repetition would not change. */
export function refusal(response: Response, context: RequestContext): HubError {
  const { repository: { id, kind, revision }, file, page, hasToken } = context;
  const { status } = response;
  const code = response.headers.get("x-error-code");
  const said = cleanMessage(response.headers.get("x-error-message") ?? "");
  const error = (problem: string, advice: string) =>
    new HubError(`Cannot download ${id}: ${problem} (HTTP ${status})`, advice, status);

  if (code === "GatedRepo") {
    return error(
      `the ${kind} is gated`,
      hasToken
        ? `ask for access at ${page} with the account of your token; a fine-grained token also needs the permission ` +
          "to read gated repositories"
        : `ask for access at ${page}, then ${setToken}`,
    );
  }
  if (code === "RevisionNotFound") {
    return error(`it has no revision ${revision}`, `choose a branch, tag or commit that ${page} lists`);
  }
  if (code === "EntryNotFound" || status === 404 && file !== undefined) {
    return error(`it has no file ${file ?? ""}`.trimEnd(), `compare with the files that ${page} lists`);
  }
  if (status === 401 && hasToken && code !== "RepoNotFound") {
    return error("the token is not accepted", `renew it: ${setToken}`);
  }
  if (status === 401 || status === 404) {
    return error(
      `there is no folder and no public ${kind} of that name`,
      hasToken
        ? "check the spelling, and that the account of your token may read it"
        : `check the spelling; if the ${kind} is private or gated, ${setToken}`,
    );
  }
  if (status === 403) {
    return error(
      said || "access is forbidden",
      hasToken ? `see ${page}, and which permissions your token has` : `see ${page}, then ${setToken}`,
    );
  }
  return error(said || "the server refuses", "check HF_ENDPOINT where it is set, and try again later");
}
