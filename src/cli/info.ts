/** `secateur info`: what a checkpoint is, and what would compute with it. */
import { bytesPerWeight } from "../checkpoint/dtype.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { NoAdapterError, openGpu } from "../gpu/device.ts";
import { loadTask } from "../tasks/task.ts";
import { loadTokenizer } from "../tasks/tokenizer.ts";
import { formatBytes } from "./arguments.ts";
import { defineCommand } from "./command.ts";
import { findModel } from "./model.ts";
import { modelOptions, taskOptions } from "./options.ts";
import { formatTable } from "./text.ts";

/** The adapter and the limits that bound a model; null where there is no adapter. */
async function describeAdapter() {
  try {
    const gpu = await openGpu();
    try {
      const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
      const { adapter, hasSubgroups, hasTimestamps } = gpu;
      return { adapter, maxBufferSize, maxStorageBufferBindingSize, hasSubgroups, hasTimestamps };
    } finally {
      gpu.close();
    }
  } catch (error) {
    if (error instanceof NoAdapterError) return null;
    throw error;
  }
}

export const info = defineCommand({
  name: "info",
  summary: "Describe a checkpoint, its tokenizer, a task and the adapter.",
  description: "Reads headers only; no weights are loaded, though those of a model by name are downloaded.",
  example: "info --model examples/demo/model --task examples/demo/task/demo.yaml",
  options: { ...modelOptions, task: { ...taskOptions.task, required: false } },
  async run(options, context) {
    const model = await findModel(options.model, context);
    const checkpoint = await openCheckpoint(model.folder);
    try {
      const { config, tensors } = checkpoint;
      const tokenizer = await loadTokenizer(model.folder);
      const task = options.task === undefined ? null : await loadTask(options.task, { tokenizer });
      const counts = new Map<string, number>();
      for (const split of task?.splits ?? []) counts.set(split, (await task!.requests(split)).length);

      const bytesByType: Record<string, number> = {};
      let parameters = 0;
      for (const { dtype, byteLength } of tensors.values()) {
        bytesByType[dtype] = (bytesByType[dtype] ?? 0) + byteLength;
        parameters += byteLength / bytesPerWeight(dtype);
      }
      const adapter = await describeAdapter();
      const { family, layers, width, neurons, queryHeads, keyValueHeads, headWidth, vocabularySize, maxPositions } =
        config;
      const { tiedHead } = config;
      const weights = Object.entries(bytesByType).map(([type, bytes]) => `${formatBytes(bytes)} of ${type}`).join(", ");
      const rows = [
        ["family", family],
        ["layers L", String(layers)],
        ["width D", String(width)],
        ["neurons per layer H", String(neurons)],
        ["heads Q, G of width K", `${queryHeads}, ${keyValueHeads} of ${headWidth}`],
        ["vocabulary V", `${vocabularySize}${tiedHead ? ", head tied to the embedding" : ""}`],
        ["longest sequence", `${maxPositions} tokens`],
        ["parameters", String(parameters)],
        ["weights", weights],
        ["tokens in the tokenizer", String(tokenizer.vocabularySize)],
        ["adapter", adapter?.adapter ?? "none; use --engine reference"],
        ...(adapter ? [["largest binding", formatBytes(adapter.maxStorageBufferBindingSize)]] : []),
        ...(task
          ? [["task", task.name], ["rows", [...counts].map(([split, count]) => `${split} ${count}`).join(", ")]]
          : []),
      ];
      return {
        text: formatTable(rows.map(([name, value]) => [`${name}: ${value}`])) + "\n",
        json: {
          model: model.reference,
          family,
          layers,
          width,
          neurons,
          queryHeads,
          keyValueHeads,
          headWidth,
          vocabularySize,
          maxPositions,
          tiedHead,
          parameters,
          weightBytes: bytesByType,
          tokenizer: { vocabularySize: tokenizer.vocabularySize, bosId: tokenizer.bosId, eosId: tokenizer.eosId },
          adapter,
          task: task && { name: task.name, metrics: task.metrics, splits: Object.fromEntries(counts) },
        },
      };
    } finally {
      await checkpoint.close();
    }
  },
});
