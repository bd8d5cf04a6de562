/** What a command works with: a checkpoint, its tokenizer, a task and an engine, opened and closed together. */
import { basename } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { fingerprintWeights } from "../checkpoint/digest.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { AdapterKernels, Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import type { WebGpuEngineOptions } from "../engine/webgpu.ts";
import { hashFiles, loadTaskWithData, type TaskOptions } from "../method/load_task.ts";
import type { PlanningOptions } from "../method/pipeline.ts";
import { resolveScoreSettings, scoresToCome } from "../method/score.ts";
import { resolveSearchSettings } from "../method/search.ts";
import type { Provenance } from "../method/provenance.ts";
import {
  adaptationSplit as askedAdaptationSplit,
  AskedSplitError,
  requireSplit as askedSplit,
} from "../tasks/asked_split.ts";
import { drawAdaptation, type DrawnExamples } from "../tasks/draw.ts";
import { loadChatTemplate } from "../tasks/chat_template.ts";
import type { PromptStyle } from "../tasks/builtin_tasks.ts";
import type { Metric } from "../tasks/scoring.ts";
import { countBySplit, type Example } from "../tasks/example.ts";
import { usualSplits } from "../tasks/split_roles.ts";
import type { Task } from "../tasks/task.ts";
import { loadTokenizer, type Tokenizer } from "../tasks/tokenizer.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { asUsage, UsageError } from "./errors.ts";
import { findModel } from "./model.ts";
import type { adaptationOptions, selectionOptions } from "./options.ts";
import { counted } from "./text.ts";
import { version } from "./version.ts";

/** A model and a task. */
export interface Work {
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  readonly task: Task;
  readonly provenance: Provenance & { readonly weights: string };
}

/** A model, a task and what computes. */
export interface Session extends Work {
  readonly engine: Engine;
}

/** Which model and task to open. */
export interface WorkOptions {
  readonly model: string;
  /** The model's fingerprint, where it was taken already. */
  readonly fingerprint?: string | undefined;
  readonly task: string;
  readonly fewshot?: number | undefined;
  readonly prompt?: PromptStyle | undefined;
  readonly data?: readonly string[] | undefined;
  readonly "data-subset"?: string | undefined;
  readonly "skip-bad-rows"?: boolean | undefined;
  readonly truncate?: boolean | undefined;
  readonly "chat-template"?: boolean | undefined;
  readonly "system-prompt"?: string | undefined;
  readonly split?: string | undefined;
  readonly "adaptation-split"?: string | undefined;
}

/** Which engine to open. */
export interface EngineChoice {
  readonly engine: "webgpu" | "reference" | "auto";
  readonly "memory-budget"?: number | undefined;
  readonly "weight-budget"?: number | undefined;
}

type Surroundings = Pick<CommandContext, "signal" | "onProgress" | "note">;

/** How an engine is opened, in the library's words. */
export function engineSettings(
  options: Omit<EngineChoice, "engine">,
  { signal, onProgress }: Pick<Surroundings, "signal" | "onProgress">,
): WebGpuEngineOptions {
  const { "memory-budget": memoryBudgetBytes, "weight-budget": weightBudgetBytes } = options;
  return {
    ...(memoryBudgetBytes !== undefined && { memoryBudgetBytes }),
    ...(weightBudgetBytes !== undefined && { weightBudgetBytes }),
    // Results on disk must not depend on how the work was divided.
    batchInvariant: true,
    signal,
    onProgress,
  };
}

/** How a task is loaded, in the library's words. */
export function taskSettings(
  options: Omit<WorkOptions, "model" | "task">,
  { signal, onProgress }: Pick<Surroundings, "signal" | "onProgress">,
): Omit<TaskOptions, "tokenizer" | "maxTokens"> {
  const { fewshot, prompt, data, "data-subset": subset, "skip-bad-rows": skipBadRows } = options;
  const { truncate, "system-prompt": systemPrompt } = options;
  return {
    hub: {
      signal,
      onProgress: ({ bytesDone, bytesTotal }) =>
        onProgress({ stage: "download data", done: bytesDone, total: bytesTotal, unit: "bytes" }),
    },
    ...(data !== undefined && { data }),
    ...(subset !== undefined && { subset }),
    ...(skipBadRows && { skipBadRows }),
    ...(truncate && { truncate }),
    ...(fewshot !== undefined && { fewshotCount: fewshot }),
    ...(prompt !== undefined && { prompt }),
    ...(systemPrompt !== undefined && { systemPrompt }),
  };
}

