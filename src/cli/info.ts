/** `secateur info`: what a checkpoint is, what would compute with it, and what stands in the way. */
import { checkWeights } from "../checkpoint/check_weights.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { JsonObject } from "../checkpoint/strict_json.ts";
import { orProblem, surveyCheckpoint } from "../checkpoint/survey.ts";
import type { EngineInfo } from "../engine/engine.ts";
import { createWebGpuForecaster } from "../engine/webgpu/forecaster.ts";
import { NoAdapterError, openGpu } from "../gpu/device.ts";
import { forecastJob } from "../method/forecast.ts";
import type { Jsonable } from "../method/json.ts";
import type { ForecastSummary } from "../method/performance.ts";
import type { Example } from "../tasks/example.ts";
import { loadTask } from "../method/load_task.ts";
import type { Task } from "../tasks/task.ts";
import { loadTokenizer } from "../tasks/tokenizer.ts";
import { formatBytes } from "../text/bytes.ts";
import { type OptionValues, parseOptions } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { CommandError } from "./errors.ts";
import { formatFlops, summariseForecast } from "./forecast.ts";
import { findModel } from "./model.ts";
import { adaptationOptions, budgetOptions, modelOptions, taskOptions } from "./options.ts";
import { countSkipped, drawExamples, engineSettings, noteSkipped, requireKnownSplit, taskSettings } from "./session.ts";
import { counted, formatTable } from "./text.ts";

/** The adapter and the limits that bound a model; null where there is no adapter. */
async function describeAdapter() {
  try {
    const gpu = await openGpu();
    try {
      const { maxBufferSize, maxStorageBufferBindingSize, maxTextureDimension2D, maxComputeWorkgroupStorageSize } =
        gpu.limits;
      const { adapter, hasSubgroups, hasTimestamps } = gpu;
      return {
        adapter,
        maxBufferSize,
        maxStorageBufferBindingSize,
        maxTextureDimension2D,
        maxComputeWorkgroupStorageSize,
        hasSubgroups,
        hasTimestamps,
      };
    } finally {
      gpu.close();
    }
  } catch (error) {
    if (error instanceof NoAdapterError) return null;
    throw error;
  }
}

/** The model's shape; of an unsupported one, what its `config.json` says in Hugging Face's words. */
function describeModel(checkpoint: Checkpoint | null, fields: JsonObject) {
  if (checkpoint) {
    const { family, layers, width, neurons, queryHeads, keyValueHeads, headWidth } = checkpoint.config;
    const { vocabularySize, maxPositions, tiedHead, slidingWindow, rotated } = checkpoint.config;
    const windows = slidingWindow.filter((window) => window !== null).length;
    const shape = { layers, width, neurons, queryHeads, keyValueHeads, headWidth, vocabularySize, maxPositions };
    return {
      family,
      ...shape,
      tiedHead,
      slidingWindowLayers: windows,
      unrotatedLayers: rotated.filter((is) => !is).length,
    };
  }
  const or = (name: string) => fields[name] ?? null;
  return {
    family: or("model_type"),
    layers: or("num_hidden_layers"),
    width: or("hidden_size"),
    neurons: or("intermediate_size"),
    queryHeads: or("num_attention_heads"),
    keyValueHeads: or("num_key_value_heads"),
    headWidth: or("head_dim"),
    vocabularySize: or("vocab_size"),
    maxPositions: or("max_position_embeddings"),
    tiedHead: or("tie_word_embeddings"),
    slidingWindowLayers: null,
    unrotatedLayers: null,
  };
}

/** Tokens of the prompts that stand for a task's where none is given. */
const promptTokens = 64;
/** Choices that stand for a task's where none is given. */
const choices = 4;

/** The examples of a default run: drawn from the task, or as many of a usual size. */
async function defaultExamples(task: Task | null): Promise<readonly Example[]> {
  const options: OptionValues<typeof adaptationOptions> = parseOptions("info", adaptationOptions, []);
  if (task) return (await drawExamples(task, options)).adaptation;
  return Array.from({ length: options["adaptation-examples"] }, (_, index) => ({
    id: `example ${index}`,
    prompt: new Uint32Array(promptTokens),
    choices: Array.from({ length: choices }, (_, token) => Uint32Array.of(token)),
    choiceCharacters: new Array<number>(choices).fill(1),
    gold: 0,
  }));
}

/** How the model would lie on the GPU, and what scoring and searching with every default would take. */
interface DefaultRun {
  readonly info: EngineInfo;
  readonly forecast: ForecastSummary;
  readonly examples: number;
  /** Of all prompts. */
  readonly tokens: number;
}

async function forecastDefaultRun(
  checkpoint: Checkpoint,
  task: Task | null,
  options: OptionValues<typeof budgetOptions>,
  context: CommandContext,
): Promise<DefaultRun> {
  const forecaster = await createWebGpuForecaster(checkpoint, engineSettings(options, context));
  try {
    const examples = await defaultExamples(task);
    const work = { engine: forecaster, adaptation: examples, selection: examples, test: [] };
    const stages = forecastJob({ ...work, randomSearch: false, attempts: "first" });
    return {
      info: forecaster.info,
      forecast: summariseForecast(forecaster.info, stages),
      examples: examples.length,
      tokens: examples.reduce((sum, { prompt }) => sum + prompt.length, 0),
    };
  } finally {
    await forecaster.close();
  }
}

/** A row of the text; `?` where nothing is known. */
function row(name: string, value: unknown): string[] {
  return [`${name}: ${value ?? "?"}`];
}

