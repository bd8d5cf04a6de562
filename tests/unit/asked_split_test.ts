/** The splits that a task is asked for. */
import { assertEquals, assertThrows } from "@std/assert";
import { adaptationSplit, AskedSplitError, requireSplit } from "../../src/tasks/asked_split.ts";

const task = { name: "notes", splits: ["train", "test"], trainingSplit: "train" };

Deno.test("requireSplit() gives back a split that is there, and names those that are where it is not", () => {
  assertEquals(requireSplit(task, "test"), "test");
  const error = assertThrows(() => requireSplit(task, "tset"), AskedSplitError);
  assertEquals(
    [error.message, error.problem, error.splits, error.name],
    [
      "Cannot take rows: expected one of the splits train, test; task notes has no split tset; did you mean test?",
      "task notes has no split tset; did you mean test?",
      ["train", "test"],
      "RangeError",
    ],
  );
  assertThrows(() => requireSplit(task, "constructor"), AskedSplitError, "no split constructor");
});

Deno.test("adaptationSplit() takes the split that is asked for, then adaptation, then the training split", () => {
  assertEquals(adaptationSplit(task, "test"), "test");
  assertEquals(adaptationSplit(task, undefined), "train");
  assertEquals(adaptationSplit({ ...task, splits: ["train", "adaptation"] }, undefined), "adaptation");
  assertThrows(() => adaptationSplit(task, "dev"), AskedSplitError, "task notes has no split dev");
  assertThrows(() => adaptationSplit({ ...task, splits: ["test"] }, undefined), AskedSplitError, "no split train");
  assertThrows(
    () => adaptationSplit({ ...task, trainingSplit: null }, undefined),
    AskedSplitError,
    "task notes names no training split to draw adaptation examples from",
  );
});