/** A model and a task, before any weight was read. */
export type Opened = Omit<Work, "provenance"> & { readonly provenance: Provenance };

/** Opens a model and a task, lets `use` work with them, and closes them whatever happens. */
export function withWork<T>(options: WorkOptions, context: Surroundings, use: (work: Work) => Promise<T>): Promise<T> {
  return withOpened(options, context, async (opened) => {
    const weights = options.fingerprint ?? await fingerprintWeights(opened.checkpoint, context.signal);
    const { versions, ...rest } = opened.provenance;
    // In the order in which files are read back: merged files have the bytes of one process.
    return await use({ ...opened, provenance: { ...rest, weights, versions } });
  });
}

/** As `withWork`, for what needs no fingerprint: reading the weights for one takes a while. */
export async function withOpened<T>(
  options: WorkOptions,
  context: Surroundings,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const model = await findModel(options.model, context);
  const checkpoint = await openCheckpoint(model.folder);
  try {
    const tokenizer = await loadTokenizer(model.folder);
    const chatTemplate = options["chat-template"] ? await loadChatTemplate(model.folder) : null;
    const { task, data, files } = await loadTaskWithData(options.task, {
      tokenizer,
      maxTokens: checkpoint.config.maxPositions,
      ...taskSettings(options, context),
      ...(chatTemplate && { chatTemplate }),
    });
    requireKnownSplit(task, options);
    const named = options.prompt === "instruction" ? task.name : options.task;
    const provenance: Provenance = {
      model: model.reference,
      task: named,
      ...(data !== null && { data }),
      ...(files.length > 0 && { dataSha256: await hashFiles(files, context.signal) }),
      ...(options.fewshot !== undefined && { fewshot: options.fewshot }),
      ...(chatTemplate && { chatTemplate: basename(chatTemplate.file) }),
      ...(options["system-prompt"] !== undefined && { systemPrompt: options["system-prompt"] }),
      ...(options.truncate && { truncated: checkpoint.config.maxPositions }),
      versions: { secateur: version },
    };
    const result = await use({ checkpoint, tokenizer, task, provenance });
    noteSkipped(task, context);
    return result;
  } finally {
    await checkpoint.close();
  }
}

/**
 * Opens an engine over the checkpoint of some work, lets `use` compute with it, and closes it whatever happens.
 *
 * @param adapterKernels Those to go on with where work was begun.
 */
export async function withEngine<T>(
  work: Work,
  options: EngineChoice,
  context: Surroundings,
  use: (session: Session) => Promise<T>,
  adapterKernels?: AdapterKernels,
): Promise<T> {
  context.signal.throwIfAborted();
  const engine = await openEngine(work.checkpoint, {
    engine: options.engine,
    ...engineSettings(options, context),
    ...(adapterKernels && { adapterKernels }),
  });
  try {
    return await use({ ...work, engine });
  } finally {
    await engine.close();
  }
}

/**
 * As `withWork`, with an engine.
 *
 * @param prepare Reads and checks whatever needs no engine: loading weights may take long, and mistakes show before it.
 * @param use Gets what `prepare` found.
 */
export function withSession<P, T>(
  options: WorkOptions & EngineChoice,
  context: Surroundings,
  prepare: (work: Work) => Promise<P>,
  use: (session: Session, prepared: P) => Promise<T>,
): Promise<T> {
  return withWork(options, context, async (work) => {
    const prepared = await prepare(work);
    return await withEngine(work, options, context, (session) => use(session, prepared));
  });
}

/** Says how many rows were left out, and why the first of them, where some were. */
export function noteSkipped({ skippedRows }: Task, { note }: Pick<Surroundings, "note">): void {
  if (skippedRows.length === 0) return;
  const [{ id, place, problem }] = skippedRows;
  note(
    `Skipped ${counted(skippedRows.length, "row")} that ${skippedRows.length === 1 ? "does" : "do"} not fit; ` +
      `the first one is ${id} (${place}): ${problem}`,
  );
}

/** Rows that were left out so far, by split. */
export function countSkipped(task: Task): Record<string, number> {
  return countBySplit(task.skippedRows);
}

