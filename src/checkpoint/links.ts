/**
 * Keeps symbolic links of a checkpoint folder inside it. A folder from a stranger could otherwise make a program read,
 * and a pruned copy carry away, any file of this machine. Links into the `blobs` folder of a hub's cache are what
 * snapshots are.
 */
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative } from "node:path";

/** Whether one path is the other or inside it. Both are absolute and normal. */
export function contains(outer: string, inner: string): boolean {
  const path = relative(outer, inner);
  return !/^\.\.(?:[/\\]|$)/.test(path) && !isAbsolute(path);
}

/** The folders that links of a checkpoint may lead into: its own, and that of the cache whose snapshot it is. */
function homes(folder: string): string[] {
  const above = dirname(folder);
  return basename(above) === "snapshots" ? [folder, join(dirname(above), "blobs")] : [folder];
}

/**
 * Refuses links that lead out of a checkpoint folder. Hidden entries are left alone, as everything else leaves them;
 * links that lead nowhere are noticed by whoever reads them.
 *
 * @param inner Names of folders in it whose links count as well.
 * @throws {RangeError} Naming the link and where it leads.
 */
export async function checkLinks(folder: string, inner: readonly string[] = []): Promise<void> {
  const allowed = homes(await realpath(folder));
  const visit = async (path: string) => {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const place = join(path, entry.name);
      if (entry.isSymbolicLink() && !entry.name.startsWith(".")) {
        const real = await realpath(place).catch(() => undefined);
        // A folder is not read, unless it is one of those that belong to a checkpoint.
        const matters = real !== undefined && (inner.includes(entry.name) || !(await stat(place)).isDirectory());
        if (matters && !allowed.some((home) => contains(home, real))) {
          throw new RangeError(
            `Cannot open checkpoint ${folder}: ${entry.name} is a link to ${real}, which is outside of it; put the file ` +
              `there, or name the folder that it is in`,
          );
        }
      }
      if (path === folder && entry.isDirectory() && inner.includes(entry.name)) await visit(place);
    }
  };
  await visit(folder);
}
