/** The whole study of a model: every part, on every task, and the document that holds what came of it. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Engine, EngineInfo, RunOptions } from "../../engine/engine.ts";
import type { Metric } from "../../tasks/scoring.ts";
import { formatJson, type Jsonable } from "../json.ts";
import { runOptionsOf } from "../progress.ts";
import { dictionary, integer, list, nullable, oneOf, parseDocument, record, type Schema, text } from "../schema.ts";
import { type Comparison, comparisonSchema } from "./comparison.ts";
import { attributionSchema, type AttributionStudy, studyAttributions } from "./attribution_study.ts";
import { contrastSchema, type ContrastStudy, studyContrast } from "./contrast_study.ts";
import { layersSchema, type LayersStudy, studyLayers } from "./layers_study.ts";
import { shortcutSchema, type ShortcutStudy, studyShortcuts } from "./shortcut_study.ts";
import { filterSchema, type FilterStudy, studyFilters } from "./example_filters.ts";
import { gridSchema, type GridStudy, studyGrid } from "./grid_profile.ts";
import { studyMain } from "./main_table.ts";
import { projectionSchema, type ProjectionStudy, studyProjections } from "./projections.ts";
import { samplesSchema, type SampleStudy, studySamples } from "./samples.ts";
import { selectionSchema, type SelectionStudy, studySelection } from "./selection_study.ts";
import {
  resolveStudySettings,
  type StudyOptions,
  type StudyPart,
  type StudySettings,
  studySettingsSchema,
} from "./settings.ts";
import { stabilitySchema, type StabilityStudy, studyStability } from "./stability.ts";
import { checkSubject, countLeaked, type StudySubject } from "./subject.ts";

/** What the parts of a study found on one task; null where a part was not asked for. */
export interface StudyResults {
  /** The paper's protocol beside other rankings and few-shot prompting. */
  readonly main: Comparison | null;
  /** Gate, up and down. */
  readonly projection: ProjectionStudy | null;
  /** More and fewer adaptation examples. */
  readonly samples: SampleStudy | null;
  /** Accuracy by layer and fraction. */
  readonly grid: GridStudy | null;
  /** Agreement between redraws. */
  readonly stability: StabilityStudy | null;
  /** Which examples to score. */
  readonly examples: FilterStudy | null;
  /** Rules of selection. */
  readonly selection: SelectionStudy | null;
  /** Attribution methods. */
  readonly attribution: AttributionStudy | null;
  /** Plans over several layers. */
  readonly layers: LayersStudy | null;
  /** Whether the pruned neurons are shortcuts. */
  readonly shortcuts: ShortcutStudy | null;
  /** Contrast with a retained set; null also where there is none. */
  readonly contrast: ContrastStudy | null;
}

type PartTable = {
  readonly [P in StudyPart]: {
    readonly schema: Schema<NonNullable<StudyResults[P]>>;
    run(subject: StudySubject): Promise<NonNullable<StudyResults[P]>>;
  };
};

/** How every part is made, and how its result is read. A part is added here, in `StudyResults` and in `settings.ts`. */
const partTable: PartTable = {
  main: { schema: comparisonSchema, run: studyMain },
  projection: { schema: projectionSchema, run: studyProjections },
  samples: { schema: samplesSchema, run: studySamples },
  grid: { schema: gridSchema, run: studyGrid },
  stability: { schema: stabilitySchema, run: studyStability },
  examples: { schema: filterSchema, run: studyFilters },
  selection: { schema: selectionSchema, run: studySelection },
  attribution: { schema: attributionSchema, run: studyAttributions },
  layers: { schema: layersSchema, run: studyLayers },
  shortcuts: { schema: shortcutSchema, run: studyShortcuts },
  contrast: { schema: contrastSchema, run: studyContrast },
};

const partNames = Object.keys(partTable) as StudyPart[];

const resultsSchema: Schema<StudyResults> = record(
  Object.fromEntries(partNames.map((part) => [part, nullable(partTable[part].schema as Schema<unknown>)])),
) as Schema<unknown> as Schema<StudyResults>;

const format = "secateur-study";
const version = 1;

/** What a study found on one task. */
export interface TaskStudy {
  /** As it was named. */
  readonly task: string;
  /** The protocol. */
  readonly settings: StudySettings;
  /** Rows that adaptation examples were drawn from. */
  readonly poolRows: number;
  /** Pool rows whose prompt is also that of a test row. */
  readonly leaked: number;
  /** Ids of the test rows; nothing was chosen on them. */
  readonly test: readonly string[];
  /** By part. */
  readonly results: StudyResults;
}

const taskSchema: Schema<TaskStudy> = record({
  task: text,
  settings: studySettingsSchema,
  poolRows: integer,
  leaked: integer,
  test: list(text),
  results: resultsSchema,
});

