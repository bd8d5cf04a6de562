/**
 * Writes a pruned copy of a checkpoint: the rows of the pruned neurons are zero, every shape stays, so that whatever
 * opens the source opens the copy. Only the weight files that hold such rows are rewritten, as a stream.
 */
import { link, mkdir, readdir, realpath, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OptionError } from "../text/option_error.ts";
import { syncFolder, writeNewFile } from "./atomic_file.ts";
import { writeFolderAtomic } from "./atomic_folder.ts";
import type { ByteSource } from "./byte_source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { bytesPerWeight } from "./dtype.ts";
import { checkLinks, contains } from "./links.ts";
import type { WeightRef } from "./model_config.ts";
import { findWeightFiles, openCheckpoint, TEMPLATE_FOLDER } from "./open.ts";
import { INDEX_FILE } from "./open_from.ts";
import { encodeSafetensorsHeader, readSafetensorsHeader } from "./safetensors.ts";
import { openFileSource } from "./sources.ts";
import type { Json, JsonObject } from "./strict_json.ts";

/** Neurons to zero in one layer: rows of the site's projection. The engine's `Mask` has this form. */
export interface NeuronMask {
  /** Counted from 0. */
  readonly layer: number;
  /** The projection whose rows are zeroed. */
  readonly site: "gate" | "up" | "down";
  /** Ascending, without repeats. */
  readonly neurons: Uint32Array;
}

/** How to write a pruned checkpoint. */
export interface PruneOptions {
  /** Replace a checkpoint that is already at the target. Default false: then it is an error. */
  readonly overwrite?: boolean;
  /**
   * How files that do not change get to the target. `copy` (default): the two checkpoints are independent. `link`:
   * hard links, which take no space, but writing into such a file later changes both checkpoints; where links are not
   * possible the file is copied.
   */
  readonly unchanged?: "copy" | "link";
  /** What to record beside the masks in the metadata of rewritten files, such as where the plan came from. */
  readonly note?: JsonObject;
  /** Stops the work; nothing is left behind, and the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every piece written. */
  readonly onProgress?: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;
}

/** What was written. File names are relative to the checkpoint folder, ascending. */
export interface PrunedCheckpoint {
  /** The folder written. */
  readonly location: string;
  /** Weight files with zeroed rows. */
  readonly rewritten: readonly string[];
  /** Files copied byte for byte. */
  readonly copied: readonly string[];
  /** Files that share their bytes with the source. */
  readonly linked: readonly string[];
  /**
   * What the source has besides: hidden files, folders, and other weight files, which hold the model unpruned and would
   * make the copy ambiguous.
   */
  readonly leftOut: readonly string[];
  /** Number of rows that the masks name. */
  readonly zeroedRows: number;
  /** Bytes of all files written; linked files do not count. */
  readonly bytesWritten: number;
}

/** Part of a file that is written as zeros, in bytes from the start of the source file. */
interface ZeroRange {
  readonly start: number;
  readonly end: number;
}

/** One piece of a streamed file, in bytes. */
const PIECE = 1 << 23;

/** Room for a longer header in rewritten files, per file, in bytes. */
const HEADER_GROWTH = 1 << 20;

/** Key in the metadata of a rewritten weight file; its value says what was zeroed. */
const RECORD_KEY = "secateur";

/** File names that belong to a checkpoint in some format, and so may hold the unpruned model. */
const WEIGHTS = /\.(safetensors|bin|pth?|ckpt|h5|msgpack|gguf|ggml|npz|onnx|onnx_data|tflite)$|\.index\.json$/i;

function siteWeight(checkpoint: Checkpoint, mask: NeuronMask): WeightRef {
  const layers = checkpoint.config.layerWeights;
  const weights = layers[mask.layer];
  if (!weights) {
    throw new RangeError(`Cannot prune layer ${mask.layer} of ${checkpoint.location}: it has ${layers.length} layers`);
  }
  return weights[mask.site];
}

/** The byte ranges to zero, by file, ascending. */
function zeroRanges(checkpoint: Checkpoint, masks: readonly NeuronMask[]): Map<string, ZeroRange[]> {
  const ranges = new Map<string, ZeroRange[]>();
  const seen = new Set<string>();
  for (const mask of masks) {
    const what = `${mask.site} neurons of layer ${mask.layer}`;
    const weight = siteWeight(checkpoint, mask);
    if (seen.has(what)) throw new RangeError(`Cannot prune ${what} twice: expected one mask`);
    seen.add(what);
    const tensor = checkpoint.tensors.get(weight.name)!;
    const rowBytes = weight.columns * bytesPerWeight(tensor.dtype);
    let previous = -1;
    for (const neuron of mask.neurons) {
      if (neuron <= previous) {
        throw new RangeError(`Cannot prune ${what}: ${neuron} follows ${previous}, expected ascending`);
      }
      if (neuron >= weight.rows) throw new RangeError(`Cannot prune ${what}: neuron ${neuron} of ${weight.rows}`);
      previous = neuron;
      const start = tensor.byteOffset + (weight.rowStart + neuron) * rowBytes;
      const list = ranges.get(tensor.file);
      if (list) list.push({ start, end: start + rowBytes });
      else ranges.set(tensor.file, [{ start, end: start + rowBytes }]);
    }
  }
  for (const list of ranges.values()) list.sort((a, b) => a.start - b.start);
  return ranges;
}

