/** Data sets by name: files by pattern, in the same cache. */
import { assertEquals, assertRejects } from "@std/assert";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { resolveDataset, resolveSplits } from "../../src/checkpoint/hub.ts";
import { parseReference } from "../../src/checkpoint/hub_reference.ts";
import { patternSelection } from "../../src/checkpoint/hub_selection.ts";
import { largeFile, type ServedFile, type ServedRepository, smallFile, someBytes } from "../support/hub_server.ts";
import { assertHubError, commit, timing, withHub } from "../support/hub_setting.ts";
import { withFolder } from "../support/temporary_folder.ts";

const id = "org/questions";
const files: Readonly<Record<string, ServedFile>> = {
  "README.md": smallFile("# Questions\n"),
  "data/dev.jsonl": smallFile('{"question": "a"}\n'),
  "data/more/test.jsonl": largeFile(someBytes(5000)),
  "data/ä b#c?.csv": smallFile("a,b\n"),
};
const dataset: ServedRepository = { kind: "dataset", id, commit, files };

Deno.test("resolveDataset() downloads the files that match, and finds them again without a request", async () => {
  await withHub([dataset], async ({ server, cache, environment }) => {
    const options = { environment, timing };
    const found = await resolveDataset(id, { ...options, patterns: ["data/**/*.jsonl"] });
    const names = ["data/dev.jsonl", "data/more/test.jsonl"];
    const folder = join(cache, "datasets--org--questions", "snapshots", commit);
    assertEquals(found, { folder, revision: commit, reference: `${id}@${commit}`, files: names, downloaded: names });
    assertEquals(await readFile(join(folder, names[0]), "utf8"), '{"question": "a"}\n');

    server.forget();
    assertEquals((await resolveDataset(id, { ...options, patterns: ["**/test.*", "data/d?v.jsonl"] })).downloaded, []);
    assertEquals((await resolveDataset(id, { ...options, patterns: names })).files, names);
    assertEquals(server.seen.length, 0);
    const all = await resolveDataset(id, options);
    assertEquals([all.files, all.downloaded], [Object.keys(files).sort(), ["README.md", "data/ä b#c?.csv"]]);
    const unmatched = () => resolveDataset(id, { ...options, patterns: ["*.parquet"] });
    await assertRejects(unmatched, RangeError, "no file matches *.parquet, there are README.md, data/dev.jsonl");
  });
});

Deno.test("resolveDataset() trusts a snapshot without listing only for names without wildcards", async () => {
  await withHub([dataset], async ({ server, cache, environment }) => {
    const options = { environment, timing };
    await resolveDataset(id, { ...options, patterns: ["data/dev.jsonl"] });
    await rm(join(cache, "datasets--org--questions", "trees"), { recursive: true });
    server.forget();
    assertEquals((await resolveDataset(id, { ...options, patterns: ["data/dev.jsonl"] })).downloaded, []);
    assertEquals(server.seen.length, 0);
    const offline = { ...options, environment: { ...environment, HF_HUB_OFFLINE: "1" } };
    assertEquals((await resolveDataset(id, { ...offline, patterns: ["data/*.jsonl"] })).files, ["data/dev.jsonl"]);
    await assertHubError(() => resolveDataset(id, { ...offline, patterns: ["*.md"] }), "no file matches *.md");
    const all = await resolveDataset(id, { ...options, patterns: ["data/**/*.jsonl"] });
    assertEquals(all.downloaded, ["data/more/test.jsonl"]);
  });
});

Deno.test("resolveDataset() takes a folder that exists", async () => {
  await withFolder({ "b.csv": "", "a/c.csv": "", "a/d.txt": "" }, async (folder) => {
    const found = await resolveDataset(folder, { patterns: ["**/*.csv"] });
    assertEquals(found, { folder, revision: null, reference: folder, files: ["a/c.csv", "b.csv"], downloaded: [] });
    await assertRejects(() => resolveDataset(folder, { patterns: ["*.json"] }), RangeError, "no file matches *.json");
  });
});

Deno.test("resolveDataset() refuses file names of the hub that lead out of the snapshot", async () => {
  const hostile = ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a/.", "a\\..\\x", "C:x", "a\0x", "a\nx", ""];
  for (const name of hostile) {
    await withHub(
      [{ ...dataset, files: { ...files, [name]: smallFile("x") } }],
      async ({ server, cache, environment }) => {
        const error = await assertRejects(() => resolveDataset(id, { environment, timing }), RangeError);
        assertEquals(
          error.message,
          `Cannot use the repository file ${JSON.stringify(name)}: its name leads out of its folder`,
        );
        assertEquals(server.requests(/resolve/).length, 0);
        await assertRejects(() => stat(join(cache, "datasets--org--questions", "blobs")));
        // Where such a file is not wanted it does no harm.
        const { files } = await resolveDataset(id, { environment, timing, patterns: ["data/dev.jsonl"] });
        assertEquals(files, ["data/dev.jsonl"]);
      },
    );
  }
});

