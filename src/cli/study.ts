/** `secateur study`: the paper's whole study of a model on some tasks, in a folder where it can go on after a kill. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers, writeFileAtomic } from "../checkpoint/atomic_file.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { parseJsonObject } from "../checkpoint/strict_json.ts";
import { digestWeights } from "../checkpoint/digest.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { hashOf, openTensorStore } from "../checkpoint/tensor_store.ts";
import { createCachedEngine } from "../engine/cached.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { readResult } from "../method/files.ts";
import { formatJson, type Jsonable } from "../method/json.ts";
import { type StudyPart, studyParts } from "../method/study/settings.ts";
import { parseStudy, runStudy, serialiseStudy, type StudyTask } from "../method/study/study.ts";
import { commandLine } from "../report/command_line.ts";
import { studyMarkdown } from "../report/study_markdown.ts";
import { createRandom } from "../tasks/random.ts";
import { readRegularFile } from "../tasks/regular_file.ts";
import { loadTask } from "../method/load_task.ts";
import type { Example } from "../tasks/example.ts";
import type { LoadTaskOptions, Selection, Task } from "../tasks/task.ts";
import { cutText, type TextWindows } from "../tasks/text_windows.ts";
import { loadTokenizer, type Tokenizer } from "../tasks/tokenizer.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import type { OptionTable, OptionValues } from "./arguments.ts";
import { type Command, type CommandContext, defineCommand } from "./command.ts";
import { configOptions, withConfigFile } from "./config_file.ts";
import { asUsage, CommandError, UsageError } from "./errors.ts";
import { lockName, withFolderLock } from "./folder_lock.ts";
import { findModel } from "./model.ts";
import {
  adaptationOptions,
  engineOptions,
  modelOptions,
  scoreOptions,
  scoreSettings,
  searchOptions,
  searchSettings,
  taskOptions,
  testOptions,
} from "./options.ts";
import {
  adaptationSplit,
  checkSettings,
  decidingMetric,
  engineSettings,
  noteCuts,
  noteSkipped,
  requireSplit,
  taskSettings,
} from "./session.ts";
import { version } from "./version.ts";

/** Names in the folder of a study. */
export const studyFileNames = {
  study: "study.json",
  summary: "study.md",
  report: "report.html",
  log: "log.json",
  begun: "engine.json",
  units: "units",
} as const;

const options = {
  ...configOptions,
  ...modelOptions,
  tasks: {
    type: "text",
    placeholder: "TASK,TASK",
    required: true,
    description:
      "Tasks with commas between: names of built-in tasks or groups, or YAML files of lm-evaluation-harness.",
  },
  out: {
    type: "text",
    placeholder: "DIR",
    required: true,
    description: "Folder for the results; a study that was interrupted there goes on.",
  },
  parts: {
    type: "text",
    placeholder: "PART,PART",
    description: `Parts with commas between, of ${studyParts.join(", ")}. Default: all.`,
  },
  overwrite: { type: "flag", description: "Remove the study that is in --out, and what it computed, first." },
  redraws: {
    type: "integer",
    min: 1,
    max: 1000,
    default: 10,
    description: "How often to draw adaptation examples anew; redraw r has seed + r.",
  },
  sizes: {
    type: "integers",
    min: 1,
    max: 1_000_000,
    default: [5, 10, 20, 50, 100],
    description: "Numbers of adaptation examples for the part samples.",
  },
  "attribution-redraws": {
    type: "integer",
    min: 1,
    max: 1000,
    default: 3,
    description: "Redraws, the first ones, in which the part attribution compares methods.",
  },
  "exhaustive-neurons": {
    type: "integer",
    min: 0,
    max: 100_000_000,
    default: 2048,
    description:
      "Most neurons of a model for methods that cost passes for every neuron: ablation, Shapley, Integrated Hessians.",
  },
  retain: {
    type: "text",
    placeholder: "TASK",
    description: "Task whose adaptation split must stay as it is, for the part contrast, which is left out without it.",
  },
  mark: {
    type: "text",
    placeholder: "COLUMN",
    description: "Column of the test rows that says whether a shortcut holds, for the part shortcuts.",
  },
  "train-split": {
    type: "text",
    placeholder: "NAME",
    description:
      "Split of rows like those of the training, for the part shortcuts. Default: the split `train` if it is not drawn from.",
  },
  text: {
    type: "text",
    placeholder: "FILE",
    description: "Text file whose perplexity is measured before and after, for the part shortcuts.",
  },
  "pool-rows": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    default: 1000,
    description: "Most rows of the adaptation split to draw from; of a larger split, so many are drawn with --seed.",
  },
  ...adaptationOptions,
  prompt: taskOptions.prompt,
  "skip-bad-rows": taskOptions["skip-bad-rows"],
  truncate: taskOptions.truncate,
  ...testOptions,
  ...scoreOptions,
  ...searchOptions,
  ...engineOptions,
} as const satisfies OptionTable;

