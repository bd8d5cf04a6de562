/**
 * What work that may be interrupted was begun with: the adapter and its kernels, and what computed each finished stage
 * in how many seconds. Which kernels are faster is measured anew whenever an engine opens; where that is a close call,
 * the work would otherwise go on with other last bits.
 */
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { isJsonObject, type Json, parseJsonObject } from "../checkpoint/strict_json.ts";
import type { AdapterKernels, EngineInfo } from "../engine/engine.ts";
import { digestFile } from "./file_digest.ts";
import { readResult } from "./files.ts";
import { formatJson } from "./json.ts";
import { type Infer, integer, nullable, number, oneOf, optional, record, type Schema, text } from "./schema.ts";

/** The kernels of an engine; undefined where it has none to choose between. */
export function kernelsOf({ adapter, details: { kernels } }: EngineInfo): AdapterKernels | undefined {
  return kernels === "tile" || kernels === "subgroup" ? { adapter, variant: kernels } : undefined;
}

/** How the file of a stage came about. */
export interface StageOrigin {
  /** What computed it; null where nothing tells. */
  readonly kind: EngineInfo["kind"] | null;
  /** Wall time; 0 where nothing tells. */
  readonly seconds: number;
  /** sha256 of the file, so that another one in its place is noticed. */
  readonly sha256: string;
}

/** The stages of a run that have a file of their own. */
export type Stages = { readonly [stage in "score" | "search"]?: StageOrigin | undefined };

const stageSchema: Schema<StageOrigin> = record({
  kind: nullable(oneOf("webgpu", "reference")),
  seconds: (value, where) => {
    const seconds = number(value, where);
    if (seconds >= 0 && seconds < Infinity) return seconds;
    throw new SyntaxError(`${where} is ${seconds}, expected a number from 0`);
  },
  sha256: text,
});

const stagesSchema = record({ score: optional(stageSchema), search: optional(stageSchema) });

/** What is told of a run that is not complete. */
export interface BegunWork {
  /** Seed of what is drawn. */
  readonly seed?: number | undefined;
  /** What its files came from. */
  readonly stages?: Stages | undefined;
}

/** What such a file says; each part on its own, as those of earlier versions have fewer. */
export interface BegunEngine extends BegunWork {
  /** What computes; undefined where only single stages were computed. */
  readonly kind?: EngineInfo["kind"] | undefined;
}

/** Writes down what computes, and how far it came. The folder must exist. */
export async function writeBegunEngine(
  path: string,
  { kind, adapter, details }: EngineInfo,
  { seed, stages }: BegunWork = {},
): Promise<void> {
  const { score, search } = stages ?? {};
  const plain = stages && { score: score && { ...score }, search: search && { ...search } };
  await writeFileAtomic(path, formatJson({ kind, adapter, kernels: details.kernels ?? null, seed, stages: plain }));
}

async function readContent(path: string): Promise<Record<string, Json>> {
  return await readResult(path).then((bytes) => parseJsonObject(path, bytes)).catch(() => ({}));
}

/** The kernels that work was begun with; undefined where the file is not there, cannot be read, or names none. */
export async function readBegunKernels(path: string): Promise<AdapterKernels | undefined> {
  const { adapter, kernels } = await readContent(path);
  if (typeof adapter !== "string") return undefined;
  return kernelsOf({ kind: "webgpu", adapter, details: { kernels: String(kernels) } });
}

/** What work was begun with; nothing of it where the file is not there or cannot be read. */
export async function readBegunEngine(path: string): Promise<BegunEngine> {
  const content = await readContent(path);
  const read = <S extends Schema<unknown>>(name: string, schema: S): Infer<S> | undefined => {
    try {
      return schema(content[name], name) as Infer<S>;
    } catch {
      return undefined;
    }
  };
  return {
    kind: read("kind", oneOf("webgpu", "reference")),
    seed: read("seed", integer),
    stages: read("stages", stagesSchema),
  };
}

/** How a file came about that was just written. */
export async function stageOrigin(file: string, kind: EngineInfo["kind"], seconds: number): Promise<StageOrigin> {
  return { kind, seconds, sha256: await digestFile(file) };
}

/**
 * Notes how the file of a single stage came about, beside whatever the record says already.
 *
 * @param path The record; its folder must exist.
 */
export async function noteStage(path: string, stage: keyof Stages, origin: StageOrigin): Promise<void> {
  const content = await readContent(path);
  const stages = isJsonObject(content.stages) ? content.stages : {};
  await writeFileAtomic(path, formatJson({ ...content, stages: { ...stages, [stage]: { ...origin } } }));
}