const card = `---
configs:
- config_name: en
  data_files:
  - split: train
    path: en/train-*
  - split: test
    path: en/test.jsonl
- config_name: fr
  data_files: fr.csv
---
`;
const languages: ServedRepository = {
  kind: "dataset",
  id,
  commit,
  files: {
    "README.md": smallFile(card),
    "en/train-00000-of-00002.csv": smallFile("a\n1\n"),
    "en/train-00001-of-00002.csv": largeFile(new TextEncoder().encode("a\n2\n")),
    "en/test.jsonl": smallFile('{"a": 3}\n'),
    "fr.csv": smallFile("a\n4\n"),
    "huge.bin": largeFile(someBytes(100)),
  },
};

Deno.test("resolveSplits() downloads one subset, and finds it again without a request", async () => {
  await withHub([languages], async ({ server, cache, environment }) => {
    const folder = join(cache, "datasets--org--questions", "snapshots", commit);
    const expected = {
      train: [join(folder, "en/train-00000-of-00002.csv"), join(folder, "en/train-00001-of-00002.csv")],
      test: [join(folder, "en/test.jsonl")],
    };
    const options = { environment, timing };
    const found = await resolveSplits(id, { ...options, subset: "en" });
    assertEquals([found.splits, found.reference], [expected, `${id}@${commit}`]);
    const names = ["README.md", "en/test.jsonl", "en/train-00000-of-00002.csv", "en/train-00001-of-00002.csv"];
    assertEquals(found.downloaded, names);
    assertEquals(await readFile(expected.train[1], "utf8"), "a\n2\n");

    server.forget();
    assertEquals((await resolveSplits(`${id}@${commit}`, { ...options, subset: "en" })).downloaded, []);
    // As Python leaves it: without the list of files, all parts of a split prove that a subset is complete.
    await rm(join(cache, "datasets--org--questions", "trees"), { recursive: true });
    assertEquals((await resolveSplits(id, { ...options, subset: "en" })).splits, expected);
    assertEquals(server.seen.length, 0);
    const french = await resolveSplits(id, { ...options, subset: "fr" });
    assertEquals([french.splits, french.downloaded], [{ train: [join(folder, "fr.csv")] }, ["fr.csv"]]);

    await assertRejects(() => resolveSplits(id, options), RangeError, "it has 2 subsets (en, fr), name one of them");
    const missing = () => resolveSplits(id, { ...options, subset: "de" });
    await assertRejects(missing, RangeError, "it has no subset de, there are en, fr");
    const offline = { ...environment, HF_HUB_OFFLINE: "1" };
    await rm(join(folder, "en/train-00001-of-00002.csv"));
    await rm(join(cache, "datasets--org--questions", "trees"), { recursive: true });
    const incomplete = () => resolveSplits(id, { ...options, subset: "en", environment: offline });
    await assertHubError(incomplete, "1 of the 2 parts of en/train are there");
    // With a network it is mended.
    assertEquals((await resolveSplits(id, { ...options, subset: "en" })).splits, expected);
  });
});

Deno.test("resolveSplits() takes a folder that exists", async () => {
  await withFolder({ "dev.csv": "a\n1\n", "train/0.jsonl": "{}", ".git/train.csv": "" }, async (folder) => {
    const { splits, reference } = await resolveSplits(folder);
    assertEquals([splits, reference], [
      { dev: [join(folder, "dev.csv")], train: [join(folder, "train/0.jsonl")] },
      folder,
    ]);
  });
});

Deno.test("parseReference() tells repositories of the two kinds and their revisions apart", () => {
  assertEquals(parseReference("dataset", "a/b"), { kind: "dataset", id: "a/b", revision: "main" });
  assertEquals(parseReference("model", "A.b_c-1/d@v1@2"), { kind: "model", id: "A.b_c-1/d", revision: "v1@2" });
  const longest = `${"a".repeat(47)}/${"b".repeat(48)}`;
  assertEquals(parseReference("model", longest).id, longest);
});

Deno.test("patternSelection() matches names as shells do", () => {
  const names = ["a.csv", "d/a.csv", "d/e/a.csv", "a+csv", "(a).csv", "ab.csv"].sort();
  const cases: [string, string[]][] = [
    ["*.csv", ["(a).csv", "a.csv", "ab.csv"]],
    ["**", names],
    ["**/a.csv", ["a.csv", "d/a.csv", "d/e/a.csv"]],
    ["d/**", ["d/a.csv", "d/e/a.csv"]],
    ["d/*", ["d/a.csv"]],
    ["?.csv", ["a.csv"]],
    ["(a).csv", ["(a).csv"]],
    ["a+csv", ["a+csv"]],
  ];
  for (const [pattern, matching] of cases) assertEquals(patternSelection([pattern]).first("x", names), matching);
});
