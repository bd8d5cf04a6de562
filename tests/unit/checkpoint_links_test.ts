import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkLinks, contains } from "../../src/checkpoint/links.ts";
import { withFolder } from "../support/temporary_folder.ts";

Deno.test("checkLinks() accepts links within the folder, of a snapshot into its blobs, and of the folder itself", async () => {
  const files = { "repo/blobs/1": "x", "repo/snapshots/main/own.txt": "y", "repo/other.txt": "z" };
  await withFolder(files, async (folder) => {
    const snapshot = join(folder, "repo", "snapshots", "main");
    await symlink("../../blobs/1", join(snapshot, "a.txt"));
    await symlink("own.txt", join(snapshot, "b.txt"));
    await symlink("nowhere", join(snapshot, "broken"));
    await symlink("../../..", join(snapshot, "folder"));
    await symlink("../../other.txt", join(snapshot, ".hidden"));
    await checkLinks(snapshot);
    await symlink(snapshot, join(folder, "alias"));
    await checkLinks(join(folder, "alias"));
    await symlink("../../other.txt", join(snapshot, "c.txt"));
    for (const name of [snapshot, join(folder, "alias")]) {
      await assertRejects(() => checkLinks(name), RangeError, "c.txt is a link to ");
    }
  });
});

Deno.test("checkLinks() looks into the folders that belong to a checkpoint, and into no others", async () => {
  await withFolder({ "secret.txt": "x" }, async (folder) => {
    const model = join(folder, "model");
    for (const name of ["templates", "other"]) {
      await mkdir(join(model, name), { recursive: true });
      await symlink("../../secret.txt", join(model, name, "x.txt"));
    }
    await checkLinks(model);
    await assertRejects(() => checkLinks(model, ["templates"]), RangeError, "x.txt is a link to ");
    await writeFile(join(model, "plain.txt"), "");
    await checkLinks(model, ["absent"]);
  });
});

Deno.test("contains() tells a folder from one whose name begins the same", () => {
  assert(contains("/a/b", "/a/b") && contains("/a/b", "/a/b/c") && contains("/a/b", "/a/b/..c"));
  assertEquals([contains("/a/b", "/a/bc"), contains("/a/b", "/a"), contains("/a/b", "/c")], [false, false, false]);
});