/**
 * Bytes of a source from `start` on, with some ranges zeroed. Every piece shares one buffer: use it before asking for
 * the next.
 */
async function* stream(source: ByteSource, start: number, zeros: readonly ZeroRange[]): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE, source.size - start));
  let next = 0;
  for (let at = start; at < source.size; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, source.size - at));
    const end = at + piece.length;
    await source.readInto(at, piece);
    while (next < zeros.length && zeros[next].end <= at) next++;
    for (let i = next; i < zeros.length && zeros[i].start < end; i++) {
      piece.fill(0, Math.max(zeros[i].start - at, 0), Math.min(zeros[i].end - at, piece.length));
    }
    yield piece;
  }
}

/** The earlier record of a source that had been pruned before: as an object where it is one. */
function parsePrevious(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The record in the metadata of a rewritten file: the same text for the same pruning. */
function describe(masks: readonly NeuronMask[], note: JsonObject | undefined, previous: string | undefined): string {
  const zeroed = masks
    .filter(({ neurons }) => neurons.length > 0)
    .map(({ layer, site, neurons }) => ({ layer, site, neurons: [...neurons] }))
    .sort((a, b) => a.layer - b.layer || (a.site < b.site ? -1 : 1));
  return JSON.stringify({ ...note, zeroed, ...(previous !== undefined && { previous: parsePrevious(previous) }) });
}

/** A weight file with zeroed rows; the tensors keep their order, and the metadata gains the key `secateur`. */
async function* rewrite(
  source: ByteSource,
  zeros: readonly ZeroRange[],
  masks: readonly NeuronMask[],
  note: JsonObject | undefined,
) {
  const header = await readSafetensorsHeader(source);
  const metadata = new Map(header.metadata);
  // Hugging Face's loader asks for this key; a source without it loads nowhere either, so adding it does no harm.
  if (!metadata.has("format")) metadata.set("format", "pt");
  metadata.set(RECORD_KEY, describe(masks, note, metadata.get(RECORD_KEY)));
  yield encodeSafetensorsHeader(header.tensors.values(), metadata);
  yield* stream(source, header.dataOffset, zeros);
}

/**
 * Whether a checkpoint says of itself that `writePrunedCheckpoint` wrote it, wherever it lies now. Only headers are
 * read.
 *
 * @throws {Error} If its weight files are not there or malformed, as `openCheckpoint`.
 */
export async function isPrunedCheckpoint(folder: string): Promise<boolean> {
  await checkLinks(folder, [TEMPLATE_FOLDER]);
  for (const name of (await findWeightFiles(folder)).files) {
    const source = await openFileSource(join(folder, name));
    try {
      if ((await readSafetensorsHeader(source)).metadata.has(RECORD_KEY)) return true;
    } finally {
      await source.close();
    }
  }
  return false;
}

/** The files of a checkpoint folder that a copy has, with their bytes, and the entries it leaves out. */
async function inventory(folder: string): Promise<{ files: Map<string, number>; leftOut: string[] }> {
  const weights = await findWeightFiles(folder);
  const kept = new Set([...weights.files, ...(weights.index ? [INDEX_FILE] : [])]);
  const files = new Map<string, number>();
  const leftOut: string[] = [];
  const add = async (name: string) => {
    // Follows symbolic links: the copy has their content.
    const status = await stat(join(folder, name));
    if (status.isDirectory() && name === TEMPLATE_FOLDER) {
      for (const inner of (await readdir(join(folder, name))).sort()) await add(join(name, inner));
    } else if (!status.isFile() || basename(name).startsWith(".") || WEIGHTS.test(name) && !kept.has(name)) {
      leftOut.push(name);
    } else {
      files.set(name, status.size);
    }
  };
  for (const name of (await readdir(folder)).sort()) await add(name);
  return { files, leftOut };
}

/** The nearest folder above a path that exists, without symbolic links, and the rest of the path. */
async function realPlace(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined || dirname(path) === path) return real ?? path;
  return join(await realPlace(dirname(path)), basename(path));
}

