/** Attacks by size: a few bytes that promise more than any machine has, and texts whose reading took the square of their length. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { datasetLayout } from "../../../src/checkpoint/dataset_layout.ts";
import { readPlan, readRun } from "../../../src/method/files.ts";
import { encodePartial, readPartial } from "../../../src/method/partial_file.ts";
import { mergeScores, scoreShard } from "../../../src/method/shard_score.ts";
import { withConfigFile } from "../../../src/cli/config_file.ts";
import { CommandError } from "../../../src/cli/errors.ts";
import { compileBounded } from "../../../src/tasks/bounded_jinja.ts";
import { readSplit } from "../../../src/tasks/dataset.ts";
import { loadTask } from "../../../src/tasks/task.ts";
import { withFolder } from "../../support/temporary_folder.ts";
import { ToyEngine, toyExamples } from "../../support/toy_engine.ts";
import type { Attack } from "./attack.ts";

/** Reads a file of rows. */
function readRows(name: string, content: string | Uint8Array): Promise<unknown> {
  return withFolder({}, async (folder) => {
    await writeFile(join(folder, name), content);
    return await readSplit("test", [join(folder, name)]);
  });
}

/** A Parquet file that is nothing but this footer. */
function parquetOf(footer: readonly number[]): Uint8Array {
  const mark = [...new TextEncoder().encode("PAR1")];
  const { length } = footer;
  return Uint8Array.of(...mark, ...footer, length & 255, length >> 8, 0, 0, ...mark);
}

/** A list of thirty million lists, each of as many, a hundred deep: every level would take 240 MB at once. */
const lists = [0x19, ...Array.from({ length: 100 }, () => [0xf9, 0x80, 0x87, 0xa7, 0x0e]).flat()];

/** A whole part of a scoring, changed. */
function mergeChanged(change: (part: Record<string, unknown>) => Record<string, unknown>): Promise<unknown> {
  return withFolder({}, async (folder) => {
    const engine = new ToyEngine({ layers: 2, neurons: 3 });
    const { family, layers, width, neurons } = engine.config;
    const part = {
      ...await scoreShard(engine, toyExamples(2), { index: 1, count: 1 }, { nodes: 2 }),
      step: "score" as const,
      shard: { index: 1, count: 1 },
      inputs: { model: "m", examples: "e", scores: "" },
      provenance: { model: "m", task: "t", versions: {} },
      model: { family, layers, width, neurons },
      engine: "toy",
      arguments: ["score"],
    };
    const path = join(folder, "part.safetensors");
    const pieces = encodePartial(change({ ...part }) as unknown as Parameters<typeof encodePartial>[0]);
    await writeFile(path, new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer()));
    return mergeScores([await readPartial(path)]);
  });
}

const task = `task: t
output_type: multiple_choice
data: {test: rows.jsonl}
test_split: test
doc_to_text: q
doc_to_choice: [a, b]
doc_to_target: 0
`;

/** Loads a task with one more line. */
function loadWith(line: string): Promise<unknown> {
  return withFolder(
    { "task.yaml": task + line, "rows.jsonl": '{"q":"a"}\n' },
    (folder) => loadTask(join(folder, "task.yaml")),
  );
}

const numbered = (count: number, one: (index: number) => string, separator = "\n") =>
  Array.from({ length: count }, (_, index) => one(index)).join(separator);

/** The layout of one file by this card. */
const byCard = (head: string, name = "a.csv") => datasetLayout("org/name", [name], `---\n${head}\n---\n`, null);

/** The layout of so many files by a card that has a path for each, and one more. */
function byPaths(count: number, path: (index: number) => string): unknown {
  const names = Array.from({ length: count }, (_, index) => path(index).replace("*", ""));
  const list = numbered(count + 1, (index) => `  - "${path(index)}"`);
  const card = `---\nconfigs:\n- config_name: a\n  data_files:\n${list}\n---\n`;
  return datasetLayout("org/name", names, card, null);
}

