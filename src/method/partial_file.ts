/**
 * The partial that a shard writes: a safetensors file that says what it belongs to. One format for scoring and for
 * searching: what differs is in `units` and in the tensors.
 */
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import type { ByteSource } from "../checkpoint/byte_source.ts";
import { encodeSafetensors, type NewTensor, readSafetensorsHeader, readTensorF64 } from "../checkpoint/safetensors.ts";
import { openFileSource } from "../checkpoint/sources.ts";
import { isJsonObject, type Json } from "../checkpoint/strict_json.ts";
import { hashOf } from "../checkpoint/tensor_store.ts";
import { OptionError } from "../text/option_error.ts";
import type { PlanModel } from "./plan.ts";
import { type Provenance, provenanceSchema } from "./provenance.ts";
import { type Infer, integer, list, oneOf, record, type Schema, text } from "./schema.ts";
import { checkShard, type Shard } from "./shard.ts";

const format = "secateur-partial";
const version = "2";

/** Most units of a job, and most neurons of a model: lists of as many are made when partials are joined. */
const mostUnits = 2 ** 24;
const mostNeurons = 2 ** 28;

/** What partials are of. */
export type PartialStep = "score" | "search";

/** What decides the numbers of a partial; shards of one job agree in all of it. */
export interface PartialInputs {
  /** Digest of the model. */
  readonly model: string;
  /** Digest of the examples, as the model reads them. */
  readonly examples: string;
  /** Digest of the scores that are searched over; empty for scoring. */
  readonly scores: string;
}

/** What every partial says of itself. */
export interface PartialHeader {
  /** The step that it is a part of. */
  readonly step: PartialStep;
  /** Which part of how many. */
  readonly shard: Shard;
  /** Digests of what went in. */
  readonly inputs: PartialInputs;
  /** Model, task and versions, as the merged file names them. */
  readonly provenance: Provenance;
  /** The shape of the model. */
  readonly model: PlanModel;
  /** The settings of the step, as JSON. */
  readonly settings: Json;
  /** What computed it, such as `llvmpipe (LLVM 15.0.6, 256 bits), subgroup kernels`. */
  readonly engine: string;
  /** The arguments of the command without `--shard`, so that a missing shard can be made. */
  readonly arguments: readonly string[];
  /** Units (paths or cells) of the whole job. */
  readonly unitCount: number;
  /** Those of this shard, ascending. */
  readonly units: readonly number[];
}

/** A partial in memory. */
export interface Partial extends PartialHeader {
  /** The file it was read from; empty for one that was not. */
  readonly file: string;
  /** Its numbers, by name. */
  readonly arrays: ReadonlyMap<string, Float64Array>;
  /** JSON that only some steps have, such as the examples of a search. */
  readonly more: Json;
}

/** Name of the folder of partials in an output folder. */
export const partialFolder = "parts";

/** Name of a shard's file: `score-2-of-6.safetensors`. */
export function partialName(step: PartialStep, { index, count }: Shard): string {
  return `${step}-${index}-of-${count}.safetensors`;
}

const modelSchema: Schema<PlanModel> = record({ family: text, layers: integer, width: integer, neurons: integer });
const anyJson: Schema<Json> = (value) => value ?? null;

const headerSchema = record({
  step: oneOf("score", "search"),
  shard: record({ index: integer, count: integer }),
  inputs: record({ model: text, examples: text, scores: text }),
  provenance: provenanceSchema,
  model: modelSchema,
  settings: anyJson,
  engine: text,
  arguments: list(text),
  unitCount: integer,
  units: list(integer),
  more: anyJson,
});

/** Digest of the numbers and of what the file says of itself, so that a damaged file is told from a whole one. */
function digestContent(header: string, arrays: ReadonlyMap<string, Float64Array>): string {
  const names = [...arrays.keys()].sort();
  const lines = names.map((name) => {
    const { buffer, byteOffset, byteLength } = arrays.get(name)!;
    return `${name} ${hashOf(new Uint8Array(buffer, byteOffset, byteLength))}`;
  });
  return hashOf([...lines, header].join("\n"));
}

/** The pieces of a partial's file. The same partial gives the same bytes. */
export function encodePartial(partial: Omit<Partial, "file">): Uint8Array[] {
  const { arrays, more, step, shard, inputs, provenance, model, settings, engine, unitCount, units } = partial;
  const header: Infer<typeof headerSchema> = {
    step,
    shard: { ...shard },
    inputs: { ...inputs },
    provenance: { ...provenance },
    model: { ...model },
    settings,
    engine,
    arguments: [...partial.arguments],
    unitCount,
    units: [...units],
    more,
  };
  const tensors = [...arrays].map(([name, data]): NewTensor => ({ name, dtype: "F64", shape: [data.length], data }));
  const text = JSON.stringify(header);
  return encodeSafetensors(tensors, { format, version, partial: text, digest: digestContent(text, arrays) });
}

/** Writes a partial: whole, or not at all. */
export async function writePartial(path: string, partial: Omit<Partial, "file">): Promise<void> {
  await writeFileAtomic(path, encodePartial(partial));
}

/** A partial as its file describes it, without its numbers. */
export type PartialDescription = Omit<Partial, "arrays">;

