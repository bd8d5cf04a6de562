/** Patterns for paths in a repository, as shells write them. */

/** Longest pattern, in characters. */
const MAX_LENGTH = 1000;

/**
 * A pattern as a regular expression: `*` and `?` stay inside a folder, `**` does not.
 *
 * @throws {RangeError} If it is too long, or has so many stars that matching might take forever.
 */
export function globToRegExp(pattern: string): RegExp {
  if (pattern.length > MAX_LENGTH || (pattern.match(/\*+/g)?.length ?? 0) > 6) {
    throw new RangeError(`Cannot use the pattern ${JSON.stringify(pattern.slice(0, 80))}: expected at most 6 stars`);
  }
  const source = pattern.replaceAll(/\*\*\/|\*\*|\*|\?|[\\^$.+()[\]{}|]/g, (token) => {
    if (token === "**/") return "(?:.*/)?";
    if (token === "**") return ".*";
    if (token === "*") return "[^/]*";
    return token === "?" ? "[^/]" : `\\${token}`;
  });
  return new RegExp(`^${source}$`, "s");
}
