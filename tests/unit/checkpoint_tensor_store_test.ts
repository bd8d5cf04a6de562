import { assertEquals, assertRejects } from "@std/assert";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryStore, openTensorStore, type StoredArray } from "../../src/checkpoint/tensor_store.ts";
import { withFolder } from "../support/temporary_folder.ts";

const numbers = Float64Array.of(0.1, -0, Infinity, NaN, 1e-320);

Deno.test("openTensorStore() gives back the same bits when the folder is opened again", async () => {
  await withFolder({}, async (folder) => {
    const store = await openTensorStore(join(folder, "units"));
    await store.put(new Map<string, StoredArray>([["a", numbers], ["b", Float32Array.of(0.1)]]));
    await store.put(new Map([["c", Float64Array.of(3)]]));
    for (const opened of [store, await openTensorStore(join(folder, "units"), { cacheBytes: 0 })]) {
      const read = await opened.get("a");
      assertEquals(new Uint8Array(Float64Array.from(read!).buffer), new Uint8Array(numbers.buffer));
      assertEquals(await opened.get("b"), Float32Array.of(0.1));
      assertEquals([opened.has("c"), opened.has("d"), await opened.get("d")], [true, false, undefined]);
    }
  });
});

Deno.test("openTensorStore() forgets what a killed writer left and names a damaged file", async () => {
  await withFolder({}, async (folder) => {
    await (await openTensorStore(folder)).put(new Map([["a", numbers]]));
    await writeFile(join(folder, ".x.safetensors.0123456789ab.partial"), "half");
    const store = await openTensorStore(folder);
    assertEquals([store.has("a"), (await readdir(folder)).length], [true, 1]);
    const [file] = await readdir(folder);
    await truncate(join(folder, file), 40);
    await assertRejects(() => openTensorStore(folder), SyntaxError, file);
  });
});

Deno.test("openTensorStore() removes damaged files if so asked, when it opens and when one is read", async () => {
  await withFolder({}, async (folder) => {
    const store = await openTensorStore(folder);
    await store.put(new Map([["a", numbers]]));
    const [a] = await readdir(folder);
    await store.put(new Map([["b", Float64Array.of(1)]]));
    await truncate(join(folder, a), 40);
    const opened = await openTensorStore(folder, { cacheBytes: 0, damaged: "remove" });
    assertEquals([opened.has("a"), opened.has("b"), (await readdir(folder)).length], [false, true, 1]);
    const [b] = await readdir(folder);
    await truncate(join(folder, b), 40);
    assertEquals([await opened.get("b"), opened.has("b"), await readdir(folder)], [undefined, false, []]);
  });
});

Deno.test("openTensorStore() gives back no array with a flipped bit, wherever in the file it is", async () => {
  await withFolder({}, async (folder) => {
    await (await openTensorStore(folder)).put(new Map([["a", Float64Array.of(0.5, 2)]]));
    const [file] = await readdir(folder);
    const path = join(folder, file);
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at++) {
      const bytes = Uint8Array.from(whole);
      bytes[at] ^= 1 << (at & 7);
      await writeFile(path, bytes);
      const read = await openTensorStore(folder, { damaged: "remove" }).then((store) => store.get("a"));
      // A space behind the header may have become another blank.
      assertEquals(read ?? Float64Array.of(0.5, 2), Float64Array.of(0.5, 2), `byte ${at}`);
      if (at >= whole.length - 16) {
        assertEquals([read, await readdir(folder)], [undefined, []]);
        await writeFile(path, bytes);
        await assertRejects(async () => await (await openTensorStore(folder)).get("a"), SyntaxError, "digest");
      }
    }
  });
});

Deno.test("openTensorStore() counts an array once when it is asked for twice at the same time", async () => {
  await withFolder({}, async (folder) => {
    await (await openTensorStore(folder)).put(new Map([["a", numbers]]));
    const store = await openTensorStore(folder, { cacheBytes: numbers.byteLength });
    await Promise.all([store.get("a"), store.get("a")]);
    await rm(join(folder, (await readdir(folder))[0]));
    assertEquals(await store.get("a"), numbers);
  });
});

Deno.test("createMemoryStore() keeps a copy", async () => {
  const store = createMemoryStore();
  const values = Float64Array.of(1);
  await store.put(new Map([["a", values]]));
  values[0] = 2;
  assertEquals(await store.get("a"), Float64Array.of(1));
});
