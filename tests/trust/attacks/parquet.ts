/** Attacks through Parquet pages: forged differences, missing levels, bombs, and what is no Parquet file. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readParquet } from "../../../src/tasks/parquet.ts";
import { withFolder } from "../../support/temporary_folder.ts";
import type { Attack } from "./attack.ts";

const golden = (name: string) =>
  readFile(fileURLToPath(new URL(`../../golden/parquet/${name}.parquet`, import.meta.url)));

function read(content: string | Uint8Array): Promise<unknown> {
  return withFolder({}, async (folder) => {
    await writeFile(join(folder, "rows.parquet"), content);
    return await readParquet(join(folder, "rows.parquet"), 1e7);
  });
}

/**
 * How differences of forty values begin: blocks of 128 values (two bytes) in 4 parts, 40 values. The first value, the
 * least difference and 4 widths in bits follow, each a byte here.
 */
const header = [0x80, 0x01, 4, 40];

/** The streams that begin so, in the order of the file; a text spelt by the one before has two. */
const streams = ["prefixes", "suffixes", "lengths", "numbers"] as const;

/** Reads columns of differences without compression after bytes were changed, `at` so many from a stream's start. */
async function readForged(stream: typeof streams[number], at: number, bytes: number[], version = 1): Promise<unknown> {
  const content = Uint8Array.from(await golden(`deltas_v${version}`));
  const starts = Array.from(content.keys()).filter((start) => header.every((byte, i) => content[start + i] === byte));
  content.set(bytes, starts[streams.indexOf(stream)] + at);
  return await read(content);
}

/** Blocks of 2^32 - 2 values, which are -2 in 32 bits, in one part; forty values from 0, each of 8 bits. */
const backwards = [0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 40, 0, 0, 8];

/** Name of the test, what is read, and what is said about it. */
const hostile: readonly [string, () => Promise<unknown>, Attack["error"], string][] = [
  ...streams.flatMap((stream) =>
    [1, 2].map((version): typeof hostile[number] => [
      `blocks of ${stream} go backwards in a page of version ${version}`,
      () => readForged(stream, 0, backwards, version),
      SyntaxError,
      "a block of 4294967294 differences in 1 parts",
    ])
  ),
  ["blocks are empty", () => readForged("numbers", 0, [0x80, 0]), SyntaxError, "a block of 0 differences in 4 parts"],
  ["blocks have no parts", () => readForged("numbers", 2, [0]), SyntaxError, "a block of 128 differences in 0 parts"],
  ["parts are uneven", () => readForged("lengths", 2, [3]), SyntaxError, "a block of 128 differences in 3 parts"],
  ["parts are short", () => readForged("numbers", 2, [8]), SyntaxError, "a block of 128 differences in 8 parts"],
  [
    "parts are many",
    () => readForged("numbers", 0, [0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x02, 40]),
    SyntaxError,
    "cut",
  ],
  ["differences are of fewer values", () => readForged("suffixes", 3, [39]), SyntaxError, "of 39 values, expected 40"],
  ["differences have 255 bits", () => readForged("lengths", 6, [255]), SyntaxError, "differences of 255 bits"],
  ["differences are cut off", () => readForged("numbers", 6, [64]), SyntaxError, "a block of differences is cut off"],
  [
    "a first value does not end",
    () => readForged("numbers", 4, new Array(12).fill(0xff)),
    SyntaxError,
    "a number of more than 10 bytes",
  ],
  // Six bytes before the numbers: the length of the levels, a number of four bytes.
  ["a page lacks its levels", () => readForged("numbers", -6, [0]), SyntaxError, "runs of 0 values, expected 40"],
  [
    "row groups are each below the limit, their texts together spelt to 1.5 GB by the text before",
    async () => read(await golden("bombs/spelt")),
    RangeError,
    "bytes of values that are spelt by the value before them exceed the limit",
  ],
  [
    "columns overlap, so that a part of the file would be read for each",
    async () => {
      const content = Uint8Array.from(await golden("bombs/spelt"));
      // In the footer, bytes without compression end in 90 7a; 16 80 02 are a column's 128 packed ones, d8 04 are 300.
      for (let at = content.length - 340; at < content.length; at++) {
        if ([0x90, 0x7a, 0x16, 0x80, 0x02].every((byte, i) => content[at + i] === byte)) content.set([0xd8, 4], at + 3);
      }
      return await read(content);
    },
    SyntaxError,
    "columns of 900 bytes in a file of 674",
  ],
  [
    "five thousand cells share a text of a million characters",
    async () => read(await golden("bombs/shared")),
    RangeError,
    "characters of all cells exceed the limit",
  ],
  [
    "a list of three hundred bytes has a hundred million nulls",
    async () => read(await golden("bombs/nulls")),
    RangeError,
    "cells exceed the limit",
  ],
  [
    "a text of a million characters is called a decimal",
    async () => {
      const content = Uint8Array.from(await golden("bombs/shared"));
      // The end of the name "a" in the schema, then the old kind of its text: 0 is UTF-8, 10 is a decimal.
      const at = content.findIndex((byte, i) => byte === 0x61 && content[i + 1] === 0x25 && content[i + 2] === 0);
      content[at + 2] = 10;
      return await read(content);
    },
    SyntaxError,
    "a page has 1000000 bytes of a value, expected at most 64",
  ],
  [
    "it is a pointer of Git LFS",
    () => read(`version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`),
    SyntaxError,
    "as Parquet: it is a pointer of Git LFS, not the file itself",
  ],
  [
    "it is a web page",
    () => read("<!doctype html><html><body>Not found</body></html>\n"),
    SyntaxError,
    "as Parquet: it is a web page",
  ],
  [
    "it is text",
    () => read("question,label\nIs it so?,1\n"),
    SyntaxError,
    "it is no Parquet file: it ends without PAR1",
  ],
  [
    "the download broke off",
    async () => read((await golden("rows_zstd")).subarray(0, 900)),
    SyntaxError,
    "it is cut off: it begins but does not end with PAR1",
  ],
];

export const parquetAttacks: readonly Attack[] = hostile.map(([when, attempt, error, message]) => ({
  name: `readParquet() throws when ${when}`,
  attempt,
  error,
  message,
}));