export const info = defineCommand({
  name: "info",
  summary: "Describe a checkpoint, its tokenizer, a task, the adapter, and what a run would take.",
  description:
    "Reads headers only; no weights are loaded, though those of a model by name are downloaded. What keeps a checkpoint\n" +
    "from being computed with is listed at the end, after which the command fails; --json prints the same either way.",
  example: "info --model examples/demo/model --task examples/demo/task/demo.yaml",
  options: {
    ...modelOptions,
    ...taskOptions,
    task: { ...taskOptions.task, required: false },
    check: { type: "flag", description: "Also read every weight, and name those that are NaN or infinite." },
    ...budgetOptions,
  },
  async run(options, context) {
    const model = await findModel(options.model, context);
    const { checkpoint, fields, files, types, problems: found } = await surveyCheckpoint(model.folder);
    try {
      const problems = [...found];
      if (options.check && checkpoint) {
        const { signal, onProgress } = context;
        problems.push(
          ...await checkWeights(checkpoint, {
            signal,
            onProgress: ({ bytesDone, bytesTotal }) =>
              onProgress({ stage: "check", done: bytesDone, total: bytesTotal, unit: "bytes" }),
          }),
        );
      }
      const tokenizer = await orProblem(problems, () => loadTokenizer(model.folder));
      const task = options.task !== undefined && tokenizer
        ? await loadTask(options.task, {
          tokenizer,
          ...(checkpoint && { maxTokens: checkpoint.config.maxPositions }),
          ...taskSettings(options, context),
        })
        : null;
      if (task) requireKnownSplit(task, options);
      const counts = new Map<string, number>();
      // Encoded, so that rows that are too long for the model show.
      for (const split of task?.splits ?? []) counts.set(split, (await task!.examples(split)).length);
      if (task) noteSkipped(task, context);
      const adapter = await describeAdapter();
      const run = checkpoint && adapter
        ? await orProblem(problems, () => forecastDefaultRun(checkpoint, task, options, context), context.signal)
        : null;

      const shape = describeModel(checkpoint, fields);
      const elements = types.reduce((sum, total) => sum + total.elements, 0);
      const tensors = types.reduce((sum, total) => sum + total.tensors, 0);
      const held = types.map(({ dtype, bytes }) => `${formatBytes(bytes)} of ${dtype}`).join(", ");
      const details = run?.info.details;
      const rows = [
        row("family", shape.family),
        row("layers L", shape.layers),
        row("width D", shape.width),
        row("neurons per layer H", shape.neurons),
        row(
          "heads Q, G of width K",
          `${shape.queryHeads ?? "?"}, ${shape.keyValueHeads ?? "?"} of ${shape.headWidth ?? "?"}`,
        ),
        row("vocabulary V", `${shape.vocabularySize ?? "?"}${shape.tiedHead ? ", head tied to the embedding" : ""}`),
        row("longest sequence", `${shape.maxPositions ?? "?"} tokens`),
        row("parameters", elements),
        row("weights", `${held} in ${counted(tensors, "tensor")} and ${counted(files.length, "file")}`),
        ...(tokenizer ? [row("tokens in the tokenizer", tokenizer.vocabularySize)] : []),
        row("adapter", adapter?.adapter ?? "none; use --engine reference"),
        ...(adapter
          ? [
            row(
              "its limits",
              `${formatBytes(adapter.maxStorageBufferBindingSize)} a binding, ${
                formatBytes(adapter.maxBufferSize)
              } a buffer, ${adapter.hasSubgroups ? "" : "no "}subgroups, ${
                adapter.hasTimestamps ? "" : "no "
              }timestamps`,
            ),
          ]
          : []),
        ...(details
          ? [
            row(
              "weights on the GPU",
              `${details.weights}, ${formatBytes(details.weightBytes as number)}${
                details.weights === "streamed" ? ` of ${formatBytes(details.residentWeightBytes as number)}` : ""
              }; ${counted(details.splitMatrices as number, "matrix", "matrices")} split by rows`,
            ),
            row("left for waves", formatBytes(details.workingBudgetBytes as number)),
          ]
          : []),
        ...(run
          ? [
            row(
              "scoring and searching by default",
              `${formatFlops(run.forecast.leastFlops)} at least, peak ${formatBytes(run.forecast.peakBytes)}, on ${
                counted(run.examples, "example")
              } of ${Math.round(run.tokens / run.examples)} tokens`,
            ),
          ]
          : []),
        ...(task
          ? [
            row("task", task.name),
            row("rows", [...counts].map(([split, count]) => `${split} ${count}`).join(", ")),
          ]
          : []),
        ...problems.map((problem) => row("problem", problem)),
      ];
      const json: { [name: string]: Jsonable } = {
        model: model.reference,
        ...shape,
        parameters: elements,
        files: [...files],
        tensors,
        weightBytes: Object.fromEntries(types.map(({ dtype, bytes }) => [dtype, bytes])),
        tokenizer: tokenizer &&
          { vocabularySize: tokenizer.vocabularySize, bosId: tokenizer.bosId, eosId: tokenizer.eosId },
        adapter,
        memory: details ? { ...details } : null,
        defaultRun: run && {
          examples: run.examples,
          promptTokens: run.tokens,
          leastFlops: run.forecast.leastFlops,
          leastWaves: run.forecast.leastWaves,
          peakBytes: run.forecast.peakBytes,
        },
        task: task && {
          name: task.name,
          metrics: [...task.metrics],
          splits: Object.fromEntries(counts),
          ...(options["skip-bad-rows"] && { skippedRows: countSkipped(task) }),
        },
        problems,
      };
      return {
        text: `${formatTable(rows)}\n`,
        json,
        ...(problems.length > 0 && {
          failure: new CommandError(
            `${model.reference} cannot be used: ${problems[0]}`,
            `the description lists ${counted(problems.length, "problem")}; docs/models.md says what can be used.`,
          ),
        }),
      };
    } finally {
      await checkpoint?.close();
    }
  },
});
