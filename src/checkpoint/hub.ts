/**
 * Checkpoints and data sets by name: `org/name[@revision]` is looked up in the cache that Python's `huggingface_hub`
 * uses (`HF_HOME`, `HF_HUB_CACHE`), and what is missing is downloaded into it.
 *
 * - A folder that exists goes first and is used as it is.
 * - Where the cache knows which commit the revision stands for and has all its files, no request is made: a branch that
 *   has moved since is noticed only with `refresh`. A full commit id never moves.
 * - `HF_HUB_OFFLINE` forbids every request. `HF_ENDPOINT` names another hub. `HF_TOKEN`, or the token that
 *   `hf auth login` left, is sent to that hub and nowhere else, and is in no message.
 * - A downloaded file is compared with the size and the hash (sha256, or git's sha1 of small files) that the hub lists
 *   before it gets its name. Files that were in the cache before are trusted, apart from their size.
 */
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { RepositoryCache } from "./hub_cache.ts";
import { isAbsent } from "./system_error.ts";
import { HubClient } from "./hub_client.ts";
import { avoidsSymlinks, cacheFolder, endpoint, type Environment, isOffline, readToken } from "./hub_environment.ts";
import { HubError } from "./hub_error.ts";
import { isCommit, parseReference, type RepositoryKind, type RepositoryReference } from "./hub_reference.ts";
import { defaultTiming, type HubTiming } from "./hub_retry.ts";
import type { DatasetLayout, Subset } from "./dataset_layout.ts";
import { modelSelection, patternSelection, type Selection, splitsSelection } from "./hub_selection.ts";
import { readText } from "./open.ts";
import { type DownloadProgress, SnapshotDownload } from "./hub_snapshot.ts";

/** How to find a repository. */
export interface ResolveOptions {
  /** Ask the hub what the revision stands for now, even where the cache has everything. Default: false. */
  readonly refresh?: boolean;
  /** The variables to go by. Default: those of the process. */
  readonly environment?: Environment;
  /** Stops the download, which can be continued later; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called whenever bytes have come. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** How long to wait for what. */
  readonly timing?: Partial<HubTiming>;
}

/** How to find a data set. */
export interface ResolveDatasetOptions extends ResolveOptions {
  /**
   * Files that are wanted, such as `data/*.jsonl`; `*` and `?` stay inside a folder, `**` goes through folders.
   * Default: all.
   */
  readonly patterns?: readonly string[];
}

/** A repository on this machine. */
export interface ResolvedRepository {
  /** Folder with its files. In the cache they are symbolic links: they must not be written to. */
  readonly folder: string;
  /** The commit; null for a folder that is no cached repository. */
  readonly revision: string | null;
  /** What names it for good: `org/name@commit`, or the folder as it was given. */
  readonly reference: string;
  /** The files that were wanted, by path in the repository, ascending. Empty for the folder of a model. */
  readonly files: readonly string[];
  /** Those of them that this call downloaded. */
  readonly downloaded: readonly string[];
}

/** What one call works with. */
interface Resolution {
  readonly reference: RepositoryReference;
  readonly cache: RepositoryCache;
  readonly selection: Selection;
  readonly options: ResolveOptions;
}

/** Looks for a folder; returns why there is none, or undefined where there is one. */
async function whyNoFolder(kind: RepositoryKind, path: string): Promise<Error | undefined> {
  if (path.includes("\0")) return new Error("no path has a NUL character");
  try {
    if ((await stat(path)).isDirectory()) return undefined;
  } catch (error) {
    if (isAbsent(error)) return error as Error;
    throw error;
  }
  throw new RangeError(`Cannot use ${path} as a ${kind}: it is a file, expected a folder or org/name[@revision]`);
}

