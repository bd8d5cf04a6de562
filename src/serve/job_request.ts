/** What a job is asked to do: one JSON schema that checks requests, fills in defaults, and documents them. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { sampleFilters } from "../method/filter.ts";
import type { PlanningOptions } from "../method/pipeline.ts";
import { maxRuleNodes, ruleNames } from "../method/quadrature.ts";
import { rankings } from "../method/rank.ts";
import { decidingOptions, objectives, type ScoreSettings } from "../method/score.ts";
import { searchRules, type SearchSettings } from "../method/search.ts";
import { type Metric, metrics } from "../tasks/scoring.ts";
import type { Sampling } from "../tasks/sample.ts";
import { ProblemError } from "./problem.ts";
import { explainFault } from "./schema_words.ts";

/** A row of a task: cells by column. */
export type RequestRow = Readonly<Record<string, unknown>>;

/** What a request says beside its task and rows. */
export interface JobSettings {
  readonly model: string;
  readonly adaptation: {
    readonly split?: string;
    readonly count: number;
    readonly selectionCount: number;
    readonly sampling: Sampling;
  };
  readonly test: { readonly split?: string; readonly limit?: number };
  readonly fewshot?: number;
  /** Whether rows that do not fit are left out and counted. */
  readonly skipBadRows: boolean;
  /** Whether prompts that are too long for the model are cut and counted. */
  readonly truncate: boolean;
  readonly metric?: Metric;
  readonly seed: number;
  readonly randomDraws: number;
  readonly score: Partial<ScoreSettings>;
  readonly search: Partial<SearchSettings>;
  readonly writePruned: boolean;
}

/** A request after it was checked, defaults filled in. */
export interface JobRequest extends JobSettings {
  /** Keys of a task file of lm-evaluation-harness, without those that name files. */
  readonly task: {
    readonly task: string;
    readonly num_fewshot?: number | null;
    readonly [key: string]: unknown;
  };
  /** Rows of every split. */
  readonly rows: Readonly<Record<string, readonly RequestRow[]>>;
}

/**
 * Keys of a task file that a request may have. Named one by one: others, such as `include`, `group` and
 * `dataset_kwargs`, can make a task read files of this machine.
 */
const taskKeys = [
  "task_alias",
  "tag",
  "training_split",
  "validation_split",
  "test_split",
  "fewshot_split",
  "fewshot_config",
  "fewshot_delimiter",
  "description",
  "doc_to_text",
  "doc_to_choice",
  "doc_to_target",
  "gen_prefix",
  "target_delimiter",
  "metric_list",
  "metadata",
  "repeats",
  "should_decontaminate",
  "doc_to_decontamination_query",
] as const;

const splitName = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";
const layers = {
  type: "array",
  items: { type: "integer", minimum: 0, maximum: 100_000 },
  minItems: 1,
  uniqueItems: true,
  maxItems: 10_000,
  description: "Layers to work on, counted from 0. Default: all.",
} as const;

/** A request as JSON schema, draft 2020-12. */
export const requestSchema = {
  type: "object",
  additionalProperties: false,
  required: ["model", "task", "rows"],
  properties: {
    model: { type: "string", minLength: 1, maxLength: 300, description: "A name that `GET /v1/models` lists." },
    task: {
      type: "object",
      description:
        "A multiple-choice task with the keys of lm-evaluation-harness. Keys that name files or data sets are " +
        "refused: rows come with the request.",
      additionalProperties: false,
      properties: {
        task: { type: "string", minLength: 1, maxLength: 200, default: "unnamed", description: "Its name." },
        output_type: { const: "multiple_choice", default: "multiple_choice" },
        ...Object.fromEntries(taskKeys.map((key) => [key, {}])) as { [Key in typeof taskKeys[number]]: object },
        num_fewshot: { type: ["integer", "null"], minimum: 0 },
      },
    },
    rows: {
      type: "object",
      description: "The rows of every split that the task names.",
      minProperties: 1,
      maxProperties: 16,
      propertyNames: { pattern: splitName },
      additionalProperties: { type: "array", minItems: 1, items: { type: "object" } },
    },
    adaptation: {
      type: "object",
      description: "The labelled examples that neurons are scored on and the configuration is chosen on.",
      additionalProperties: false,
      default: {},
      properties: {
        split: {
          type: "string",
          pattern: splitName,
          description: "Default: `adaptation` if there is such a split, else the training split.",
        },
        count: { type: "integer", minimum: 1, maximum: 1_000_000, default: 10, description: "How many to draw." },
        selectionCount: {
          type: "integer",
          minimum: 0,
          maximum: 1_000_000,
          default: 0,
          description: "Further ones to choose the configuration on, instead of those that were scored.",
        },
        sampling: {
          type: "string",
          enum: ["plain", "balanced"],
          default: "plain",
          description: "Draw every row alike, or as many rows of each right choice as possible.",
        },
      },
    },
    test: {
      type: "object",
      description: "The examples that nothing is chosen on.",
      additionalProperties: false,
      default: {},
      properties: {
        split: {
          type: "string",
          pattern: splitName,
          description: "Default: the task's test split; where it is the only one, its rows that are not drawn.",
        },
        limit: { type: "integer", minimum: 1, maximum: 1_000_000_000, description: "Only so many, the first ones." },
      },
    },
    fewshot: {
      type: "integer",
      minimum: 0,
      maximum: 1000,
      description: "Worked examples before each question, instead of the task's.",
    },
    skipBadRows: {
      type: "boolean",
      default: false,
      description:
        "Whether rows that do not fit the task, or are too long for the model, are left out and counted, instead of " +
        "failing the job.",
    },
    truncate: {
      type: "boolean",
      default: false,
      description:
        "Whether prompts that are too long for the model are cut from the left and counted, instead of failing the job.",
    },
    metric: { type: "string", enum: metrics, description: "How answers are compared. Default: the task's first." },
    seed: {
      type: "integer",
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      default: 0,
      description: "Seed of everything that is drawn.",
    },
    randomDraws: {
      type: "integer",
      minimum: 1,
      maximum: 1000,
      default: 5,
      description: "Random sets of neurons, as large as the chosen one, to compare with.",
    },
    score: {
      type: "object",
      description: "How neurons are scored.",
      additionalProperties: false,
      default: {},
      properties: {
        site: { type: "string", enum: ["gate", "up", "down"], description: "Default gate." },
        positions: { type: "string", enum: ["all", "last"], description: "Default all." },
        objective: { type: "string", enum: objectives, description: "Default max-logit." },
        path: { type: "string", enum: ["layer", "joint"], description: "Default layer." },
        rule: { type: "string", enum: ruleNames, description: "Default gauss-legendre." },
        nodes: {
          type: "integer",
          minimum: 1,
          maximum: maxRuleNodes,
          description: "The same number of nodes for every path. Default: as many as `tolerance` asks for.",
        },
        tolerance: { type: "number", minimum: 1e-12, maximum: 1, description: "Default 0.01." },
        maxNodes: {
          type: "integer",
          minimum: 1,
          maximum: maxRuleNodes,
          description: "Default 64; not with `nodes`.",
        },
        filter: { type: "string", enum: sampleFilters, description: "Default all." },
        confidence: {
          type: "number",
          minimum: 0,
          maximum: 0.999999,
          description: "Default 0.8; only with the filter confident.",
        },
        normalise: { type: "string", enum: ["none", "layer-max"], description: "Default none." },
        layers,
      },
    },
    search: {
      type: "object",
      description: "What the search tries.",
      additionalProperties: false,
      default: {},
      properties: {
        fractions: {
          type: "array",
          minItems: 1,
          maxItems: 1000,
          uniqueItems: true,
          items: { type: "number", minimum: 1e-9, maximum: 1 },
          description: "Fractions of a layer's neurons. Default 0.05 to 0.5 by 0.05.",
        },
        ranking: { type: "string", enum: rankings, description: "Default signed." },
        selectionRule: {
          type: "string",
          enum: searchRules,
          description: "How the configuration is chosen from its answers. Default paper.",
        },
        layers,
      },
    },
    writePruned: {
      type: "boolean",
      default: false,
      description: "Whether the pruned checkpoint is written too: it takes as much space as the model.",
    },
  },
} as const;

