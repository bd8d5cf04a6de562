/** The operating system's errors by their names, such as `ENOENT`, however an error carries them. */
import { constants } from "node:os";
import process from "node:process";

/**
 * Names for the numbers of Windows, which are others than those of C. Source: winerror.h, and what libuv makes of them
 * in src/win/error.c.
 */
const windowsNames: readonly (readonly [number, string])[] = [
  [2, "ENOENT"],
  [3, "ENOENT"],
  [5, "EACCES"],
  [19, "EROFS"],
  [23, "EIO"],
  [39, "ENOSPC"],
  [80, "EEXIST"],
  [112, "ENOSPC"],
  [183, "EEXIST"],
  [267, "ENOTDIR"],
  [1117, "EIO"],
  [1295, "EDQUOT"],
];

/** Names by the numbers of the system that this process runs on. */
const names: ReadonlyMap<number, string> = new Map(
  process.platform === "win32"
    ? windowsNames
    : Object.entries(constants.errno).map(([name, number]) => [number, name] as const),
);

/** Every name, whatever the system. */
const known: ReadonlySet<unknown> = new Set(Object.keys(constants.errno));

/** The name of the system's error that an error is, or was caused by; undefined where there is none. */
export function systemErrorName(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { readonly code?: unknown };
  if (typeof code === "string" && known.has(code)) return code;
  // Some errors of files give the number alone, in their message.
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  const name = number === undefined ? undefined : names.get(Number(number));
  return name ?? systemErrorName(error.cause);
}

/** Whether an error says that there is nothing at a path. */
export function isAbsent(error: unknown): boolean {
  const name = systemErrorName(error);
  return name === "ENOENT" || name === "ENOTDIR";
}

/** Whether an error says that a folder cannot be made because a part of its path is a file. */
export function isBlocked(error: unknown): boolean {
  const name = systemErrorName(error);
  return name === "ENOTDIR" || name === "EEXIST";
}
