/** Parquet files written by pyarrow: every kind of cell, every codec, and files that are damaged. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSplit } from "../../src/tasks/dataset.ts";
import { readParquet } from "../../src/tasks/parquet.ts";
import { withFolder } from "../support/temporary_folder.ts";

const golden = (name: string) => fileURLToPath(new URL(`../golden/parquet/${name}.parquet`, import.meta.url));
const maxRows = 1000;

Deno.test("readParquet() gives each kind of cell as a value, and leaves out bytes that are no text", async () => {
  const [first, second, third] = await readParquet(golden("cells"), maxRows);
  assertEquals(first, {
    question: "Is ice cold?",
    label: 1,
    large: "9007199254740993",
    unsigned: "18446744073709551615",
    small: 7,
    share: 0.5,
    half: 0.25,
    flag: true,
    options: ["a", "b"],
    choices: { text: ["x", "y"], label: ["A", "B"] },
    turns: [{ role: "user", n: 1 }, { role: "bot", n: null }],
    grid: [[1, 2], []],
    kind: "p",
    day: "2020-02-29",
    moment: "2020-01-02 03:04:05",
    price: null,
    raw_text: "plain",
  });
  assertEquals([second.question, second.large, second.options, second.grid], ["Ünïcode 😀\n", 5, [], [[3]]]);
  assertEquals([second.day, second.moment, second.price], ["1969-12-31", "1969-12-31 23:59:59.500000", 1.25]);
  assertEquals([second.choices, second.kind], [{ text: [null], label: ["C"] }, "q"]);
  const { label, large, kind, price, ...rest } = third;
  assertEquals([label, large, kind, price], [-1, "-9223372036854775808", "p", 3]);
  assertEquals(new Set(Object.values(rest)), new Set([null]));
});

Deno.test("readParquet() reads the same rows whatever the codec and the version of the pages", async () => {
  for (const name of ["none", "snappy", "gzip", "brotli", "lz4", "zstd", "v2"]) {
    const rows = await readParquet(golden(`rows_${name}`), maxRows);
    assertEquals(rows.length, 300, name);
    rows.forEach((row, i) => {
      assertEquals(row, { question: `Question ${i}: ${"is it so? ".repeat(i % 5)}`, label: i % 2 }, `${name}, ${i}`);
    });
  }
});

Deno.test("readSplit() numbers Parquet rows and joins shards when a split has several", async () => {
  const split = await readSplit("train", [golden("rows_zstd"), golden("rows_v2")]);
  assertEquals([split.rows.length, [...split.columns]], [600, ["question", "label"]]);
  assertEquals(split.rows[301].id, "train/301");
  assertStringIncludes(split.rows[301].place, "rows_v2.parquet, row 1");
  await assertRejects(() => readSplit("train", [golden("empty")]), RangeError, "no rows in");
});

Deno.test("readParquet() reads empty lists in pages of both versions", async () => {
  const expected = Array.from({ length: 300 }, (_, i) => ["x", "y"].slice(0, i % 3));
  for (const name of ["lists_v1", "lists_v2"]) {
    assertEquals((await readParquet(golden(name), maxRows)).map(({ options }) => options), expected, name);
  }
});

Deno.test("readParquet() reads texts and numbers stored as differences when some or all are null", async () => {
  const expected = Array.from({ length: 40 }, (_, i) => {
    const text = `https://example.org/${Math.floor(i / 3)}/${i % 3}`;
    const full = { words: text, lengths: text, numbers: i * i };
    return Object.fromEntries(
      ["full", "some", "null"].flatMap((kind) =>
        Object.entries(full).map(([name, value]) => {
          const isNull = kind === "null" || kind === "some" && i % 3 === 1;
          return [`${kind}_${name}`, isNull ? null : value];
        })
      ),
    );
  });
  for (const name of ["deltas_v1", "deltas_v2"]) assertEquals(await readParquet(golden(name), maxRows), expected, name);
});

Deno.test("readParquet() reads what DuckDB writes, whose packed runs are padded to 256 values", async () => {
  const expected = Array.from({ length: 5 }, (_, i) => ({ label: i, question: i % 3 === 1 ? null : `q${i % 2}` }));
  assertEquals(await readParquet(golden("rows_duckdb"), maxRows), expected);
});

Deno.test("readParquet() throws when there are more rows than the limit", async () => {
  await assertRejects(() => readParquet(golden("rows_none"), 299), RangeError, "300 rows exceed the limit of 299");
});

/** Name, and what becomes of a good file's bytes. */
const damages: readonly [string, (bytes: Uint8Array) => Uint8Array][] = [
  ["nothing is there", () => new Uint8Array()],
  ["only the mark is there", (bytes) => bytes.slice(0, 4)],
  ["the end is missing", (bytes) => bytes.slice(0, -5)],
  ["the start is missing", (bytes) => bytes.slice(700)],
  ["the middle is missing", (bytes) => Uint8Array.of(...bytes.slice(0, 200), ...bytes.slice(600))],
  ["it is text", () => new TextEncoder().encode('{"question": "a", "label": 1}\n')],
  ["the footer is longer than the file", (bytes) => {
    const damaged = bytes.slice();
    new DataView(damaged.buffer).setUint32(bytes.length - 8, 0x7fffffff, true);
    return damaged;
  }],
  ["the footer is empty", (bytes) => {
    const damaged = bytes.slice();
    new DataView(damaged.buffer).setUint32(bytes.length - 8, 0, true);
    return damaged;
  }],
];

for (const [what, damage] of damages) {
  Deno.test(`readParquet() says that the file is damaged when ${what}`, async () => {
    const bytes = damage(await readFile(golden("rows_zstd")));
    await withFolder({ "rows.parquet": bytes }, async (folder) => {
      const error = await assertRejects(() => readParquet(join(folder, "rows.parquet"), maxRows), SyntaxError);
      assertStringIncludes(error.message, `Cannot read ${join(folder, "rows.parquet")} as Parquet: `);
    });
  });
}

Deno.test("readParquet() ends soon and keeps to its errors when single bytes are wrong", async () => {
  await withFolder({}, async (folder) => {
    const path = join(folder, "rows.parquet");
    let failures = 0;
    for (const name of ["rows_lz4", "rows_zstd", "rows_v2", "cells"]) {
      const good = await readFile(golden(name));
      for (let at = 0; at < good.length; at += 29) {
        const bytes = Uint8Array.from(good);
        bytes[at] ^= 0xff;
        await Deno.writeFile(path, bytes);
        // Wrong text stays unnoticed where the file has no checksums; what matters is that nothing else is thrown.
        await readParquet(path, maxRows).catch((error) => {
          assert(error instanceof SyntaxError || error instanceof RangeError, `${name}, byte ${at}: ${error}`);
          failures++;
        });
      }
    }
    assert(failures > 30, `${failures}`);
  });
});

Deno.test("readParquet() refuses a run that is longer than its page when a hostile file has one", async () => {
  // Byte 2280 is in the count of a run of definition levels: 255 makes it a thousand million.
  const bytes = Uint8Array.from(await readFile(golden("rows_lz4")));
  bytes[2280] ^= 255;
  await withFolder({ "rows.parquet": bytes }, async (folder) => {
    const error = await assertRejects(() => readParquet(join(folder, "rows.parquet"), maxRows), SyntaxError);
    assertStringIncludes(error.message, "a run of");
  });
});
