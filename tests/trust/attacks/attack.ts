/** What an attack is: input that must be refused with an error that says why. */
import { assertRejects } from "@std/assert";

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

/** Carries out an attack; throws unless it is refused as it should be. */
export async function carryOut({ attempt, error, message }: Attack): Promise<void> {
  await assertRejects(attempt, error, message);
}
