/** What one job of the service leaves to the next: the device, fingerprints of models, and a tokenizer. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fingerprintWeights } from "../../src/checkpoint/digest.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { FingerprintMemo } from "../../src/serve/fingerprint_memo.ts";
import { KeptDevice } from "../../src/serve/kept_device.ts";
import { TokenizerMemo } from "../../src/serve/tokenizer_memo.ts";
import { tokenizerFiles } from "../../src/tasks/tokenizer.ts";
import { writeTinyModel } from "../support/service.ts";
import { withFolder } from "../support/temporary_folder.ts";

const live = new AbortController().signal;
/** Taking a fingerprint looks at it and gives up; giving a known one does not. */
const aborted = AbortSignal.abort(new DOMException("told to stop", "AbortError"));

/** The fingerprint that a memo gives. */
async function recall(memo: FingerprintMemo, folder: string, signal: AbortSignal): Promise<string> {
  const { checkpoint, weights } = await memo.open(folder, signal);
  await checkpoint.close();
  return weights;
}

/** The fingerprint of what is in a folder. */
async function take(folder: string): Promise<string> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return await fingerprintWeights(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

Deno.test("FingerprintMemo takes a fingerprint once, and again when a file of the model is another one", async () => {
  await withFolder({}, async (folder) => {
    await writeTinyModel(folder);
    const [model, other] = [join(folder, "tiny"), join(folder, "other")];
    await cp(model, other, { recursive: true });
    const memo = new FingerprintMemo();
    await assertRejects(() => memo.open(model, aborted), DOMException, "told to stop");
    const first = await recall(memo, model, live);
    assertEquals(first, await take(model));
    assertEquals(await recall(memo, model, aborted), first);
    // Each folder has its own.
    await assertRejects(() => memo.open(other, aborted), DOMException);

    const path = join(model, "model.safetensors");
    const bytes = await readFile(path);
    bytes[bytes.length - 2] ^= 1;
    await writeFile(path, bytes);
    await assertRejects(() => memo.open(model, aborted), DOMException);
    const second = await recall(memo, model, live);
    assertEquals(second, await take(model));

    const config = join(model, "config.json");
    await writeFile(config, (await readFile(config, "utf8")).replace(/"rope_theta":\s*10000/, '"rope_theta": 20000'));
    const third = await recall(memo, model, live);
    assertNotEquals(third, second);
    assertEquals(await recall(memo, model, aborted), third);
  });
});

Deno.test("TokenizerMemo gives the same tokenizer until a file of it is another one, and keeps only the last", async () => {
  await withFolder({}, async (folder) => {
    await writeTinyModel(folder);
    const [model, other] = [join(folder, "tiny"), join(folder, "other")];
    await cp(model, other, { recursive: true });
    const memo = new TokenizerMemo();
    const first = await memo.load(model);
    assert(await memo.load(model) === first);
    // Another model takes its place, and gives it up again.
    const second = await memo.load(other);
    assert(second !== first && await memo.load(other) === second);
    let last = await memo.load(model);
    assert(last !== first);
    // What decides no token leaves it as it is.
    await writeFile(join(model, "generation_config.json"), "{}");
    assert(await memo.load(model) === last);
    for (const name of tokenizerFiles) {
      const path = join(model, name);
      const text = await readFile(path, "utf8").catch(() => "{}");
      await writeFile(path, `${text} `);
      const changed = await memo.load(model);
      assert(changed !== last, name);
      assert(await memo.load(model) === changed, name);
      last = changed;
    }
    // One that goes counts as a change, and one that cannot be loaded leaves nothing.
    await rm(join(model, "special_tokens_map.json"));
    assert(await memo.load(model) !== last);
    await rm(join(model, "tokenizer.json"));
    await assertRejects(() => memo.load(model), RangeError, "tokenizer.json");
    await cp(join(other, "tokenizer.json"), join(model, "tokenizer.json"));
    assertEquals((await memo.load(model)).tokenText(65), first.tokenText(65));
  });
});

Deno.test("KeptDevice gives the same device until it is lost or dropped", async () => {
  const kept = new KeptDevice();
  try {
    const first = await kept.get();
    assert(first !== null, "no adapter was found");
    assert(await kept.get() === first);
    first.destroy();
    await first.lost;
    const second = await kept.get();
    assert(second !== null && second !== first);
    kept.drop();
    await second.lost;
    const third = await kept.get();
    assert(third !== null && third !== second);
    // One that has reported an error is not used again either.
    third.createBuffer({ size: 4, usage: 0xffff });
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert(await kept.get() !== third);
  } finally {
    kept.drop();
  }
});
