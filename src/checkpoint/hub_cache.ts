/**
 * One repository in the cache that Python's `huggingface_hub` keeps, in the same layout:
 *
 * ```
 * models--org--name/
 *   blobs/<sha256, or git's sha1 of a small file>
 *   refs/<branch or tag>                a commit id
 *   snapshots/<commit>/<file>           a symbolic link to its blob
 *   trees/<commit>.json                 the files of the commit
 * ```
 */
import { mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { writeFileAtomic } from "./atomic_file.ts";
import { cacheName, checkRepositoryPath, isCommit, type RepositoryReference } from "./hub_reference.ts";
import { isJsonObject, type Json, type JsonObject, parseJsonObject } from "./strict_json.ts";
import { isAbsent } from "./system_error.ts";

/** A file of a repository at some commit, as its hub lists it. */
export interface RepositoryFile {
  /** Bytes of the file itself, wherever it is stored. */
  readonly size: number;
  /** Git's sha1 of the blob: of the file, or of the pointer where the file is in large-file storage. */
  readonly gitId: string;
  /** Its sha256 where the file is in large-file storage. */
  readonly sha256?: string;
  /** Its Xet hash, kept for Python. */
  readonly xetHash?: string;
}

/** The files of a commit by path. */
export type RepositoryListing = ReadonlyMap<string, RepositoryFile>;

/** The format of `trees/*.json` that is read and written. */
const TREE_VERSION = 1;

/** Name of a file's blob in the cache, which its content can be checked against. */
export function blobName({ gitId, sha256 }: RepositoryFile): string {
  return sha256 ?? gitId;
}

/**
 * A file from what a hub or a cached listing says, checked.
 *
 * @throws {SyntaxError} If a size or a hash is none.
 */
export function repositoryFile(path: string, fields: {
  readonly size: Json | undefined;
  readonly gitId: Json | undefined;
  readonly sha256: Json | undefined;
  readonly xetHash: Json | undefined;
}): RepositoryFile {
  const { size, gitId, sha256, xetHash } = fields;
  const isHash = (value: Json | undefined, digits: number): value is string =>
    typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw new SyntaxError(`${path} has no size`);
  if (!isHash(gitId, 40)) throw new SyntaxError(`${path} has no git id`);
  if (sha256 !== undefined && !isHash(sha256, 64)) throw new SyntaxError(`${path} has no sha256`);
  return {
    size: size as number,
    gitId,
    ...(sha256 !== undefined && { sha256 }),
    ...(isHash(xetHash, 64) && { xetHash }),
  };
}

/** Bytes of a file, following links; undefined where there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const status = await stat(path);
    return status.isFile() ? status.size : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function readTextIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Where the parts of one repository are. Nothing is created before something is written. */
export class RepositoryCache {
  /** Folder of the repository. */
  readonly folder: string;

  /** @param root Folder of the whole cache. */
  constructor(root: string, readonly reference: RepositoryReference, readonly avoidsSymlinks: boolean) {
    this.folder = join(root, cacheName(reference));
  }

  /** Folder with the blobs. */
  get blobs(): string {
    return join(this.folder, "blobs");
  }

  /** Folder with the files of a commit. */
  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /**
   * Path of a file of a commit.
   *
   * @throws {RangeError} If the name leads out of the snapshot.
   */
  path(commit: string, file: string): string {
    return join(this.snapshot(commit), ...checkRepositoryPath(file).split("/"));
  }

  /** The commit that the revision is known to stand for; undefined where it was never looked up. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.reference;
    if (isCommit(revision)) return revision;
    const text = (await readTextIfAny(join(this.folder, "refs", revision)))?.trim();
    return text !== undefined && isCommit(text) ? text : undefined;
  }

  /** Remembers the commit that the revision stands for. */
  async writeCommit(commit: string): Promise<void> {
    const { revision } = this.reference;
    if (revision === commit || await this.commit() === commit) return;
    const path = join(this.folder, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, commit);
  }

  #treePath(commit: string): string {
    return join(this.folder, "trees", `${commit}.json`);
  }

  /** The cached listing of a commit; undefined where there is none that can be read. */
  async listing(commit: string): Promise<RepositoryListing | undefined> {
    const path = this.#treePath(commit);
    const text = await readTextIfAny(path);
    if (text === undefined) return undefined;
    try {
      const { format_version: version, files } = parseJsonObject(path, text);
      if (version !== TREE_VERSION || !isJsonObject(files)) return undefined;
      const entries = Object.entries(files).map(([name, entry]): [string, RepositoryFile] => {
        if (!isJsonObject(entry)) throw new SyntaxError(`${name} is no object`);
        const { size, blob_id: gitId, lfs_sha256: sha256, lfs_size: lfsSize, xet_hash: xetHash } = entry;
        return [name, repositoryFile(name, { size: lfsSize ?? size, gitId, sha256, xetHash })];
      });
      return new Map(entries);
    } catch (error) {
      // A listing can be fetched again, so one that is damaged counts as absent.
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Keeps the listing of a commit, which never changes. */
  async writeListing(commit: string, listing: RepositoryListing): Promise<void> {
    const files: JsonObject = {};
    const names = [...listing.keys()].sort();
    for (const name of names) {
      const { size, gitId, sha256, xetHash } = listing.get(name)!;
      files[name] = {
        size,
        blob_id: gitId,
        ...(sha256 !== undefined && { lfs_sha256: sha256, lfs_size: size }),
        ...(xetHash !== undefined && { xet_hash: xetHash }),
      };
    }
    const path = this.#treePath(commit);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, JSON.stringify({ format_version: TREE_VERSION, files }, null, 1));
  }

  /** The files that the snapshot of a commit has, ascending; none where there is no snapshot. */
  async files(commit: string): Promise<string[]> {
    const snapshot = this.snapshot(commit);
    let entries;
    try {
      entries = await readdir(snapshot, { recursive: true, withFileTypes: true });
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(snapshot, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
      .sort();
  }

  /** Whether the snapshot of a commit has a file, and of the listed size where the listing is known. */
  async has(commit: string, file: string, listed?: RepositoryFile): Promise<boolean> {
    const size = await sizeOf(this.path(commit, file));
    return size !== undefined && (listed === undefined || size === listed.size);
  }

  /** Path of the blob of a file. */
  blob(file: RepositoryFile): string {
    return join(this.blobs, blobName(file));
  }

  /**
   * Puts a blob that is there into the snapshot of a commit: as a link, or as the blob itself, which then leaves
   * `blobs`, where links are not possible.
   */
  async point(commit: string, file: string, listed: RepositoryFile): Promise<void> {
    const path = this.path(commit, file);
    const blob = this.blob(listed);
    await mkdir(dirname(path), { recursive: true });
    for (let attempt = 0; !this.avoidsSymlinks; attempt++) {
      try {
        return await symlink(relative(dirname(path), blob), path);
      } catch (error) {
        const { code, name } = error as { readonly code?: string; readonly name: string };
        if (code === "EEXIST" && attempt < 3) {
          // Another process was faster, or a link leads nowhere.
          if (await this.has(commit, file, listed)) return;
          await rm(path, { force: true });
          continue;
        }
        // Windows without developer mode, file systems without links, and Deno without access to all files.
        if (["EPERM", "EACCES", "ENOSYS", "ENOTSUP"].includes(code ?? "") || name === "NotCapable") break;
        throw error;
      }
    }
    await rename(blob, path);
  }
}