type Options = OptionValues<typeof options>;

function readParts(text: string | undefined): StudyPart[] | undefined {
  return text?.split(",").map((part) => part.trim()).map((part) => {
    const known = studyParts.find((name) => name === part);
    if (known) return known;
    throw new UsageError(
      `unknown part ${part}${didYouMean(part, studyParts)}`,
      `the parts are ${studyParts.join(", ")}.`,
    );
  });
}

/** Tokens of a window of text, at most; longer ones would take much memory for a little more context. */
const longestWindow = 2048;

/** Most rows of the split that is like the training. */
const trainRows = 512;

/** What rows are encoded with, and how long they may be. */
type AskedModel = Required<Pick<LoadTaskOptions, "tokenizer" | "maxTokens">>;

/** Loads a task of the study. */
function openTask(reference: string, model: AskedModel, options: Options, context: CommandContext): Promise<Task> {
  const { prompt, "skip-bad-rows": skipBadRows, truncate } = options;
  const settings = taskSettings({ prompt, "skip-bad-rows": skipBadRows, truncate }, context);
  return loadTask(reference, { ...model, ...settings });
}

/** Says which rows were left out, and which were cut. */
function noteRows(task: Task, rows: readonly Example[], { maxTokens }: AskedModel, context: CommandContext): void {
  noteSkipped(task, context);
  noteCuts(rows, maxTokens, context);
}

/** The rows that must stay as they are. */
async function readRetained(
  reference: string | undefined,
  model: AskedModel,
  options: Options,
  context: CommandContext,
): Promise<Pick<StudyTask, "retained">> {
  if (reference === undefined) return {};
  const task = await openTask(reference, model, options, context);
  const split = adaptationSplit(task, undefined);
  const pool = await task.examples(split, { limit: options["pool-rows"] });
  noteRows(task, pool, model, context);
  return { retained: { name: reference, pool } };
}

/** Longest text whose perplexity is measured, in bytes. */
const LONGEST_TEXT = 100_000_000;

/** The text whose perplexity is measured. */
async function readText(path: string | undefined, tokenizer: Tokenizer, positions: number): Promise<TextWindows[]> {
  if (path === undefined) return [];
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(await readRegularFile(path, LONGEST_TEXT));
  return [cutText(text, tokenizer, { windowTokens: positions - 1, name: path })];
}

/** What the test rows have in the column of marks. */
async function readMarks(task: Task, split: string, column: string, selection: Selection): Promise<string[]> {
  try {
    return (await task.marks(split, column, selection)).map(({ mark }) => mark);
  } catch (error) {
    throw asUsage(error, "Cannot mark row ", "name a column of text, numbers or booleans with --mark.");
  }
}

