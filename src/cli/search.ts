/** `secateur search`: which layer to prune, and how much of it. */
import { join } from "node:path";
import { noteStage, stageOrigin } from "../method/begun_engine.ts";
import { begunEngineName } from "../method/earlier_run.ts";
import { digestExamples } from "../method/example_digest.ts";
import { readScores, runFileNames, writeGrid, writePlan } from "../method/files.ts";
import { describePerformance } from "../method/performance.ts";
import { digestFile } from "../method/file_digest.ts";
import { compareConfigurations, planFromSearch, resolveSearchSettings, searchGrid } from "../method/search.ts";
import { searchShard } from "../method/shard_search.ts";
import type { Task } from "../tasks/task.ts";
import type { Json } from "../checkpoint/strict_json.ts";
import { defineCommand } from "./command.ts";
import { checkFolder, withFolderLock } from "./folder_lock.ts";
import { forecastWork, formatPerformance } from "./forecast.ts";
import {
  adaptationOptions,
  engineOptions,
  modelOptions,
  searchOptions,
  searchSettings,
  selectionOptions,
  taskOptions,
} from "./options.ts";
import { decidingMetric, drawExamples, remarkOnCuts, withSession, withWork, type Work } from "./session.ts";
import { readShard, runShard, shardOptions } from "./shards.ts";
import { remarkOnFractions } from "./empty_fractions.ts";
import { checkFoundOn, otherWeightsOptions, remarkOnExamples } from "./found_on.ts";
import { requireFile } from "./input_file.ts";
import { formatChoice, formatConfiguration, formatEngine, formatShare, formatTable } from "./text.ts";

/** Rows of the table of the best configurations. */
const shown = 10;

export const search = defineCommand({
  name: "search",
  summary: "Choose the layer and the fraction of its neurons to prune.",
  description:
    "Switches off the highest-scored neurons of one layer, for every layer and fraction, and prefers higher accuracy on\n" +
    "the adaptation examples, then higher mean margin, then fewer neurons, then the lower layer.",
  example:
    "search --model examples/demo/model --task examples/demo/task/demo.yaml --scores out/demo-scores/scores.safetensors --out out/demo-search",
  options: {
    ...modelOptions,
    ...taskOptions,
    scores: {
      type: "text",
      placeholder: "FILE",
      required: true,
      description: `A ${runFileNames.scores} that \`score\` wrote.`,
    },
    out: {
      type: "text",
      placeholder: "DIR",
      required: true,
      description: `Folder for ${runFileNames.grid} and ${runFileNames.plan}; older ones are replaced.`,
    },
    ...adaptationOptions,
    ...selectionOptions,
    ...searchOptions,
    ...otherWeightsOptions,
    ...shardOptions,
    ...engineOptions,
  },
  run: async (options, context) => {
    const { signal, onProgress } = context;
    const settingsOf = (task: Task) => ({ ...searchSettings(options), metric: decidingMetric(task, options.metric) });
    await requireFile(options.scores, "scores", runFileNames.scores);
    /**
     * The scores to search over and the examples to search on, with what must be said where they do not belong
     * together.
     */
    const readInputs = async ({ checkpoint, task, provenance: ours }: Work) => {
      const { scores: file, "other-weights": allowed } = options;
      const { result, provenance } = await readScores(file, checkpoint.config);
      const notes = checkFoundOn(file, provenance.weights, ours, allowed);
      const { adaptation, selection } = await drawExamples(task, options);
      notes.push(
        ...remarkOnExamples(file, provenance, adaptation, ours.task),
        ...remarkOnCuts(selection, checkpoint.config.maxPositions),
      );
      for (const line of notes) context.note(line);
      remarkOnFractions(options.fractions, result.scores.neurons, context.note);
      resolveSearchSettings(settingsOf(task), checkpoint, result.scores);
      return { scores: result.scores, selection };
    };
    if (options.shard !== undefined) {
      const shard = readShard(options.shard);
      return await withWork(options, context, async (work) => {
        const { scores, selection } = await readInputs(work);
        const settings = settingsOf(work.task);
        return await runShard(work, options, context, {
          step: "search",
          shard,
          out: options.out,
          examples: selection,
          scores: await digestFile(options.scores),
          settings: resolveSearchSettings(settings, work.checkpoint, scores) as unknown as Json,
          compute: (engine) => searchShard(engine, selection, scores, shard, { ...settings, signal, onProgress }),
        });
      });
    }
    const prepare = async (work: Work) => {
      const inputs = await readInputs(work);
      await checkFolder(options.out);
      return inputs;
    };
    return await withSession(options, context, prepare, async ({ engine, task, provenance }, { scores, selection }) => {
      const settings = settingsOf(task);
      const { site, scored } = scores;
      const forecast = forecastWork(engine, {
        selection,
        score: { site, layers: scored },
        search: settings,
        randomSearch: false,
      });
      const files = [join(options.out, runFileNames.grid), join(options.out, runFileNames.plan)];
      const result = await withFolderLock(options.out, async () => {
        const found = await searchGrid(engine, selection, scores, { ...settings, signal, onProgress });
        signal.throwIfAborted();
        await writeGrid(files[0], found, { ...provenance, examples: digestExamples(selection) });
        const origin = await stageOrigin(files[0], engine.info.kind, found.seconds);
        await noteStage(join(options.out, begunEngineName), "search", origin);
        await writePlan(files[1], { ...planFromSearch(engine.config, found), weights: provenance.weights });
        return found;
      });

      const performance = describePerformance(engine.info, forecast);
      const best = [...result.configurations].sort(compareConfigurations).slice(0, shown);
      const table = formatTable([
        ["configuration", "accuracy", "mean margin"],
        ...best.map((cell) => [formatConfiguration(cell), formatShare(cell.accuracy), cell.meanMargin.toFixed(6)]),
      ]);
      return {
        text: `${formatChoice(result)}\n${formatEngine(engine.info)}, ${result.seconds.toFixed(1)} s\n` +
          `${formatPerformance(performance)}\nBest configurations:\n${table}\n\nWritten: ${files.join(", ")}\n`,
        json: {
          files,
          engine: { ...engine.info },
          examples: result.examples,
          settings: { ...result.settings },
          chosen: { ...result.configurations[result.chosen] },
          tiedOnAccuracy: result.tiedOnAccuracy,
          configurations: result.configurations.map((cell) => ({ ...cell })),
          seconds: result.seconds,
          performance: performance && { ...performance },
        },
      };
    });
  },
});