/** The content of `study.json`: it depends on what was computed only, not on times or on where it ran in between. */
export interface StudyDocument {
  /** What the file is. */
  readonly format: "secateur-study";
  /** Of the format. */
  readonly version: 1;
  /** The model as it was named. */
  readonly model: string;
  /** Of the software. */
  readonly versions: Readonly<Record<string, string>>;
  /** What computed. */
  readonly engine: {
    /** Which engine. */
    readonly kind: "webgpu" | "reference";
    /** On what it ran. */
    readonly adapter: string;
  };
  /** In the order they were named. */
  readonly tasks: readonly TaskStudy[];
}

/** Reads the document of a study. */
export const studySchema: Schema<StudyDocument> = record({
  format: oneOf(format),
  version: oneOf(version),
  model: text,
  versions: dictionary(text),
  engine: record({
    kind: oneOf("webgpu", "reference"),
    adapter: text,
  }),
  tasks: list(taskSchema),
});

/** One task of a study: what `StudySubject` says of it. */
export interface StudyTask extends
  Pick<
    StudySubject,
    "task" | "pool" | "test" | "testWithWorked" | "train" | "marks" | "retained" | "elsewhere" | "tokenizer"
  > {
  /** How answers are compared. Default: that of the options. */
  readonly metric?: Metric;
}

/** What `runStudy` works on. */
export interface StudyInput extends RunOptions {
  /** The model. One that remembers (`createCachedEngine`) shares work between parts and survives interruptions. */
  readonly engine: Engine;
  /** Its weights. */
  readonly checkpoint: Pick<Checkpoint, "config" | "readF32">;
  /** Opens a float64 engine over the same model, for Integrated Hessians; missing to leave them out. */
  readonly referenceEngine?: () => Promise<Engine>;
  /** The tasks, each studied by itself. */
  readonly tasks: readonly StudyTask[];
  /** What is done. */
  readonly options?: StudyOptions;
  /** The model as it is to be named. */
  readonly model: string;
  /** Versions of the software. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Every subject of a study, checked before anything is computed. */
function subjectsOf(input: StudyInput): StudySubject[] {
  if (input.tasks.length === 0) throw new RangeError("Cannot study 0 tasks: name at least one");
  return input.tasks.map(({ metric, ...task }): StudySubject => {
    const { options = {}, engine, checkpoint, referenceEngine } = input;
    const decided = metric === undefined ? options : {
      ...options,
      score: { metric, ...options.score },
      search: { metric, ...options.search },
    };
    const settings = resolveStudySettings(decided, engine);
    const run = runOptionsOf(input);
    const subject: StudySubject = {
      ...run,
      engine,
      checkpoint,
      ...(referenceEngine && { referenceEngine }),
      ...task,
      settings: {
        ...settings,
        // Not asking for a retained set is not asking for the contrast with it.
        parts: settings.parts.filter((part) => part !== "contrast" || task.retained !== undefined),
      },
    };
    checkSubject(subject);
    return subject;
  });
}

function describeEngine({ kind, adapter }: EngineInfo): StudyDocument["engine"] {
  return { kind, adapter };
}

/**
 * Runs every part that was asked for on every task.
 *
 * @throws {RangeError} If an option is out of range, a pool is too small or shares a row with the test examples, and as
 * `scoreNeurons` and `searchGrid`.
 */
export async function runStudy(input: StudyInput): Promise<StudyDocument> {
  const tasks: TaskStudy[] = [];
  for (const subject of subjectsOf(input)) {
    const results: Partial<Record<StudyPart, unknown>> = {};
    for (const part of partNames) {
      input.signal?.throwIfAborted();
      results[part] = subject.settings.parts.includes(part) ? await partTable[part].run(subject) : null;
    }
    tasks.push({
      task: subject.task,
      settings: subject.settings,
      poolRows: subject.pool.length,
      leaked: countLeaked(subject),
      test: subject.test.map(({ id }) => id),
      results: results as StudyResults,
    });
  }
  return {
    format,
    version,
    model: input.model,
    versions: { ...input.versions },
    engine: describeEngine(input.engine.info),
    tasks,
  };
}

/** A study as the text of `study.json`: the same bytes for the same study. */
export function serialiseStudy(study: StudyDocument): string {
  // Every field of the schema is a JSON value; only the interfaces inside lack the index signature that Jsonable wants.
  return formatJson(study as unknown as Jsonable);
}

/**
 * Reads the text of a `study.json`.
 *
 * @param what Named in errors, such as the path.
 * @throws {SyntaxError} If it is no such file.
 */
export function parseStudy(what: string, content: string | Uint8Array): StudyDocument {
  return parseDocument(what, content, studySchema);
}
