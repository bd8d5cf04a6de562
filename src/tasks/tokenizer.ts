/** Loads the tokenizer in a checkpoint's folder. */
import { join } from "node:path";
import { readJsonFile, readTokenizerSettings, settingsFiles } from "./tokenizer_files.ts";
import { buildTokenizer, type LoadTokenizerOptions, type Tokenizer } from "./tokenizer_from.ts";

export type { EncodeOptions, LoadTokenizerOptions, Tokenizer } from "./tokenizer_from.ts";

const TOKENIZER_FILE = "tokenizer.json";

/** The files in a folder that decide its tokenizer; some may be absent. */
export const tokenizerFiles: readonly string[] = [TOKENIZER_FILE, ...settingsFiles];

/**
 * Loads the tokenizer of a checkpoint folder.
 *
 * @throws {RangeError} If a file is missing, or asks for something that is not supported.
 * @throws {SyntaxError} If a file is no JSON object.
 * @throws {TypeError} If an entry has the wrong type.
 */
export async function loadTokenizer(folder: string, options: LoadTokenizerOptions = {}): Promise<Tokenizer> {
  const path = join(folder, TOKENIZER_FILE);
  const file = await readJsonFile(
    path,
    "a checkpoint that has only tokenizer.model or vocab.json must be saved again with transformers " +
      "(AutoTokenizer.from_pretrained(...).save_pretrained(...))",
  );
  return buildTokenizer(path, file, await readTokenizerSettings(folder), options);
}
