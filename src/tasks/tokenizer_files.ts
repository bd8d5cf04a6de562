/** The files beside `tokenizer.json`: which tokens are special, and what a chat looks like. */
import { join } from "node:path";
import { isRecord, quote, type ValueRecord } from "./python_value.ts";
import { readRegularFile } from "./regular_file.ts";

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`Cannot parse ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!isRecord(value)) throw new SyntaxError(`Cannot parse ${path}: expected a JSON object`);
  return value;
}

/** What a checkpoint says of its tokenizer, besides the tokenizer itself. */
export interface TokenizerSettings {
  /** Path of `tokenizer_config.json`. */
  readonly configPath: string;
  readonly config: ValueRecord;
  /** Path of `special_tokens_map.json`. */
  readonly mapPath: string;
  /** Empty where the file is missing. */
  readonly map: ValueRecord;
}

/**
 * Reads both files.
 *
 * @throws {RangeError | SyntaxError} As `readJsonFile`.
 */
export async function readTokenizerSettings(folder: string): Promise<TokenizerSettings> {
  const configPath = join(folder, "tokenizer_config.json");
  const config = await readJsonFile(configPath, "it names the BOS and EOS tokens and comes with the checkpoint");
  const mapPath = join(folder, "special_tokens_map.json");
  const map = await readJsonFile(mapPath, "").catch((error) => {
    if (error.cause?.code === "ENOENT") return {};
    throw error;
  });
  return { configPath, config, mapPath, map };
}

/**
 * The text of a special token, which the files write as a string or as an object with `content`; null where neither has it.
 *
 * @throws {TypeError} If an entry is neither.
 */
export function specialTokenText({ configPath, config, mapPath, map }: TokenizerSettings, name: string): string | null {
  return entryText(configPath, config, name) ?? entryText(mapPath, map, name);
}

function entryText(path: string, settings: ValueRecord, name: string): string | null {
  const entry = settings[name] ?? null;
  const text = isRecord(entry) ? entry.content : entry;
  if (text === null || typeof text === "string") return text;
  throw new TypeError(`Cannot load ${path}: ${name} is ${quote(entry)}, expected text or an object with "content"`);
}
