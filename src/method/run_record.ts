/** `run.json`: what was run, with what, on which adapter, and what came of it; enough to repeat the run. */
import type { EngineInfo } from "../engine/engine.ts";
import { countBySplit } from "../tasks/example.ts";
import { type Metric, metrics } from "../tasks/scoring.ts";
import type { Evaluation } from "./evaluate.ts";
import { configurationSchema, searchSettingsSchema } from "./grid_file.ts";
import { formatJson, type Jsonable } from "./json.ts";
import type { PipelineInput, PipelineResult } from "./pipeline.ts";
import { type Provenance, provenanceSchema } from "./provenance.ts";
import {
  boolean,
  dictionary,
  type Infer,
  integer,
  list,
  nullable,
  number,
  oneOf,
  optional,
  parseDocument,
  record,
  type Schema,
  text,
} from "./schema.ts";
import { scoreSettingsSchema } from "./scores_file.ts";

const format = "secateur-run";
const version = 1;

/** Accuracy by one metric, in numbers that JSON can hold. */
const metricSchema = record({
  accuracy: number,
  /** Null for a single example. */
  standardError: nullable(number),
  /** Null where a choice is alone or impossible. */
  meanMargin: nullable(number),
});

const evaluationSchema: Schema<Record<Metric, Infer<typeof metricSchema>>> = record({
  acc: metricSchema,
  acc_norm: metricSchema,
  acc_bytes: metricSchema,
});

const engineInfoSchema: Schema<EngineInfo> = record({
  kind: oneOf("webgpu", "reference"),
  adapter: text,
  details: dictionary((value, where) =>
    typeof value === "number" ? number(value, where) : typeof value === "boolean" ? value : text(value, where)
  ),
});

const performanceSchema = record({
  /** Floating-point operations done. */
  flops: number,
  /** Seconds spent in waves. */
  busySeconds: number,
  gigaflopsPerSecond: number,
  /** Most bytes that were on the GPU, weights included. */
  peakBytes: number,
  waves: integer,
  /** What was forecast before; operations and waves if every path converges at once, and if none does. */
  forecast: nullable(record({
    leastFlops: number,
    mostFlops: number,
    leastWaves: integer,
    mostWaves: integer,
    peakBytes: number,
  })),
});

/** What a run cost, beside what was forecast. */
export type RunPerformance = Infer<typeof performanceSchema>;

const runSchema = record({
  format: oneOf(format),
  version: oneOf(version),
  provenance: provenanceSchema,
  /** When the run started, ISO 8601. */
  startedAt: text,
  /** The command's arguments, as they would be typed again. */
  arguments: list(text),
  engine: engineInfoSchema,
  /** Seed of the random baselines. */
  seed: integer,
  randomDraws: integer,
  randomSearch: boolean,
  score: scoreSettingsSchema,
  search: searchSettingsSchema,
  /** Ids of the examples given, and of those that the filter left to be scored. */
  examples: record({ adaptation: list(text), scored: list(text), selection: list(text), test: list(text) }),
  /** Rows that do not fit the task and were left out, by split; absent where they would have been an error. */
  skippedRows: optional(dictionary(integer)),
  /** Rows whose prompts were cut to fit the model, of those in `examples`, by split; absent where none was. */
  truncatedRows: optional(dictionary(integer)),
  completeness: record({ worst: number, mean: number, unconverged: integer, paths: integer, nodesUsed: integer }),
  chosen: configurationSchema,
  configurations: integer,
  tiedOnAccuracy: integer,
  /** What the search chose with a random order of neurons. */
  randomChosen: nullable(configurationSchema),
  /** On the test examples. */
  test: record({
    unpruned: evaluationSchema,
    pruned: evaluationSchema,
    lowest: evaluationSchema,
    random: list(evaluationSchema),
    randomSearched: nullable(evaluationSchema),
  }),
  /** Wall time of each stage. */
  seconds: record({ score: number, search: number, randomSearch: number, evaluate: number, total: number }),
  /** Null where the engine does not run in waves. */
  performance: nullable(performanceSchema),
  /**
   * Digests of the other files of the run, by name, so that one of another run is noticed; absent where nobody took
   * them.
   */
  digests: optional(dictionary(text)),
});

