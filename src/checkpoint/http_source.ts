/** A file of a web server as a byte source, read by ranges. */
import { type ByteSource, checkRange } from "./byte_source.ts";
import { memorySource } from "./memory_source.ts";

/** How to read from a web server. */
export interface HttpSourceOptions {
  /** What asks. Default: the runtime's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Stops every read; they reject with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Largest file that is kept in memory where the server gives no ranges, in bytes. */
const LARGEST_WHOLE = 1 << 30;

/** Total length in a `Content-Range` header, such as 100 in `bytes 0-0/100`; null where it has none. */
function totalLength(header: string | null): number | null {
  const match = /^bytes \d+-\d+\/(\d+)$/.exec(header ?? "");
  return match && Number.isSafeInteger(Number(match[1])) ? Number(match[1]) : null;
}

/**
 * Opens a file of a web server. Ranges of it are asked for as they are needed; a server that gives none is asked for
 * the whole file once, which then stays in memory.
 *
 * @throws {RangeError} If the server does not have it, or has more than 1 GiB and gives no ranges. Reading throws
 * RangeError outside the file, and where the server answers with something else than the range.
 */
export async function openHttpSource(url: string | URL, options: HttpSourceOptions = {}): Promise<ByteSource> {
  const { fetch: ask = fetch, signal } = options;
  const name = String(url);
  const request = (range: string) => ask(name, { headers: { Range: range }, ...(signal && { signal }) });

  const first = await request("bytes=0-0");
  const size = totalLength(first.headers.get("Content-Range"));
  if (first.status === 200) {
    const length = Number(first.headers.get("Content-Length") ?? 0);
    if (length > LARGEST_WHOLE) {
      await first.body?.cancel();
      throw new RangeError(`Cannot open ${name}: it has ${length} bytes, and its server gives no ranges`);
    }
    return memorySource(name, new Uint8Array(await first.arrayBuffer()));
  }
  // One byte where all is well: read, because a cancelled answer looks like a fault to whoever watches the network.
  if (first.status === 206) await first.arrayBuffer();
  else await first.body?.cancel();
  if (first.status !== 206 || size === null) {
    throw new RangeError(`Cannot open ${name}: its server answers with ${first.status}, expected 206 and a length`);
  }
  return {
    name,
    size,
    async readInto(offset, target) {
      checkRange(name, size, offset, target.byteLength);
      if (target.byteLength === 0) return;
      const answer = await request(`bytes=${offset}-${offset + target.byteLength - 1}`);
      if (answer.status !== 206 || totalLength(answer.headers.get("Content-Range")) !== size) {
        await answer.body?.cancel();
        throw new RangeError(`Cannot read ${target.byteLength} bytes at ${offset} of ${name}: ${answer.status}`);
      }
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (bytes.length !== target.byteLength) {
        throw new RangeError(`Cannot read ${target.byteLength} bytes at ${offset} of ${name}: got ${bytes.length}`);
      }
      target.set(bytes);
    },
    close: () => Promise.resolve(),
  };
}
