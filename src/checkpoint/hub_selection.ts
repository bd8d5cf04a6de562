/** Which files of a repository are wanted. */
import { parseConfig } from "./config.ts";
import { CARD_FILE, type DatasetLayout, datasetLayout, hasWholeSplits, type Subset } from "./dataset_layout.ts";
import { compileGlobs, isWild } from "./glob.ts";
import { INDEX_FILE, parseIndex, SINGLE_FILE } from "./open_from.ts";

/** The files wanted of a repository, in two steps: those of the second may depend on the content of the first. */
export interface Selection {
  /**
   * The files to have first, among all that the repository has.
   *
   * @param what The repository, for errors.
   * @throws {RangeError} If the repository lacks something without which the rest is of no use.
   */
  first(what: string, names: readonly string[]): string[];
  /**
   * The other files, once those can be read.
   *
   * @returns What belongs to the repository, whether it is there or not.
   * @throws {RangeError} If the model is not supported.
   * @throws {SyntaxError} If a file that was read is malformed.
   */
  rest(what: string, names: readonly string[], read: (name: string) => Promise<Uint8Array>): Promise<string[]>;
  /** Whether files that are wanted and in the cache must be all that are wanted, though the listing is not known. */
  isProvenBy(names: readonly string[]): boolean;
}

const CONFIG = "config.json";
const TOKENIZER = ["tokenizer.json", "tokenizer_config.json"];
const SMALL_FILES = new Set([
  CONFIG,
  ...TOKENIZER,
  "generation_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
  "chat_template.json",
]);
const TEMPLATE = /^additional_chat_templates\/[^/]+\.jinja$/;
const OTHER_WEIGHTS = /^[^/]+\.(?:safetensors|bin|pth?|gguf|ggml|h5|msgpack|npz|onnx)$/;

/** What a checkpoint folder consists of: configuration, tokenizer, templates and safetensors weights. */
export const modelSelection: Selection = {
  first(what, names) {
    if (!names.includes(CONFIG)) throw new RangeError(`Cannot use ${what}: it has no ${CONFIG}, expected a checkpoint`);
    if (!names.includes(SINGLE_FILE) && !names.includes(INDEX_FILE)) {
      const others = names.filter((name) => OTHER_WEIGHTS.test(name)).slice(0, 5);
      throw new RangeError(
        `Cannot use ${what}: expected weights in ${SINGLE_FILE}, or in shards with ${INDEX_FILE}` +
          (others.length > 0 ? `; ${others.join(", ")} cannot be read, convert to safetensors first` : ""),
      );
    }
    // Where both are there, the single file is the one that is opened.
    const index = names.includes(SINGLE_FILE) ? [] : [INDEX_FILE];
    return [...names.filter((name) => SMALL_FILES.has(name) || TEMPLATE.test(name)), ...index];
  },

  async rest(what, names, read) {
    // Before the weights, so that nobody waits for gigabytes of a model that cannot be used.
    parseConfig(await read(CONFIG));
    if (names.includes(SINGLE_FILE)) return [SINGLE_FILE];
    return [...new Set(parseIndex(`${INDEX_FILE} of ${what}`, await read(INDEX_FILE)).values())].sort();
  },

  isProvenBy: (names) => TOKENIZER.every((name) => names.includes(name)),
};

/** Files that match patterns; every pattern must match one. */
export function patternSelection(patterns: readonly string[]): Selection {
  const search = compileGlobs(patterns);
  return {
    first(what, names) {
      const { found, missing } = search(names);
      if (missing === undefined) return found;
      const some = names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
      throw new RangeError(`Cannot use ${what}: no file matches ${missing}, there are ${some || "no files"}`);
    },
    rest: () => Promise.resolve([]),
    isProvenBy: () => !patterns.some(isWild),
  };
}

/**
 * The data files of a dataset, or of a subset of it, as its card or their names tell.
 *
 * @param onLayout Called with what was found, last with what counts.
 */
export function splitsSelection(subset: Subset | null, onLayout: (layout: DatasetLayout) => void): Selection {
  return {
    first: (_what, names) => names.filter((name) => name === CARD_FILE),
    async rest(what, names, read) {
      const card = names.includes(CARD_FILE) ? new TextDecoder().decode(await read(CARD_FILE)) : null;
      const layout = datasetLayout(what, names, card, subset);
      onLayout(layout);
      return [...layout.values()].flat();
    },
    // Python downloads the card and all splits of a subset.
    isProvenBy: (names) => names.includes(CARD_FILE) && hasWholeSplits(names),
  };
}
