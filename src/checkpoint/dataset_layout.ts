/**
 * Which files of a dataset folder belong to which split: as its card (`README.md`) lists them under `configs`, or by
 * the names of files and folders.
 */
import { parseYaml } from "../text/yaml_text.ts";
import { OptionError } from "../text/option_error.ts";
import { compileGlobs } from "./glob.ts";

/** The files of each split, by path in the folder, in the order of their rows. */
export type DatasetLayout = ReadonlyMap<string, readonly string[]>;

/** Which part of a dataset is wanted. */
export interface Subset {
  /** Its name, such as `en`. */
  readonly name: string;
  /** Whether it must be there; otherwise a dataset without subsets is taken as a whole. */
  readonly isRequired: boolean;
}

/** Name of the card. */
export const CARD_FILE = "README.md";

/** Most entries of a subset in a card: each is held against every file. */
const MOST_ENTRIES = 1000;

/** Longest head of a card, in characters. */
const MAX_CARD_HEAD = 4_000_000;

const DATA_FILE = /\.(?:jsonl|ndjson|json|csv|tsv|parquet)$/i;

/** JSON files that tools write beside the data. */
const NO_DATA = /(?:^|\/)(?:dataset_infos?|dataset_dict|state|metadata|config)\.json$/i;

/** The words for splits that the `datasets` library knows. */
const SPLIT_WORDS = new Set(
  "train training validation valid val dev test testing eval evaluation".split(" "),
);

/** Shards of one split: `train-00000-of-00002`, in older datasets with a hash behind it. */
const SHARD = /-(\d{5})-of-(\d{5})(?:-[0-9a-f]{16})?$/;

function isHidden(path: string): boolean {
  return path.split("/").some((part) => part.startsWith(".") || part.startsWith("__"));
}

function dataFiles(what: string, names: readonly string[]): string[] {
  const files = names.filter((name) => DATA_FILE.test(name) && !NO_DATA.test(name) && !isHidden(name));
  if (files.length > 0) return files.sort();
  const others = names.filter((name) => !isHidden(name)).slice(0, 5).join(", ");
  const isScript = names.some((name) => name.endsWith(".py"));
  throw new RangeError(
    `Cannot read the dataset ${what}: expected .jsonl, .json, .csv, .tsv or .parquet files, there are ${
      others || "none"
    }` + (isScript ? "; a script is never run, but the hub may have the rows as @refs/convert/parquet" : ""),
  );
}

/** Name of a file without folders and ending. */
function stemOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(DATA_FILE, "");
}

/** The word for a split in a name such as `boolq_dev-v2`. */
function splitWord(name: string): string | undefined {
  return name.toLowerCase().split(/[^a-z]+/).find((word) => SPLIT_WORDS.has(word));
}

/** The split of a file by its own name, else by its folder's, else its name is the split's. */
function splitOf(path: string): string {
  const stem = stemOf(path).replace(SHARD, "");
  const folders = path.split("/").slice(0, -1).reverse();
  const isNumber = /^\d*$/.test(stem);
  return splitWord(stem) ?? folders.map(splitWord).find((word) => word !== undefined) ??
    (isNumber && folders.length > 0 ? folders[0] : isNumber ? "data" : stem);
}

function checkFormats(what: string, split: string, files: readonly string[]): void {
  const endings = new Set(files.map((file) => DATA_FILE.exec(file)![0].toLowerCase()));
  if (endings.size === 1) return;
  throw new RangeError(
    `Cannot read the dataset ${what}: the split ${split} is there as ${[...endings].join(" and ")} (${
      files.slice(0, 4).join(", ")
    }), expected one of them`,
  );
}

/** Shards must all be there: half of a split is another split. */
function checkShards(what: string, files: readonly string[]): void {
  const problem = missingShard(files);
  if (problem !== undefined) throw new RangeError(`Cannot read the dataset ${what}: ${problem}`);
}

function missingShard(files: readonly string[]): string | undefined {
  const there = new Map<string, { count: number; seen: Set<number> }>();
  for (const file of files) {
    const stem = file.replace(DATA_FILE, "");
    const [, index, count] = SHARD.exec(stem) ?? [];
    if (index === undefined) continue;
    const key = `${stem.replace(SHARD, "")}-of-${count}`;
    const group = there.get(key) ?? { count: Number(count), seen: new Set() };
    group.seen.add(Number(index));
    there.set(key, group);
  }
  for (const [name, { count, seen }] of there) {
    if (seen.size < count) return `${seen.size} of the ${count} parts of ${name.replace(/-of-\d+$/, "")} are there`;
  }
  return undefined;
}

/** Whether files that are there are all of some splits. */
export function hasWholeSplits(names: readonly string[]): boolean {
  const files = names.filter((name) => DATA_FILE.test(name) && !NO_DATA.test(name));
  return files.some((name) => SHARD.test(stemOf(name))) && missingShard(files) === undefined;
}

/** Groups files by the names of files and folders. */
export function layoutByNames(what: string, names: readonly string[], subset: Subset | null): DatasetLayout {
  let files = dataFiles(what, names);
  if (subset !== null) {
    const ofSubset = files.filter((file) => file.split("/").slice(0, -1).includes(subset.name));
    if (ofSubset.length > 0) files = ofSubset;
    else if (subset.isRequired) {
      throw new OptionError(
        `Cannot read the dataset ${what}: it has no subset ${subset.name}, no folder has that name`,
      );
    }
  }
  const splits = new Map<string, string[]>();
  for (const file of files) {
    const split = splitOf(file);
    const paths = splits.get(split);
    if (paths === undefined) splits.set(split, [file]);
    else paths.push(file);
  }
  for (const [split, paths] of splits) {
    checkFormats(what, split, paths);
    const folders = new Set(paths.map((path) => path.slice(0, path.lastIndexOf("/") + 1)));
    if (folders.size > 1) {
      const list = [...folders].slice(0, 10).map((folder) => folder || "./").join(", ");
      throw new RangeError(
        `Cannot read the dataset ${what}: the split ${split} is in several folders (${list}), name one of them as the subset`,
      );
    }
    checkShards(what, paths);
  }
  return splits;
}

