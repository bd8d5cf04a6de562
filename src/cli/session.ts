/** What a command works with: a checkpoint, its tokenizer, a task and an engine, opened and closed together. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import type { WebGpuEngineOptions } from "../engine/webgpu.ts";
import type { Provenance } from "../method/provenance.ts";
import { defaultAdaptationSplit, drawAdaptation, type DrawnExamples, findShared } from "../tasks/draw.ts";
import type { PromptStyle } from "../tasks/builtin_tasks.ts";
import type { Example } from "../tasks/example.ts";
import type { Metric } from "../tasks/scoring.ts";
import { loadTask, type LoadTaskOptions, type Task } from "../tasks/task.ts";
import { loadTokenizer, type Tokenizer } from "../tasks/tokenizer.ts";
import type { OptionValues } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, UsageError } from "./errors.ts";
import { findModel } from "./model.ts";
import type { adaptationOptions, selectionOptions, testOptions } from "./options.ts";
import { version } from "./version.ts";

/** A model and a task. */
export interface Work {
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  readonly task: Task;
  readonly provenance: Provenance;
}

/** A model, a task and what computes. */
export interface Session extends Work {
  readonly engine: Engine;
}

/** Which model and task to open. */
export interface WorkOptions {
  readonly model: string;
  readonly task: string;
  readonly fewshot?: number | undefined;
  readonly prompt?: PromptStyle | undefined;
}

/** Which engine to open. */
export interface EngineChoice {
  readonly engine: "webgpu" | "reference" | "auto";
  readonly "memory-budget"?: number | undefined;
  readonly "weight-budget"?: number | undefined;
}

type Surroundings = Pick<CommandContext, "signal" | "onProgress">;

/** How an engine is opened, in the library's words. */
export function engineSettings(
  options: Omit<EngineChoice, "engine">,
  { signal, onProgress }: Surroundings,
): WebGpuEngineOptions {
  const { "memory-budget": memoryBudgetBytes, "weight-budget": weightBudgetBytes } = options;
  return {
    ...(memoryBudgetBytes !== undefined && { memoryBudgetBytes }),
    ...(weightBudgetBytes !== undefined && { weightBudgetBytes }),
    signal,
    onProgress,
  };
}

/** How a task is loaded, in the library's words. */
export function taskSettings(
  { fewshot, prompt }: Omit<WorkOptions, "model" | "task">,
): Omit<LoadTaskOptions, "tokenizer"> {
  return {
    ...(fewshot !== undefined && { fewshotCount: fewshot }),
    ...(prompt !== undefined && { prompt }),
  };
}

/** Opens a model and a task, lets `use` work with them, and closes them whatever happens. */
export async function withWork<T>(
  options: WorkOptions,
  context: Surroundings,
  use: (work: Work) => Promise<T>,
): Promise<T> {
  const model = await findModel(options.model, context);
  const checkpoint = await openCheckpoint(model.folder);
  try {
    const tokenizer = await loadTokenizer(model.folder);
    const task = await loadTask(options.task, { tokenizer, ...taskSettings(options) });
    const named = options.prompt === "instruction" ? task.name : options.task;
    const provenance = { model: model.reference, task: named, versions: { secateur: version } };
    return await use({ checkpoint, tokenizer, task, provenance });
  } finally {
    await checkpoint.close();
  }
}

/** As `withWork`, with an engine. */
export function withSession<T>(
  options: WorkOptions & EngineChoice,
  context: Surroundings,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  // The task comes before the engine: a mistake in it shows at once, and loading weights may take long.
  return withWork(options, context, async (work) => {
    const engine = await openEngine(work.checkpoint, { engine: options.engine, ...engineSettings(options, context) });
    try {
      return await use({ ...work, engine });
    } finally {
      await engine.close();
    }
  });
}

/** The metric that decides: the one asked for, else the task's first. */
export function decidingMetric(task: Task, asked: Metric | undefined): Metric {
  return asked ?? task.metrics[0];
}

/** The split that adaptation examples are drawn from. */
export function adaptationSplit(task: Task, asked: string | undefined): string {
  const split = asked ?? defaultAdaptationSplit(task);
  if (split === null) {
    throw new UsageError(
      `task ${task.name} names no training split to draw adaptation examples from`,
      `name one of its splits with --adaptation-split: ${task.splits.join(", ")}.`,
    );
  }
  if (!task.splits.includes(split)) {
    throw new UsageError(
      `task ${task.name} has no split ${split}`,
      `name one of its splits with --adaptation-split: ${task.splits.join(", ")}.`,
    );
  }
  return split;
}

/** The examples that neurons are scored on, and those the configuration is chosen on. */
export async function drawExamples(
  task: Task,
  options: OptionValues<typeof adaptationOptions> & Partial<OptionValues<typeof selectionOptions>>,
): Promise<DrawnExamples> {
  return await drawAdaptation(task, adaptationSplit(task, options["adaptation-split"]), {
    count: options["adaptation-examples"],
    selectionCount: options["selection-examples"] ?? 0,
    seed: options.seed,
    sampling: options.sampling,
  });
}

/** The examples that nothing is chosen on. */
export async function testExamples(
  task: Task,
  options: OptionValues<typeof testOptions>,
  used: readonly Example[] = [],
): Promise<readonly Example[]> {
  const { limit } = options;
  const split = options.split ?? task.evaluationSplit;
  const examples = await task.examples(split, limit === undefined ? {} : { limit });
  const shared = findShared(used, examples);
  if (shared) {
    throw new CommandError(
      `example ${shared.id} is both an adaptation and a test example`,
      "name different splits with --adaptation-split and --split: measuring on what was fitted proves nothing.",
    );
  }
  return examples;
}
