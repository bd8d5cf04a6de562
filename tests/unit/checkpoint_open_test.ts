import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { cp, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource } from "../../src/checkpoint/byte_source.ts";
import type { WeightRef } from "../../src/checkpoint/model_config.ts";
import { openCheckpoint } from "../../src/checkpoint/open.ts";
import { openCheckpointFrom, parseIndex } from "../../src/checkpoint/open_from.ts";
import { encodeSafetensors, type NewTensor, readSafetensorsHeader } from "../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../src/checkpoint/memory_source.ts";
import { openFileSource } from "../../src/checkpoint/sources.ts";
import { GOLDEN_NAMES, goldenFolder, type GoldenName, loadGolden } from "../support/golden.ts";
import { withFolder } from "../support/temporary_folder.ts";

for (const name of GOLDEN_NAMES) {
  Deno.test(`openCheckpoint() gives the embedding rows that enter layer 0 when the model is ${name}`, async () => {
    const golden = await loadGolden(name);
    const checkpoint = await openCheckpoint(golden.folder);
    try {
      const { width, embedding, multipliers } = checkpoint.config;
      const rows = await checkpoint.readF32(embedding);
      const { data } = golden.tensor("hidden_in");
      golden.prompts[golden.detailPrompt].forEach((token, position) => {
        const row = rows.slice(token * width, (token + 1) * width);
        assertEquals(
          Float64Array.from(row, (value) => value * multipliers.embedding),
          data.slice(position * width, (position + 1) * width),
        );
      });
      assertEquals(checkpoint.typeOf(embedding), name.split("_").at(-1)!.toUpperCase());
    } finally {
      await checkpoint.close();
    }
  });
}

/** The tensors of a golden checkpoint, its configuration, and a way to open a changed copy. */
async function parts(name: GoldenName) {
  const folder = goldenFolder(name);
  const source = memorySource(name, new Uint8Array(readFileSync(`${folder}/model.safetensors`)));
  const tensors = new Map<string, NewTensor>();
  for (const entry of (await readSafetensorsHeader(source)).tensors.values()) {
    const data = new Uint8Array(entry.byteLength);
    await source.readInto(entry.byteOffset, data);
    tensors.set(entry.name, { name: entry.name, dtype: entry.dtype, shape: entry.shape, data });
  }
  const config = JSON.parse(readFileSync(`${folder}/config.json`, "utf8"));
  return { tensors, config };
}

function encode(name: string, tensors: Iterable<NewTensor>): ByteSource {
  return memorySource(name, Buffer.concat(encodeSafetensors([...tensors])));
}

/** Opens tensors in memory: one file, or with an index several. */
function open(config: unknown, files: Record<string, Iterable<NewTensor>>, weightMap?: Record<string, string>) {
  return openCheckpointFrom({
    location: "memory",
    config: JSON.stringify(config),
    index: weightMap && JSON.stringify({ metadata: { total_size: 0 }, weight_map: weightMap }),
    files: new Map(Object.entries(files).map(([name, tensors]) => [name, encode(name, tensors)])),
  });
}

const gate = "model.layers.1.mlp.gate_proj.weight";

Deno.test("openCheckpointFrom() throws when a tensor is missing", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  tensors.delete(gate);
  await assertRejects(() => open(config, { "model.safetensors": tensors.values() }), RangeError, `missing: ${gate}`);
});

Deno.test("openCheckpointFrom() throws when a tensor has another shape, and gives both", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  tensors.set(gate, { ...tensors.get(gate)!, shape: [64, 100] });
  const message = `${gate} has shape [64,100], its configuration says [100,64]`;
  await assertRejects(() => open(config, { "model.safetensors": tensors.values() }), RangeError, message);
});

Deno.test("openCheckpointFrom() throws when a vector is stored as a matrix", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  const norm = tensors.get("model.norm.weight")!;
  tensors.set(norm.name, { ...norm, shape: [64, 1] });
  await assertRejects(() => open(config, { "model.safetensors": tensors.values() }), RangeError, "has shape [64,1]");
});

Deno.test("openCheckpointFrom() throws when a tensor has a type that is not computed with", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  tensors.set(gate, { ...tensors.get(gate)!, dtype: "I32" });
  await assertRejects(
    () => open(config, { "model.safetensors": tensors.values() }),
    RangeError,
    "has type I32, expected F32",
  );
});

Deno.test("openCheckpointFrom() throws when a tensor has no use in the model", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  const name = "model.layers.0.self_attn.q_proj.bias";
  tensors.set(name, { name, dtype: "F32", shape: [64], data: new Float32Array(64) });
  await assertRejects(() => open(config, { "model.safetensors": tensors.values() }), RangeError, name);
});

