/** Opens the Hugging Face checkpoint in a folder. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource } from "./byte_source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { parseConfig } from "./config.ts";
import { checkLinks } from "./links.ts";
import type { ModelConfig } from "./model_config.ts";
import { INDEX_FILE, openCheckpointFrom, parseIndex, SINGLE_FILE } from "./open_from.ts";
import { openFileSource } from "./sources.ts";
import { isAbsent } from "./system_error.ts";

/** The one folder that belongs to a checkpoint: its tokenizer's further templates. */
export const TEMPLATE_FOLDER = "additional_chat_templates";

/** Describes the model. */
const CONFIG_FILE = "config.json";

/** Longest `config.json` or index that is read, in bytes. */
const LONGEST_TEXT = 100_000_000;

/**
 * The whole of a text file of a checkpoint, as bytes.
 *
 * @throws {RangeError} If it is no regular file, or longer than any such file.
 */
export async function readText(path: string): Promise<Uint8Array> {
  const source = await openFileSource(path);
  try {
    if (source.size > LONGEST_TEXT) {
      throw new RangeError(`Cannot read ${path}: it has ${source.size} bytes, expected at most ${LONGEST_TEXT}`);
    }
    const bytes = new Uint8Array(source.size);
    await source.readInto(0, bytes);
    return bytes;
  } finally {
    await source.close();
  }
}

/** Files in a folder that may hold weights and are not read, as the end of an error; nothing where there are none. */
function describeUnread(names: readonly string[]): string {
  const others = names.filter((name) => /\.(bin|pth?|gguf|safetensors)$/.test(name));
  return others.length > 0 ? `; ${others.join(", ")} cannot be read` : "";
}

/**
 * The bytes of a checkpoint's `config.json`.
 *
 * @throws {RangeError} As `readText`, and if there is none: what is there instead, and what belongs there.
 */
export async function readConfigFile(folder: string): Promise<Uint8Array> {
  try {
    return await readText(join(folder, CONFIG_FILE));
  } catch (error) {
    if (!isAbsent(error)) throw error;
    const fail = (problem: string) => new RangeError(`Cannot open checkpoint ${folder}: ${problem}`, { cause: error });
    const status = await stat(folder).catch(() => null);
    if (status === null) throw fail("there is no such folder");
    if (!status.isDirectory()) throw fail("it is no folder, expected one with the files of a checkpoint");
    throw fail(
      `it has no ${CONFIG_FILE}, expected a model as Hugging Face saves it: ${CONFIG_FILE}, ${SINGLE_FILE} or shards ` +
        `with their index, and the files of the tokenizer${describeUnread(await readdir(folder))}`,
    );
  }
}

/**
 * The configuration of the checkpoint in a folder, without a look at its weights.
 *
 * @throws {Error} As `openCheckpoint`, of `config.json`.
 */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  return parseConfig(await readConfigFile(folder)).config;
}

/** The names of the weight files of a folder, and its index where it has one; `model.safetensors` goes first. */
export async function findWeightFiles(folder: string): Promise<{ index?: Uint8Array; files: string[] }> {
  const names = await readdir(folder);
  if (names.includes(SINGLE_FILE)) return { files: [SINGLE_FILE] };
  if (names.includes(INDEX_FILE)) {
    const index = await readText(join(folder, INDEX_FILE));
    return { index, files: [...new Set(parseIndex(join(folder, INDEX_FILE), index).values())].sort() };
  }
  throw new RangeError(
    `Cannot open checkpoint ${folder}: expected ${SINGLE_FILE} or ${INDEX_FILE}${describeUnread(names)}`,
  );
}

/**
 * Opens the checkpoint in a folder: `config.json` with `model.safetensors`, or with shards and their index. The files
 * are opened for reading only, and their tensors are read when asked for.
 *
 * @throws {SyntaxError} As `openCheckpointFrom`.
 * @throws {TypeError} As `openCheckpointFrom`.
 * @throws {RangeError} As `openCheckpointFrom`, and if a file is not there or is a link that leads out of the folder.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const files = new Map<string, ByteSource>();
  try {
    const config = await readConfigFile(folder);
    await checkLinks(folder, [TEMPLATE_FOLDER]);
    const weights = await findWeightFiles(folder);
    for (const file of weights.files) files.set(file, await openWeights(folder, file));
    return await openCheckpointFrom({ location: folder, config, index: weights.index, files });
  } catch (error) {
    for (const source of files.values()) await source.close();
    throw error;
  }
}

async function openWeights(folder: string, file: string): Promise<ByteSource> {
  try {
    return await openFileSource(join(folder, file));
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new RangeError(`Cannot open checkpoint ${folder}: its file ${file} is missing, or a link to nothing`, {
      cause: error,
    });
  }
}
