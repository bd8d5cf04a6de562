/** What a file holds that is not what its name says: a pointer of Git LFS, or the page of a proxy. */

/**
 * What the beginning of a file shows it to be, in words that follow a colon; undefined where nothing can be told.
 *
 * @param bytes The first bytes, 64 are enough.
 * @param expected What it should be, such as `a Parquet file`.
 */
export function describeOtherContent(bytes: Uint8Array, expected: string): string | undefined {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 64)).trimStart().toLowerCase();
  if (head.startsWith("version https://git-lfs")) {
    return "it is a pointer of Git LFS, not the file itself: fetch that with `git lfs pull`";
  }
  return /^<(!doctype|html|\?xml)/.test(head) ? `it is a web page, not ${expected}` : undefined;
}
