/** Fuzz targets: tables in Parquet, layouts and cards of datasets, chat templates, what a hub answers, files of options. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { datasetLayout } from "../../../src/checkpoint/dataset_layout.ts";
import { RepositoryCache } from "../../../src/checkpoint/hub_cache.ts";
import { HubClient } from "../../../src/checkpoint/hub_client.ts";
import { parseReference } from "../../../src/checkpoint/hub_reference.ts";
import { defaultTiming } from "../../../src/checkpoint/hub_retry.ts";
import { parseJsonObject } from "../../../src/checkpoint/strict_json.ts";
import { surveyCheckpoint } from "../../../src/checkpoint/survey.ts";
import { parseOptions } from "../../../src/cli/arguments.ts";
import { configOptions, withConfigFile } from "../../../src/cli/config_file.ts";
import { modelOptions, runOptions, seedOptions, taskOptions } from "../../../src/cli/options.ts";
import { loadChatTemplate } from "../../../src/tasks/chat_template.ts";
import { readSplit } from "../../../src/tasks/dataset.ts";
import type { Message } from "../../../src/tasks/message.ts";
import { loadTask } from "../../../src/tasks/task.ts";
import { projectPath } from "../../cli/program.ts";
import { makeTinyFiles } from "../../support/tiny_checkpoint.ts";
import { tinyTokenizerFiles } from "../../support/tiny_tokenizer.ts";
import { mutateBytes } from "./mutate.ts";
import { bytesOf, either, projectBytes, type Target } from "./target.ts";

/** Files with one ending in a folder of the project. */
async function filesOf(folder: string, ending: string): Promise<Uint8Array[]> {
  const names = (await readdir(projectPath(folder))).filter((name) => name.endsWith(ending)).sort();
  return await Promise.all(names.map((name) => projectBytes(`${folder}/${name}`)));
}

const commit = "0123456789abcdef0123456789abcdef01234567";
const reference = parseReference("model", "org/name");

/** The files of a repository, as a hub lists them and as its cache keeps them. */
const listed = [
  { type: "file", path: "config.json", oid: "a".repeat(40), size: 12 },
  {
    type: "file",
    path: "sub/model.safetensors",
    oid: "b".repeat(40),
    size: 99,
    lfs: { oid: "c".repeat(64), size: 4096, pointerSize: 134 },
    xetHash: "d".repeat(64),
  },
  { type: "directory", path: "sub", oid: "e".repeat(40), size: 0 },
];
const cached = {
  format_version: 1,
  files: {
    "config.json": { size: 12, blob_id: "a".repeat(40) },
    "sub/model.safetensors": { size: 99, blob_id: "b".repeat(40), lfs_sha256: "c".repeat(64), lfs_size: 4096 },
  },
};

/** Asks a hub that answers everything with these bytes. */
async function askHub(bytes: Uint8Array, cache: RepositoryCache): Promise<void> {
  const client = new HubClient(reference, {
    endpoint: new URL("https://hub.invalid/"),
    token: null,
    timing: { ...defaultTiming, retries: 0 },
    signal: new AbortController().signal,
  });
  const real = globalThis.fetch;
  globalThis.fetch = () => Promise.resolve(new Response(bytes as BodyInit));
  try {
    const listing = await client.listing(commit);
    for (const name of listing.keys()) {
      const path = cache.path(commit, name);
      if (!path.startsWith(cache.snapshot(commit))) throw new Error(`${path} leaves the cache`);
    }
  } finally {
    globalThis.fetch = real;
  }
}

const card = `---
license: mit
configs:
- config_name: en
  default: true
  data_files:
  - {split: train, path: "en/train-*.jsonl"}
  - {split: test, path: ["en/test.jsonl", "en/more/**.jsonl"]}
- config_name: de
  data_dir: de
---
# Card
`;
const names = ["README.md", "en/train-0.jsonl", "en/test.jsonl", "en/more/x.jsonl", "de/train.csv", "de/test.csv"];

const conversation: readonly Message[] = [
  { role: "system", content: "Be brief.", delimiter: "" },
  { role: "user", content: "Is it so?", delimiter: "" },
  { role: "assistant", content: "yes", delimiter: "" },
  { role: "user", content: "And this?", delimiter: "" },
];

const group = `group: g
task:
  - task.yaml
  - {group: inner, task: [other.yaml], aggregate_metric_list: [{metric: acc, weight_by_size: true}]}
metadata: {version: 1}
`;
const member = `task: t
output_type: multiple_choice
data: {test: rows.jsonl}
test_split: test
doc_to_text: "{{q}}"
doc_to_choice: [a, b]
doc_to_target: 0
`;