/** What the cache has of a commit: the files wanted, and what keeps them from being complete. */
async function findCached(
  { reference, cache, selection }: Resolution,
  commit: string,
  isOffline: boolean,
): Promise<{ files: string[] } | { problem: string }> {
  const listing = await cache.listing(commit);
  // Without the listing, what is there counts as all there is, if that can be so.
  const names = listing ? [...listing.keys()] : await cache.files(commit);
  if (names.length === 0) return { problem: "no file of it is there" };
  if (!listing && !isOffline && !selection.isProvenBy(names)) return { problem: "its list of files is not there" };
  const missing = async (files: readonly string[]) => {
    for (const name of files) if (!await cache.has(commit, name, listing?.get(name))) return name;
  };
  try {
    const first = selection.first(reference.id, names);
    const small = await missing(first);
    if (small !== undefined) return { problem: `${small} is not there` };
    const rest = await selection.rest(reference.id, names, (name) => readText(cache.path(commit, name)));
    const large = await missing(rest);
    return large === undefined ? { files: [...first, ...rest].sort() } : { problem: `${large} is not there` };
  } catch (error) {
    // With the listing it is certain that the repository itself lacks something.
    if (listing || !(error instanceof RangeError)) throw error;
    return { problem: `what is there is incomplete (${error.message})` };
  }
}

/** Brings what is wanted of a commit into the cache. */
async function download(
  { reference, cache, selection, options }: Resolution,
  environment: Environment,
): Promise<ResolvedRepository> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const client = new HubClient(reference, {
    endpoint: endpoint(environment),
    token: await readToken(environment),
    timing: { ...defaultTiming, ...options.timing },
    signal,
  });
  const commit = await client.commit();
  const cached = await cache.listing(commit);
  const listing = cached ?? await client.listing(commit);
  if (!cached) await cache.writeListing(commit, listing);
  const names = [...listing.keys()];
  const downloads = new SnapshotDownload(client, cache, commit, listing, stop, options.onProgress);
  const first = selection.first(reference.id, names);
  const downloaded = await downloads.run(first);
  const rest = await selection.rest(reference.id, names, (name) => readText(cache.path(commit, name)));
  const unlisted = rest.find((name) => !listing.has(name));
  if (unlisted !== undefined) {
    throw new RangeError(`Cannot use ${reference.id}: ${unlisted} is part of it, and its hub does not list it`);
  }
  downloaded.push(...await downloads.run(rest));
  // Last, so that the revision stands for a commit that is all there.
  await cache.writeCommit(commit);
  return {
    folder: cache.snapshot(commit),
    revision: commit,
    reference: `${reference.id}@${commit}`,
    files: [...first, ...rest].sort(),
    downloaded: downloaded.sort(),
  };
}

async function resolveRepository(
  reference: RepositoryReference,
  selection: Selection,
  options: ResolveOptions,
): Promise<ResolvedRepository> {
  options.signal?.throwIfAborted();
  const environment = options.environment ?? process.env;
  const root = cacheFolder(environment);
  const cache = new RepositoryCache(root, reference, avoidsSymlinks(environment));
  const resolution = { reference, cache, selection, options };
  const offline = isOffline(environment);
  const commit = await cache.commit();
  let problem = `the cache does not know its revision ${reference.revision}`;
  if (commit !== undefined && (offline || !options.refresh || isCommit(reference.revision))) {
    const found = await findCached(resolution, commit, offline);
    if ("files" in found) {
      const { files } = found;
      const folder = cache.snapshot(commit);
      return { folder, revision: commit, reference: `${reference.id}@${commit}`, files, downloaded: [] };
    }
    problem = found.problem;
  }
  if (offline) {
    throw new HubError(
      `Cannot find ${reference.id} in ${root}: ${problem}`,
      "HF_HUB_OFFLINE forbids to download it; unset it, or set HF_HUB_CACHE to the folder that has it",
    );
  }
  return await download(resolution, environment);
}

/**
 * Finds a checkpoint by folder or by name, downloading what of it is missing: configuration, tokenizer, templates and
 * safetensors weights.
 *
 * @param reference A folder, or `org/name[@revision]`; a folder that exists goes first. The revision is a branch, a tag
 * or a commit, `main` where there is none.
 * @throws {HubError} If the repository cannot be had: it does not exist, is private or gated, the network does not
 * work or is forbidden, or what came is not what the hub lists. The message says what to do.
 * @throws {RangeError} If the reference is neither a folder nor a name, the repository has no checkpoint that can be
 * opened, the model is not supported (noticed before its weights are downloaded), or the disk is too small.
 * @throws {SyntaxError} If its configuration or its index is malformed.
 * @throws {TypeError} If a field of its configuration has the wrong type.
 */