/** What a card says about one subset. */
interface CardConfig {
  readonly name: string;
  readonly isDefault: boolean;
  readonly dataFiles: unknown;
  readonly folder: string;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The `configs` of a card, or none. */
function readConfigs(what: string, card: string): CardConfig[] {
  const [, head] = /^\ufeff?---\r?\n([^]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(card.slice(0, MAX_CARD_HEAD)) ?? [];
  if (head === undefined) return [];
  const fail = (problem: string, cause?: unknown): never => {
    throw new SyntaxError(`Cannot read ${CARD_FILE} of the dataset ${what}: ${problem}`, { cause });
  };
  let value: unknown;
  try {
    value = parseYaml(head, { isLenient: true });
  } catch (error) {
    return fail((error as Error).message.split("\n")[0].replace(/:$/, ""), error);
  }
  const configs = isRecord(value) ? value.configs : undefined;
  if (configs === undefined || configs === null) return [];
  if (!Array.isArray(configs)) return fail("configs is no list");
  return configs.map((config, i) => {
    if (!isRecord(config) || typeof config.config_name !== "string") return fail(`configs[${i}] has no config_name`);
    return {
      name: config.config_name,
      isDefault: config.default === true,
      dataFiles: config.data_files,
      folder: typeof config.data_dir === "string" ? config.data_dir.replace(/\/*$/, "/").replace(/^\.?\//, "") : "",
    };
  });
}

function chooseConfig(what: string, configs: readonly CardConfig[], subset: Subset | null): CardConfig {
  const named = subset && configs.find(({ name }) => name === subset.name);
  if (named) return named;
  const list = configs.slice(0, 12).map(({ name }) => name).join(", ") + (configs.length > 12 ? ", ..." : "");
  if (subset?.isRequired) {
    throw new OptionError(`Cannot read the dataset ${what}: it has no subset ${subset.name}, there are ${list}`);
  }
  const chosen = configs.find(({ isDefault }) => isDefault) ?? configs.find(({ name }) => name === "default") ??
    (configs.length === 1 ? configs[0] : undefined);
  if (chosen) return chosen;
  throw new OptionError(
    `Cannot read the dataset ${what}: it has ${configs.length} subsets (${list}), name one of them`,
  );
}

function strings(value: unknown): string[] | undefined {
  const list = Array.isArray(value) ? value : [value];
  return list.length > 0 && list.every((item) => typeof item === "string") ? list : undefined;
}

/**
 * Groups files as the card says, else by names.
 *
 * @param what The dataset, for errors.
 * @param names All files, by path with `/` between folders.
 * @param card Text of its card, or null.
 * @param subset What is wanted of it; null for the default or only one.
 * @throws {RangeError} If there are no data files, the subset is not there or must be named, or files of it are
 * missing.
 * @throws {SyntaxError} If the card is malformed.
 */
export function datasetLayout(
  what: string,
  names: readonly string[],
  card: string | null,
  subset: Subset | null,
): DatasetLayout {
  const configs = card === null ? [] : readConfigs(what, card);
  if (configs.length === 0) return layoutByNames(what, names, subset);
  const { name, dataFiles, folder } = chooseConfig(what, configs, subset);
  if (dataFiles === undefined || dataFiles === null) {
    const inFolder = names.filter((path) => path.startsWith(folder));
    return layoutByNames(what, inFolder, folder === "" ? subset : null);
  }
  const fail = (problem: string) => new SyntaxError(`Cannot read ${CARD_FILE} of the dataset ${what}: ${problem}`);
  const plain = strings(dataFiles);
  const entries: readonly (readonly [string, unknown])[] = plain
    ? [["train", plain]]
    : (Array.isArray(dataFiles) ? dataFiles : []).map((entry) => [String(entry?.split), entry?.path]);
  if (entries.length === 0) throw fail(`the subset ${name} has no data_files`);
  if (entries.length > MOST_ENTRIES) {
    throw fail(`the subset ${name} has ${entries.length} data_files, expected at most ${MOST_ENTRIES}`);
  }
  const splits = new Map<string, string[]>();
  for (const [split, paths] of entries) {
    const patterns = strings(paths);
    if (!patterns || !/^[\w.-]+$/.test(split)) throw fail(`data_files of the subset ${name} need split and path`);
    const full = patterns.map((pattern) => folder + pattern.replace(/^\.?\//, ""));
    const { found, missing } = compileGlobs(full)(names);
    if (missing !== undefined) {
      const pattern = patterns[full.indexOf(missing)];
      throw new RangeError(`Cannot read the dataset ${what}: no file matches ${pattern}, the split ${split}`);
    }
    const files = found.sort();
    const other = files.find((path) => !DATA_FILE.test(path));
    if (other !== undefined) {
      throw new RangeError(
        `Cannot read the dataset ${what}: ${other} of the split ${split} cannot be read, expected .jsonl, .json, .csv, ` +
          ".tsv or .parquet",
      );
    }
    checkFormats(what, split, files);
    checkShards(what, files);
    splits.set(split, files);
  }
  return splits;
}
