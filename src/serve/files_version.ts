/** Tells whether files are still those of last time, without reading them. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isAbsent } from "../checkpoint/system_error.ts";

/**
 * A text that is another one as soon as one of the files is another one, was written to, came or went.
 *
 * @param names Names in the folder.
 */
export async function filesVersion(folder: string, names: readonly string[]): Promise<string> {
  const versions = await Promise.all(names.map(async (name) => {
    const status = await stat(join(folder, name), { bigint: true }).catch((error) => {
      if (isAbsent(error)) return null;
      throw error;
    });
    if (status === null) return [name, "absent"].join("/");
    const { dev, ino, size, mtimeNs, ctimeNs } = status;
    return [name, dev, ino, size, mtimeNs, ctimeNs].join("/");
  }));
  return versions.join("\n");
}