/** Targets that read data, templates and settings from strangers. */
export async function dataTargets(): Promise<Target[]> {
  const tokenizerFiles = tinyTokenizerFiles({ words: [" yes"], postProcessor: "front" });
  const tiny = makeTinyFiles({ layers: 1, width: 8, neurons: 8, queryHeads: 2, keyValueHeads: 1, headWidth: 4 });
  const cache = (folder: string) => new RepositoryCache(folder, reference, true);
  const table = { ...modelOptions, ...taskOptions, ...seedOptions, ...runOptions, ...configOptions };
  return [
    {
      name: "Parquet files",
      seeds: await filesOf("tests/golden/parquet", ".parquet"),
      mutate: mutateBytes,
      feed: async (bytes, folder) => {
        const path = join(folder, "rows.parquet");
        await writeFile(path, bytes);
        await readSplit("test", [path]);
      },
    },
    {
      name: "cards of datasets",
      seeds: [bytesOf(card)],
      mutate: mutateBytes,
      // deno-lint-ignore require-await
      feed: async (bytes) => {
        const text = new TextDecoder().decode(bytes);
        for (const files of datasetLayout("org/name", names, text, null).values()) {
          const stray = files.find((file) => !names.includes(file));
          if (stray !== undefined) throw new Error(`${stray} is not in the dataset`);
        }
      },
    },
    {
      name: "names of files of datasets",
      seeds: [bytesOf(JSON.stringify(["train-00000-of-00002.csv", "train-00001-of-00002.csv", "de/test.csv"]))],
      mutate: either,
      // deno-lint-ignore require-await
      feed: async (bytes) => {
        let list: unknown;
        try {
          list = JSON.parse(new TextDecoder().decode(bytes));
        } catch {
          list = new TextDecoder().decode(bytes).split(",");
        }
        datasetLayout("org/name", [list].flat(9).map(String), null, { name: "de", isRequired: false });
      },
    },
    {
      name: "chat templates",
      seeds: await filesOf("tests/golden/lm_eval_requests/chat", ".jinja"),
      mutate: mutateBytes,
      feed: async (bytes, folder) => {
        await writeFile(join(folder, "tokenizer_config.json"), tokenizerFiles["tokenizer_config.json"]);
        await writeFile(join(folder, "chat_template.jinja"), bytes);
        (await loadChatTemplate(folder)).render(conversation);
      },
    },
    {
      name: "group files",
      seeds: [bytesOf(group)],
      mutate: mutateBytes,
      feed: async (bytes, folder) => {
        await writeFile(join(folder, "task.yaml"), member);
        await writeFile(join(folder, "other.yaml"), member.replace("task: t", "task: u"));
        await writeFile(join(folder, "rows.jsonl"), '{"q":"a"}\n{"q":"b"}\n');
        await writeFile(join(folder, "group.yaml"), bytes);
        const loaded = await loadTask(join(folder, "group.yaml"));
        await loaded.requests(loaded.evaluationSplit);
      },
    },
    {
      name: "answers of a hub",
      seeds: [bytesOf(JSON.stringify(listed))],
      mutate: either,
      feed: (bytes, folder) => askHub(bytes, cache(folder)),
    },
    {
      name: "cached listings of a hub",
      seeds: [bytesOf(JSON.stringify(cached))],
      mutate: either,
      leastOutcomes: 2,
      feed: async (bytes, folder) => {
        await cache(folder).writeListing(commit, new Map());
        const [tree] = await readdir(join(cache(folder).folder, "trees"));
        await writeFile(join(cache(folder).folder, "trees", tree), bytes);
        const listing = await cache(folder).listing(commit);
        // One that is damaged counts as absent.
        if (listing === undefined) throw new SyntaxError("Cannot use the listing");
        for (const name of listing.keys()) cache(folder).path(commit, name);
      },
    },
    {
      name: "checkpoints that info looks at",
      seeds: [bytesOf(tiny.config)],
      mutate: either,
      feed: async (bytes, folder) => {
        await writeFile(join(folder, "config.json"), bytes);
        await writeFile(join(folder, "model.safetensors"), tiny.weights);
        const { checkpoint, problems } = await surveyCheckpoint(folder);
        await checkpoint?.close();
        if (problems.length > 0) throw new RangeError(problems[0]);
      },
    },
    {
      name: "files of options",
      seeds: [bytesOf("seed: 3\nfractions: [0.1, 0.2]\nmetric: acc\nrandom-draws: 2\n")],
      mutate: mutateBytes,
      feed: async (bytes, folder) => {
        const path = join(folder, "options.yaml");
        await writeFile(path, bytes);
        parseOptions("run", table, await withConfigFile(table, ["--model", "m", "--task", "t", "--config", path]), []);
      },
    },
    {
      name: "strict JSON",
      seeds: [bytesOf('{"a": [1, -2.5e-3, "x\\u00e9\\n", {"b": null}], "c": {"d": true}}')],
      mutate: either,
      // deno-lint-ignore require-await
      feed: async (bytes) => {
        const value = parseJsonObject("x.json", bytes);
        const again = parseJsonObject("x.json", JSON.stringify(value));
        if (JSON.stringify(again) !== JSON.stringify(value)) throw new Error("it reads what it wrote differently");
      },
    },
  ];
}