/** The content of `run.json`. */
export type RunRecord = Infer<typeof runSchema>;

/** What only the caller of a run knows. */
export interface RunCircumstances {
  /** What is run, with which versions. */
  readonly provenance: Provenance;
  /** When the run started, ISO 8601. */
  readonly startedAt: string;
  /** The command's arguments, as they would be typed again. */
  readonly arguments: readonly string[];
  /** Rows that were left out, by split, where that was asked for. */
  readonly skippedRows?: Readonly<Record<string, number>>;
  /** What the run cost, where that is known. */
  readonly performance?: RunPerformance | null;
}

function describeEvaluation({ scores }: Evaluation): Infer<typeof evaluationSchema> {
  const finite = (value: number) => Number.isFinite(value) ? value : null;
  const entries = metrics.map((metric) => {
    const { accuracy, standardError, meanMargin } = scores[metric];
    return [metric, { accuracy, standardError: finite(standardError), meanMargin: finite(meanMargin) }];
  });
  return Object.fromEntries(entries);
}

/** The record of a run. */
export function describeRun(input: PipelineInput, result: PipelineResult, circumstances: RunCircumstances): RunRecord {
  const { scored, searched, randomSearched, test } = result;
  const { worst, mean, unconverged, paths } = scored.completenessError;
  const ids = (examples: readonly { readonly id: string }[]) => examples.map((example) => example.id);
  const { provenance } = circumstances;
  const { adaptation, selection = adaptation } = input;
  const used = new Map([...adaptation, ...selection, ...input.test].map((example) => [example.id, example]));
  const truncatedRows = countBySplit([...used.values()].filter(({ cutTokens }) => cutTokens !== undefined));
  return {
    format,
    version,
    provenance: { ...provenance, versions: { ...provenance.versions } },
    startedAt: circumstances.startedAt,
    arguments: [...circumstances.arguments],
    engine: input.engine.info,
    seed: input.seed ?? 0,
    randomDraws: test.random.length,
    randomSearch: randomSearched !== null,
    score: scored.settings,
    search: searched.settings,
    examples: {
      adaptation: ids(input.adaptation),
      scored: [...scored.examples],
      selection: [...searched.examples],
      test: ids(input.test),
    },
    ...(circumstances.skippedRows && { skippedRows: { ...circumstances.skippedRows } }),
    ...(Object.keys(truncatedRows).length > 0 && { truncatedRows }),
    completeness: { worst, mean, unconverged, paths: paths.length, nodesUsed: scored.nodesUsed },
    chosen: searched.configurations[searched.chosen],
    configurations: searched.configurations.length,
    tiedOnAccuracy: searched.tiedOnAccuracy,
    randomChosen: randomSearched && randomSearched.configurations[randomSearched.chosen],
    test: {
      unpruned: describeEvaluation(test.unpruned),
      pruned: describeEvaluation(test.pruned),
      lowest: describeEvaluation(test.lowest),
      random: test.random.map(describeEvaluation),
      randomSearched: test.randomSearched && describeEvaluation(test.randomSearched),
    },
    seconds: result.seconds,
    performance: circumstances.performance ?? null,
  };
}

/** A record as the text of `run.json`. */
export function serialiseRun(run: RunRecord): string {
  // Every field of the schema is a JSON value; only the interfaces inside lack the index signature that Jsonable wants.
  return formatJson(run as unknown as Jsonable);
}

/**
 * Reads the text of a `run.json`.
 *
 * @param what Named in errors, such as the path.
 * @throws {SyntaxError} If it is no such file.
 */
export function parseRun(what: string, content: string | Uint8Array): RunRecord {
  return parseDocument(what, content, runSchema);
}
