import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  encodeSafetensors,
  encodeSafetensorsHeader,
  type NewTensor,
  readSafetensorsHeader,
  readTensorBytes,
  readTensorF64,
} from "../../src/checkpoint/safetensors.ts";
import { writeSafetensors } from "../../src/checkpoint/write_safetensors.ts";
import { memorySource } from "../../src/checkpoint/memory_source.ts";
import { loadGolden } from "../support/golden.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { file, header } from "../trust/attacks/safetensors.ts";

/** Copies pieces into one array. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

function read(bytes: Uint8Array) {
  return readSafetensorsHeader(memorySource("hostile.safetensors", bytes));
}

Deno.test("readSafetensorsHeader() reads scalars, empty tensors, padding and an unsorted header", async () => {
  const text = header({ z: ["U8", [3], 4, 7], s: ["F32", [], 0, 4], e: ["I64", [5, 0], 4, 4] }) + "   ";
  const { tensors, metadata, dataOffset } = await read(file(text, 7));
  assertEquals(dataOffset, 8 + text.length);
  assertEquals(metadata.size, 0);
  assertEquals(
    [...tensors.values()].map((
      { name, shape, byteOffset, byteLength },
    ) => [name, [...shape], byteOffset - dataOffset, byteLength]),
    [["s", [], 0, 4], ["e", [5, 0], 4, 0], ["z", [3], 4, 3]],
  );
});

Deno.test("readSafetensorsHeader() passes an unknown type as information, and reading its values names it", async () => {
  const source = memorySource("odd.safetensors", file(header({ a: ["Q4_K", [2, 3], 0, 5] }), 5));
  const parsed = await readSafetensorsHeader(source);
  assertEquals(parsed.tensors.get("a")?.dtype, "Q4_K");
  await assertRejects(() => readTensorF64(source, parsed, "a"), RangeError, "Q4_K");
});

Deno.test("readSafetensorsHeader() finds no repeated name when braces, quotes and commas are inside strings", async () => {
  const metadata = { 'a"': '{"b":1,"b":2}', "a": "[", "b": '",{"' };
  const { metadata: read1 } = await read(encodeSafetensorsHeader([], Object.entries(metadata)));
  assertEquals(Object.fromEntries(read1), metadata);
});

Deno.test("readTensorBytes() throws when the range leaves the tensor", async () => {
  const source = memorySource("x", file(header({ a: ["U8", [2], 0, 2], b: ["U8", [2], 2, 4] }), 4));
  const entry = (await readSafetensorsHeader(source)).tensors.get("a")!;
  assertEquals((await readTensorBytes(source, entry, { offset: 1, length: 1 })).length, 1);
  await assertRejects(() => readTensorBytes(source, entry, { offset: 1, length: 2 }), RangeError, "2 bytes at 1");
});

/** Any tensor of a type with whole bytes. */
const tensorArbitrary = fc.tuple(
  fc.constantFrom(["U8", 1], ["F16", 2], ["BF16", 2], ["F32", 4], ["I64", 8], ["F64", 8]),
  fc.array(fc.nat(4), { maxLength: 3 }),
  fc.integer(),
).map(([[dtype, size], shape, seed]) => {
  const data = new Uint8Array(shape.reduce((product, length) => product * length, 1) * (size as number));
  data.forEach((_, i) => data[i] = seed + 31 * i);
  return { dtype: dtype as string, shape, data };
});

Deno.test("encodeSafetensors() gives what readSafetensorsHeader() reads, aligned, whatever the names and metadata", async () => {
  const name = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 12 }),
    fc.constantFrom("__proto__", "constructor", "0", "10", '"', "\\", "{"),
  ).filter((text) => text !== "__metadata__");
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, tensorArbitrary, { maxKeys: 6 }),
      fc.dictionary(name, fc.string({ unit: "grapheme" }), { maxKeys: 4 }),
      async (bodies, metadata) => {
        const tensors = Object.entries(bodies).map(([name, body]): NewTensor => ({ name, ...body }));
        const bytes = joined(encodeSafetensors(tensors, metadata));
        assertEquals(joined(encodeSafetensors(tensors.toReversed(), metadata)), bytes);
        const source = memorySource("round trip", bytes);
        const parsed = await readSafetensorsHeader(source);
        assertEquals(parsed.dataOffset % 8, 0);
        assertEquals(new Map(Object.entries(metadata)), new Map([...parsed.metadata]));
        assertEquals(parsed.tensors.size, tensors.length);
        for (const { name, dtype, shape, data } of tensors) {
          const entry = parsed.tensors.get(name)!;
          assertEquals([entry.dtype, [...entry.shape]], [dtype, [...shape]]);
          assertEquals(await readTensorBytes(source, entry), data as Uint8Array);
          const width = { U8: 1, F16: 2, BF16: 2, F32: 4 }[dtype] ?? 8;
          assertEquals(entry.byteOffset % width, 0);
        }
      },
    ),
    { seed: 1, numRuns: 150 },
  );
});

