/** Fills the snapshot of a commit: several files at once, each checked, none twice. */
import { statfs } from "node:fs/promises";
import type { RepositoryCache, RepositoryListing } from "./hub_cache.ts";
import type { HubClient } from "./hub_client.ts";
import { downloadBlob } from "./hub_download.ts";
import { bytesThere } from "./hub_partial.ts";

/** Files downloaded at once. */
const AT_ONCE = 4;

/** How far a download is. */
export interface DownloadProgress {
  /** Path in the repository of the file that came forward. */
  readonly file: string;
  /** Bytes of all files to download that are there, those of an earlier interrupted download included. */
  readonly bytesDone: number;
  /** Bytes of all files to download, as far as they are known: it grows once, when the weights are known. */
  readonly bytesTotal: number;
}

/** Downloads files of one commit and puts them into its snapshot. */
export class SnapshotDownload {
  readonly #done = new Map<string, number>();
  #total = 0;

  constructor(
    readonly client: HubClient,
    readonly cache: RepositoryCache,
    readonly commit: string,
    readonly listing: RepositoryListing,
    /** Aborts the client's requests. */
    readonly stop: AbortController,
    readonly onProgress: (progress: DownloadProgress) => void = () => {},
  ) {}

  /** Fails before anything is downloaded where the disk cannot take it. */
  async #checkSpace(names: readonly string[]): Promise<void> {
    let needed = 0;
    for (const name of names) {
      const file = this.listing.get(name)!;
      needed += file.size - await bytesThere(this.cache.blobs, file);
    }
    const space = await statfs(this.cache.folder).catch(() => undefined);
    if (!space || needed <= space.bavail * space.bsize) return;
    throw new RangeError(
      `Cannot download ${this.client.reference.id}: it needs ${needed} bytes, ` +
        `${space.bavail * space.bsize} are free in ${this.cache.folder}; HF_HUB_CACHE names another folder`,
    );
  }

  /**
   * Makes files be there.
   *
   * @returns Those that this call downloaded.
   * @throws {RangeError} If the disk is too small. Otherwise the first failure of a file; the others stop then.
   */
  async run(wanted: readonly string[]): Promise<string[]> {
    const { client, cache, commit, listing } = this;
    const missing: string[] = [];
    for (const name of wanted) if (!await cache.has(commit, name, listing.get(name))) missing.push(name);
    await this.#checkSpace(missing);
    for (const name of missing) {
      this.#total += listing.get(name)!.size;
      this.#done.set(name, 0);
    }
    const downloaded: string[] = [];
    const queue = missing[Symbol.iterator]();
    const work = async () => {
      for (const name of queue) {
        const file = listing.get(name)!;
        const onBytes = (bytes: number) => {
          this.#done.set(name, bytes);
          const bytesDone = [...this.#done.values()].reduce((sum, value) => sum + value, 0);
          this.onProgress({ file: name, bytesDone, bytesTotal: this.#total });
        };
        if (await downloadBlob({ client, cache, commit, name, file, onBytes })) downloaded.push(name);
        onBytes(file.size);
        await cache.point(commit, name, file);
      }
    };
    // All have stopped before the call ends, so that nothing is written afterwards.
    const workers = Array.from({ length: AT_ONCE }, () =>
      work().catch((error) => {
        this.stop.abort(error);
        throw error;
      }));
    const outcomes = await Promise.allSettled(workers);
    if (outcomes.some(({ status }) => status === "rejected")) throw this.stop.signal.reason;
    return downloaded;
  }
}
