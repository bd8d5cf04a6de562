/** The word behind a command's name that says which of several things is meant, such as `ls` in `tasks ls`. */
import { didYouMean } from "../tasks/did_you_mean.ts";
import { UsageError } from "./errors.ts";

/** What the words of a command may be. */
export interface Subcommands<T extends string> {
  /** What the word names, such as `shell`. */
  readonly what: string;
  readonly choices: readonly T[];
  /** How to write it instead. */
  readonly hint: string;
}

/**
 * The first of the words behind a command's name, which must be one of some.
 *
 * @throws {UsageError} If there is none, or it is another one.
 */
export function readSubcommand<T extends string>(
  [word]: readonly string[],
  { what, choices, hint }: Subcommands<T>,
): T {
  const known = choices.find((choice) => choice === word);
  if (known !== undefined) return known;
  throw new UsageError(
    word === undefined ? `the ${what} is missing` : `unknown ${what} ${word}${didYouMean(word, choices)}`,
    hint,
  );
}

/**
 * Refuses words behind those that a command takes.
 *
 * @param most How many it takes.
 * @throws {UsageError} If there are more.
 */
export function refuseFurtherWords(words: readonly string[], most: number, hint: string): void {
  if (words.length > most) throw new UsageError(`unexpected argument ${JSON.stringify(words[most])}`, hint);
}