Deno.test("readSafetensorsHeader() never accepts a file of which any byte range is cut or added", async () => {
  const bytes = joined(encodeSafetensors([
    { name: "a", dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    { name: "b", dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) },
  ], { k: "v" }));
  await read(bytes);
  for (let length = 0; length < bytes.length; length++) {
    await assertRejects(() => read(bytes.slice(0, length)), SyntaxError);
  }
  await assertRejects(() => read(joined([bytes, new Uint8Array(1)])), SyntaxError);
});

Deno.test("readSafetensorsHeader() throws SyntaxError and nothing else when random bytes of a header change", async () => {
  const bytes = joined(
    encodeSafetensors([{ name: "a", dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }], { k: "v" }),
  );
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(bytes.length - 9), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      async (edits) => {
        const changed = bytes.slice();
        for (const [at, byte] of edits) changed[at] = byte;
        try {
          const { tensors } = await read(changed);
          for (const { byteOffset, byteLength } of tensors.values()) {
            if (byteOffset < 8 || byteOffset + byteLength > changed.length) throw new Error("tensor outside the file");
          }
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
          refused++;
        }
      },
    ),
    { seed: 2, numRuns: 400 },
  );
  if (refused === 0) throw new Error("no change was refused");
});

const unwritable: readonly [when: string, tensors: NewTensor[], message: string][] = [
  ["data is too short", [{ name: "a", dtype: "F32", shape: [2], data: new Uint8Array(4) }], "got 4 bytes, expected 8"],
  ["the type is unknown", [{ name: "a", dtype: "F33", shape: [1], data: new Uint8Array(4) }], "expected a known type"],
  [
    "a name is taken",
    [1, 2].map(() => ({ name: "a", dtype: "U8", shape: [1], data: new Uint8Array(1) })),
    "the name is taken",
  ],
  [
    "a name is that of the metadata",
    [{ name: "__metadata__", dtype: "U8", shape: [0], data: new Uint8Array(0) }],
    "taken",
  ],
];

for (const [when, tensors, message] of unwritable) {
  Deno.test(`encodeSafetensors() throws when ${when}`, () => {
    assertThrows(() => encodeSafetensors(tensors), RangeError, message);
  });
}

Deno.test("writeSafetensors() leaves one complete file, and the older one when it fails", async () => {
  await withFolder({}, async (folder) => {
    const path = join(folder, "scores.safetensors");
    await writeSafetensors(path, [{ name: "x", dtype: "F64", shape: [2], data: Float64Array.of(1.5, -2) }], {
      b: "2",
      a: "1",
    });
    const bytes = new Uint8Array(await readFile(path));
    const source = memorySource(path, bytes);
    const parsed = await readSafetensorsHeader(source);
    assertEquals([...parsed.metadata], [["a", "1"], ["b", "2"]]);
    assertEquals((await readTensorF64(source, parsed, "x")).data, Float64Array.of(1.5, -2));
    await assertRejects(() =>
      writeSafetensors(path, [{ name: "x", dtype: "F64", shape: [3], data: new Uint8Array(8) }])
    );
    assertEquals(new Uint8Array(await readFile(path)), bytes);
    assertEquals(await readdir(folder), ["scores.safetensors"]);
  });
});

Deno.test("readTensorF64() reads the golden file as its description says", async () => {
  const golden = await loadGolden("llama_tied_f32");
  assertEquals(golden.tensorNames.length, 25);
  const lengths = golden.tensor("prompt_len");
  assertEquals([...lengths.data], golden.prompts.map((prompt) => prompt.length));
  const { shape, data } = golden.tensor("prompt_ids");
  golden.prompts.forEach((prompt, row) => {
    const start = row * shape[1];
    assertEquals([...data.slice(start, start + prompt.length)], [...prompt]);
  });
  assertEquals(golden.tensor("ig_gate_all_exact").shape, [4, 3, 100]);
});

Deno.test("readSafetensorsHeader() says what a file is that a clone without Git LFS or a proxy has left", async () => {
  const pointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 2\n";
  for (
    const [text, says] of [
      [pointer, "it is a pointer of Git LFS, not the file itself: fetch that with `git lfs pull`"],
      ["<!DOCTYPE html><html>no entry</html>", "it is a web page, not a safetensors file"],
      ['{\n  "format": "secateur-plan"\n}', "it begins like JSON and is not a safetensors file"],
    ]
  ) {
    const source = memorySource("model.safetensors", new TextEncoder().encode(text));
    await assertRejects(() => readSafetensorsHeader(source), SyntaxError, `Cannot read model.safetensors: ${says}`);
  }
});
