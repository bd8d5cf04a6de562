/** Attacks through data: files that are damaged, never end or are not what they seem, folders and cards that mislead. */
import { mkdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadTask } from "../../../src/method/load_task.ts";
import { withFolder } from "../../support/temporary_folder.ts";
import type { Attack } from "./attack.ts";

const task = `
task: t
output_type: multiple_choice
dataset_path: org/none
training_split: train
test_split: test
doc_to_text: q
doc_to_choice: [a, b]
doc_to_target: label
`;

/** Reads all rows of a folder of data after something was done to it. */
function readAfter(prepare: (folder: string) => Promise<unknown>, name = ""): Promise<unknown> {
  return withFolder({ "task.yaml": task }, async (folder) => {
    const data = join(folder, "data");
    await mkdir(data);
    await prepare(data);
    const loaded = await loadTask(join(folder, "task.yaml"), { data: join(data, name) });
    return await loaded.requests(loaded.evaluationSplit);
  });
}

/** Reads a file with this content. */
function readBytes(name: string, content: string | Uint8Array): Promise<unknown> {
  return readAfter((folder) => writeFile(join(folder, name), content), name);
}

/** Reads a Parquet file to which something was done. */
async function readParquet(damage: (bytes: Uint8Array) => Uint8Array): Promise<unknown> {
  const golden = new URL("../../golden/parquet/rows_zstd.parquet", import.meta.url);
  return await readBytes("rows.parquet", damage(Uint8Array.from(await readFile(fileURLToPath(golden)))));
}

function withUint32(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  new DataView(bytes.buffer).setUint32(offset, value, true);
  return bytes;
}