/** Name of the test, what is read, and what is said about it. */
const hostile: readonly [string, () => unknown, Attack["error"], string][] = [
  [
    "readSplit() throws when a Parquet footer of five hundred bytes promises a hundred long lists",
    () => readRows("r.parquet", parquetOf(lists)),
    SyntaxError,
    "a list of 30000000 elements in 501 bytes",
  ],
  [
    "readSplit() throws when a Parquet footer has a structure in a structure, forty deep",
    () => readRows("r.parquet", parquetOf([...new Array(40).fill(0x1c), ...new Array(41).fill(0)])),
    SyntaxError,
    "structures more than 32 deep",
  ],
  [
    "readSplit() throws when the package for Parquet stumbles",
    () => readRows("r.parquet", parquetOf([0x15, 0x04, 0])),
    SyntaxError,
    "as Parquet: it is damaged",
  ],
  [
    "readSplit() throws soon when the last of two hundred thousand columns is there twice",
    () => readRows("r.csv", `${numbered(200_000, (index) => `c${index}`, ",")},c0\n`),
    SyntaxError,
    'two columns are named "c0"',
  ],
  [
    "loadTask() throws soon when a task has a hundred thousand keys",
    () => loadWith(numbered(100_000, (index) => `k${index}: 1`)),
    TypeError,
    "k0 is not a known key",
  ],
  [
    "loadTask() throws soon when a task has fifty thousand aliases",
    () => loadWith(`x: [${numbered(50_000, (index) => `&a${index} b, *a${index}`, ",")}]`),
    SyntaxError,
    "more than 100 aliases",
  ],
  [
    "loadTask() throws when a task is nested ten thousand deep",
    () => loadWith(`x: ${"[".repeat(10_000)}${"]".repeat(10_000)}`),
    SyntaxError,
    "it is nested too deeply",
  ],
  [
    "datasetLayout() throws soon when a card has fifty thousand aliases",
    () => byCard(`x: [${numbered(50_000, (index) => `&a${index} b, *a${index}`, ",")}]`),
    SyntaxError,
    "more than 100 aliases",
  ],
  [
    "datasetLayout() throws soon when a card's pattern fits a long name in a great many ways",
    () => byCard(`configs:\n- config_name: a\n  data_files: "*a*a*a*a*ab.csv"`, `${"a".repeat(5_000)}.csv`),
    RangeError,
    "no file matches *a*a*a*a*ab.csv",
  ],
  [
    "datasetLayout() throws soon when the last of ten thousand paths of a card is not there",
    () => byPaths(10_000, (index) => `data/train-${index}.csv`),
    RangeError,
    "no file matches data/train-10000.csv",
  ],
  [
    "datasetLayout() throws when a card has two thousand patterns with stars",
    () => byPaths(2_000, (index) => `data/train-${index}.csv*`),
    RangeError,
    "2001 patterns with stars or question marks: expected at most 1000",
  ],
  [
    "datasetLayout() throws when a subset of a card has two thousand splits",
    () =>
      byCard(`configs:\n- config_name: a\n  data_files:\n${numbered(2_000, (i) => `  - {split: s${i}, path: a.csv}`)}`),
    SyntaxError,
    "the subset a has 2000 data_files, expected at most 1000",
  ],
  [
    "compileBounded() throws when a chat template ends too soon",
    () => compileBounded("{% if a %}"),
    SyntaxError,
    "it is cut off or malformed",
  ],
  [
    "compileBounded() throws when a chat template has twenty thousand brackets",
    () => compileBounded(`{{ ${"(".repeat(20_000)}`),
    SyntaxError,
    "it is cut off or malformed",
  ],
  [
    "withConfigFile() throws when the file of options never ends",
    () => withConfigFile({}, ["--config", "/dev/zero"]),
    CommandError,
    "expected a regular file",
  ],
  ["readPlan() throws when the plan never ends", () => readPlan("/dev/zero"), RangeError, "expected a regular file"],
  ["readRun() throws when the record never ends", () => readRun("/dev/zero"), RangeError, "expected a regular file"],
  [
    "readPartial() throws when a part is of 2^50 units",
    () => mergeChanged((part) => ({ ...part, unitCount: 2 ** 50 })),
    SyntaxError,
    "a job of 1125899906842624 units",
  ],
  [
    "readPartial() throws when a part's model has 2^40 layers",
    () => mergeChanged((part) => ({ ...part, model: { ...(part.model as object), layers: 2 ** 40 } })),
    SyntaxError,
    "a model of 1099511627776 layers",
  ],
  [
    "mergeScores() throws when a part has fewer examples than paths",
    () => mergeChanged((part) => ({ ...part, more: { examples: ["toy/0"], nodesUsed: 1 } })),
    SyntaxError,
    "it is of 4 paths, its settings make 2",
  ],
  [
    "mergeScores() throws when a part does not say what it has read",
    () => mergeChanged((part) => ({ ...part, more: null })),
    SyntaxError,
    "more is null, expected an object",
  ],
];

export const sizeAttacks: readonly Attack[] = hostile.map(([name, attempt, error, message]) => ({
  name,
  // deno-lint-ignore require-await
  attempt: async () => attempt(),
  error,
  message,
}));