/**
 * Sees to it that a copy of a checkpoint would not lie inside or around it.
 *
 * @throws {OptionError} If it would.
 */
export async function checkSeparate(source: string, target: string): Promise<void> {
  const [from, to] = [await realPlace(resolve(source)), await realPlace(resolve(target))];
  if (from === to) {
    throw new OptionError(`Cannot write ${target}: it is the folder of the model itself, expected another one`);
  }
  if (contains(from, to) || contains(to, from)) {
    throw new OptionError(
      `Cannot write ${target}: it is inside or around the source ${source}, expected a separate folder`,
    );
  }
}

/**
 * Bytes that a pruned copy of a checkpoint takes at most, without files that could be links.
 *
 * @throws {RangeError} If the folder has no weight files.
 */
export async function prunedCheckpointBytes(sourceFolder: string): Promise<number> {
  return totalBytes((await inventory(sourceFolder)).files);
}

function totalBytes(files: ReadonlyMap<string, number>): number {
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Thrown where a disk has less room than what is to be written needs. */
export class DiskSpaceError extends RangeError {
  /** Tells this error from others by name. */
  override readonly name = "DiskSpaceError";
}

/**
 * Sees to it that a disk has room; where the system does not tell, the write itself will.
 *
 * @throws {DiskSpaceError} If it has less than that.
 */
export async function checkSpace(folder: string, bytesNeeded: number): Promise<void> {
  const status = await statfs(folder).catch(() => undefined);
  if (status && status.bavail * status.bsize < bytesNeeded) {
    throw new DiskSpaceError(
      `Cannot write ${bytesNeeded} bytes into ${folder}: its disk has ${status.bavail * status.bsize} bytes free`,
    );
  }
}

/**
 * Writes a copy of a checkpoint in which the rows of some neurons are zero. The source is only read. The target appears
 * when it is complete, synced and has been opened once as a check; a kill before that leaves nothing at its place.
 *
 * Rewritten files keep their metadata and gain the key `secateur`: a JSON text with `zeroed` (the masks), the note, and
 * `previous` where the source had been pruned before.
 *
 * @param masks At most one per layer and site.
 * @throws {RangeError} If a mask does not fit the model, the target exists (without `overwrite`), lies inside or around
 * the source, or the disk is too full; and as `openCheckpoint`.
 */
export async function writePrunedCheckpoint(
  sourceFolder: string,
  targetFolder: string,
  masks: readonly NeuronMask[],
  options: PruneOptions = {},
): Promise<PrunedCheckpoint> {
  await checkSeparate(sourceFolder, targetFolder);
  const checkpoint = await openCheckpoint(sourceFolder);
  try {
    const zeros = zeroRanges(checkpoint, masks);
    const { files, leftOut } = await inventory(sourceFolder);
    const bytesTotal = totalBytes(files);
    const copied: string[] = [];
    const linked: string[] = [];
    let bytesDone = 0;
    const write = async (name: string, folder: string) => {
      const ranges = zeros.get(name);
      const place = join(folder, name);
      if (!ranges && options.unchanged === "link") {
        const isLinked = await link(await realpath(join(sourceFolder, name)), place).then(() => true, () => false);
        if (isLinked) return void linked.push(name);
      }
      const source = await openFileSource(join(sourceFolder, name));
      try {
        const pieces = ranges ? rewrite(source, ranges, masks, options.note) : stream(source, 0, []);
        await writeNewFile(place, counted(pieces), join(targetFolder, name));
      } finally {
        await source.close();
      }
      if (!ranges) copied.push(name);
    };
    const counted = async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        options.signal?.throwIfAborted();
        yield piece;
        bytesDone += piece.length;
        options.onProgress?.({ bytesDone, bytesTotal: Math.max(bytesTotal, bytesDone) });
      }
    };
    await writeFolderAtomic(targetFolder, "config.json", options.overwrite ?? false, async (folder) => {
      await checkSpace(dirname(folder), bytesTotal + zeros.size * HEADER_GROWTH);
      const hasTemplates = [...files.keys()].some((name) => dirname(name) === TEMPLATE_FOLDER);
      if (hasTemplates) await mkdir(join(folder, TEMPLATE_FOLDER));
      for (const name of files.keys()) {
        options.signal?.throwIfAborted();
        await write(name, folder);
      }
      if (hasTemplates) await syncFolder(join(folder, TEMPLATE_FOLDER));
      await (await openCheckpoint(folder)).close();
    });
    return {
      location: targetFolder,
      rewritten: [...zeros.keys()].sort(),
      copied,
      linked,
      leftOut,
      zeroedRows: masks.reduce((sum, { neurons }) => sum + neurons.length, 0),
      bytesWritten: bytesDone,
    };
  } finally {
    await checkpoint.close();
  }
}
