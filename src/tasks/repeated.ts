/** Names that occur twice, found in one pass: tables of strangers may have a million columns. */

/** The first name that has occurred before; undefined where all are different. */
export function firstRepeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}
