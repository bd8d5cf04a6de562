import { assertEquals, assertNotEquals } from "@std/assert";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { areComparable, digestWeights, fingerprintWeights } from "../../src/checkpoint/digest.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { writePrunedCheckpoint } from "../../src/checkpoint/prune_checkpoint.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";

const demo = fileURLToPath(new URL("../../examples/demo/model", import.meta.url));

async function digestOf(folder: string, digest = digestWeights): Promise<string> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return await digest(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

const fingerprintOf = (folder: string) => digestOf(folder, (checkpoint) => fingerprintWeights(checkpoint));

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

Deno.test("fingerprintWeights() is the same wherever a model lies, and another when one neuron of it was pruned", async () => {
  await withFolder({}, async (folder) => {
    const model = join(folder, "model");
    // One row in three begins with more zeros than the fingerprint has of it.
    const blank = (values: Float32Array) => {
      values.forEach((_, i) => Math.floor(i / 40) % 3 === 2 && i % 40 < 35 && (values[i] = 0));
    };
    await writeTinyCheckpoint(model, {
      layers: 2,
      width: 40,
      neurons: 12,
      headWidth: 8,
      dtype: "BF16",
      edits: { "model.layers.1.mlp.gate_proj.weight": blank, "model.layers.1.mlp.up_proj.weight": blank },
    });
    await cp(model, join(folder, "copy"), { recursive: true });
    const fingerprint = await fingerprintOf(model);
    assertEquals(await fingerprintOf(join(folder, "copy")), fingerprint);
    const seen = new Set([fingerprint]);
    const sites = { gate: 12, up: 12, down: 40 } as const;
    for (const [site, count] of Object.entries(sites) as [keyof typeof sites, number][]) {
      for (let neuron = 0; neuron < count; neuron++) {
        const pruned = join(folder, `${site}-${neuron}`);
        await writePrunedCheckpoint(model, pruned, [{ layer: 1, site, neurons: Uint32Array.of(neuron) }]);
        seen.add(await fingerprintOf(pruned));
      }
    }
    assertEquals(seen.size, 1 + 64);
  });
});

Deno.test("areComparable() tells fingerprints of earlier versions from those of now", async () => {
  const now = await fingerprintOf(demo);
  assertEquals(areComparable(now, now), true);
  assertEquals(areComparable(now, "cad6139e90fa071e106915897ed9fede"), false);
});
