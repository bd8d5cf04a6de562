/**
 * A blob that is being downloaded, beside its place in a cache that other processes use too.
 *
 * Whoever downloads a blob owns a file of a name that nobody else uses, and gives signs of life by touching it. When it
 * stops it renames the file to a name that anybody may claim, again by a rename, which only one can win; a file that
 * gives no sign of life is claimed in the same way. So a download goes on where it ended, two processes share the work
 * instead of repeating it, and where even that fails (a process that slept, a clock that jumped) both have files of
 * their own, and what becomes a blob has been checked against its hash.
 */
import { createHash, type Hash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "./atomic_file.ts";
import { blobName, type RepositoryFile, sizeOf } from "./hub_cache.ts";
import { TransientError } from "./hub_error.ts";
import { type HubTiming, sleep } from "./hub_retry.ts";

const SUFFIX = ".secateur.incomplete";
/** Missing signs of life after which a file that is watched counts as abandoned. */
const WATCHED_BEATS = 6;
/** The same by the clock, which machines that share a folder may disagree about. */
const UNWATCHED_BEATS = 120;
/** Bytes read at a time when a partial file is hashed. */
const PIECE = 1 << 22;

/** Where a blob goes and what it must be. */
export interface PartialPlace {
  /** Folder of the blobs. */
  readonly folder: string;
  readonly file: RepositoryFile;
  readonly timing: HubTiming;
  readonly signal: AbortSignal;
  /** Called with the bytes that there are, while another process downloads them. */
  readonly onWaiting: (bytes: number) => void;
}

/** Renames a file unless it is gone. */
async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return false;
    throw error;
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/** Lets anybody claim a partial file, unless there is a longer one; an empty one is deleted. */
async function giveUp(path: string, folder: string, name: string): Promise<void> {
  const free = join(folder, name + SUFFIX);
  if ((await sizeOf(path) ?? 0) > (await sizeOf(free) ?? 0)) await renameIfThere(path, free);
  else await rm(path, { force: true });
}

/** The files of other processes that download the same blob. */
async function otherClaims(folder: string, name: string, own?: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((other) =>
    other.startsWith(`${name}.`) && other.endsWith(SUFFIX) && other !== name + SUFFIX && other !== own
  ).map((other) => join(folder, other));
}

/** Bytes of a blob that need no more room: of the blob, or of the largest partial file of it. */
export async function bytesThere(folder: string, file: RepositoryFile): Promise<number> {
  const blob = join(folder, blobName(file));
  const claims = await otherClaims(folder, blobName(file)).catch(() => []);
  const sizes = await Promise.all([blob, blob + SUFFIX, ...claims].map(sizeOf));
  return Math.min(file.size, Math.max(...sizes.map((size) => size ?? 0)));
}

/** Finds a claim whose owner is gone, by its signs of life over several looks. */
class Watch {
  readonly #seen = new Map<string, { state: string; since: number }>();

  constructor(readonly heartbeatMs: number) {}

  /** One look: the abandoned claim among these, if there is one, and the bytes that the largest has. */
  async look(claims: readonly string[]): Promise<{ abandoned?: string; bytes: number }> {
    let bytes = 0;
    for (const claim of claims) {
      const status = await stat(claim).catch(() => undefined);
      if (!status) continue;
      bytes = Math.max(bytes, status.size);
      const state = `${status.size} ${status.mtimeMs}`;
      const now = performance.now();
      const seen = this.#seen.get(claim);
      if (seen?.state !== state) this.#seen.set(claim, { state, since: now });
      const isSilent = seen?.state === state && now - seen.since > WATCHED_BEATS * this.heartbeatMs;
      if (isSilent || Date.now() - status.mtimeMs > UNWATCHED_BEATS * this.heartbeatMs) {
        return { abandoned: claim, bytes };
      }
    }
    return { bytes };
  }
}

/** The claimed file of one blob. */
export class PartialFile {
  /** Bytes that are there and hashed. */
  offset = 0;
  #hash: Hash;
  #isLost = false;
  #isClosed = false;
  readonly #heartbeat: ReturnType<typeof setInterval>;

  private constructor(readonly place: PartialPlace, readonly path: string, readonly handle: FileHandle) {
    this.#hash = this.#emptyHash();
    this.#heartbeat = setInterval(() => {
      touch(path).catch(() => this.#isLost = true);
    }, place.timing.heartbeatMs);
  }

  /**
   * Claims the partial file of a blob, or begins one; waits while another process downloads it.
   *
   * @returns null when the blob is there.
   */
  static async claim(place: PartialPlace): Promise<PartialFile | null> {
    const { folder, file, timing, signal } = place;
    await mkdir(folder, { recursive: true });
    const name = blobName(file);
    const isThere = async () => await sizeOf(join(folder, name)) === file.size;
    const ownName = `${name}.${randomUUID().replaceAll("-", "").slice(0, 12)}${SUFFIX}`;
    const own = join(folder, ownName);
    const watch = new Watch(timing.heartbeatMs);
    // Not all at the same moment, for several that give way to each other.
    const pause = () => sleep(timing.heartbeatMs * (0.05 + Math.random() / 10), signal);
    for (;;) {
      signal.throwIfAborted();
      if (await isThere()) return null;
      const others = await otherClaims(folder, name);
      if (others.length > 0) {
        const { abandoned, bytes } = await watch.look(others);
        if (abandoned !== undefined) {
          await giveUp(abandoned, folder, name);
        } else {
          place.onWaiting(bytes);
          await pause();
        }
        continue;
      }
      const free = join(folder, name + SUFFIX);
      await (await open(free, "a")).close();
      // A sign of life first: the file may have lain there for long.
      await touch(free).catch(() => {});
      if (!await renameIfThere(free, own)) continue;
      // Of two that got here at once, at least one sees the other now, and gives way.
      if ((await otherClaims(folder, name, ownName)).length > 0) {
        await giveUp(own, folder, name);
        await pause();
        continue;
      }
      if (!await isThere()) return await PartialFile.#open(place, own);
      await rm(own, { force: true });
      return null;
    }
  }

  /** Opens a file that is owned now, and hashes what it has. */
  static async #open(place: PartialPlace, path: string): Promise<PartialFile> {
    const handle = await open(path, "r+");
    const partial = new PartialFile(place, path, handle);
    try {
      const { size } = await handle.stat();
      // As long as the whole file, it is complete or wrong, and the hash tells. Longer, it is wrong.
      if (size > place.file.size) await partial.restart();
      const piece = new Uint8Array(Math.min(PIECE, size));
      while (partial.offset < size && size <= place.file.size) {
        place.signal.throwIfAborted();
        const { bytesRead } = await handle.read(piece, 0, piece.length, partial.offset);
        if (bytesRead === 0) break;
        partial.#hash.update(piece.subarray(0, bytesRead));
        partial.offset += bytesRead;
      }
      return partial;
    } catch (error) {
      await partial.release();
      throw error;
    }
  }

  #emptyHash(): Hash {
    const { sha256, size } = this.place.file;
    return sha256 === undefined ? createHash("sha1").update(`blob ${size}\0`) : createHash("sha256");
  }

  #checkOwned(): void {
    if (this.#isLost) throw new TransientError("another process took the partial file over", 0);
  }

  /** Whether the file is no longer this process's own. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Adds bytes at the end. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#checkOwned();
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, this.offset + done);
      done += bytesWritten;
    }
    this.#hash.update(bytes);
    this.offset += bytes.length;
  }

  /** Throws away what is there. */
  async restart(): Promise<void> {
    this.#checkOwned();
    await this.handle.truncate(0);
    this.offset = 0;
    this.#hash = this.#emptyHash();
  }

  /** Hash of what is there, in the form of the blob's name. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Makes the file, whose hash was compared, the blob. */
  async commit(): Promise<void> {
    this.#checkOwned();
    await this.handle.sync();
    await this.#close();
    const { folder, file } = this.place;
    if (!await renameIfThere(this.path, join(folder, blobName(file)))) {
      this.#isLost = true;
      this.#checkOwned();
    }
    await syncFolder(folder);
  }

  /** Stops: what is there may be continued by anybody. */
  async release(): Promise<void> {
    await this.#close();
    if (!this.#isLost) await giveUp(this.path, this.place.folder, blobName(this.place.file));
  }

  async #close(): Promise<void> {
    clearInterval(this.#heartbeat);
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.handle.close();
  }
}
