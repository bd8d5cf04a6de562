/** A checkpoint with tokenizer and a task that the program runs on within a second, in a folder. */
import { mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { type TinyOptions, writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

/** Where the parts of a tiny project are. */
export interface TinyProject {
  /** Folder of the checkpoint. */
  readonly model: string;
  /** Path of the task file. */
  readonly task: string;
  /** Folder of the task file and its rows. */
  readonly data: string;
}

/** Rows of each split. */
const ROWS = { train: 12, test: 8 } as const;

/** Writes a model and a task below `folder`. */
export async function writeTinyProject(folder: string, options: TinyOptions = {}): Promise<TinyProject> {
  const [model, data] = [join(folder, "model"), join(folder, "data")];
  await writeTinyCheckpoint(model, { layers: 2, width: 16, neurons: 24, headWidth: 4, vocabulary: 272, ...options });
  const tokenizer = tinyTokenizerFiles({ words: [" yes", " no"], postProcessor: "front" });
  for (const [name, text] of Object.entries(tokenizer)) await writeFile(join(model, name), text);
  await mkdir(data, { recursive: true });
  for (const [split, count] of Object.entries(ROWS)) {
    const rows = Array.from({ length: count }, (_, i) => ({ text: `${split} ${i * 7 % 10}?`, label: i % 2 }));
    await writeFile(join(data, `${split}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
  const task = join(data, "task.yaml");
  await writeFile(
    task,
    `task: tiny
dataset_path: json
dataset_kwargs:
  data_files:
    train: train.jsonl
    test: test.jsonl
training_split: train
test_split: test
output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: ["yes", "no"]
doc_to_target: label
metric_list:
  - metric: acc
`,
  );
  return { model, task, data };
}

/** Options of a `run` that does every stage with little work. */
export function tinyRun({ model, task }: TinyProject, out: string): string[] {
  const small = ["--adaptation-examples", "3", "--nodes", "2", "--fractions", "0.25,0.5", "--random-draws", "1"];
  return ["run", "--model", model, "--task", task, "--out", out, ...small];
}

/**
 * Turns a checkpoint folder into a snapshot as the hub's cache has it, below `folder`: links into the `blobs` of its repository.
 *
 * @returns The folder of the snapshot.
 */
export async function makeSnapshot(model: string, folder: string): Promise<string> {
  const [blobs, snapshot] = [join(folder, "models--a--b", "blobs"), join(folder, "models--a--b", "snapshots", "main")];
  await mkdir(blobs, { recursive: true });
  await mkdir(snapshot, { recursive: true });
  for (const [index, name] of (await readdir(model)).entries()) {
    await rename(join(model, name), join(blobs, `${index}`));
    await symlink(relative(snapshot, join(blobs, `${index}`)), join(snapshot, name));
  }
  return snapshot;
}
