/** What stands beside a tokenizer: which of its tokens are special. */
import { isRecord, quote, type ValueRecord } from "./python_value.ts";

/**
 * The object that a text of JSON is.
 *
 * @param path Names the text in errors.
 * @throws {SyntaxError} If it is no JSON object.
 */
export function parseObject(path: string, text: string): ValueRecord {
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
 * The text of a special token, which the files write as a string or as an object with `content`; null where neither has
 * it.
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
