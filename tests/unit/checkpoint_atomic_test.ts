import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { removeLeftovers, temporarySibling, writeFileAtomic, writeNewFile } from "../../src/checkpoint/atomic_file.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeFolderAtomic } from "../../src/checkpoint/atomic_folder.ts";

async function* broken(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Uint8Array.of(1, 2));
  throw new Error("the source broke");
}

Deno.test("writeFileAtomic() writes text, bytes and pieces, and replaces an older file", async () => {
  await withFolder({}, async (folder) => {
    const path = join(folder, "x.json");
    await writeFileAtomic(path, "ä");
    assertEquals(new Uint8Array(await readFile(path)), Uint8Array.of(0xc3, 0xa4));
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3).subarray(1));
    assertEquals([...await readFile(path)], [2, 3]);
    await writeFileAtomic(path, [Uint8Array.of(4), new Uint8Array(0), Uint8Array.of(5, 6)]);
    assertEquals([...await readFile(path)], [4, 5, 6]);
    assertEquals(await readdir(folder), ["x.json"]);
  });
});

Deno.test("writeFileAtomic() keeps the older file and leaves nothing behind when the content breaks off", async () => {
  await withFolder({}, async (folder) => {
    const path = join(folder, "x");
    await assertRejects(() => writeFileAtomic(path, broken()), Error, "the source broke");
    assertEquals(await readdir(folder), []);
    await writeFileAtomic(path, "old");
    await assertRejects(() => writeFileAtomic(path, broken()), Error, "the source broke");
    assertEquals(await readFile(path, "utf8"), "old");
    assertEquals(await readdir(folder), ["x"]);
  });
});

Deno.test("writeFileAtomic() throws when the path is a folder or its folder is missing", async () => {
  await withFolder({}, async (folder) => {
    await mkdir(join(folder, "sub"));
    await assertRejects(() => writeFileAtomic(join(folder, "sub"), "x"), RangeError, "it is a folder");
    await assertRejects(() => writeFileAtomic(join(folder, "absent", "x"), "x"));
    assertEquals(await readdir(folder), ["sub"]);
  });
});

Deno.test("writeNewFile() throws when the file exists, and leaves it alone", async () => {
  await withFolder({}, async (folder) => {
    const path = join(folder, "x");
    assertEquals(await writeNewFile(path, "abc"), 3);
    await assertRejects(() => writeNewFile(path, "d"), Error, "exist");
    assertEquals(await readFile(path, "utf8"), "abc");
  });
});

Deno.test("removeLeftovers() deletes what temporarySibling() named and nothing else", async () => {
  await withFolder({}, async (folder) => {
    const [file, sub] = [
      temporarySibling(join(folder, "scores.safetensors")),
      temporarySibling(join(folder, "pruned")),
    ];
    assertMatch(basename(file), /^\.scores\.safetensors\.[0-9a-f]{12}\.partial$/);
    await writeFile(file, "x");
    await mkdir(sub);
    await writeFile(join(sub, "y"), "y");
    for (const name of ["x.partial", ".partial", ".x.partial", "scores.safetensors"]) {
      await writeFile(join(folder, name), "");
    }
    assertEquals(await removeLeftovers(folder), [basename(file), basename(sub)].sort());
    assertEquals((await readdir(folder)).sort(), [".partial", ".x.partial", "scores.safetensors", "x.partial"]);
  });
});

Deno.test("writeFolderAtomic() makes the folder appear when it is filled, and parents as needed", async () => {
  await withFolder({}, async (folder) => {
    const target = join(folder, "a", "b");
    const result = await writeFolderAtomic(target, "mark", false, async (temporary) => {
      await writeFile(join(temporary, "mark"), "1");
      assertEquals((await readdir(join(folder, "a"))).includes("b"), false);
      return 7;
    });
    assertEquals(result, 7);
    assertEquals(await readdir(target), ["mark"]);
    assertEquals(await readdir(join(folder, "a")), ["b"]);
  });
});

Deno.test("writeFolderAtomic() leaves things as they were when filling fails", async () => {
  await withFolder({}, async (folder) => {
    const target = join(folder, "t");
    const fail = async (temporary: string) => {
      await writeFile(join(temporary, "half"), "1");
      throw new Error("disk broke");
    };
    await assertRejects(() => writeFolderAtomic(target, "mark", false, fail), Error, "disk broke");
    assertEquals(await readdir(folder), []);
    await writeFolderAtomic(target, "mark", false, (temporary) => writeFile(join(temporary, "mark"), "old"));
    await assertRejects(() => writeFolderAtomic(target, "mark", true, fail), Error, "disk broke");
    assertEquals(await readFile(join(target, "mark"), "utf8"), "old");
    assertEquals(await readdir(folder), ["t"]);
  });
});

Deno.test("writeFolderAtomic() replaces only what it is asked to, and only a folder of the same kind", async () => {
  await withFolder({}, async (folder) => {
    const target = join(folder, "t");
    const fill = (temporary: string) => writeFile(join(temporary, "mark"), "new");
    await mkdir(target);
    await assertRejects(() => writeFolderAtomic(target, "mark", false, fill), RangeError, "it exists");
    await writeFile(join(target, "thesis.txt"), "years");
    await assertRejects(() => writeFolderAtomic(target, "mark", true, fill), RangeError, "it has no mark");
    await writeFile(join(target, "mark"), "old");
    await writeFolderAtomic(target, "mark", true, fill);
    assertEquals(await readdir(target), ["mark"]);
    assertEquals(await readFile(join(target, "mark"), "utf8"), "new");
    assertEquals(await readdir(folder), ["t"]);
    await assertRejects(() => writeFolderAtomic(join(target, "mark"), "mark", true, fill), RangeError, "not a folder");
  });
});

Deno.test("writeFolderAtomic() does not replace a folder that appeared while filling", async () => {
  await withFolder({}, async (folder) => {
    const target = join(folder, "t");
    await assertRejects(
      () =>
        writeFolderAtomic(target, "mark", false, async () => {
          await mkdir(target);
          await writeFile(join(target, "theirs"), "1");
        }),
      RangeError,
      "it exists",
    );
    assertEquals(await readdir(target), ["theirs"]);
    assertEquals(await readdir(folder), ["t"]);
  });
});
