/**
 * Kills whole runs with SIGKILL at random moments: what is left must be complete files of the run, and `--resume` must bring
 * the same bytes as a run that nobody disturbed.
 */
import { assertEquals } from "@std/assert";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "../../src/tasks/random.ts";
import { command, secateur } from "../cli/program.ts";
import { type FolderState, folderState, repeatable, withoutKeptAnswers } from "./folder_state.ts";

/** How to kill. */
export interface KillOptions {
  /** Folder for the runs. */
  readonly folder: string;
  /** Arguments of a `run` that writes into `out`. */
  readonly run: (out: string) => readonly string[];
  readonly kills: number;
  readonly seed: number;
  /** Stops early, after a whole kill. */
  readonly isOver?: () => boolean;
}

/** What came of it. */
export interface KillTally {
  /** Processes that were killed before they ended. */
  readonly killed: number;
  /** Processes that ended before they could be killed. */
  readonly escaped: number;
  /** Kills after which some results, but not all, were in the folder. */
  readonly midway: number;
  /** Runs that gave the same bytes in the end. */
  readonly resumed: number;
}

/** Runs the program to its end; it must succeed. */
export async function succeed(args: readonly string[]): Promise<void> {
  const { code, stderr } = await secateur(args);
  // A kill may come before anything is there.
  const unexpected = stderr.replace(/^Nothing to resume: .*\n/, "");
  assertEquals({ code, stderr: unexpected }, { code: 0, stderr: "" });
}

/** Counts what happens in a folder until `stop` is called. */
export function watchFolder(folder: string, onEvent: () => void): () => void {
  const watcher = Deno.watchFs(folder);
  (async () => {
    for await (const _ of watcher) onEvent();
  })();
  return () => watcher.close();
}

/**
 * Kills runs, half of them after a random time and half after a random number of changes in their folder, and every third of
 * them once more while they are resumed.
 *
 * @throws {AssertionError} If a killed run left something half-written, or resuming it gave other bytes.
 */
export async function killRuns({ folder, run, kills, seed, isOver }: KillOptions): Promise<KillTally> {
  const random = createRandom(seed);
  const undisturbed = join(folder, "undisturbed");
  await mkdir(undisturbed);
  let changes = 0;
  const stop = watchFolder(undisturbed, () => changes++);
  const started = performance.now();
  await succeed(run(undisturbed));
  const duration = performance.now() - started;
  stop();
  const expected = repeatable(await folderState(undisturbed));
  const tally = { killed: 0, escaped: 0, midway: 0, resumed: 0 };

  for (let i = 0; i < kills && !isOver?.(); i++) {
    const out = join(folder, `run ${i}`);
    await mkdir(out);
    for (let attempt = 0; attempt < (i % 3 === 2 ? 2 : 1); attempt++) {
      const again = attempt > 0 ? ["--resume"] : [];
      const moment = i % 2 === 0
        ? { after: random.nextFloat() * duration }
        : { changes: 1 + random.nextBelow(Math.max(1, changes)) };
      const ended = await killOnce([...run(out), ...again], out, moment);
      if (ended) tally.escaped++;
      else tally.killed++;
      const left = withoutKeptAnswers(repeatable(await folderState(out)));
      assertWhole(left, expected, `${i}, killed ${JSON.stringify(moment)}`);
      const count = Object.keys(left).length;
      if (!ended && count > 0 && count < Object.keys(expected).length) tally.midway++;
    }
    await succeed([...run(out), "--resume"]);
    assertEquals(repeatable(await folderState(out)), expected);
    tally.resumed++;
    await rm(out, { recursive: true });
  }
  await rm(undisturbed, { recursive: true });
  return tally;
}

/** Starts the program and kills it; resolves to whether it had ended by itself. */
export async function killOnce(
  args: readonly string[],
  out: string,
  moment: { readonly after?: number; readonly changes?: number },
): Promise<boolean> {
  let left = moment.changes ?? Infinity;
  const child = command(args).spawn();
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const stop = watchFolder(out, () => --left === 0 && kill());
  const timer = moment.after === undefined ? undefined : setTimeout(kill, moment.after);
  const { signal } = await child.output();
  clearTimeout(timer);
  stop();
  return signal === null;
}

/** Every file that is there is whole, and nothing is there without what it follows from. */
function assertWhole(left: FolderState, expected: FolderState, which: string): void {
  const there = Object.keys(left);
  assertEquals(left, Object.fromEntries(there.map((name) => [name, expected[name]])), `run ${which}`);
  const pruned = Object.keys(expected).filter((name) => name.startsWith("pruned/"));
  const after = [["answers.json"], ["traces.json"], ["report.html"], ["run.json"]];
  const chain = [["scores.safetensors"], ["grid.json"], ["plan.json"], pruned, ...after];
  const complete = chain.map((names) => names.every((name) => name in left));
  const started = chain.map((names) => names.some((name) => name in left));
  assertEquals(started, complete, `run ${which}: part of ${there}`);
  assertEquals(complete, [...complete].sort((a, b) => Number(b) - Number(a)), `run ${which}: ${there}`);
}
