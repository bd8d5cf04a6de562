/** The word that was meant: the candidate closest to a misspelt one. */

/** Longest word that is compared, in UTF-16 units: what is longer was not misspelt, and comparing takes its square. */
const LONGEST_WORD = 100;

/**
 * The candidate closest to a word, or null when none is close: at most one edit (insertion, deletion, replacement or
 * swap of neighbours) for every three letters of the word, and always one. None is close to a word of more than 100
 * letters.
 */
export function closest(word: string, candidates: readonly string[]): string | null {
  if (word.length > LONGEST_WORD) return null;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, replace);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.length][b.length];
}

/** `; did you mean X?` where a candidate is close, else nothing. */
export function didYouMean(word: string, candidates: readonly string[], prefix = ""): string {
  const found = closest(word, candidates);
  return found === null ? "" : `; did you mean ${prefix}${found}?`;
}
