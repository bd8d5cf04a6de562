/** Patterns for paths in a repository, as shells write them. */

/** Longest pattern, in characters. */
const MAX_LENGTH = 1000;

/** A compiled pattern. */
export interface Glob {
  /** Whether all of a path matches. */
  test(path: string): boolean;
}

/** One character of a path, or a part that may be repeated. */
interface Part {
  /** Whether the part takes this character. */
  readonly takes: (character: string) => boolean;
  readonly repeats: boolean;
}

const one = (takes: Part["takes"]): Part => ({ takes, repeats: false });
const inFolder = (character: string) => character !== "/";

function compilePart(token: string): Part {
  if (token === "**") return { takes: () => true, repeats: true };
  if (token === "*") return { takes: inFolder, repeats: true };
  return token === "?" ? one(inFolder) : one((character) => character === token);
}

/** Matches by the set of places in the pattern that a path may have come to: no pattern takes long. */
function matches(parts: readonly Part[], path: string): boolean {
  const settle = (places: ReadonlySet<number>) => {
    const all = new Set<number>();
    for (const start of places) {
      all.add(start);
      for (let place = start; parts[place]?.repeats; place++) all.add(place + 1);
    }
    return all;
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

/**
 * Compiles a pattern: `*` and `?` stay inside a folder, `**` does not.
 *
 * @throws {RangeError} If it is too long, or has more stars than anybody needs.
 */
export function compileGlob(pattern: string): Glob {
  if (pattern.length > MAX_LENGTH || (pattern.match(/\*+/g)?.length ?? 0) > 6) {
    throw new RangeError(`Cannot use the pattern ${JSON.stringify(pattern.slice(0, 80))}: expected at most 6 stars`);
  }
  const tokens = pattern.match(/\*\*\/|\*\*|[^]/gu) ?? [];
  // `**/` also stands for no folder at all, so each of them doubles the patterns: at most 64.
  const alternatives = tokens.reduce<Part[][]>(
    (all, token) =>
      token === "**/"
        ? all.flatMap((start) => [start, [...start, compilePart("**"), compilePart("/")]])
        : all.map((start) => [...start, compilePart(token)]),
    [[]],
  );
  return { test: (path) => alternatives.some((parts) => matches(parts, path)) };
}
