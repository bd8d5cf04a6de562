/** The command line that makes something again, as a shell reads it. */

/** An argument as a POSIX shell reads it. */
export function quoteArgument(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** The command line that was typed. */
export function commandLine(typed: readonly string[]): string {
  return ["secateur", ...typed].map(quoteArgument).join(" ");
}
