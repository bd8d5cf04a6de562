/** What an attack is: input that must be refused with an error that says why, and soon. */
import { assert, assertRejects } from "@std/assert";
import process from "node:process";

/** One hostile input. */
export interface Attack {
  /** As a test is named: what refuses it, and when. */
  readonly name: string;
  /** Feeds the input to what must refuse it. */
  readonly attempt: () => Promise<unknown>;
  /** Class of the error. */
  // deno-lint-ignore no-explicit-any
  readonly error: new (...words: any[]) => Error;
  /** A part of the error's message. */
  readonly message: string;
}

/** How long an attack may take. */
export interface Deadline {
  /** Processor time of the process, in seconds: what else the machine does is not in it. */
  readonly processor: number;
  /** Time by the clock, in seconds, for what waits and computes nothing. */
  readonly clock: number;
}

/** Ten times what the longest attack needs where nothing else runs, and minutes for what only waits. */
const DEADLINE: Deadline = { processor: 20, clock: 300 };

/**
 * Carries out an attack; throws unless it is refused as it should be and in time. What never lets go of the thread is
 * measured once it has ended.
 */
export async function carryOut({ attempt, error, message }: Attack, deadline = DEADLINE): Promise<void> {
  const start = process.cpuUsage();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the attack still waits after ${deadline.clock} s`)),
      deadline.clock * 1000,
    );
  });
  try {
    await Promise.race([assertRejects(attempt, error, message), late]);
  } finally {
    clearTimeout(timer);
  }
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  assert(
    seconds <= deadline.processor,
    `refused after ${seconds.toFixed(1)} s of computing, expected ${deadline.processor}`,
  );
}
