/** What a file holds that is not what its name says: a pointer of Git LFS, the page of a proxy, or JSON. */

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
  if (/^<(!doctype|html|\?xml)/.test(head)) return `it is a web page, not ${expected}`;
  return /^(?:\{\s*["}]|\[\s*[\[{"\]])/.test(head) ? `it begins like JSON and is not ${expected}` : undefined;
}