/** The rows that adaptation examples are drawn from, and the test rows. */
async function readTask(
  reference: string,
  model: AskedModel,
  options: Options,
  context: CommandContext,
): Promise<StudyTask> {
  const task = await openTask(reference, model, options, context);
  const split = adaptationSplit(task, options["adaptation-split"]);
  const testSplit = requireSplit(task, options.split ?? task.evaluationSplit, "split");
  const ids = (await task.requests(split)).map(({ id }) => id);
  const most = options["pool-rows"];
  const kept = ids.length <= most ? ids : createRandom(options.seed).sample(ids, most);
  const { limit } = options;
  const selection = limit === undefined ? {} : { limit };
  const test = await task.examples(testSplit, selection);
  const { mark } = options;
  const trainSplit = options["train-split"] === undefined
    ? task.splits.includes("train") && split !== "train" ? "train" : undefined
    : requireSplit(task, options["train-split"], "train-split");
  const train = trainSplit === undefined ? undefined : await task.examples(trainSplit, { limit: trainRows });
  const pool = await task.examples(split, { ids: kept });
  noteRows(task, [...pool, ...test, ...train ?? []], model, context);
  return {
    ...(mark !== undefined && {
      marks: { column: mark, values: await readMarks(task, testSplit, mark, selection) },
    }),
    ...(train && { train }),
    tokenizer: model.tokenizer,
    task: options.prompt === "instruction" ? task.name : reference,
    pool,
    test,
    metric: decidingMetric(task, options.metric),
    testWithWorked: async (worked, only) =>
      await task.examples(testSplit, {
        ids: only ?? test.map(({ id }) => id),
        worked: await task.workedTurns(split, worked),
      }),
  };
}

/** Refuses a folder that holds something else, and empties it if so asked. */
async function prepareFolder(out: string, model: string, overwrite: boolean): Promise<void> {
  const ours: readonly string[] = Object.values(studyFileNames);
  await removeLeftovers(out);
  const names = (await readdir(out)).filter((name) => name !== lockName);
  const foreign = names.find((name) => !ours.includes(name));
  if (foreign !== undefined) {
    throw new CommandError(
      `${out} has ${foreign}, which no study wrote`,
      "name a folder of an earlier study, or an empty one.",
    );
  }
  if (overwrite) {
    // What says that the study is complete goes first.
    for (const name of ours) await rm(join(out, name), { recursive: true, force: true });
    return;
  }
  if (!names.includes(studyFileNames.study)) return;
  const path = join(out, studyFileNames.study);
  const earlier = parseStudy(path, await readResult(path));
  if (earlier.model !== model) {
    throw new CommandError(
      `${path} is a study of ${earlier.model}`,
      "--overwrite replaces it, or name another folder with --out.",
    );
  }
}

/**
 * Opens the engine with the kernels that the folder was begun with. Which ones are faster is measured anew whenever an
 * engine opens; where that is a close call, an interrupted study would otherwise go on with other last bits.
 */
async function openSameEngine(checkpoint: Checkpoint, options: Options, context: CommandContext): Promise<Engine> {
  const settings = { engine: options.engine, ...engineSettings(options, context) };
  const engine = await openEngine(checkpoint, settings);
  const { kind, adapter, details: { kernels } } = engine.info;
  const path = join(options.out, studyFileNames.begun);
  const begun = await readResult(path).then((bytes) => parseJsonObject(path, bytes), () => null);
  if (begun?.adapter !== adapter) {
    await writeFileAtomic(path, formatJson({ kind, adapter, kernels: kernels ?? null }));
    return engine;
  }
  if (begun.kernels === kernels || (begun.kernels !== "tile" && begun.kernels !== "subgroup")) return engine;
  await engine.close();
  return await openEngine(checkpoint, { ...settings, kernelVariant: begun.kernels });
}

