/** The files beside `tokenizer.json`: which tokens are special, and what a chat looks like. */
import { join } from "node:path";
import type { ValueRecord } from "./python_value.ts";
import { readRegularFile } from "./regular_file.ts";
import { parseObject, type TokenizerSettings } from "./tokenizer_settings.ts";

/** Longest file of a tokenizer that is read, in bytes; the largest known have 35 million. */
const LONGEST_FILE = 500_000_000;

/**
 * The object in a JSON file.
 *
 * @param advice What to do where the file is missing; meant to follow a colon.
 * @throws {RangeError} If the file cannot be read.
 * @throws {SyntaxError} If it is no JSON object.
 */
export async function readJsonFile(path: string, advice: string): Promise<ValueRecord> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(await readRegularFile(path, LONGEST_FILE));
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new RangeError(`Cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? error}): ${advice}`, {
      cause: error,
    });
  }
  return parseObject(path, text);
}

const CONFIG_FILE = "tokenizer_config.json";
const MAP_FILE = "special_tokens_map.json";

/** The files that a tokenizer's settings are read from. */
export const settingsFiles: readonly string[] = [CONFIG_FILE, MAP_FILE];

/**
 * Reads both files.
 *
 * @throws {RangeError | SyntaxError} As `readJsonFile`.
 */
export async function readTokenizerSettings(folder: string): Promise<TokenizerSettings> {
  const configPath = join(folder, CONFIG_FILE);
  const config = await readJsonFile(configPath, "it names the BOS and EOS tokens and comes with the checkpoint");
  const mapPath = join(folder, MAP_FILE);
  const map = await readJsonFile(mapPath, "").catch((error) => {
    if (error.cause?.code === "ENOENT") return {};
    throw error;
  });
  return { configPath, config, mapPath, map };
}
