/** What a fuzz run feeds: each reader of files or requests from strangers, with inputs to start from. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseConfig } from "../../../src/checkpoint/config.ts";
import { openCheckpointFrom, parseIndex, SINGLE_FILE } from "../../../src/checkpoint/open_from.ts";
import { encodeSafetensors, readSafetensorsHeader } from "../../../src/checkpoint/safetensors.ts";
import { memorySource } from "../../../src/checkpoint/memory_source.ts";
import { createPlan, parsePlan, serialisePlan } from "../../../src/method/plan.ts";
import { checkRequest } from "../../../src/serve/job_check.ts";
import { parseRequest } from "../../../src/serve/job_request.ts";
import { readSplit } from "../../../src/tasks/dataset.ts";
import { loadTask } from "../../../src/tasks/task.ts";
import { loadTokenizer } from "../../../src/tasks/tokenizer.ts";
import { exampleRequest } from "../../../src/serve/example.ts";
import { goldenFolder } from "../../support/golden.ts";
import { makeTinyFiles } from "../../support/tiny_checkpoint.ts";
import { tinyTokenizerFiles } from "../../support/tiny_tokenizer.ts";
import { toyConfig } from "../../support/toy_engine.ts";
import { dataTargets } from "./data.ts";
import { mutateBytes } from "./mutate.ts";
import { resultTargets } from "./results.ts";
import { bytesOf, either, joined, mutateSafetensors, projectBytes, type Target } from "./target.ts";

export type { Target } from "./target.ts";

const tiny = makeTinyFiles({ layers: 1, width: 8, neurons: 8, queryHeads: 2, keyValueHeads: 1, headWidth: 4 });

const smallTensors = joined(encodeSafetensors([
  { name: "a", dtype: "F32", shape: [2, 2], data: new Float32Array(4) },
  { name: "b", dtype: "BF16", shape: [3], data: new Uint16Array(3) },
  { name: "c", dtype: "I64", shape: [], data: new BigInt64Array(1) },
], { format: "pt" }));

const tokenizerFiles = tinyTokenizerFiles({ words: [" yes"], postProcessor: "front" });

/** A tokenizer with few tokens, so that changes hit what matters. */
const smallTokenizer = (() => {
  const file = JSON.parse(tokenizerFiles["tokenizer.json"]);
  const kept = Object.entries(file.model.vocab).filter(([token]) => /^[a-zĠ<]/.test(token));
  return bytesOf(JSON.stringify({ ...file, model: { ...file.model, vocab: Object.fromEntries(kept) } }));
})();

const taskText = `task: t
output_type: multiple_choice
data: {test: rows.jsonl, train: rows.jsonl}
test_split: test
fewshot_split: train
num_fewshot: 1
description: "Say:"
doc_to_text: "{% if q %}{{q|trim}}{% else %}none{% endif %} {{ loop_count }}"
doc_to_choice: ["no", "yes"]
doc_to_target: "{{label}}"
target_delimiter: " "
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
`.replace("{{ loop_count }}", "{{ label }}");

const rowsText = '{"q":" a ","label":0}\n{"q":"b","label":1}\n';

const config = toyConfig({ layers: 2, neurons: 5 });

/** Every reader. */
export async function fuzzTargets(): Promise<Target[]> {
  const plan = createPlan(config, [{ layer: 1, site: "gate", fraction: 0.4, neurons: Uint32Array.of(1, 3) }]);
  const request = bytesOf(JSON.stringify(await exampleRequest()));
  const golden = goldenFolder("llama_sharded_bf16");
  const tokenizer = async (name: string, bytes: Uint8Array, folder: string) => {
    const files = { ...tokenizerFiles, [name]: bytes };
    for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
    const loaded = await loadTokenizer(folder);
    loaded.decode(loaded.encode("<s>a yes, ünd 12\n"));
    return loaded;
  };
  const task = async (text: Uint8Array, rows: Uint8Array, folder: string) => {
    for (const [file, content] of Object.entries(tokenizerFiles)) await writeFile(join(folder, file), content);
    await writeFile(join(folder, "task.yaml"), text);
    await writeFile(join(folder, "rows.jsonl"), rows);
    const loaded = await loadTask(join(folder, "task.yaml"), { tokenizer: await loadTokenizer(folder) });
    await loaded.examples(loaded.evaluationSplit);
  };
  return [
    {
      name: "safetensors headers",
      seeds: [smallTensors, tiny.weights.slice(0, 4096)],
      mutate: mutateSafetensors,
      feed: async (bytes) => {
        const { tensors } = await readSafetensorsHeader(memorySource("fuzz", bytes));
        for (const { name, byteOffset, byteLength } of tensors.values()) {
          if (byteOffset < 8 || byteOffset + byteLength > bytes.length) {
            throw new Error(`${name} is outside of the file`);
          }
        }
      },
    },
    {
      name: "checkpoints by config.json",
      seeds: [bytesOf(tiny.config), new Uint8Array(await readFile(join(golden, "config.json")))],
      mutate: either,
      feed: async (bytes) => {
        parseConfig(bytes);
        const files = new Map([[SINGLE_FILE, memorySource(SINGLE_FILE, tiny.weights)]]);
        await openCheckpointFrom({ location: "fuzz", config: bytes, files });
      },
    },
    {
      name: "indices of shards",
      seeds: [new Uint8Array(await readFile(join(golden, "model.safetensors.index.json")))],
      mutate: either,
      // deno-lint-ignore require-await
      feed: async (bytes) => {
        for (const file of parseIndex("fuzz", bytes).values()) {
          if (/[/\\]/.test(file) || file === "..") throw new Error(`${file} leaves the folder`);
        }
      },
    },
    {
      name: "tokenizer.json",
      seeds: [smallTokenizer],
      mutate: either,
      feed: (bytes, folder) => tokenizer("tokenizer.json", bytes, folder),
    },
    {
      name: "tokenizer_config.json",
      seeds: [bytesOf(tokenizerFiles["tokenizer_config.json"])],
      mutate: either,
      feed: (bytes, folder) => tokenizer("tokenizer_config.json", bytes, folder),
    },
    {
      name: "task files",
      seeds: [bytesOf(taskText), await projectBytes("examples/demo/task/demo.yaml")],
      mutate: mutateBytes,
      feed: (bytes, folder) => task(bytes, bytesOf(rowsText), folder),
    },
    {
      name: "rows of tasks",
      seeds: [bytesOf(rowsText)],
      mutate: either,
      feed: (bytes, folder) => task(bytesOf(taskText), bytes, folder),
    },
    {
      name: "delimited rows",
      seeds: [bytesOf('q,label\n"a ""b"",\nc",1\nd,0\n')],
      mutate: mutateBytes,
      feed: async (bytes, folder) => {
        const path = join(folder, "rows.csv");
        await writeFile(path, bytes);
        await readSplit("test", [path]);
      },
    },
    {
      name: "plans",
      seeds: [bytesOf(serialisePlan(plan))],
      mutate: either,
      // deno-lint-ignore require-await
      feed: async (bytes) => parsePlan("fuzz", bytes, config),
    },
    {
      name: "request bodies",
      seeds: [request],
      mutate: either,
      // deno-lint-ignore require-await
      feed: async (bytes) => checkRequest(parseRequest(new TextDecoder().decode(bytes)), config),
    },
    ...await dataTargets(),
    ...await resultTargets(),
  ];
}