/** Name of the test, what is read, and what is said about it. */
const hostile: readonly [string, () => Promise<unknown>, Attack["error"], string][] = [
  [
    "a line ends in the middle",
    () => readBytes("r.jsonl", '{"q":"a","label":0}\n{"q":"b'),
    SyntaxError,
    "r.jsonl, line 2: ",
  ],
  ["a line holds two objects", () => readBytes("r.jsonl", "{} {}\n"), SyntaxError, "r.jsonl, line 1: "],
  ["a number is Infinity", () => readBytes("r.jsonl", '{"q":Infinity}\n'), SyntaxError, "r.jsonl, line 1: "],
  ["a line is null", () => readBytes("r.jsonl", "null\n"), SyntaxError, "null is null, expected a JSON object"],
  ["a list holds numbers", () => readBytes("r.json", "[1, 2]"), SyntaxError, "row 0: 1 is an integer"],
  ["there is only a BOM", () => readBytes("r.jsonl", "\ufeff"), RangeError, "no rows in"],
  ["the text is UTF-16", () => readBytes("r.csv", Uint8Array.of(0xff, 0xfe, 0x71, 0)), SyntaxError, "expected UTF-8"],
  [
    "the text is compressed",
    () => readBytes("r.csv", Uint8Array.of(0x1f, 0x8b, 8)),
    SyntaxError,
    "compressed with gzip",
  ],
  [
    "a program is called a table",
    () => readBytes("r.tsv", "\x7fELF\x02\x01\0\0\n\t\t\n"),
    SyntaxError,
    "line 2: 3 fields",
  ],
  [
    "a quote is never closed",
    () => readBytes("r.csv", 'q,label\n"a,0\n' + "b,1\n".repeat(1e5)),
    SyntaxError,
    "line 2 is not closed",
  ],
  [
    "a table has a hundred thousand columns of one name",
    () => readBytes("r.csv", "q,".repeat(1e5) + "q\n"),
    SyntaxError,
    "two columns are named",
  ],
  [
    "a column is called __proto__",
    () => readBytes("r.jsonl", '{"__proto__": {"q": "a", "label": 0}}\n'),
    RangeError,
    "doc_to_text",
  ],
  [
    "all labels are hidden",
    () => readBytes("r.jsonl", '{"q":"a","label":-1}\n'),
    RangeError,
    "the index -1 is outside the choices",
  ],
  [
    "a label is a list of lists",
    () => readBytes("r.jsonl", '{"q":"a","label":[[0]]}\n'),
    RangeError,
    "expected the index or the text",
  ],
  [
    "the ending is that of a pickle",
    () => readBytes("r.pkl", "cos\nsystem\n"),
    RangeError,
    "the ending .pkl is not supported",
  ],
  [
    "a file never ends",
    () => readAfter((folder) => symlink("/dev/zero", join(folder, "r.csv")), "r.csv"),
    RangeError,
    "expected a regular file",
  ],
  [
    "a Parquet file never ends",
    () => readAfter((folder) => symlink("/dev/zero", join(folder, "r.parquet")), "r.parquet"),
    RangeError,
    "expected a regular file",
  ],
  [
    "a file is a terabyte of nothing",
    () =>
      readAfter(async (folder) => {
        await writeFile(join(folder, "r.jsonl"), "");
        await truncate(join(folder, "r.jsonl"), 2 ** 40);
      }, "r.jsonl"),
    RangeError,
    "expected at most 500000000",
  ],
  [
    "a Parquet file is a terabyte of nothing",
    () =>
      readAfter(async (folder) => {
        await writeFile(join(folder, "r.parquet"), "");
        await truncate(join(folder, "r.parquet"), 2 ** 40);
      }, "r.parquet"),
    RangeError,
    "expected at most 4000000000",
  ],
  ["a Parquet file is cut off", () => readParquet((bytes) => bytes.slice(0, 900)), SyntaxError, "as Parquet: "],
  [
    "a Parquet footer reaches before the file",
    () => readParquet((bytes) => withUint32(bytes, bytes.length - 8, 2 ** 31)),
    SyntaxError,
    "as Parquet: ",
  ],
  ["a Parquet file is a footer only", () => readParquet((bytes) => bytes.slice(-700)), SyntaxError, "as Parquet: "],
  ["Parquet pages are noise", () => readParquet((bytes) => bytes.fill(0xa5, 4, 900)), SyntaxError, "as Parquet: "],
  ["a folder is empty", () => readAfter(() => Promise.resolve()), RangeError, "there are none"],
  [
    "a folder holds only a script",
    () => readAfter((folder) => writeFile(join(folder, "t.py"), "import os")),
    RangeError,
    "a script is never run",
  ],
  [
    "half of the shards are missing",
    () => readAfter((folder) => writeFile(join(folder, "test-00001-of-00002.csv"), "q\na\n")),
    RangeError,
    "1 of the 2 parts of test are there",
  ],
  [
    "a card leads out of its folder",
    () =>
      readAfter(async (folder) => {
        await writeFile(
          join(folder, "README.md"),
          "---\nconfigs:\n- config_name: a\n  data_files: ../task.yaml\n---\n",
        );
      }),
    RangeError,
    "no file matches ../task.yaml",
  ],
  [
    "a card is a bomb of aliases",
    () =>
      readAfter(async (folder) => {
        const levels = Array.from(
          { length: 9 },
          (_, i) => `l${i + 1}: &l${i + 1} [${new Array(9).fill(`*l${i}`).join(", ")}]`,
        );
        await writeFile(join(folder, "README.md"), `---\nl0: &l0 [x]\n${levels.join("\n")}\nconfigs: *l9\n---\n`);
      }),
    SyntaxError,
    "README.md of the dataset",
  ],
  [
    "the data is neither file nor folder nor dataset",
    () => readAfter(() => Promise.resolve(), "none.csv"),
    RangeError,
    "there is no such file or folder",
  ],
];

export const dataAttacks: readonly Attack[] = hostile.map(([when, attempt, error, message]) => ({
  name: `loadTask() with data throws when ${when}`,
  attempt,
  error,
  message,
}));