Deno.test("openCheckpointFrom() leaves rotary frequencies aside when an early checkpoint stores them", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  const name = "model.layers.2.self_attn.rotary_emb.inv_freq";
  tensors.set(name, { name, dtype: "F64", shape: [8], data: new Float64Array(8) });
  const checkpoint = await open(config, { "model.safetensors": tensors.values() });
  assert(!checkpoint.tensors.has(name));
  assertEquals(checkpoint.tensors.size, 2 + 3 * 9);
  tensors.set("rotary_emb.inv_freq", { ...tensors.get(name)!, name: "rotary_emb.inv_freq" });
  await assertRejects(() => open(config, { "model.safetensors": tensors.values() }), RangeError, "no use");
});

Deno.test("openCheckpointFrom() accepts a repeated head when tied only if it equals the embedding", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  const embedding = tensors.get("model.embed_tokens.weight")!;
  const data = (embedding.data as Uint8Array).slice();
  tensors.set("lm_head.weight", { ...embedding, name: "lm_head.weight", data });
  const checkpoint = await open(config, { "model.safetensors": tensors.values() });
  assertEquals(checkpoint.config.head.name, "model.embed_tokens.weight");
  data[data.length - 1] ^= 1;
  await assertRejects(
    () => open(config, { "model.safetensors": tensors.values() }),
    RangeError,
    "lm_head.weight differs from model.embed_tokens.weight",
  );
});

Deno.test("openCheckpointFrom() opens shards, and throws when the index and they disagree", async () => {
  const { tensors, config } = await parts("llama_tied_f32");
  const [a, b] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const inFirst = (name: string) => name.includes("layers.0");
  const first = [...tensors.values()].filter(({ name }) => inFirst(name));
  const second = [...tensors.values()].filter(({ name }) => !inFirst(name));
  const map = Object.fromEntries([...tensors.keys()].map((name) => [name, inFirst(name) ? a : b]));
  const checkpoint = await open(config, { [a]: first, [b]: second }, map);
  assertEquals(checkpoint.tensors.get("model.layers.0.mlp.up_proj.weight")?.file, a);
  assertEquals(checkpoint.tensors.get("model.layers.1.mlp.up_proj.weight")?.file, b);

  const moved = { ...map, [gate]: a };
  await assertRejects(() => open(config, { [a]: first, [b]: second }, moved), RangeError, `not there: ${gate} in ${a}`);
  const { [gate]: _, ...less } = map;
  await assertRejects(() => open(config, { [a]: first, [b]: second }, less), RangeError, `does not list: ${gate}`);
  const twice = [...second, first[0]];
  await assertRejects(
    () => open(config, { [a]: first, [b]: twice }, map),
    RangeError,
    `tensor ${first[0].name} is in ${a} and in ${b}`,
  );
});

Deno.test("parseIndex() throws when a file is not a safetensors file beside the index", () => {
  for (
    const file of [
      "../x.safetensors",
      "/etc/x.safetensors",
      "a\\x.safetensors",
      "sub/x.safetensors",
      "x.bin",
      "..",
      "",
      7,
    ]
  ) {
    const text = JSON.stringify({ weight_map: { t: file } });
    assertThrows(() => parseIndex("index", text), SyntaxError, `tensor t is in ${JSON.stringify(file)}`);
  }
  assertThrows(() => parseIndex("index", "{}"), SyntaxError, "weight_map");
  assertThrows(
    () => parseIndex("index", '{"weight_map":{"t":"a.safetensors","t":"b.safetensors"}}'),
    SyntaxError,
    "twice",
  );
});

Deno.test("readRows() gives the rows of a fused weight when they are asked for one by one", async () => {
  const checkpoint = await openCheckpoint(goldenFolder("phi3_bf16"));
  try {
    const { gate, up, down } = checkpoint.config.layerWeights[1];
    const fused: WeightRef = { ...gate, rows: gate.rows + up.rows };
    const all = await checkpoint.readF32(fused);
    assertEquals(await checkpoint.readF32(gate), all.slice(0, gate.rows * gate.columns));
    assertEquals(await checkpoint.readF32(up), all.slice(gate.rows * gate.columns));
    const whole = new Uint8Array(up.rows * up.columns * 2);
    await checkpoint.readRows(up, 0, up.rows, whole);
    const joined = new Uint8Array(whole.length);
    await Promise.all(Array.from({ length: up.rows }, (_, row) => {
      const bytes = up.columns * 2;
      return checkpoint.readRows(up, row, 1, joined.subarray(row * bytes, (row + 1) * bytes));
    }));
    assertEquals(joined, whole);
    assertEquals((await checkpoint.readF32(down)).length, 72 * 109);
  } finally {
    await checkpoint.close();
  }
});

