/** How the program says that something went wrong: `Error:` and `Hint:` on stderr, and an exit code. */
import { isDiskFull } from "../checkpoint/atomic_file.ts";
import { HubError } from "../checkpoint/hub_error.ts";
import { systemErrorName } from "../checkpoint/system_error.ts";
import { signalExitCodes } from "../serve/stop_requests.ts";
import { OptionError } from "../text/option_error.ts";
import { BadRowError, LongRowError } from "../tasks/bad_row.ts";

/** Exit codes of the program. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, interrupted: signalExitCodes.SIGINT } as const;

/** What was typed cannot be right: it is not understood, or does not fit model, task or data; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  constructor(message: string, readonly hint: string) {
    super(message);
  }
}

/**
 * An error of the library as one of the command line, where its message begins so: then an option was at fault.
 *
 * @returns The error itself where it begins otherwise.
 */
export function asUsage(error: unknown, start: string, hint: string): unknown {
  return error instanceof RangeError && error.message.startsWith(start) ? new UsageError(error.message, hint) : error;
}

/** The command is right and cannot be carried out as things are; exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(message: string, readonly hint: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The person pressed Ctrl-C; exit code 130. The reason of the program's abort signal. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** @param hint How to go on later, where that is possible. */
  constructor(readonly hint?: string) {
    super("interrupted");
  }
}

/** What the program prints on stderr for an error, and the code it exits with. */
export interface Failure {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Finds the words and the exit code for an error. `trace` adds the stack of an error that is not the user's. */
export function describeError(error: unknown, trace = false): Failure {
  if (error instanceof Interrupted) {
    const hint = error.hint === undefined ? [] : [`Hint: ${error.hint}`];
    return { code: exitCodes.interrupted, lines: ["Interrupted: nothing half-written was left behind.", ...hint] };
  }
  if (error instanceof UsageError || error instanceof CommandError) {
    const code = error instanceof UsageError ? exitCodes.usage : exitCodes.failure;
    return { code, lines: [`Error: ${error.message}`, `Hint: ${error.hint}`] };
  }
  if (error instanceof HubError) {
    return { code: exitCodes.failure, lines: [`Error: ${error.problem}`, `Hint: ${error.advice}.`] };
  }
  if (!(error instanceof Error)) return { code: exitCodes.failure, lines: [`Error: ${String(error)}`] };
  const hint = hintFor(error);
  const lines = [`Error: ${inWords(error.message)}`, ...(hint === null ? [] : [`Hint: ${hint}`])];
  if (trace && error.stack) lines.push(error.stack);
  return { code: error instanceof OptionError ? exitCodes.usage : exitCodes.failure, lines };
}

/** A message in words where it is the operating system's own about a path that is not there. */
function inWords(message: string): string {
  const [, action, path] = /^ENOENT: no such file or directory, (\w+) '(.*)'$/.exec(message) ?? [];
  if (path === undefined) return message;
  // Where folders above are made as well, it is the system that refuses.
  return action === "mkdir" ? `the folder ${path} cannot be made` : `there is no ${path}`;
}

/** What to do about a row that does not fit. */
function hintForRow(error: BadRowError): string {
  const leave = "or leave such rows out with --skip-bad-rows.";
  if (!(error instanceof LongRowError)) return `mend the row, ${leave}`;
  const fewer = error.workedCount === 0 ? "" : `ask with fewer worked examples than ${error.workedCount} (--fewshot), `;
  return `${fewer}shorten the row, cut prompts with --truncate, ${leave}`;
}

/**
 * Whether an error is one of the library's own, which say what was expected. What the language throws where the program
 * is at fault, such as `Cannot read properties of undefined`, does not: it has no colon.
 */
function explainsItself(error: Error): boolean {
  return [RangeError, SyntaxError, TypeError].some((kind) => error instanceof kind) &&
    /^Cannot .*: /s.test(error.message);
}

/** What to do about an error of the library or of the operating system; null where the error says so itself. */
function hintFor(error: Error): string | null {
  if (error instanceof BadRowError) return hintForRow(error);
  const code = systemErrorName(error);
  if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return "check the path.";
  if (error.name === "NotCapable") return "docs/permissions.md lists the permissions that each command needs.";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return "check the permissions of that path, or write elsewhere with --out.";
  }
  if (error.name === "DiskSpaceError" || isDiskFull(error)) {
    return "free some space, or write elsewhere with --out; `run --resume` goes on after the last finished stage.";
  }
  if (code === "EIO") return "the disk reports a fault: check it, then repeat the command.";
  if (error.name === "OtherOptionsError") {
    return "repeat the command as it was; or --overwrite replaces the run that is there, and another --out keeps both.";
  }
  if (error.name === "JobsInUseError") return "end the other service, or name another folder with --jobs.";
  if (error.name === "NoAdapterError") return "install a Vulkan driver, or compute on the CPU with --engine reference.";
  if (error.name === "OutOfGpuMemoryError") return "lower --memory-budget, or use an adapter with more memory.";
  if (error.name === "WrongResultsError") {
    return "update the driver, or compute on the CPU with --engine reference.";
  }
  if (error.name === "GpuFailure") {
    return "repeat the command: `run --resume` goes on after the last finished stage. If it fails again, update the driver.";
  }
  if (/the weight budget is/.test(error.message)) return "raise --memory-budget or --weight-budget.";
  return explainsItself(error) ? null : "SECATEUR_TRACE=1 shows where this comes from.";
}