async function studyInFolder(options: Options, context: CommandContext) {
  const { signal, onProgress } = context;
  const startedAt = new Date();
  const parts = readParts(options.parts);
  const references = options.tasks.split(",").map((task) => task.trim()).filter((task) => task !== "");
  if (references.length === 0) throw new UsageError("--tasks names no task", "name at least one.");
  if (parts?.includes("contrast") && options.retain === undefined) {
    throw new UsageError("the part contrast needs a retained set", "name a task with --retain.");
  }
  const found = await findModel(options.model, context);
  const checkpoint = await openCheckpoint(found.folder);
  try {
    const settings = { score: scoreSettings(options), search: searchSettings(options) };
    checkSettings(settings, checkpoint);
    const tokenizer = await loadTokenizer(found.folder);
    const tasks: StudyTask[] = [];
    const { maxPositions } = checkpoint.config;
    const model = { tokenizer, maxTokens: maxPositions };
    for (const reference of references) tasks.push(await readTask(reference, model, options, context));
    const retained = await readRetained(options.retain, model, options, context);
    const texts = await readText(options.text, tokenizer, Math.min(maxPositions, longestWindow));
    const studied = tasks.map((task): StudyTask => ({
      ...task,
      ...retained,
      elsewhere: {
        texts,
        tasks: tasks.filter((other) => other !== task).map(({ task: name, test, metric = "acc" }) => ({
          name,
          examples: test,
          metric,
        })),
      },
    }));
    const { out } = options;
    return await withFolderLock(out, async () => {
      await prepareFolder(out, found.reference, options.overwrite);
      const digest = await digestWeights(checkpoint, { signal });
      let slow: Engine | undefined;
      const engine = await openSameEngine(checkpoint, options, context);
      try {
        const { kind, adapter, details } = engine.info;
        // Another adapter, or other kernels, give other last bits: their answers must not be mixed.
        const namespace = hashOf([digest, version, kind, adapter, String(details.kernels)].join("\n"));
        const store = await openTensorStore(join(out, studyFileNames.units));
        const cached = createCachedEngine(engine, store, { namespace });
        const referenceEngine = async () => {
          slow ??= kind === "reference" ? engine : await openEngine(checkpoint, { engine: "reference" });
          return createCachedEngine(slow, store, { namespace: hashOf([digest, version, "reference"].join("\n")) });
        };
        const study = await runStudy({
          engine: cached,
          checkpoint,
          tasks: studied,
          referenceEngine,
          model: found.reference,
          versions: { secateur: version },
          options: {
            ...(parts && { parts }),
            redraws: options.redraws,
            size: options["adaptation-examples"],
            sizes: options.sizes,
            attributionRedraws: options["attribution-redraws"],
            exhaustiveNeurons: options["exhaustive-neurons"],
            seed: options.seed,
            sampling: options.sampling,
            ...settings,
          },
          signal,
          onProgress,
        });
        signal.throwIfAborted();
        const command = commandLine(context.typed);
        const markdown = studyMarkdown(study, command);
        // Loaded late: what draws charts is large.
        const { renderStudyReport } = await import("../report/study_report.ts");
        const log: Jsonable = {
          startedAt: startedAt.toISOString(),
          seconds: (Date.now() - startedAt.getTime()) / 1000,
          arguments: [...context.typed],
          // The engine counts what it does in its details.
          engine: { kind, adapter, details: { ...engine.info.details } },
          answers: { ...cached.counts },
        };
        await writeFileAtomic(join(out, studyFileNames.summary), markdown);
        await writeFileAtomic(join(out, studyFileNames.log), formatJson(log));
        await writeFileAtomic(join(out, studyFileNames.report), renderStudyReport(study, command));
        await writeFileAtomic(join(out, studyFileNames.study), serialiseStudy(study));
        return { study, markdown };
      } finally {
        await engine.close();
        if (slow !== engine) await slow?.close();
      }
    });
  } finally {
    await checkpoint.close();
  }
}

const command = defineCommand({
  name: "study",
  summary: "Reproduce the paper's study on a model and some tasks.",
  description:
    "Compares the paper's protocol with other rankings, projections, sample sizes, example filters, selection rules,\n" +
    "attribution methods and plans over several layers, over redraws of the adaptation examples; maps accuracy by layer and\n" +
    "fraction, and looks into what is pruned. Nothing is ever chosen on test rows.\n" +
    `Writes ${studyFileNames.study}, ${studyFileNames.summary} (what it prints), ${studyFileNames.report} (a page), ${studyFileNames.log} (times) and ${studyFileNames.units}/ (what was computed; a repeated\n` +
    "command goes on from there).",
  afterInterrupt: "the same command goes on from what was computed.",
  example:
    "study --model examples/demo/model --tasks examples/demo/task/demo.yaml --parts main --redraws 2 --limit 64 --out out/study",
  options,
  run: async (options, context) => {
    const status = await stat(options.out).catch(() => undefined);
    if (status && !status.isDirectory()) {
      throw new CommandError(`${options.out} is a file`, "name a folder with --out.");
    }
    const { study, markdown } = await studyInFolder(options, context);
    return { text: markdown, json: study as unknown as Jsonable };
  },
});

/** The command; its options may also stand in a file. */
export const study: Command = { ...command, expand: (args) => withConfigFile(options, args) };
