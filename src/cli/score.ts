/** `secateur score`: Integrated Gradients of every neuron. */
import { join } from "node:path";
import { noteStage, stageOrigin } from "../method/begun_engine.ts";
import { begunEngineName } from "../method/earlier_run.ts";
import { digestExamples } from "../method/example_digest.ts";
import { runFileNames, writeScores } from "../method/files.ts";
import { layerScores } from "../method/neuron_scores.ts";
import { describePerformance } from "../method/performance.ts";
import { resolveScoreSettings, scoreNeurons } from "../method/score.ts";
import { scoreShard } from "../method/shard_score.ts";
import type { Task } from "../tasks/task.ts";
import type { Json } from "../checkpoint/strict_json.ts";
import { defineCommand } from "./command.ts";
import { checkFolder, withFolderLock } from "./folder_lock.ts";
import { forecastWork, formatPerformance } from "./forecast.ts";
import { adaptationOptions, engineOptions, modelOptions, scoreOptions, scoreSettings, taskOptions } from "./options.ts";
import { decidingMetric, drawExamples, noteCuts, withSession, withWork, type Work } from "./session.ts";
import { readShard, runShard, shardOptions } from "./shards.ts";
import { counted, formatCompleteness, formatEngine, formatTable } from "./text.ts";

/** Rows of the table of the highest scores. */
const shown = 10;

export const score = defineCommand({
  name: "score",
  summary: "Score every neuron by Integrated Gradients.",
  description:
    "Scales the pre-activations of one layer from 0 to their value and attributes the change of the objective to the\n" +
    "layer's neurons, for every layer; the scores are the mean over the adaptation examples.",
  example: "score --model examples/demo/model --task examples/demo/task/demo.yaml --out out/demo-scores",
  options: {
    ...modelOptions,
    ...taskOptions,
    out: {
      type: "text",
      placeholder: "DIR",
      required: true,
      description: `Folder for ${runFileNames.scores}; an older one is replaced.`,
    },
    ...adaptationOptions,
    ...scoreOptions,
    ...shardOptions,
    ...engineOptions,
  },
  run: (options, context) => {
    const { signal, onProgress } = context;
    const settingsOf = (task: Task) => ({ ...scoreSettings(options), metric: decidingMetric(task, options.metric) });
    if (options.shard !== undefined) {
      const shard = readShard(options.shard);
      return withWork(options, context, async (work) => {
        const { adaptation } = await drawExamples(work.task, options);
        noteCuts(adaptation, work.checkpoint.config.maxPositions, context);
        const settings = settingsOf(work.task);
        return await runShard(work, options, context, {
          step: "score",
          shard,
          out: options.out,
          examples: adaptation,
          scores: "",
          settings: resolveScoreSettings(settings, work.checkpoint) as unknown as Json,
          compute: (engine) => scoreShard(engine, adaptation, shard, { ...settings, signal, onProgress }),
        });
      });
    }
    const prepare = async ({ checkpoint, task }: Work) => {
      resolveScoreSettings(settingsOf(task), checkpoint);
      const examples = await drawExamples(task, options);
      noteCuts(examples.adaptation, checkpoint.config.maxPositions, context);
      await checkFolder(options.out);
      return examples;
    };
    return withSession(options, context, prepare, async ({ engine, task, provenance }, { adaptation }) => {
      const settings = settingsOf(task);
      const forecast = forecastWork(engine, { adaptation, score: settings });
      const file = join(options.out, runFileNames.scores);
      const result = await withFolderLock(options.out, async () => {
        const scored = await scoreNeurons(engine, adaptation, { ...settings, signal, onProgress });
        signal.throwIfAborted();
        await writeScores(file, scored, { ...provenance, examples: digestExamples(adaptation) });
        const origin = await stageOrigin(file, engine.info.kind, scored.seconds);
        await noteStage(join(options.out, begunEngineName), "score", origin);
        return scored;
      });

      const performance = describePerformance(engine.info, forecast);
      const { scores, completenessError, nodesUsed, seconds } = result;
      const { worst, mean, unconverged, paths } = completenessError;
      const highest = scores.scored
        .flatMap((layer) =>
          Array.from(layerScores(scores, layer), (value, neuron) => ({ layer, neuron, score: value }))
        )
        .sort((a, b) => b.score - a.score)
        .slice(0, shown);
      const table = formatTable([
        ["layer", "neuron", "score"],
        ...highest.map(({ layer, neuron, score }) => [String(layer), String(neuron), score.toPrecision(6)]),
      ]);
      return {
        text: `${counted(result.examples.length, "example")}, ${formatEngine(engine.info)}, ${seconds.toFixed(1)} s\n` +
          `${formatPerformance(performance)}${formatCompleteness(completenessError)}\n\nHighest scores:\n${table}\n\n` +
          `Written: ${file}\n`,
        json: {
          file,
          engine: { ...engine.info },
          examples: result.examples,
          settings: { ...result.settings },
          completeness: { worst, mean, unconverged, paths: paths.length, nodesUsed },
          highest,
          seconds,
          performance: performance && { ...performance },
        },
      };
    });
  },
});
