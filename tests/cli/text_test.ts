/** Sentences of the terminal: ties with the chosen configuration, and errors of the operating system. */
import { assertEquals } from "@std/assert";
import { readFile } from "node:fs/promises";
import { describeError, Interrupted } from "../../src/cli/errors.ts";
import { formatChoice } from "../../src/cli/text.ts";
import type { SearchResult } from "../../src/method/search.ts";
import { OptionError } from "../../src/text/option_error.ts";

/** A search on four examples over no pruning and one cell a count of right answers; the first of those is chosen. */
function searched(unpruned: number, ...cells: number[]): SearchResult {
  const configurations = [unpruned, ...cells].map((correct, index) => ({
    layer: index === 0 ? null : 0,
    fraction: index / 10,
    neurons: index,
    correct,
    accuracy: correct / 4,
  }));
  return {
    configurations,
    chosen: 1,
    tiedOnAccuracy: configurations.filter(({ correct }) => correct === cells[0]).length,
    examples: ["0", "1", "2", "3"],
  } as unknown as SearchResult;
}

Deno.test("formatChoice() counts the others that are tied, and says when no pruning is one of them", () => {
  const ending = (result: SearchResult) => formatChoice(result).split("; ").slice(1);
  assertEquals(ending(searched(1, 3, 3, 2)), ["tied with 1 other of 4 configurations"]);
  assertEquals(ending(searched(1, 3, 2)), ["tied with 0 others of 3 configurations"]);
  assertEquals(ending(searched(3, 3, 3)), [
    "tied with 2 others of 3 configurations",
    "the unpruned model is as accurate on them: no clear difference",
  ]);
});

Deno.test("describeError() names the path that is not there, and how to go on after an interruption", async () => {
  const absent = await readFile("none/such.txt").catch((error) => error);
  assertEquals(describeError(absent).lines, ["Error: there is no none/such.txt", "Hint: check the path."]);
  const unmade = Object.assign(new Error("ENOENT: no such file or directory, mkdir '/proc/x'"), { code: "ENOENT" });
  assertEquals(describeError(unmade).lines[0], "Error: the folder /proc/x cannot be made");
  assertEquals(describeError(new Interrupted()).lines.length, 1);
  assertEquals(describeError(new Interrupted("again.")).lines[1], "Hint: again.");
});

Deno.test("describeError() asks for a trace only where the program seems to be at fault, and knows options by their error", () => {
  const trace = ["Hint: SECATEUR_TRACE=1 shows where this comes from."];
  const told = (error: unknown) => {
    const { code, lines } = describeError(error);
    return [code, ...lines.slice(1)];
  };
  // What the language throws by itself.
  const thrown = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  const nothing = JSON.parse("null");
  assertEquals(told(thrown(() => nothing.length)), [1, ...trace]);
  assertEquals(told(thrown(() => new Uint8Array(-1))), [1, ...trace]);
  assertEquals(told(thrown(() => JSON.parse("{"))), [1, ...trace]);
  const recurse = (): number => 1 + recurse();
  assertEquals(told(thrown(recurse)), [1, ...trace]);
  assertEquals(told(new Error("something else")), [1, ...trace]);
  for (const kind of [RangeError, SyntaxError, TypeError]) {
    assertEquals(told(new kind("Cannot read x.yaml: metric_list is 3,\nexpected a list")), [1]);
  }
  assertEquals(told(new OptionError("Cannot use layer 7: expected an integer in 0..2")), [2]);
});
