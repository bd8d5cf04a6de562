/** Patterns for paths in a repository, as shells write them. */

/** Longest pattern, in characters. */
const MAX_LENGTH = 1000;

/** Most patterns with stars or question marks at once: each of them is held against each path. */
const MOST_WILD = 1000;

/** Finds the paths that match any of some patterns. */
export type GlobSearch = (paths: readonly string[]) => {
  /** The paths that match, in their order. */
  readonly found: string[];
  /** The first pattern that matches none; undefined if each matches one. */
  readonly missing: string | undefined;
};

/** A place in a pattern: a character of a path, a part that may be repeated, or a fork. */
interface Part {
  /** Whether the part takes this character. */
  readonly takes: (character: string) => boolean;
  readonly repeats: boolean;
  /** How many places a path may go on without a character. */
  readonly jumps: readonly number[];
}

const one = (takes: Part["takes"]): Part => ({ takes, repeats: false, jumps: [] });
const any = (takes: Part["takes"], jumps: readonly number[]): Part => ({ takes, repeats: true, jumps });
const inFolder = (character: string) => character !== "/";
const slash = one((character) => character === "/");

function compileToken(token: string): readonly Part[] {
  // Also stands for no folder at all: the fork leads into the stars, or behind the slash.
  if (token === "**/") return [{ takes: () => false, repeats: false, jumps: [1, 3] }, any(() => true, [1]), slash];
  if (token === "**") return [any(() => true, [1])];
  if (token === "*") return [any(inFolder, [1])];
  return [one(token === "?" ? inFolder : (character) => character === token)];
}

/** Matches by the set of places in the pattern that a path may have come to: no pattern takes long. */
function matches(parts: readonly Part[], path: string): boolean {
  const settle = (places: Set<number>) => {
    // A set hands out what is added while it is walked.
    for (const place of places) for (const jump of parts[place]?.jumps ?? []) places.add(place + jump);
    return places;
  };
  let places = settle(new Set([0]));
  for (const character of path) {
    const next = new Set<number>();
    for (const place of places) {
      const part = parts[place];
      if (part?.takes(character)) next.add(part.repeats ? place : place + 1);
    }
    if (next.size === 0) return false;
    places = settle(next);
  }
  return places.has(parts.length);
}

/** Whether a pattern is more than the path itself. */
export function isWild(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

function compileWild(pattern: string): (path: string) => boolean {
  const start = pattern.search(/[*?]/);
  const prefix = pattern.slice(0, start);
  // The slash of `**/` may not be there.
  const [ending] = /[^*?/]*$/.exec(pattern)!;
  const parts = (pattern.slice(start).match(/\*\*\/|\*\*|[^]/gu) ?? []).flatMap(compileToken);
  return (path) => path.startsWith(prefix) && path.endsWith(ending) && matches(parts, path.slice(prefix.length));
}

/**
 * Compiles patterns: `*` and `?` stay inside a folder, `**` does not.
 *
 * @throws {RangeError} If one is too long, or has more stars than anybody needs, or there are too many with any.
 */
export function compileGlobs(patterns: readonly string[]): GlobSearch {
  for (const pattern of patterns) {
    if (pattern.length <= MAX_LENGTH && (pattern.match(/\*+/g)?.length ?? 0) <= 6) continue;
    throw new RangeError(`Cannot use the pattern ${JSON.stringify(pattern.slice(0, 80))}: expected at most 6 stars`);
  }
  const wild = [...new Set(patterns.filter(isWild))];
  if (wild.length > MOST_WILD) {
    throw new RangeError(
      `Cannot use ${wild.length} patterns with stars or question marks: expected at most ${MOST_WILD}`,
    );
  }
  const plain = new Set(patterns.filter((pattern) => !isWild(pattern)));
  const tests = wild.map((pattern) => [pattern, compileWild(pattern)] as const);
  return (paths) => {
    const used = new Set<string>();
    const found = paths.filter((path) => {
      const hits = tests.filter(([, test]) => test(path)).map(([pattern]) => pattern);
      if (plain.has(path)) hits.push(path);
      for (const pattern of hits) used.add(pattern);
      return hits.length > 0;
    });
    return { found, missing: patterns.find((pattern) => !used.has(pattern)) };
  };
}
