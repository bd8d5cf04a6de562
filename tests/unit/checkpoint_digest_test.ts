import { assertEquals, assertNotEquals } from "@std/assert";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestWeights } from "../../src/checkpoint/digest.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { withFolder } from "../support/temporary_folder.ts";

const demo = fileURLToPath(new URL("../../examples/demo/model", import.meta.url));

async function digestOf(folder: string): Promise<string> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return await digestWeights(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

Deno.test("digestWeights() is the same wherever a model lies, and another when one bit of a weight is", async () => {
  await withFolder({}, async (folder) => {
    const copy = join(folder, "model");
    await cp(demo, copy, { recursive: true });
    const digest = await digestOf(demo);
    assertEquals(digest.length, 32);
    assertEquals(await digestOf(copy), digest);
    const path = join(copy, "model.safetensors");
    const bytes = await readFile(path);
    bytes[bytes.length - 5] ^= 1;
    await writeFile(path, bytes);
    assertNotEquals(await digestOf(copy), digest);
  });
});
