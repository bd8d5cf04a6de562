import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import {
  cp,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers } from "../../src/checkpoint/atomic_file.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { WeightRef } from "../../src/checkpoint/model_config.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { isPrunedCheckpoint, type NeuronMask, writePrunedCheckpoint } from "../../src/checkpoint/prune_checkpoint.ts";
import { readSafetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../src/checkpoint/memory_source.ts";
import type { Mask } from "../../src/engine/engine.ts";
import { OptionError } from "../../src/text/option_error.ts";
import { GOLDEN_NAMES, goldenFolder, type GoldenName } from "../support/golden.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";

async function bytesOf(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

/** The sha256 of every file of a folder, by name. */
async function snapshot(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(
    await Promise.all(files.map(async (path): Promise<[string, string]> => {
      return [path.slice(folder.length + 1), createHash("sha256").update(await readFile(path)).digest("hex")];
    })),
  );
}

async function headerOf(path: string) {
  return await readSafetensorsHeader(memorySource(path, await bytesOf(path)));
}

/** A mask as the engines take it: the two types must stay the same. */
function mask(layer: number, site: Mask["site"], ...neurons: number[]): Mask & NeuronMask {
  return { layer, site, neurons: Uint32Array.from(neurons) };
}

/** All weights of a checkpoint under the names of the configuration, f32. */
async function allWeights(checkpoint: Checkpoint): Promise<Map<string, Float32Array>> {
  const { embedding, finalNorm, head, layerWeights } = checkpoint.config;
  const refs = new Map<string, WeightRef>(Object.entries({ embedding, finalNorm, head }));
  layerWeights.forEach((weights, layer) => {
    for (const [name, ref] of Object.entries(weights)) {
      if ("name" in ref) refs.set(`${layer}.${name}`, ref);
      else for (const [part, inner] of Object.entries(ref)) refs.set(`${layer}.${name}.${part}`, inner as WeightRef);
    }
  });
  const read = new Map<string, Float32Array>();
  for (const [name, ref] of refs) read.set(name, await checkpoint.readF32(ref));
  return read;
}

/** Asserts that the target is the source with the rows of the masks zeroed. */
async function assertPruned(sourceFolder: string, targetFolder: string, masks: readonly NeuronMask[]): Promise<void> {
  const [source, target] = [await openCheckpoint(sourceFolder), await openCheckpoint(targetFolder)];
  try {
    assertEquals(target.config, source.config);
    const expected = await allWeights(source);
    for (const { layer, site, neurons } of masks) {
      const { columns } = source.config.layerWeights[layer][site];
      for (const neuron of neurons) {
        const row = expected.get(`${layer}.${site}`)!.subarray(neuron * columns, (neuron + 1) * columns);
        assert(row.some((value) => value !== 0));
        row.fill(0);
      }
    }
    assertEquals(await allWeights(target), expected);
  } finally {
    await source.close();
    await target.close();
  }
}

for (const name of GOLDEN_NAMES) {
  Deno.test(`writePrunedCheckpoint() zeroes the masked rows and nothing else when the model is ${name}`, async () => {
    await withFolder({}, async (folder) => {
      const target = join(folder, "pruned");
      const masks = [mask(1, "gate", 0, 5, 6, 89), mask(0, "up", 3, 88), mask(2, "down", 0, 47), mask(2, "gate")];
      const before = await snapshot(goldenFolder(name));
      await writePrunedCheckpoint(goldenFolder(name), target, masks);
      assertEquals(await snapshot(goldenFolder(name)), before);
      await assertPruned(goldenFolder(name), target, masks);
    });
  });
}

Deno.test("writePrunedCheckpoint() zeroes rows across two pieces when the file is longer than one", async () => {
  await withFolder({}, async (folder) => {
    const source = join(folder, "source");
    await writeTinyCheckpoint(source, { layers: 1, width: 300, neurons: 3000 });
    const all = Array.from({ length: 3000 }, (_, neuron) => neuron);
    const masks = [mask(0, "up", ...all), mask(0, "gate", ...all.filter((neuron) => neuron % 3 === 1))];
    let pieces = 0;
    await writePrunedCheckpoint(source, join(folder, "t"), masks, { onProgress: () => void pieces++ });
    // Configuration, header and two pieces of data; the second begins inside a row of up.
    assertEquals(pieces, 4);
    const { tensors, dataOffset } = await headerOf(join(source, "model.safetensors"));
    const up = tensors.get("model.layers.0.mlp.up_proj.weight")!;
    const boundary = dataOffset + 2 ** 23 - up.byteOffset;
    assert(boundary > 0 && boundary < up.byteLength && boundary % 1200 !== 0);
    await assertPruned(source, join(folder, "t"), masks);
  });
});

Deno.test("writePrunedCheckpoint() rewrites one shard only, and keeps its metadata, order and shapes", async () => {
  await withFolder({}, async (folder) => {
    const source = goldenFolder("llama_sharded_bf16");
    const target = join(folder, "pruned");
    const checkpoint = await openCheckpoint(source);
    const shard = checkpoint.tensors.get("model.layers.2.mlp.gate_proj.weight")!.file;
    await checkpoint.close();
    const masks = [mask(2, "gate", 1, 143)];
    const report = await writePrunedCheckpoint(source, target, masks, { note: { method: "score" } });
    const kept = (await readdir(source)).filter((name) => name !== shard && name !== "golden.safetensors").sort();
    assertEquals(report.rewritten, [shard]);
    assertEquals(report.copied, kept);
    assertEquals(report.linked, []);
    assertEquals(report.leftOut, ["golden.safetensors"]);
    assertEquals([report.location, report.zeroedRows], [target, 2]);
    assertEquals((await readdir(target)).sort(), [...kept, shard].sort());
    for (const name of kept) assertEquals(await bytesOf(join(target, name)), await bytesOf(join(source, name)), name);
    const [before, after] = [await headerOf(join(source, shard)), await headerOf(join(target, shard))];
    const describe = ({ tensors, dataOffset }: typeof before) =>
      [...tensors.values()].map((entry) => ({ ...entry, byteOffset: entry.byteOffset - dataOffset }));
    assertEquals(describe(after), describe(before));
    assertEquals([...after.metadata], [
      ["format", "pt"],
      ["secateur", '{"method":"score","zeroed":[{"layer":2,"site":"gate","neurons":[1,143]}]}'],
    ]);
    const sizes = await Promise.all((await readdir(target)).map(async (name) => (await stat(join(target, name))).size));
    assertEquals(report.bytesWritten, sizes.reduce((sum, size) => sum + size));
  });
});

Deno.test("writePrunedCheckpoint() gives the same bytes for the same masks, in whatever order", async () => {
  await withFolder({}, async (folder) => {
    const masks = [mask(1, "gate", 2, 7), mask(0, "down", 3), mask(1, "down", 4)];
    await writePrunedCheckpoint(goldenFolder("llama_tied_f32"), join(folder, "a"), masks);
    await writePrunedCheckpoint(goldenFolder("llama_tied_f32"), join(folder, "b"), masks.toReversed());
    assertEquals(await snapshot(join(folder, "a")), await snapshot(join(folder, "b")));
  });
});

Deno.test("writePrunedCheckpoint() copies everything byte for byte when no neuron is masked", async () => {
  await withFolder({}, async (folder) => {
    const report = await writePrunedCheckpoint(goldenFolder("llama_tied_f32"), join(folder, "a"), [mask(1, "gate")]);
    assertEquals([report.rewritten, report.zeroedRows], [[], 0]);
    const expected = await snapshot(goldenFolder("llama_tied_f32"));
    expected.delete("golden.safetensors");
    assertEquals(await snapshot(join(folder, "a")), expected);
  });
});

Deno.test("writePrunedCheckpoint() records what was pruned before when the source is a pruned one", async () => {
  await withFolder({}, async (folder) => {
    const [first, second] = [join(folder, "1"), join(folder, "2")];
    await writePrunedCheckpoint(goldenFolder("llama_tied_f32"), first, [mask(0, "gate", 1)]);
    await writePrunedCheckpoint(first, second, [mask(1, "up", 2)]);
    const record = JSON.parse((await headerOf(join(second, "model.safetensors"))).metadata.get("secateur")!);
    assertEquals(record, {
      zeroed: [{ layer: 1, site: "up", neurons: [2] }],
      previous: { zeroed: [{ layer: 0, site: "gate", neurons: [1] }] },
    });
  });
});

/** A copy of a golden checkpoint that tests may change. */
async function copyOf(name: GoldenName, folder: string): Promise<string> {
  const copy = join(folder, "source");
  await cp(goldenFolder(name), copy, { recursive: true });
  return copy;
}

Deno.test("isPrunedCheckpoint() is true of a copy with zeroed rows alone, in whatever shard they are", async () => {
  await withFolder({}, async (folder) => {
    const golden = goldenFolder("llama_sharded_bf16");
    const write = async (name: string, ...masks: NeuronMask[]) => {
      await writePrunedCheckpoint(golden, join(folder, name), masks);
      return await isPrunedCheckpoint(join(folder, name));
    };
    assertEquals(await isPrunedCheckpoint(golden), false);
    assertEquals(await write("first", mask(0, "gate", 1)), true);
    assertEquals(await write("last", mask(2, "gate", 1)), true);
    assertEquals(await write("none", mask(0, "gate")), false);
  });
});

Deno.test("writePrunedCheckpoint() takes the tokenizer along and leaves out other forms of the model", async () => {
  await withFolder({}, async (folder) => {
    const source = await copyOf("llama_tied_f32", folder);
    const kept = ["tokenizer.json", "vocab.txt", "additional_chat_templates/tool.jinja"];
    const other = [
      "pytorch_model.bin",
      "model.gguf",
      "other.safetensors",
      "model.safetensors.index.json",
      ".gitattributes",
    ];
    await mkdir(join(source, "additional_chat_templates"));
    await mkdir(join(source, "original"));
    for (const name of [...kept, ...other, "original/consolidated.00.pth"]) await writeFile(join(source, name), name);
    const report = await writePrunedCheckpoint(source, join(folder, "t"), [mask(0, "gate", 0)]);
    for (const name of kept) assertEquals(await readFile(join(folder, "t", name), "utf8"), name);
    assertEquals(report.leftOut, [...other, "golden.safetensors", "original"].sort());
    assertEquals((await readdir(join(folder, "t"))).filter((name) => report.leftOut.includes(name)), []);
  });
});

Deno.test("writePrunedCheckpoint() copies the content of links of a snapshot", async () => {
  await withFolder({}, async (folder) => {
    const source = join(folder, "snapshots", "main");
    const blobs = join(folder, "blobs");
    await rename(await copyOf("llama_tied_f32", folder), blobs);
    await mkdir(source, { recursive: true });
    for (const name of ["config.json", "model.safetensors", "README.md"]) {
      await symlink(join(blobs, name), join(source, name));
    }
    for (const unchanged of ["copy", "link"] as const) {
      const target = join(folder, unchanged);
      await writePrunedCheckpoint(source, target, [mask(0, "gate", 0)], { unchanged });
      const entries = await readdir(target, { withFileTypes: true });
      assert(entries.length === 3 && entries.every((entry) => entry.isFile() && !entry.isSymbolicLink()));
      assertEquals(await bytesOf(join(target, "README.md")), await bytesOf(join(blobs, "README.md")));
    }
  });
});

Deno.test("writePrunedCheckpoint() shares unchanged files only when asked to link", async () => {
  await withFolder({}, async (folder) => {
    const source = await copyOf("llama_sharded_bf16", folder);
    const inode = async (path: string) => (await stat(path)).ino;
    const copied = await writePrunedCheckpoint(source, join(folder, "copy"), [mask(3, "gate", 0)]);
    assertEquals(copied.linked, []);
    for (const name of copied.copied) {
      assert(await inode(join(folder, "copy", name)) !== await inode(join(source, name)), name);
    }
    const linked = await writePrunedCheckpoint(source, join(folder, "link"), [mask(3, "gate", 0)], {
      unchanged: "link",
    });
    assertEquals([linked.linked, linked.copied], [copied.copied, []]);
    for (const name of linked.linked) {
      assertEquals(await inode(join(folder, "link", name)), await inode(join(source, name)));
    }
    for (const name of linked.rewritten) {
      assert(await inode(join(folder, "link", name)) !== await inode(join(source, name)), name);
    }
    assertEquals(await snapshot(join(folder, "link")), await snapshot(join(folder, "copy")));
  });
});

Deno.test("writePrunedCheckpoint() never touches the source when its files are hard links of others", async () => {
  await withFolder({}, async (folder) => {
    const source = await copyOf("llama_tied_f32", folder);
    await link(join(source, "model.safetensors"), join(folder, "alias"));
    const path = join(source, "model.safetensors");
    await utimes(path, 1000, 1000);
    const before = await bytesOf(path);
    await writePrunedCheckpoint(source, join(folder, "t"), [mask(0, "gate", 0)], { unchanged: "link" });
    assertEquals(await bytesOf(join(folder, "alias")), before);
    assertEquals((await stat(path)).mtimeMs, 1_000_000);
  });
});

const wrongMasks: readonly [when: string, masks: NeuronMask[], message: string][] = [
  ["the layer is not there", [mask(3, "gate", 0)], "layer 3 of"],
  ["the neuron is not there", [mask(1, "gate", 100)], "neuron 100 of 100"],
  ["the row of down is not there", [mask(1, "down", 64)], "neuron 64 of 64"],
  ["neurons descend", [mask(1, "gate", 5, 4)], "4 follows 5"],
  ["a neuron is repeated", [mask(1, "gate", 5, 5)], "5 follows 5"],
  ["a layer and site occur twice", [mask(1, "gate", 5), mask(1, "gate", 6)], "twice"],
];

for (const [when, masks, message] of wrongMasks) {
  Deno.test(`writePrunedCheckpoint() throws and writes nothing when ${when}`, async () => {
    await withFolder({}, async (folder) => {
      const write = () => writePrunedCheckpoint(goldenFolder("llama_tied_f32"), join(folder, "t"), masks);
      await assertRejects(write, RangeError, message);
      assertEquals(await readdir(folder), []);
    });
  });
}

Deno.test("writePrunedCheckpoint() throws and writes nothing when the disk has too little room", async () => {
  await withFolder({}, async (folder) => {
    const source = await copyOf("llama_tied_f32", folder);
    // A file of holes: it has that size, and takes no room itself.
    await writeFile(join(source, "notes.txt"), "");
    await truncate(join(source, "notes.txt"), 8 * 2 ** 40);
    const write = () => writePrunedCheckpoint(source, join(folder, "t"), [mask(0, "gate", 0)]);
    await assertRejects(write, RangeError, "bytes free");
    assertEquals(await readdir(folder), ["source"]);
  });
});

Deno.test("writePrunedCheckpoint() refuses a target that exists, until told to overwrite a checkpoint", async () => {
  await withFolder({}, async (folder) => {
    const source = goldenFolder("llama_tied_f32");
    const target = join(folder, "t");
    await writePrunedCheckpoint(source, target, [mask(0, "gate", 0)]);
    const first = await snapshot(target);
    await assertRejects(() => writePrunedCheckpoint(source, target, [mask(0, "gate", 1)]), RangeError, "it exists");
    assertEquals(await snapshot(target), first);
    await writePrunedCheckpoint(source, target, [mask(0, "gate", 1)], { overwrite: true });
    assert((await snapshot(target)).get("model.safetensors") !== first.get("model.safetensors"));
    assertEquals(await readdir(folder), ["t"]);
    await mkdir(join(folder, "home"));
    await writeFile(join(folder, "home", "letter.txt"), "dear");
    const overwriteHome = () => writePrunedCheckpoint(source, join(folder, "home"), [], { overwrite: true });
    await assertRejects(overwriteHome, RangeError, "it has no config.json");
    assertEquals(await readdir(join(folder, "home")), ["letter.txt"]);
  });
});

Deno.test("writePrunedCheckpoint() refuses a target that is the source, inside it or around it", async () => {
  await withFolder({}, async (folder) => {
    const source = await copyOf("llama_tied_f32", folder);
    await symlink(source, join(folder, "alias"));
    const before = await snapshot(folder);
    for (
      const target of [source, join(source, "pruned"), folder, join(folder, "alias"), join(folder, "alias", "x", "y")]
    ) {
      const write = () => writePrunedCheckpoint(source, target, [], { overwrite: true });
      const { message } = await assertRejects(write, OptionError, "Cannot write ");
      assertMatch(message, /: it is (?:the folder of the model itself|inside or around the source )/);
    }
    assertEquals(await snapshot(folder), before);
    await writePrunedCheckpoint(source, join(folder, "source-pruned"), []);
  });
});

Deno.test("writePrunedCheckpoint() leaves nothing behind when it is stopped after any piece", async () => {
  await withFolder({}, async (folder) => {
    const source = goldenFolder("llama_sharded_bf16");
    let pieces = 0;
    await writePrunedCheckpoint(source, join(folder, "whole"), [mask(0, "gate", 0)], {
      onProgress({ bytesDone, bytesTotal }) {
        pieces++;
        assert(bytesDone <= bytesTotal);
      },
    });
    assert(pieces > 8, `${pieces} pieces`);
    for (let stop = 1; stop < pieces; stop++) {
      const abort = new AbortController();
      let done = 0;
      const write = () =>
        writePrunedCheckpoint(source, join(folder, "stopped"), [mask(0, "gate", 0)], {
          signal: abort.signal,
          onProgress: () => ++done === stop && abort.abort(new Error("stopped by the test")),
        });
      await assertRejects(write, Error, "stopped by the test");
      assertEquals(await readdir(folder), ["whole"]);
    }
  });
});

Deno.test("writePrunedCheckpoint() leaves no target, or the older one, when the process is killed", async () => {
  await withFolder({}, async (folder) => {
    const source = goldenFolder("llama_sharded_bf16");
    const [fresh, older] = [join(folder, "fresh"), join(folder, "older")];
    await writePrunedCheckpoint(source, older, [mask(0, "gate", 0)]);
    const before = await snapshot(older);
    const killAfter = async (pieces: number, target: string) => {
      const module = JSON.stringify(new URL("../../src/checkpoint/prune_checkpoint.ts", import.meta.url).href);
      const code = `
        import { writePrunedCheckpoint } from ${module};
        import process from "node:process";
        let done = 0;
        await writePrunedCheckpoint(${JSON.stringify(source)}, ${JSON.stringify(target)}, [
          { layer: 1, site: "gate", neurons: Uint32Array.of(1) },
        ], { overwrite: true, onProgress: () => { if (++done === ${pieces}) process.kill(process.pid, "SIGKILL"); } });`;
      const { signal } = await new Deno.Command(Deno.execPath(), { args: ["eval", code] }).output();
      assertEquals(signal, "SIGKILL");
    };
    await killAfter(3, fresh);
    await killAfter(9, fresh);
    await killAfter(9, older);
    const names = (await readdir(folder)).filter((name) => !name.startsWith("."));
    assertEquals(names, ["older"]);
    assertEquals(await snapshot(older), before);
    assertEquals((await removeLeftovers(folder)).length, 3);
    await writePrunedCheckpoint(source, fresh, [mask(0, "gate", 0)]);
    assertEquals(await snapshot(fresh), before);
    assertEquals((await readdir(folder)).sort(), ["fresh", "older"]);
  });
});

Deno.test("writePrunedCheckpoint() throws and leaves nothing when a file of the source is damaged", async () => {
  await withFolder({}, async (folder) => {
    const source = await copyOf("llama_sharded_bf16", folder);
    const shard = join(source, "model-00003-of-00003.safetensors");
    await writeFile(shard, (await bytesOf(shard)).subarray(0, -1));
    await assertRejects(() => writePrunedCheckpoint(source, join(folder, "t"), []), SyntaxError, "00003-of-00003");
    await rename(shard, join(folder, "x"));
    await assertRejects(() => writePrunedCheckpoint(source, join(folder, "t"), []), RangeError, "00003-of-00003");
    assertEquals((await readdir(folder)).sort(), ["source", "x"]);
  });
});
