/** Names of repositories, revisions and files of a Hugging Face hub, checked before they become paths or URLs. */

/** What a repository holds. */
export type RepositoryKind = "model" | "dataset";

/** A repository at a revision. */
export interface RepositoryReference {
  readonly kind: RepositoryKind;
  /** `org/name`. */
  readonly id: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

const DEFAULT_REVISION = "main";
/** Letters, digits, `_`, and inside also `-` and `.`. */
const NAME = /^\w(?:[\w.-]{0,94}\w)?$/;
const LONGEST_ID = 96;
const LONGEST_REVISION = 255;
const COMMIT = /^[0-9a-f]{40}$/;
/** Characters that git refuses in the name of a branch, and those that a file name cannot have everywhere. */
// deno-lint-ignore no-control-regex
const NOT_IN_REVISION = /[\x00-\x20\x7f~^:?*[\]\\<>|"]|@\{|\.\./;

/** Whether a text is a full commit id: such a revision never moves. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

function isRevision(text: string): boolean {
  if (text.length > LONGEST_REVISION || NOT_IN_REVISION.test(text)) return false;
  return text.split("/").every((part) => part !== "" && !part.startsWith(".") && !/\.(?:lock)?$/.test(part));
}

/**
 * Reads `org/name` or `org/name@revision`; without a revision it is `main`.
 *
 * @param options The cause of the error: why the text is no folder.
 * @throws {RangeError} If the text is anything else, so that no part of it can lead out of a folder or change a URL.
 */
export function parseReference(kind: RepositoryKind, text: string, options?: ErrorOptions): RepositoryReference {
  const at = text.indexOf("@");
  const id = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  const parts = id.split("/");
  const isId = parts.length === 2 && parts.every((part) => NAME.test(part)) && !/--|\.\./.test(id) &&
    !id.endsWith(".git") && id.length <= LONGEST_ID;
  if (!isId) {
    throw new RangeError(
      `Cannot find the ${kind} ${JSON.stringify(text)}: expected a folder that exists, or org/name[@revision] of a hub`,
      options,
    );
  }
  if (!isRevision(revision)) {
    throw new RangeError(
      `Cannot find the ${kind} ${id}: ${JSON.stringify(revision)} is no revision, expected a branch, tag or commit`,
    );
  }
  return { kind, id, revision };
}

/**
 * Checks a path that a server gave, before it becomes a path on this machine.
 *
 * @throws {RangeError} If it is not a plain relative path with `/` between its parts.
 */
export function checkRepositoryPath(path: string): string {
  // deno-lint-ignore no-control-regex
  const isPlain = !/[\x00-\x1f\x7f\\:]/.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  if (isPlain) return path;
  throw new RangeError(`Cannot use the repository file ${JSON.stringify(path)}: its name leads out of its folder`);
}

/** Path of the API of a repository on its hub, without the slash in front. */
export function apiPath({ kind, id }: RepositoryReference): string {
  return `api/${kind}s/${id}`;
}

/** Path of the page of a repository on its hub, which is also where its files are, without the slash in front. */
export function pagePath({ kind, id }: RepositoryReference): string {
  return kind === "model" ? id : `${kind}s/${id}`;
}

/** Name of the folder of a repository in a cache. */
export function cacheName({ kind, id }: RepositoryReference): string {
  return `${kind}s--${id.replace("/", "--")}`;
}
