/** A short fuzz run over every reader of input from strangers, always the same one; `deno task fuzz` runs ten minutes. */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../support/temporary_folder.ts";
import { fuzz, mistakeIn } from "./fuzzing/run.ts";
import { fuzzTargets } from "./fuzzing/targets.ts";

for (const target of await fuzzTargets()) {
  Deno.test(`the reader of ${target.name} refuses changed input with an error of its own, or accepts it`, async () => {
    await withFolder({}, async (folder) => {
      const { findings, accepted, refused, outcomes } = await fuzz(target, {
        seed: 1,
        folder,
        isOver: (inputs) => inputs >= 150,
      });
      assertEquals(findings.map(({ problem, input }) => [problem, new TextDecoder().decode(input.slice(0, 300))]), []);
      assert(
        accepted > 0 && refused > 10 && outcomes >= (target.leastOutcomes ?? 6),
        `${accepted} accepted, ${refused} refused, ${outcomes} kinds`,
      );
    });
  });
}

Deno.test("mistakeIn() tells an error of the language from one that was meant", () => {
  assertEquals(mistakeIn(new RangeError("Cannot read x: too long")), null);
  for (
    const error of [
      new TypeError("Cannot read properties of undefined (reading 'x')"),
      new TypeError("x is not iterable"),
      new RangeError("Maximum call stack size exceeded"),
      new RangeError("Invalid array length"),
      new Error("Cannot open x"),
      "text",
    ]
  ) assert(mistakeIn(error) !== null, String(error));
});
