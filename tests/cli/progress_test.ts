/** The progress line. */
import { assertEquals } from "@std/assert";
import { formatSeconds, ProgressLine } from "../../src/cli/progress.ts";

function recorder(isTerminal: boolean, columns = 80) {
  const written: string[] = [];
  let milliseconds = 0;
  const line = new ProgressLine({ isTerminal, columns, write: (text) => written.push(text) }, () => milliseconds);
  return {
    written,
    step(atMilliseconds: number, stage: string, done: number, total = 10, unit = "examples", takenOver?: number) {
      milliseconds = atMilliseconds;
      line.update({ stage, done, total, unit, ...(takenOver !== undefined && { takenOver }) });
    },
    finish: () => line.finish(),
  };
}

Deno.test("ProgressLine writes nothing when stderr is not a terminal", () => {
  const { written, step, finish } = recorder(false);
  step(0, "score", 0);
  step(5000, "score", 10);
  finish();
  assertEquals(written, []);
});

Deno.test("ProgressLine shows rate and time left when a stage is under way", () => {
  const { written, step } = recorder(true);
  step(0, "score", 0);
  step(4000, "score", 2);
  step(20000, "score", 10);
  assertEquals(written, [
    "\r\x1b[Kscore: 0/10 examples",
    "\r\x1b[Kscore: 2/10 examples, 0.50/s, 16 s left",
    "\r\x1b[Kscore: 10/10 examples, in 20 s",
  ]);
});

Deno.test("ProgressLine takes the rate from what was done since it began, not from what was there", () => {
  const { written, step } = recorder(true);
  const ask = (milliseconds: number, done: number, takenOver: number) =>
    step(milliseconds, "evaluate", done, 100, "prompts", takenOver);
  ask(0, 50, 50);
  ask(4000, 52, 50);
  // Further units turn out to be there.
  ask(10_000, 85, 80);
  ask(40_000, 100, 80);
  // A download that goes on with what it had.
  step(50_000, "download", 6, 10, "files");
  step(52_000, "download", 8, 10, "files");
  assertEquals(written, [
    "\r\x1b[Kevaluate: 50/100 prompts",
    "\r\x1b[Kevaluate: 52/100 prompts, 0.50/s, 1 min 36 s left",
    "\r\x1b[Kevaluate: 85/100 prompts, 0.50/s, 30 s left",
    "\r\x1b[Kevaluate: 100/100 prompts, in 40 s",
    "\n",
    "\r\x1b[Kdownload: 6/10 files",
    "\r\x1b[Kdownload: 8/10 files, 1.0/s, 2 s left",
  ]);
});

Deno.test("ProgressLine shows gigabytes per second when the unit is bytes", () => {
  const { written, step } = recorder(true);
  const total = 3 * 2 ** 30;
  step(0, "load", 0, total, "bytes");
  step(1000, "load", 2 ** 30, total, "bytes");
  step(2000, "load", total, total, "bytes");
  assertEquals(written, [
    "\r\x1b[Kload: 0 bytes/3 GiB",
    "\r\x1b[Kload: 1 GiB/3 GiB, 1.1 GB/s, 2 s left",
    "\r\x1b[Kload: 3 GiB/3 GiB, in 2 s, 1.6 GB/s",
  ]);
});

Deno.test("ProgressLine gives no speed of what took less than a second, and a low one in megabytes", () => {
  const { written, step } = recorder(true);
  step(0, "load", 0, 8_000_000, "bytes");
  step(500, "load", 4_000_000, 8_000_000, "bytes");
  step(900, "load", 8_000_000, 8_000_000, "bytes");
  assertEquals(written, [
    "\r\x1b[Kload: 0 bytes/7.6 MiB",
    "\r\x1b[Kload: 3.8 MiB/7.6 MiB, 8.0 MB/s, 1 s left",
    "\r\x1b[Kload: 7.6 MiB/7.6 MiB, in less than 1 s",
  ]);
});

Deno.test("ProgressLine keeps one line per stage when the stage changes", () => {
  const { written, step, finish } = recorder(true);
  step(0, "score", 10);
  step(10, "search", 0);
  finish();
  finish();
  assertEquals(written, [
    "\r\x1b[Kscore: 10/10 examples, in less than 1 s",
    "\n",
    "\r\x1b[Ksearch: 0/10 examples",
    "\n",
  ]);
});

Deno.test("ProgressLine draws at most ten times a second when steps come fast, and always the last one", () => {
  const { written, step } = recorder(true);
  step(0, "score", 0);
  for (let done = 1; done <= 9; done++) step(done, "score", done);
  step(10, "score", 10);
  assertEquals(written.length, 2);
});

Deno.test("ProgressLine stays on one line when the terminal is narrow", () => {
  const { written, step } = recorder(true, 12);
  step(0, "evaluate", 0);
  assertEquals(written, ["\r\x1b[Kevaluate: 0"]);
});

Deno.test("formatSeconds() changes unit when a minute or an hour is full", () => {
  assertEquals([0.4, 59.4, 60, 3599, 3600, 7500].map(formatSeconds), [
    "0 s",
    "59 s",
    "1 min 0 s",
    "59 min 59 s",
    "1 h 0 min",
    "2 h 5 min",
  ]);
});
