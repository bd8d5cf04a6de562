/**
 * `scores.safetensors`: the scores `gate_proj` (or `up_proj`, `down_proj`) f32 `[L,H]`, the target tokens, the
 * completeness of every path, and JSON texts in the metadata. The bytes depend on the result only: no time, no device.
 */
import type { ByteSource } from "../checkpoint/byte_source.ts";
import { encodeSafetensors, type NewTensor, readSafetensorsHeader, readTensorF64 } from "../checkpoint/safetensors.ts";
import type { Json } from "../checkpoint/strict_json.ts";
import { type PathCompleteness, summariseCompleteness } from "./completeness.ts";
import { sampleFilters } from "./filter.ts";
import { siteNeurons, siteTensorName } from "./neuron_scores.ts";
import type { PlanModel } from "./plan.ts";
import { type Provenance, provenanceSchema } from "./provenance.ts";
import { ruleNames } from "./quadrature.ts";
import { type Infer, integer, list, nullable, number, oneOf, record, type Schema, text } from "./schema.ts";
import { completeScoreSettings, objectives, type ScoreResult, type ScoreSettings } from "./score.ts";
import { metrics } from "../tasks/scoring.ts";

const format = "secateur-scores";
const version = "1";

/** Reads the settings of a scoring run. */
export const scoreSettingsSchema: Schema<ScoreSettings> = record({
  site: oneOf("gate", "up", "down"),
  positions: oneOf("all", "last"),
  objective: oneOf(...objectives),
  path: oneOf("layer", "joint"),
  layers: list(integer),
  rule: oneOf(...ruleNames),
  nodes: nullable(integer),
  initialNodes: integer,
  maxNodes: integer,
  tolerance: number,
  filter: oneOf(...sampleFilters),
  metric: oneOf(...metrics),
  confidence: number,
  normalise: oneOf("none", "layer-max"),
});

const completenessSchema = record({ worst: number, mean: number, unconverged: integer, tolerance: number });

/** Scores read back from a file. */
export interface SavedScores {
  /** As it was written, with `seconds` 0 and without `perExample`, which are not stored. */
  readonly result: ScoreResult;
  /** What was scored, with which versions. */
  readonly provenance: Provenance;
}

/** The pieces of the file, in order. */
export function encodeScores(result: ScoreResult, provenance: Provenance): Uint8Array[] {
  const { scores, completenessError, settings } = result;
  const { paths, worst, mean, unconverged, tolerance } = completenessError;
  const column = (name: string, value: (path: PathCompleteness) => number): NewTensor => ({
    name: `completeness.${name}`,
    dtype: "F64",
    shape: [paths.length],
    data: Float64Array.from(paths, value),
  });
  const tensors: NewTensor[] = [
    { name: siteTensorName(scores.site), dtype: "F32", shape: [scores.layers, scores.neurons], data: scores.values },
    { name: "targets", dtype: "U32", shape: [result.targets.length], data: result.targets },
    column("example", (path) => path.example),
    // -1: all layers together.
    column("layer", (path) => path.layer ?? -1),
    ...numericColumns.map((name) => column(name, (path) => path[name])),
  ];
  return encodeSafetensors(tensors, {
    format,
    version,
    provenance: JSON.stringify(provenance),
    settings: JSON.stringify(settings),
    examples: JSON.stringify(result.examples),
    completeness: JSON.stringify({ worst, mean, unconverged, tolerance }),
    nodesUsed: String(result.nodesUsed),
  });
}

const numericColumns = ["nodes", "objectiveAtOne", "objectiveAtZero", "attributionSum", "relativeError"] as const;

/**
 * Reads the file back and checks it against the model.
 *
 * @throws {SyntaxError} If it is no such file.
 * @throws {RangeError} If the scores do not fit the model.
 */
export async function decodeScores(source: ByteSource, config: PlanModel): Promise<SavedScores> {
  const header = await readSafetensorsHeader(source);
  const fail = (problem: string) => new SyntaxError(`Cannot read ${source.name}: ${problem}`);
  if (header.metadata.get("format") !== format || header.metadata.get("version") !== version) {
    throw fail(`expected a scores file (format ${format}, version ${version})`);
  }
  function readText<S>(name: string, schema: Schema<S>): S {
    const content = header.metadata.get(name);
    if (content === undefined) throw fail(`its metadata lacks ${name}`);
    try {
      return schema(JSON.parse(content) as Json, name);
    } catch (error) {
      throw fail((error as Error).message);
    }
  }
  /** Settings that no option asked for: if they do not fit the model, the file does not. */
  function settingsFor(saved: ScoreSettings): ScoreSettings {
    try {
      return completeScoreSettings(saved, { config });
    } catch (error) {
      throw new RangeError(`Cannot use ${source.name}: ${(error as Error).message}`, { cause: error });
    }
  }
  async function readVector(name: string, length: number): Promise<Float64Array> {
    if (!header.tensors.has(name)) throw fail(`it lacks the tensor ${name}`);
    const { shape, data } = await readTensorF64(source, header, name);
    if (shape.length !== 1 || data.length !== length) {
      throw fail(`tensor ${name} has shape [${shape}], expected [${length}]`);
    }
    return data;
  }

  const settings = settingsFor(readText("settings", scoreSettingsSchema));
  const examples = readText("examples", list(text));
  const summary: Infer<typeof completenessSchema> = readText("completeness", completenessSchema);
  const name = siteTensorName(settings.site);
  const neurons = siteNeurons(config, settings.site);
  if (!header.tensors.has(name)) throw fail(`it lacks the tensor ${name}`);
  const { shape, data } = await readTensorF64(source, header, name);
  if (shape.length !== 2 || shape[0] !== config.layers || shape[1] !== neurons) {
    throw new RangeError(
      `Cannot use ${source.name}: its scores have shape [${shape}], the model needs [${config.layers},${neurons}]`,
    );
  }

  const pathCount = examples.length * (settings.path === "joint" ? 1 : settings.layers.length);
  const example = await readVector("completeness.example", pathCount);
  const layer = await readVector("completeness.layer", pathCount);
  const columns = await Promise.all(numericColumns.map((column) => readVector(`completeness.${column}`, pathCount)));
  const paths = Array.from({ length: pathCount }, (_, index): PathCompleteness => {
    const [nodes, objectiveAtOne, objectiveAtZero, attributionSum, relativeError] = columns.map((c) => c[index]);
    return {
      example: example[index],
      layer: layer[index] < 0 ? null : layer[index],
      nodes,
      objectiveAtOne,
      objectiveAtZero,
      attributionSum,
      relativeError,
    };
  });
  return {
    result: {
      scores: {
        site: settings.site,
        layers: config.layers,
        neurons,
        scored: settings.layers,
        values: Float32Array.from(data),
      },
      examples,
      targets: Uint32Array.from(await readVector("targets", examples.length)),
      completenessError: summariseCompleteness(paths, summary.tolerance),
      nodesUsed: readText("nodesUsed", integer),
      settings,
      seconds: 0,
    },
    provenance: readText("provenance", provenanceSchema),
  };
}