const ajv = new Ajv2020({ useDefaults: true, strict: true, allowUnionTypes: true });
const validate = ajv.compile<JobRequest>(requestSchema);

const { task: _task, rows: _rows, ...settingsProperties } = requestSchema.properties;
const validateSettings = ajv.compile<JobSettings>({
  ...requestSchema,
  required: ["model"],
  properties: settingsProperties,
});

/**
 * Checks the form of a request that came as text; `job_check.ts` looks at whether it fits together.
 *
 * @throws {ProblemError} Status 400, if it is not JSON, or not what the schema says.
 */
export function parseRequest(text: string): JobRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ProblemError(400, `The body is no JSON: ${(error as Error).message}`);
  }
  if (!validate(value)) throw new ProblemError(400, `Cannot start the job: ${explainFault(validate.errors!.at(-1)!)}`);
  return value;
}

/**
 * Checks what was kept of a request beside its task and rows.
 *
 * @param what Name of the file, for errors.
 * @throws {SyntaxError} If it is not JSON, or not what the schema says.
 */
export function parseSettings(what: string, text: string): JobSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`Cannot read ${what}: ${(error as Error).message}`);
  }
  if (validateSettings(value)) return value;
  throw new SyntaxError(`Cannot read ${what}: ${explainFault(validateSettings.errors!.at(-1)!)}`);
}

/**
 * How plans are made, in the method's words. A request that an earlier version took may have options of scoring that
 * say nothing beside others.
 */
export function planningOptions(request: JobSettings, taskMetrics: readonly Metric[]): PlanningOptions {
  const metric = request.metric ?? taskMetrics[0];
  return {
    score: { ...decidingOptions(request.score), metric },
    search: { ...request.search, metric },
    seed: request.seed,
    randomDraws: request.randomDraws,
  };
}

/** The command line that does the same in the job's folder, after `secateur`. */
export function commandArguments(request: JobSettings): string[] {
  const { model, adaptation, test, fewshot, skipBadRows, truncate, metric, seed, randomDraws, search } = request;
  const { maxNodes, ...scoreRest } = decidingOptions(request.score);
  const { selectionRule, layers: searchLayers, ...searchRest } = search;
  const values: Readonly<Record<string, string | number | readonly number[] | null | undefined>> = {
    model,
    task: "task.yaml",
    out: "results",
    fewshot,
    "adaptation-split": adaptation.split,
    "adaptation-examples": adaptation.count,
    "selection-examples": adaptation.selectionCount,
    sampling: adaptation.sampling,
    split: test.split,
    limit: test.limit,
    metric,
    seed,
    "random-draws": randomDraws,
    ...searchRest,
    "selection-rule": selectionRule,
    "search-layers": searchLayers,
    ...scoreRest,
    "max-nodes": maxNodes,
  };
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  const flags = Object.entries({ "skip-bad-rows": skipBadRows, truncate }).filter(([, isSet]) => isSet);
  return [
    "run",
    ...given.flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...flags.map(([name]) => `--${name}`),
  ];
}