/** What the file of a partial says of itself, and its layout. */
async function describePartial(path: string, source: ByteSource) {
  const fail = (problem: string) => new SyntaxError(`Cannot read ${path}: ${problem}`);
  const header = await readSafetensorsHeader(source);
  const metadata = (name: string) => header.metadata.get(name);
  if (metadata("format") !== format || metadata("version") !== version) {
    throw fail(`expected a partial (format ${format}, version ${version})`);
  }
  let fields: Infer<typeof headerSchema>;
  try {
    fields = headerSchema(JSON.parse(metadata("partial") ?? "null") as Json, "partial");
    checkShard(fields.shard);
  } catch (error) {
    throw fail((error as Error).message);
  }
  const { unitCount, units, model } = fields;
  if (unitCount > mostUnits) throw fail(`a job of ${unitCount} units, expected at most ${mostUnits}`);
  if (model.layers * model.neurons > mostNeurons) {
    throw fail(`a model of ${model.layers} layers of ${model.neurons} neurons, expected at most ${mostNeurons} in all`);
  }
  const wrong = units.find((unit, i) => unit < 0 || unit >= unitCount || (i > 0 && unit <= units[i - 1]));
  if (wrong !== undefined) throw fail(`its units are not ascending numbers below ${unitCount} at ${wrong}`);
  return {
    header,
    text: metadata("partial")!,
    digest: metadata("digest"),
    description: { ...fields, file: path } satisfies PartialDescription,
    fail,
  };
}

/**
 * Reads what a partial says of itself; its numbers are neither read nor checked, so thousands of partials are quick to
 * list.
 *
 * @throws {SyntaxError} If it is no such file, or is cut short; the message names it.
 */
export async function readPartialDescription(path: string): Promise<PartialDescription> {
  const source = await openFileSource(path);
  try {
    return (await describePartial(path, source)).description;
  } finally {
    await source.close();
  }
}

/**
 * Reads a partial back.
 *
 * @throws {SyntaxError} If it is no such file, or is damaged; the message names it.
 */
export async function readPartial(path: string): Promise<Partial> {
  const source = await openFileSource(path);
  try {
    const { header, text, digest, description, fail } = await describePartial(path, source);
    const arrays = new Map<string, Float64Array>();
    for (const name of header.tensors.keys()) arrays.set(name, (await readTensorF64(source, header, name)).data);
    if (digestContent(text, arrays) !== digest) throw fail("its content is not what was written");
    return { ...description, arrays };
  } finally {
    await source.close();
  }
}

/**
 * Reads JSON of a partial that only one step has.
 *
 * @throws {SyntaxError} What `read` throws of the content or of its settings, with the name of the file.
 */
export function readField<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof OptionError)) throw error;
    throw new SyntaxError(`Cannot read ${file}: ${error.message}`, { cause: error });
  }
}

/** What two partials of one job agree in, as texts by what they are called in messages. */
function agreements(partial: PartialHeader): Record<string, string> {
  const { step, inputs, provenance, model, settings, unitCount } = partial;
  return {
    step,
    "digest of the model": inputs.model,
    "digest of the examples": inputs.examples,
    "digest of the scores": inputs.scores,
    // A file may have its fields in another order.
    provenance: JSON.stringify(Object.fromEntries(Object.entries(provenance).sort())),
    "shape of the model": JSON.stringify(model),
    settings: JSON.stringify(settings),
    "number of units": String(unitCount),
  };
}

/** The examples that a partial's step kept, as text. */
function keptExamples({ more }: Pick<PartialDescription, "more">): string {
  return JSON.stringify(isJsonObject(more) ? more.examples ?? null : null);
}

/** In what two partials differ that belong to one job, in words; undefined where they do not. */
export function partialDifference(a: PartialHeader, b: PartialHeader): string | undefined {
  const [first, second] = [agreements(a), agreements(b)];
  const name = Object.keys(first).find((key) => first[key] !== second[key]);
  return name && `${name}: ${second[name]}, expected ${first[name]}`;
}

/**
 * Checks that partials belong together.
 *
 * @throws {RangeError} If there is none, two belong to different jobs, or two have the same unit; the message names the
 * files.
 */
export function checkPartials(partials: readonly PartialDescription[]): void {
  if (partials.length === 0) throw new RangeError("Cannot merge 0 partials: expected at least one");
  const owner = new Map<number, string>();
  for (const partial of partials) {
    const difference = partialDifference(partials[0], partial);
    if (difference) {
      throw new RangeError(`Cannot merge ${partial.file} with ${partials[0].file}: it has another ${difference}`);
    }
    if (keptExamples(partial) !== keptExamples(partials[0])) {
      throw new RangeError(`Cannot merge ${partial.file} with ${partials[0].file}: it has other examples`);
    }
    for (const unit of partial.units) {
      const other = owner.get(unit);
      if (other !== undefined) {
        throw new RangeError(`Cannot merge ${partial.file} with ${other}: both have unit ${unit}`);
      }
      owner.set(unit, partial.file);
    }
  }
}

/** Units that no partial has, ascending. */
export function missingUnits(partials: readonly PartialDescription[]): number[] {
  const there = new Set(partials.flatMap(({ units }) => units));
  return Array.from({ length: partials[0].unitCount }, (_, unit) => unit).filter((unit) => !there.has(unit));
}
