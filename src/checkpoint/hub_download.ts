/** Downloads one file of a repository into its cache, continuing what is there, and checks it. */
import { blobName, type RepositoryCache, type RepositoryFile, sizeOf } from "./hub_cache.ts";
import { connectionError, type HubClient } from "./hub_client.ts";
import { HubError, TransientError } from "./hub_error.ts";
import { PartialFile } from "./hub_partial.ts";
import { retry, StallGuard } from "./hub_retry.ts";

/** Bytes after which an attempt that broke off does not count as a failure in a row. */
const PROGRESS = 1 << 20;

/** One file to download. */
export interface DownloadRequest {
  readonly client: HubClient;
  readonly cache: RepositoryCache;
  readonly commit: string;
  /** Path in the repository. */
  readonly name: string;
  readonly file: RepositoryFile;
  /** Called with the bytes that are there. They fall when a download starts over. */
  readonly onBytes: (bytes: number) => void;
}

/** A strong entity tag of a response, which may guard a range; undefined where there is none. */
function strongTag(headers: Headers): string | undefined {
  const tag = headers.get("etag")?.trim();
  return tag !== undefined && /^"[^"]*"$/.test(tag) ? tag : undefined;
}

/** What the hub says of the file must be what its listing says. */
function checkAnnounced(request: DownloadRequest, headers: Headers): void {
  const { client, name, file, commit } = request;
  const tag = headers.get("x-linked-etag")?.replace(/^W\//, "").replaceAll('"', "");
  const size = headers.get("x-linked-size");
  const sha = headers.get("x-repo-commit");
  const differs = tag && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(tag) && tag !== blobName(file) ||
    size && Number(size) !== file.size ||
    sha && sha !== commit;
  if (!differs) return;
  throw new HubError(
    `Cannot download ${name} of ${client.reference.id}: the server describes another file than it lists`,
    "check that HF_ENDPOINT, where it is set, is a Hugging Face hub",
  );
}

/** Checks the head of a response against what was asked; afterwards the partial file ends where the body begins. */
async function acceptHead(request: DownloadRequest, partial: PartialFile, response: Response): Promise<void> {
  const { file, name } = request;
  const { status, headers } = response;
  if (status === 416) {
    await partial.restart();
    throw new TransientError(`the server has no bytes of ${name} from there on`);
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
  if (status === 206) {
    const isAsked = range !== null && Number(range[1]) === partial.offset &&
      (range[2] === "*" || Number(range[2]) === file.size);
    if (!isAsked) {
      await partial.restart();
      throw new TransientError(`the server sends other bytes of ${name} than were asked for`);
    }
  } else if (partial.offset > 0) {
    // The server does not know ranges, or the tag has changed: this is the whole file.
    await partial.restart();
  }
  const length = headers.get("content-length");
  const isEncoded = (headers.get("content-encoding") ?? "identity") !== "identity";
  if (length !== null && !isEncoded && partial.offset + Number(length) !== file.size) {
    throw new TransientError(
      `the server announces ${partial.offset + Number(length)} bytes for ${name}, its listing says ${file.size}`,
    );
  }
}

/** One attempt: asks for what is missing and writes what comes. Returns the tag of what the server sent. */
async function receive(request: DownloadRequest, partial: PartialFile, tag: { current?: string }): Promise<void> {
  const { client, commit, name, file, onBytes } = request;
  const { timing, signal } = client.options;
  const url = client.fileUrl(commit, name);
  const guard = new StallGuard(timing.stallMs, signal);
  try {
    const asked = partial.offset === 0
      ? {}
      : { range: `bytes=${partial.offset}-`, ...(tag.current !== undefined && { "if-range": tag.current }) };
    const { response, hubHeaders } = await client.request(url, asked, guard, name);
    const reader = response.body?.getReader();
    try {
      checkAnnounced(request, hubHeaders);
      await acceptHead(request, partial, response);
      tag.current = strongTag(response.headers);
      const start = partial.offset;
      onBytes(start);
      for (;;) {
        const progressed = partial.offset - start >= PROGRESS;
        let chunk: Uint8Array | undefined;
        try {
          chunk = (await reader?.read())?.value;
        } catch (error) {
          throw connectionError(error, url, guard, progressed);
        }
        guard.heard();
        if (chunk === undefined) {
          if (partial.offset === file.size) return;
          const problem = `the server ended ${name} after ${partial.offset} of ${file.size} bytes`;
          throw new TransientError(problem, undefined, progressed);
        }
        if (partial.offset + chunk.length > file.size) {
          await partial.restart();
          throw new TransientError(`the server sends more than the ${file.size} bytes of ${name}`);
        }
        await partial.append(chunk);
        onBytes(partial.offset);
      }
    } finally {
      await reader?.cancel().catch(() => {});
    }
  } finally {
    guard.stop();
  }
}

/**
 * Brings the blob of a file into the cache: nothing is done when it is there, and another process that is at it is
 * waited for.
 *
 * @returns Whether this call downloaded something.
 * @throws {HubError} If it cannot be had, or is twice not what its hash says; then nothing of it is kept.
 */
export async function downloadBlob(request: DownloadRequest): Promise<boolean> {
  const { client, cache, name, file, onBytes } = request;
  const { timing, signal } = client.options;
  const expected = blobName(file);
  const what = `Cannot download ${name} of ${client.reference.id}`;
  const tag: { current?: string } = {};
  let partial: PartialFile | null = null;
  let mismatches = 0;
  if (await sizeOf(cache.blob(file)) === file.size) return false;
  try {
    return await retry(
      what,
      async () => {
        partial ??= await PartialFile.claim({ folder: cache.blobs, file, timing, signal, onWaiting: onBytes });
        if (partial === null) return false;
        try {
          if (partial.offset < file.size) await receive(request, partial, tag);
          const digest = partial.digest();
          if (digest !== expected) {
            await partial.restart();
            const algorithm = file.sha256 === undefined ? "git sha1" : "sha256";
            const problem = `its ${algorithm} is ${digest}, expected ${expected}`;
            // What an earlier run left may have been damaged, so one mismatch proves nothing about the server.
            if (++mismatches < 2) throw new TransientError(problem, 0);
            throw new HubError(`${what}: ${problem}`, "nothing was kept; check HF_ENDPOINT and proxies in between");
          }
          await partial.commit();
          partial = null;
          return true;
        } catch (error) {
          if (partial?.isLost) {
            await partial.release();
            partial = null;
          }
          throw error;
        }
      },
      timing,
      signal,
    );
  } catch (error) {
    await (partial as PartialFile | null)?.release();
    throw error;
  }
}
