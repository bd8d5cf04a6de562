/** Files to splits: by the card of a dataset, or by names. */
import { assertEquals, assertThrows } from "@std/assert";
import { datasetLayout, type Subset } from "../../src/checkpoint/dataset_layout.ts";

const layout = (names: readonly string[], card: string | null = null, subset: Subset | string | null = null) => {
  const wanted = typeof subset === "string" ? { name: subset, isRequired: true } : subset;
  return Object.fromEntries(datasetLayout("org/name", names, card, wanted));
};

/** What is there, the subset, and the splits. */
const byName: readonly [string, readonly string[], string | null, Record<string, string[]>][] = [
  ["files are named as splits", ["README.md", "dev.jsonl", "test.jsonl", "train.jsonl"], null, {
    dev: ["dev.jsonl"],
    test: ["test.jsonl"],
    train: ["train.jsonl"],
  }],
  ["files have other names", ["adaptation.csv", "hotels.csv"], null, {
    adaptation: ["adaptation.csv"],
    hotels: ["hotels.csv"],
  }],
  ["names have a split among other words", ["boolq_train-v2.tsv", "boolq-VAL.tsv"], null, {
    train: ["boolq_train-v2.tsv"],
    val: ["boolq-VAL.tsv"],
  }],
  ["a word only contains one", ["latest.csv", "trainer.csv"], null, {
    latest: ["latest.csv"],
    trainer: ["trainer.csv"],
  }],
  [
    "there are shards",
    [
      "data/train-00001-of-00002.parquet",
      "data/train-00000-of-00002.parquet",
      "data/test-00000-of-00001-0123456789abcdef.parquet",
    ],
    null,
    {
      test: ["data/test-00000-of-00001-0123456789abcdef.parquet"],
      train: ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
    },
  ],
  ["each split has a folder", ["train/0000.parquet", "train/0001.parquet", "validation/0000.parquet"], null, {
    train: ["train/0000.parquet", "train/0001.parquet"],
    validation: ["validation/0000.parquet"],
  }],
  ["the subset is a folder", ["en/test.jsonl", "fr/test.jsonl", "fr/train.jsonl"], "fr", {
    test: ["fr/test.jsonl"],
    train: ["fr/train.jsonl"],
  }],
  [
    "tools left files beside the data",
    ["dataset_info.json", ".cache/train.jsonl", "__x/train.jsonl", "state.json", "train.json"],
    null,
    {
      train: ["train.json"],
    },
  ],
];

for (const [what, names, subset, expected] of byName) {
  Deno.test(`datasetLayout() finds the splits by names when ${what}`, () =>
    assertEquals(layout(names, null, subset), expected));
}

const card = `---
license: mit
configs:
- config_name: boolq
  data_files:
  - split: train
    path: boolq/train-*
  - split: validation
    path:
    - boolq/validation-*
- config_name: copa
  default: true
  data_dir: copa
  data_files:
  - split: dev
    path: "*.jsonl"
- config_name: plain
  data_files: all.csv
- config_name: folder
  data_dir: more
---
# Text
configs: none
`;
const carded = [
  "README.md",
  "all.csv",
  "boolq/train-00000-of-00002.parquet",
  "boolq/train-00001-of-00002.parquet",
  "boolq/validation-00000-of-00001.parquet",
  "copa/x.jsonl",
  "more/test.json",
  "more/train.json",
];

Deno.test("datasetLayout() goes by the card when it lists data files", () => {
  assertEquals(layout(carded, card, "boolq"), {
    train: ["boolq/train-00000-of-00002.parquet", "boolq/train-00001-of-00002.parquet"],
    validation: ["boolq/validation-00000-of-00001.parquet"],
  });
  assertEquals(layout(carded, card), { dev: ["copa/x.jsonl"] });
  assertEquals(layout(carded, card.replaceAll("\n", "\r\n"), "plain"), { train: ["all.csv"] });
  assertEquals(layout(carded, card, "folder"), { test: ["more/test.json"], train: ["more/train.json"] });
  // A wish, not a demand: other data may have no such part.
  assertEquals(layout(carded, card, { name: "en", isRequired: false }), { dev: ["copa/x.jsonl"] });
  assertEquals(layout(["train.csv"], "# No head\n---\nconfigs: 1\n---\n"), { train: ["train.csv"] });
  assertEquals(layout(["train.csv"], "---\nlicense: mit\n---\n"), { train: ["train.csv"] });
});

const refused: readonly [string, readonly string[], string | null, string | null, string][] = [
  ["there is nothing to read", ["a.arrow", "b.zip"], null, null, "parquet files, there are a.arrow, b.zip"],
  ["there is nothing", [], null, null, "there are none"],
  ["there is only a script", ["questions.py", "README.md"], null, null, "@refs/convert/parquet"],
  [
    "a part is missing",
    ["train-00000-of-00003.csv", "train-00002-of-00003.csv"],
    null,
    null,
    "2 of the 3 parts of train are there",
  ],
  ["a split has two formats", ["train.csv", "train.jsonl"], null, null, "there as .csv and .jsonl"],
  [
    "a split is in two folders",
    ["en/test.csv", "fr/test.csv"],
    null,
    null,
    "several folders (en/, fr/), name one of them",
  ],
  ["the folder of the subset is missing", ["en/test.csv"], null, "fr", "it has no subset fr"],
  ["the card lacks the subset", carded, card, "sst2", "it has no subset sst2, there are boolq, copa"],
  [
    "a pattern of the card matches nothing",
    carded.filter((name) => !/valid/.test(name)),
    card,
    "boolq",
    "no file matches boolq/validation-*",
  ],
  [
    "the card's parts are incomplete",
    carded.filter((name) => !/00001-of/.test(name)),
    card,
    "boolq",
    "1 of the 2 parts",
  ],
  [
    "several subsets and no default",
    carded,
    card.replace("default: true", "x: y"),
    null,
    "it has 4 subsets (boolq, copa, plain, folder)",
  ],
  [
    "the card has a pattern of many stars",
    carded,
    card.replace("boolq/train-*", "x*a*a*a*a*a*a*a*b"),
    "boolq",
    "at most 6 stars",
  ],
  [
    "the card names what cannot be read",
    [...carded, "x.zip"],
    card.replace("all.csv", "x.zip"),
    "plain",
    "x.zip of the split train",
  ],
];

for (const [what, names, text, subset, expected] of refused) {
  Deno.test(`datasetLayout() throws when ${what}`, () => {
    assertThrows(() => layout(names, text, subset), RangeError, expected);
  });
}

Deno.test("datasetLayout() says that the card is malformed when it is", () => {
  const malformed: readonly [string, string][] = [
    ["configs: [", "README.md of the dataset org/name: "],
    ["configs: 7", "configs is no list"],
    ["configs: [7]", "configs[0] has no config_name"],
    ["configs: [{config_name: a, data_files: []}]", "the subset a has no data_files"],
    ["configs: [{config_name: a, data_files: [{split: ../x, path: train.csv}]}]", "need split and path"],
    ["configs: [{config_name: a, data_files: [{split: x}]}]", "need split and path"],
    [`a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nconfigs: ${"[*c, ".repeat(90)}`, "README.md of the dataset"],
  ];
  for (const [head, expected] of malformed) {
    assertThrows(() => layout(["train.csv"], `---\n${head}\n---\n`), SyntaxError, expected);
  }
});