Deno.test("readRows() throws when rows, target or reference do not fit", async () => {
  const checkpoint = await openCheckpoint(goldenFolder("phi3_bf16"));
  try {
    const { gate } = checkpoint.config.layerWeights[0];
    const read = (ref: WeightRef, start: number, count: number, bytes = count * ref.columns * 2) => () =>
      checkpoint.readRows(ref, start, count, new Uint8Array(bytes));
    await assertRejects(read(gate, 109, 1), RangeError, "it has 109 rows");
    await assertRejects(read(gate, -1, 1), RangeError, "row -1");
    await assertRejects(read(gate, 0.5, 1), RangeError, "row 0.5");
    await assertRejects(read(gate, 0, 1, 143), RangeError, "into 143 bytes: expected 144");
    await assertRejects(read({ ...gate, columns: 36 }, 0, 1), RangeError, "36 columns");
    await assertRejects(read({ ...gate, rowStart: 110 }, 0, 1), RangeError, "rows 110 to 219");
    await assertRejects(read({ ...gate, name: "nothing" }, 0, 1), RangeError, "nothing");
    assertThrows(() => checkpoint.typeOf({ ...gate, name: "nothing" }), RangeError, "nothing");
  } finally {
    await checkpoint.close();
  }
});

Deno.test("openCheckpoint() says what it expected when the folder has no checkpoint", async () => {
  await withFolder({}, async (folder) => {
    await assertRejects(() => openCheckpoint(join(folder, "absent")), RangeError, "absent: there is no such folder");
    await writeFile(join(folder, "file"), "x");
    await assertRejects(() => openCheckpoint(join(folder, "file")), RangeError, "file: it is no folder, expected one");
    await assertRejects(() => openCheckpoint(folder), RangeError, "it has no config.json, expected a model as ");
    await cp(join(goldenFolder("llama_sharded_bf16"), "config.json"), join(folder, "config.json"));
    await assertRejects(
      () => openCheckpoint(folder),
      RangeError,
      "expected model.safetensors or model.safetensors.index.json",
    );
    await writeFile(join(folder, "pytorch_model.bin"), "x");
    await assertRejects(() => openCheckpoint(folder), RangeError, "pytorch_model.bin cannot be read");
    await cp(goldenFolder("llama_sharded_bf16"), folder, { recursive: true });
    await rename(join(folder, "model-00002-of-00003.safetensors"), join(folder, "x"));
    await assertRejects(
      () => openCheckpoint(folder),
      RangeError,
      "its file model-00002-of-00003.safetensors is missing",
    );
  });
});

Deno.test("openFileSource() serves concurrent reads, refuses ranges outside, and notices a file cut short", async () => {
  await withFolder({}, async (folder) => {
    const path = join(folder, "x");
    const words = Uint32Array.from({ length: 50_000 }, (_, i) => i);
    await writeFile(path, new Uint8Array(words.buffer));
    const source = await openFileSource(path);
    await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const target = new Uint32Array(16);
      await source.readInto(i * 997, new Uint8Array(target.buffer));
      if (i % 4 === 0) assertEquals([...target], Array.from({ length: 16 }, (_, k) => i * 997 / 4 + k));
    }));
    await assertRejects(() => source.readInto(200_000 - 3, new Uint8Array(4)), RangeError, "it has 200000 bytes");
    await assertRejects(() => source.readInto(-1, new Uint8Array(1)), RangeError, "at -1");
    await assertRejects(() => source.readInto(0.5, new Uint8Array(1)), RangeError, "at 0.5");
    await writeFile(path, "short");
    await assertRejects(() => source.readInto(100_000, new Uint8Array(4)), RangeError, "became shorter");
    await source.close();
    await assertRejects(() => source.readInto(0, new Uint8Array(1)));
    await assertRejects(() => openFileSource(folder));
  });
});

Deno.test("memorySource() refuses ranges outside the bytes", async () => {
  const source = memorySource("m", Uint8Array.of(1, 2, 3));
  const target = new Uint8Array(2);
  await source.readInto(1, target);
  assertEquals([...target], [2, 3]);
  await assertRejects(() => source.readInto(2, target), RangeError, "2 bytes at 2 of m");
});
