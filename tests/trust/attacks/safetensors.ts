/** Attacks on the safetensors reader: files that break a rule of the format, or that two readers could read differently. */
import { LONGEST_HEADER, readSafetensorsHeader } from "../../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../../src/checkpoint/memory_source.ts";
import type { Attack } from "./attack.ts";

/** A file with this header text and this many zero bytes of data. */
export function file(header: string | Uint8Array, dataSize: number, claimed?: bigint): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataSize);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** Header text of tensors given as `name: [dtype, shape, begin, end]`. */
export function header(tensors: Record<string, [string, unknown, unknown, unknown]>): string {
  return JSON.stringify(Object.fromEntries(
    Object.entries(tensors).map((
      [name, [dtype, shape, begin, end]],
    ) => [name, { dtype, shape, data_offsets: [begin, end] }]),
  ));
}

const files: readonly [when: string, bytes: Uint8Array, message: string][] = [
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

export const safetensorsAttacks: readonly Attack[] = files.map(([when, bytes, message]) => ({
  name: `readSafetensorsHeader() throws when ${when}`,
  attempt: () => readSafetensorsHeader(memorySource("hostile.safetensors", bytes)),
  error: SyntaxError,
  message,
}));
