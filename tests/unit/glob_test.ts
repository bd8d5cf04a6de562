/** Patterns for paths: what each kind matches, and which of many matches nothing. */
import { assertEquals } from "@std/assert";
import { compileGlobs } from "../../src/checkpoint/glob.ts";

/** Pattern, the paths that it matches, and those that it does not. */
const cases: readonly [string, readonly string[], readonly string[]][] = [
  ["a/b.csv", ["a/b.csv"], ["a/b.csv2", "xa/b.csv", "a/bxcsv"]],
  ["a/*.csv", ["a/b.csv", "a/.csv"], ["a/b/c.csv", "b.csv", "a/b.csv/d"]],
  ["a/?.csv", ["a/b.csv", "a/語.csv"], ["a/bc.csv", "a/.csv", "a//.csv"]],
  ["**/b.csv", ["b.csv", "a/b.csv", "a/c/b.csv", "/b.csv"], ["ab.csv", "b.csv/a"]],
  ["a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["ab", "a/cb", "b"]],
  ["a**/b", ["a/b", "ab", "axx/b"], ["axb"]],
  ["a/**", ["a/b", "a/b/c", "a/"], ["a", "b/a/c"]],
  ["**/*/*.csv", ["a/b.csv", "a/b/c.csv"], ["b.csv"]],
  ["*a*a*b", ["aab", "xaxaxb"], ["ab", "aa/b", "aaba"]],
  ["ab*ba", ["abba", "abxba"], ["aba"]],
  ["a*", ["a", "ab"], ["b", "a/b"]],
];

for (const [pattern, good, bad] of cases) {
  Deno.test(`compileGlobs() finds what ${pattern} stands for, and nothing else`, () => {
    assertEquals(compileGlobs([pattern])([...bad, ...good]).found, good);
  });
}

Deno.test("compileGlobs() keeps the order of the paths and names the first pattern without one", () => {
  const search = compileGlobs(["b", "x*", "a", "y"]);
  assertEquals(search(["a", "b", "c"]), { found: ["a", "b"], missing: "x*" });
  assertEquals(search(["y", "xx", "b", "a"]), { found: ["y", "xx", "b", "a"], missing: undefined });
});
