import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  encodeSafetensors,
  encodeSafetensorsHeader,
  LONGEST_HEADER,
  type NewTensor,
  readSafetensorsHeader,
  readTensorBytes,
  readTensorF64,
  writeSafetensors,
} from "../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../src/checkpoint/sources.ts";
import { loadGolden } from "../support/golden.ts";
import { withFolder } from "../support/temporary_folder.ts";

/** Copies pieces into one array. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** A file with this header text and this many zero bytes of data. */
function file(header: string | Uint8Array, dataSize: number, claimed?: bigint): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataSize);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

function read(bytes: Uint8Array) {
  return readSafetensorsHeader(memorySource("hostile.safetensors", bytes));
}

/** Header text of tensors given as `name: [dtype, shape, begin, end]`. */
function header(tensors: Record<string, [string, unknown, unknown, unknown]>): string {
  return JSON.stringify(Object.fromEntries(
    Object.entries(tensors).map((
      [name, [dtype, shape, begin, end]],
    ) => [name, { dtype, shape, data_offsets: [begin, end] }]),
  ));
}

const attacks: readonly [name: string, bytes: Uint8Array, message: string][] = [
  ["the file is empty", new Uint8Array(0), "it has 0 bytes"],
  ["the file is shorter than the length field", new Uint8Array(7), "it has 7 bytes"],
  ["the header is empty", file("", 0), "does not start with {"],
  ["the header claims more than the file", file("{}", 0, 3n), "claims 3 bytes of the 10"],
  ["the header claims more than is accepted", file("{}", 0, BigInt(LONGEST_HEADER) + 1n), "at most 100000000"],
  ["the header claims 2^64 - 1 bytes", file("{}", 0, 2n ** 64n - 1n), "at most 100000000"],
  ["the header starts with a space", file(" {}", 0), "does not start with {"],
  ["the header starts with a byte order mark", file("\ufeff{}", 0), "does not start with {"],
  ["the header is a list", file("[]", 0), "does not start with {"],
  ["the header ends in a line break", file("{}\n", 0), "does not end with }"],
  ["the header ends in NUL bytes", file("{}\0\0", 0), "does not end with }"],
  ["the header is cut off", file('{"a":', 0), "does not end with }"],
  ["the header is not JSON", file("{a}", 0), "Cannot parse the header"],
  ["the header holds two objects", file("{}{}", 0), "Cannot parse the header"],
  ["the header is not UTF-8", file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 0), "Cannot parse"],
  [
    "a tensor name occurs twice",
    file(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ),
    '"a" occurs twice',
  ],
  [
    "a tensor name occurs twice in different spelling",
    file(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ),
    '"a" occurs twice',
  ],
  [
    "a field of a tensor occurs twice",
    file('{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}', 1),
    '"shape" occurs twice',
  ],
  ["a metadata key occurs twice", file('{"__metadata__":{"k":"1","k":"2"}}', 0), '"k" occurs twice'],
  ["metadata is a list", file('{"__metadata__":["a"]}', 0), "__metadata__ is not an object"],
  ["metadata is null", file('{"__metadata__":null}', 0), "__metadata__ is not an object"],
  ["a metadata value is a number", file('{"__metadata__":{"k":1}}', 0), '"k" is not a string'],
  ["a metadata value is an object", file('{"__metadata__":{"k":{}}}', 0), '"k" is not a string'],
  ["a tensor is a number", file('{"a":1}', 0), '"a" is not an object'],
  ["a tensor is null", file('{"a":null}', 0), '"a" is not an object'],
  [
    "a tensor has a field too many",
    file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}', 0),
    'field "x"',
  ],
  [
    "a tensor has a field __proto__",
    file('{"a":{"__proto__":{"dtype":"U8"},"shape":[0],"data_offsets":[0,0]}}', 0),
    'field "__proto__"',
  ],
  ["a tensor has no dtype", file('{"a":{"shape":[0],"data_offsets":[0,0]}}', 0), "has no dtype"],
  ["a tensor has no shape", file('{"a":{"dtype":"U8","data_offsets":[0,0]}}', 0), "has shape undefined"],
  ["a tensor has no offsets", file('{"a":{"dtype":"U8","shape":[0]}}', 0), "has data_offsets undefined"],
  ["a length is negative", file(header({ a: ["U8", [-1], 0, 1] }), 1), "has shape [-1]"],
  ["a length is a fraction", file(header({ a: ["U8", [0.5], 0, 1] }), 1), "has shape [0.5]"],
  ["a length is a string", file(header({ a: ["U8", ["1"], 0, 1] }), 1), 'has shape ["1"]'],
  ["a length is beyond 2^53", file(header({ a: ["U8", [2 ** 53], 0, 1] }), 1), "expected whole numbers"],
  ["a shape is a number", file(header({ a: ["U8", 1, 0, 1] }), 1), "has shape 1"],
  ["a shape overflows to its byte count", file(header({ a: ["U8", [2 ** 32, 2 ** 32], 0, 0] }), 0), "below 2^53"],
  ["a shape overflows before a zero", file(header({ a: ["U8", [2 ** 32, 2 ** 32, 0], 0, 0] }), 0), "below 2^53"],
  ["a shape of an unknown type overflows", file(header({ a: ["X1", [2 ** 32, 2 ** 32], 0, 0] }), 0), "below 2^53"],
  ["the byte count overflows only through the type", file(header({ a: ["F64", [2 ** 50], 0, 0] }), 0), "below 2^53"],
  ["elements of 4 bits fill no whole byte", file(header({ a: ["F4", [3], 0, 2] }), 2), "no whole number of bytes"],
  ["an offset is negative", file(header({ a: ["U8", [1], -1, 0] }), 1), "has data_offsets [-1,0]"],
  ["an offset is a fraction", file(header({ a: ["U8", [1], 0, 1.5] }), 1), "has data_offsets [0,1.5]"],
  ["offsets descend", file(header({ a: ["U8", [1], 1, 0] }), 1), "two ascending whole numbers"],
  [
    "there are three offsets",
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}', 1),
    "two ascending whole numbers",
  ],
  [
    "a tensor ends beyond the file",
    file(header({ a: ["U8", [2], 0, 2] }), 1),
    "ends at byte 2 of the data, which has 1",
  ],
  ["a tensor has too few bytes", file(header({ a: ["F32", [1], 0, 3] }), 3), "has 3 bytes, expected 4"],
  ["a tensor has too many bytes", file(header({ a: ["F16", [1], 0, 3] }), 3), "has 3 bytes, expected 2"],
  ["a scalar has no bytes", file(header({ a: ["F32", [], 0, 0] }), 0), "has 0 bytes, expected 4"],
  [
    "two tensors share bytes",
    file(header({ a: ["U8", [2], 0, 2], b: ["U8", [2], 0, 2] }), 2),
    '"b" overlaps the tensor before it',
  ],
  [
    "two tensors share a byte",
    file(header({ a: ["U8", [2], 0, 2], b: ["U8", [2], 1, 3] }), 3),
    '"b" overlaps the tensor before it',
  ],
  [
    "there is a hole between tensors",
    file(header({ a: ["U8", [1], 0, 1], b: ["U8", [1], 2, 3] }), 3),
    '"b" leaves a hole before it',
  ],
  ["there is a hole before the first tensor", file(header({ a: ["U8", [1], 1, 2] }), 2), '"a" leaves a hole'],
  ["an empty tensor hangs in the air", file(header({ a: ["U8", [0], 1, 1] }), 1), '"a" leaves a hole'],
  ["bytes follow the last tensor", file(header({ a: ["U8", [1], 0, 1] }), 2), "its tensors end at byte"],
  ["bytes follow an empty header", file("{}", 1), "its tensors end at byte 10 and the file at 11"],
  [
    "a name is half a surrogate pair",
    file('{"\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', 0),
    "surrogate",
  ],
];

for (const [when, bytes, message] of attacks) {
  Deno.test(`readSafetensorsHeader() throws when ${when}`, async () => {
    await assertRejects(() => read(bytes), SyntaxError, message);
  });
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
