/** Names of options that are none: a misspelt one must not be taken for one that was left out. */
import { didYouMean } from "../tasks/did_you_mean.ts";
import { OptionError } from "../text/option_error.ts";

/** The names of all options, each once: the type says which are missing. */
export type OptionNames<Options> = Readonly<Record<keyof Options & string, true>>;

/**
 * Refuses options of other names; those that are undefined are not there.
 *
 * @param action What cannot be done with them, such as `score`.
 * @throws {OptionError} If there is one.
 */
export function refuseUnknownOptions<Options extends object>(
  action: string,
  options: Options,
  names: OptionNames<Options>,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(names, name)) continue;
    const known = Object.keys(names);
    const hint = didYouMean(name, known) || `; expected some of ${known.join(", ")}`;
    throw new OptionError(`Cannot ${action} with ${name}: there is no such option${hint}`, name);
  }
}