export async function resolveModel(reference: string, options: ResolveOptions = {}): Promise<ResolvedRepository> {
  const cause = await whyNoFolder("model", reference);
  if (!cause) return { folder: reference, revision: null, reference, files: [], downloaded: [] };
  return await resolveRepository(parseReference("model", reference, { cause }), modelSelection, options);
}

/**
 * Finds files of a data set by folder or by name, downloading those that are missing.
 *
 * @param reference A folder, or `org/name[@revision]`; a folder that exists goes first.
 * @throws {HubError} As `resolveModel`.
 * @throws {RangeError} If the reference is neither a folder nor a name, a pattern matches no file, or the disk is too
 * small.
 */
export async function resolveDataset(
  reference: string,
  options: ResolveDatasetOptions = {},
): Promise<ResolvedRepository> {
  return await resolveFiles(reference, patternSelection(options.patterns ?? ["**"]), options);
}

/** The files of a dataset by split. */
export interface ResolvedSplits extends ResolvedRepository {
  /** Paths of the files of each split, in the order of their rows. */
  readonly splits: Readonly<Record<string, readonly string[]>>;
}

/** How to find the splits of a data set. */
export interface ResolveSplitsOptions extends ResolveOptions {
  /**
   * Which part of it, such as a language; a name stands for one that must be there. Default: the default or only one.
   */
  readonly subset?: string | Subset | null;
}

/**
 * Finds the splits of a data set by folder or by name, downloading the files that are missing. Which file belongs to
 * which split its card tells, or else the names of files and folders.
 *
 * @param reference A folder, or `org/name[@revision]`; a folder that exists goes first.
 * @throws {HubError} As `resolveModel`.
 * @throws {RangeError} If the reference is neither a folder nor a name, there are no data files or no such subset,
 * files are missing, or the disk is too small.
 * @throws {SyntaxError} If the card is malformed.
 */
export async function resolveSplits(reference: string, options: ResolveSplitsOptions = {}): Promise<ResolvedSplits> {
  const { subset = null } = options;
  const wanted = typeof subset === "string" ? { name: subset, isRequired: true } : subset;
  let layout: DatasetLayout = new Map();
  const found = await resolveFiles(reference, splitsSelection(wanted, (latest) => layout = latest), options);
  const splits = [...layout].map(([split, files]) => [split, files.map((file) => join(found.folder, file))] as const);
  return { ...found, splits: Object.fromEntries(splits) };
}

/** Most entries of a local folder that are looked at. */
const MAX_ENTRIES = 100_000;

/** The files in a local folder, by path with `/` between folders. */
async function listFolder(root: string): Promise<string[]> {
  const names: string[] = [];
  const folders = [""];
  let seen = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const entry of await opendir(join(root, folder))) {
      if (++seen > MAX_ENTRIES) {
        throw new RangeError(`Cannot use ${root} as a dataset: it has more than ${MAX_ENTRIES} files and folders`);
      }
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (!entry.isDirectory()) names.push(path);
      else if (!entry.name.startsWith(".")) folders.push(path);
    }
  }
  return names.sort();
}

async function resolveFiles(
  reference: string,
  selection: Selection,
  options: ResolveOptions,
): Promise<ResolvedRepository> {
  const cause = await whyNoFolder("dataset", reference);
  if (cause) return await resolveRepository(parseReference("dataset", reference, { cause }), selection, options);
  const names = await listFolder(reference);
  const first = selection.first(reference, names);
  const rest = await selection.rest(reference, names, (name) => readText(join(reference, name)));
  return { folder: reference, revision: null, reference, files: [...first, ...rest].sort(), downloaded: [] };
}