/** What to say of prompts that were cut to fit the model; nothing where none was. */
export function remarkOnCuts(examples: readonly Example[], maxTokens: number): string[] {
  const cut = examples.filter(({ cutTokens }) => cutTokens !== undefined);
  if (cut.length === 0) return [];
  const [{ id, cutTokens }] = cut;
  return [
    `Cut the prompts of ${cut.length} of ${counted(examples.length, "row")} to the model's ${maxTokens} ` +
    `tokens, from the left; the first one is ${id}, by ${counted(cutTokens!, "token")}.`,
  ];
}

/** Says what was cut, where something was. */
export function noteCuts(examples: readonly Example[], maxTokens: number, { note }: Pick<Surroundings, "note">): void {
  for (const line of remarkOnCuts(examples, maxTokens)) note(line);
}

/** The metric that decides: the one asked for, else the task's first. */
export function decidingMetric(task: Task, asked: Metric | undefined): Metric {
  return asked ?? task.metrics[0];
}

/**
 * Finds mistakes in what decides scores and search before weights are loaded.
 *
 * @throws {OptionError} If a setting does not fit the model or another one.
 */
export function checkSettings({ score = {}, search = {} }: PlanningOptions, { config }: Pick<Checkpoint, "config">) {
  const settings = resolveScoreSettings(score, { config });
  resolveSearchSettings(search, { config }, scoresToCome(settings, config));
}

/**
 * A split that is found for an option.
 *
 * @param option Its name, without `--`.
 */
function splitFor(option: string, find: () => string): string {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof AskedSplitError)) throw error;
    throw new UsageError(error.problem, `name one of its splits with --${option}: ${error.splits.join(", ")}.`);
  }
}

/**
 * The split that adaptation examples are drawn from.
 *
 * @throws {UsageError} If the data does not have it, or the task names none.
 */
export function adaptationSplit(task: Task, asked: string | undefined): string {
  return splitFor("adaptation-split", () => askedAdaptationSplit(task, asked));
}

/**
 * Refuses `--data split=FILE` that would be used for everything because no split is called that, unless it is asked for
 * by that name: it may be misspelt.
 *
 * @param options A command's own: those that it lacks are not proposed.
 * @throws {UsageError} If so.
 */
export function requireKnownSplit(
  { name, standIn, evaluationSplit }: Pick<Task, "name" | "standIn" | "evaluationSplit">,
  { data = [], ...asked }: Pick<WorkOptions, "data" | "split" | "adaptation-split">,
): void {
  if (standIn === null || standIn.isKnown) return;
  if (!data.some((text) => text.startsWith(`${evaluationSplit}=`))) return;
  if (evaluationSplit === asked.split || evaluationSplit === asked["adaptation-split"]) return;
  const option = (["split", "adaptation-split"] as const).find((own) => own in asked);
  const ask = option === undefined ? "" : `, or ask for it with --${option} ${evaluationSplit}`;
  throw new UsageError(
    `task ${name} names no split ${evaluationSplit}${didYouMean(evaluationSplit, [standIn.of, ...usualSplits])}`,
    `write --data ${standIn.of}=FILE, or --data FILE to use it for everything${ask}.`,
  );
}

/**
 * The same split, if there is one of that name.
 *
 * @param option Name of the option that names it, without `--`.
 * @throws {UsageError} If the data has none.
 */
export function requireSplit(task: Pick<Task, "name" | "splits">, split: string, option: string): string {
  return splitFor(option, () => askedSplit(task, split));
}

/**
 * The examples that neurons are scored on, and those the configuration is chosen on.
 *
 * @throws {UsageError} If the split has too few rows.
 */
export async function drawExamples(
  task: Task,
  options: OptionValues<typeof adaptationOptions> & Partial<OptionValues<typeof selectionOptions>>,
): Promise<DrawnExamples> {
  const { "selection-examples": selectionCount = 0 } = options;
  try {
    return await drawAdaptation(task, adaptationSplit(task, options["adaptation-split"]), {
      count: options["adaptation-examples"],
      selectionCount,
      seed: options.seed,
      sampling: options.sampling,
    });
  } catch (error) {
    const counts = `--adaptation-examples${selectionCount > 0 ? " or --selection-examples" : ""}`;
    throw asUsage(error, "Cannot draw ", `lower ${counts}, or give more rows with --data.`);
  }
}
