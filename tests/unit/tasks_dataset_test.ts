import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { symlink, truncate } from "node:fs/promises";
import { join } from "node:path";
import { readSplit, type Split } from "../../src/tasks/dataset.ts";
import { parseDelimited } from "../../src/tasks/delimited.ts";
import { withFolder } from "../support/temporary_folder.ts";

function read(name: string, content: string | Uint8Array): Promise<Split> {
  return withFolder({ [name]: content }, (folder) => readSplit("test", [join(folder, name)]));
}

const cells = (split: Split) => split.rows.map((row) => row.values);

Deno.test("readSplit() numbers rows and names their lines when a JSONL file has blank lines and a BOM", async () => {
  const split = await read("rows.jsonl", '\ufeff{"a": 1}\n\n{"a": 2, "b": "x"}\r\n');
  assertEquals(cells(split), [{ a: 1 }, { a: 2, b: "x" }]);
  assertEquals(split.rows.map((row) => row.id), ["test/0", "test/1"]);
  assertEquals(split.rows.map((row) => row.place.replace(/.*\//, "")), ["rows.jsonl, line 1", "rows.jsonl, line 3"]);
  assertEquals([...split.columns], ["a", "b"]);
});

Deno.test("readSplit() reads a .json file when it is a list and when it is lines", async () => {
  assertEquals(cells(await read("rows.json", '[{"a": 1},\n {"a": 2}]')), [{ a: 1 }, { a: 2 }]);
  assertEquals(cells(await read("rows.json", '{"a": 1}\n{"a": 2}\n')), [{ a: 1 }, { a: 2 }]);
});

Deno.test("readSplit() joins files in order when a split has several", async () => {
  const split = await withFolder({ "a.jsonl": '{"a": 1}\n{"a": 2}', "b.csv": "a\n3\n" }, (folder) => {
    return readSplit("train", [join(folder, "a.jsonl"), join(folder, "b.csv")]);
  });
  assertEquals(split.rows.map((row) => [row.id, row.values.a]), [["train/0", 1], ["train/1", 2], ["train/2", 3]]);
});

Deno.test("readSplit() makes numbers of a table's column only when all its cells are integers", async () => {
  const csv = 'text,label,code\n"a, ""b""\nc",0,007\nd,-1,7\n';
  assertEquals(cells(await read("rows.csv", csv)), [
    { text: 'a, "b"\nc', label: 0, code: "007" },
    { text: "d", label: -1, code: "7" },
  ]);
  assertEquals(cells(await read("rows.tsv", "a\tb\n1,5\t\n")), [{ a: "1,5", b: "" }]);
});

Deno.test("readSplit() reads a column of integers as numbers when cells are empty, and leaves those empty", async () => {
  const csv = "text,label,none\na,1,\nb,,\n3,0,\n";
  assertEquals(cells(await read("rows.csv", csv)), [
    { text: "a", label: 1, none: "" },
    { text: "b", label: "", none: "" },
    { text: "3", label: 0, none: "" },
  ]);
});

Deno.test("parseDelimited() names the line of each record when fields contain newlines", () => {
  assertEquals(parseDelimited('a,"b\n\nc"\r\n\r\nd,\n"",e', ","), [
    { fields: ["a", "b\n\nc"], line: 1 },
    { fields: ["d", ""], line: 5 },
    { fields: ["", "e"], line: 6 },
  ]);
  assertThrows(() => parseDelimited('a\n"b', ","), SyntaxError, "the quote opened in line 2 is not closed");
  assertThrows(() => parseDelimited('"a"b', ","), SyntaxError, 'line 1 has "b" after a closing quote');
});

const malformed: readonly [string, string, string | Uint8Array, string][] = [
  ["a line is no JSON", "r.jsonl", '{"a": 1}\n{"a": }\n', "r.jsonl, line 2"],
  ["a line is cut off", "r.jsonl", '{"a": 1}\n{"a": "x', "line 2: Unterminated string in JSON, column 9"],
  ["a line is a list", "r.jsonl", "[1]\n", "line 1: [1] is a list, expected a JSON object"],
  ["a line is a number", "r.jsonl", "7\n", "line 1: 7 is an integer"],
  ["a number is NaN", "r.jsonl", '{"a": NaN}\n', "line 1"],
  ["a list holds text", "r.json", '[{"a": 1}, "b"]', 'row 1: "b" is text'],
  ["a list is not closed", "r.json", '[{"a": 1}', "r.json"],
  ["an object spans several lines", "r.json", '{\n"a": 1\n}', "r.json, line 1"],
  ["the file is empty", "r.jsonl", "", 'split "test": no rows in'],
  ["a table has only its header", "r.csv", "a,b\n", "no rows"],
  ["a record is too short", "r.csv", "a,b\n1,2\n3\n", "line 3: 1 fields, expected 2"],
  ["two columns have one name", "r.csv", "a,a\n1,2\n", 'two columns are named "a"'],
  ["a quote is not closed", "r.tsv", 'a\n"b\n', "line 2 is not closed"],
  ["the bytes are no UTF-8", "r.jsonl", Uint8Array.of(0x7b, 0xff, 0x7d), "expected UTF-8"],
  [
    "the ending is unknown",
    "r.arrow",
    "ARROW1",
    ".arrow is not supported, expected .jsonl, .json, .csv, .tsv or .parquet",
  ],
  ["it is no Parquet", "r.parquet", "PAR1", "r.parquet as Parquet: it is too short"],
  ["it is compressed", "r.jsonl", Uint8Array.of(0x1f, 0x8b, 8, 0), "compressed with gzip"],
  ["it is UTF-16", "r.csv", Uint8Array.of(0xff, 0xfe, 0x61, 0), "expected UTF-8"],
  ["brackets are nested too deep", "r.json", "[".repeat(200_000), "r.json: "],
  ["there is no ending", "rows", "x", "a name without an ending"],
];

for (const [what, name, content, expected] of malformed) {
  Deno.test(`readSplit() says where when ${what}`, async () => {
    const error = await assertRejects(() => read(name, content), Error);
    assertStringIncludes(error.message, expected);
  });
}

Deno.test("readSplit() throws when the file is missing or a folder", async () => {
  await withFolder({ "folder.jsonl/x": "" }, async (folder) => {
    await assertRejects(() => readSplit("t", [join(folder, "none.jsonl")]), RangeError, "(ENOENT)");
    await assertRejects(() => readSplit("t", [join(folder, "folder.jsonl")]), RangeError, "expected a regular file");
  });
});

Deno.test("readSplit() refuses what never ends or is too large before it reads it", async () => {
  await withFolder({ "large.jsonl": "" }, async (folder) => {
    const large = join(folder, "large.jsonl");
    await truncate(large, 600_000_000);
    await assertRejects(
      () => readSplit("t", [large]),
      RangeError,
      "it has 600000000 bytes, expected at most 500000000",
    );
    if (Deno.build.os === "windows") return;
    const pipe = join(folder, "pipe.jsonl");
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    await assertRejects(() => readSplit("t", [pipe]), RangeError, "expected a regular file");
    await symlink("/dev/zero", join(folder, "zero.csv"));
    await assertRejects(() => readSplit("t", [join(folder, "zero.csv")]), RangeError, "expected a regular file");
  });
});

Deno.test("readSplit() keeps the digits of integers that no number can hold", async () => {
  const rows =
    '{"id": 12345678901234567890, "small": -7, "float": 1e300, "text": "98765432109876543210", "list": [-9007199254740993]}';
  assertEquals(cells(await read("rows.jsonl", rows)), [{
    id: "12345678901234567890",
    small: -7,
    float: 1e300,
    text: "98765432109876543210",
    list: ["-9007199254740993"],
  }]);
});
