/** What the files of a checkpoint folder say, whether or not it can be computed with. */
import { join } from "node:path";
import type { Checkpoint } from "./checkpoint.ts";
import { isWeightType } from "./dtype.ts";
import { findWeightFiles, openCheckpoint, readConfigFile } from "./open.ts";
import { readSafetensorsHeader, type SafetensorsEntry } from "./safetensors.ts";
import { openFileSource } from "./sources.ts";
import { type JsonObject, parseJsonObject } from "./strict_json.ts";

/** All tensors of one storage type. */
export interface TypeTotal {
  /** As the file names it, such as `BF16`. */
  readonly dtype: string;
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
}

/** What was found in a folder. */
export interface CheckpointSurvey {
  /** The opened checkpoint, which the caller closes; null where it cannot be computed with. */
  readonly checkpoint: Checkpoint | null;
  /** `config.json` as it is. */
  readonly fields: JsonObject;
  /** Names of the weight files. */
  readonly files: readonly string[];
  /** What they hold, by storage type, largest first. */
  readonly types: readonly TypeTotal[];
  /** Why the checkpoint cannot be computed with, one sentence each; empty where it can. */
  readonly problems: readonly string[];
}

/**
 * Reads `config.json` and the headers of the weight files, and tries to open the checkpoint.
 *
 * @throws {RangeError} If there is no `config.json`.
 * @throws {SyntaxError} If it is no JSON object.
 */
export async function surveyCheckpoint(folder: string): Promise<CheckpointSurvey> {
  const fields = parseJsonObject(join(folder, "config.json"), await readConfigFile(folder));
  const problems: string[] = [];
  const checkpoint = await orProblem(problems, () => openCheckpoint(folder));
  // What keeps the checkpoint from being opened is told already; here every further problem of its files is.
  const found = await findWeightFiles(folder).catch(() => null);
  const entries: SafetensorsEntry[] = [];
  for (const file of found?.files ?? []) {
    const header = await orProblem(problems, () => readHeader(join(folder, file)));
    entries.push(...header?.tensors.values() ?? []);
  }
  const types = totalTypes(entries);
  for (const { dtype, tensors } of types) {
    if (!isWeightType(dtype)) problems.push(`tensors of type ${dtype}: ${tensors}; expected F32, F16 or BF16`);
  }
  return { checkpoint, fields, files: found?.files ?? [], types, problems: [...new Set(problems)] };
}

/**
 * What some work gives; where it fails, null, and its message as one more problem.
 *
 * @param signal Its reason is thrown: work that was stopped has not failed.
 */
export async function orProblem<T>(
  problems: string[],
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    problems.push((error as Error).message);
    return null;
  }
}

async function readHeader(path: string) {
  const source = await openFileSource(path);
  try {
    return await readSafetensorsHeader(source);
  } finally {
    await source.close();
  }
}

function totalTypes(entries: readonly SafetensorsEntry[]): TypeTotal[] {
  const totals = new Map<string, TypeTotal>();
  for (const { dtype, shape, byteLength } of entries) {
    const { tensors, elements, bytes } = totals.get(dtype) ?? { tensors: 0, elements: 0, bytes: 0 };
    const count = shape.reduce((product, length) => product * length, 1);
    totals.set(dtype, { dtype, tensors: tensors + 1, elements: elements + count, bytes: bytes + byteLength });
  }
  return [...totals.values()].sort((a, b) => b.bytes - a.bytes);
}
