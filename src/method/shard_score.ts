/** Scoring in shards: a shard attributes some of the paths, and merging sums all of them as one process does. */
import type { Json } from "../checkpoint/strict_json.ts";
import type { Engine, PairAttribution } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { filterExamples } from "./filter.ts";
import { siteNeurons } from "./neuron_scores.ts";
import type { Partial } from "./partial_file.ts";
import { checkPartials, missingUnits, readField } from "./partial_file.ts";
import { type Infer, integer, list, record, text } from "./schema.ts";
import {
  attributePathsAdaptively,
  completeScoreSettings,
  createScoreSum,
  nodeCounts,
  type PathResult,
  resolveScoreSettings,
  type ScoredPath,
  scoredPaths,
  type ScoreOptions,
  type ScoreResult,
  type ScoreSettings,
} from "./score.ts";
import { scoreSettingsSchema } from "./scores_file.ts";
import { divideUnits, pathCost, type Shard } from "./shard.ts";

/** What a scoring shard found, but for what it belongs to. */
export type ScoreShard = Pick<Partial, "arrays" | "more" | "settings" | "unitCount" | "units">;

/** Costs of all paths, in the order of `scoredPaths`. */
export function scoringCosts(
  layers: number,
  examples: readonly Pick<Example, "prompt">[],
  settings: ScoreSettings,
): number[] {
  const [nodes] = nodeCounts(settings);
  return scoredPaths(examples, settings).map(({ example, layer }) =>
    pathCost(settings.positions === "last" ? 1 : examples[example].prompt.length, layer, layers, nodes)
  );
}

const columns = ["nodes", "objectiveAtOne", "objectiveAtZero", "attributionSum", "relativeError"] as const;

/**
 * Attributes one shard's share of the paths. All attributions of the share are held in memory at once, as f64.
 *
 * @param engine To merge to the bits of one process, a WebGPU engine has to be opened with `batchInvariant`.
 * @throws {RangeError} As `scoreNeurons`.
 */
export async function scoreShard(
  engine: Engine,
  examples: readonly Example[],
  shard: Shard,
  options: ScoreOptions = {},
): Promise<ScoreShard> {
  const settings = resolveScoreSettings(options, engine);
  const kept = await filterExamples(engine, examples, { ...options, ...settings });
  const paths = scoredPaths(kept, settings);
  const units = divideUnits(scoringCosts(engine.config.layers, kept, settings), shard.count)[shard.index - 1];
  const { results, nodes } = units.length === 0
    ? { results: [], nodes: 0 }
    : await attributePathsAdaptively(engine, kept, units.map((unit) => paths[unit]), settings, options, "score");
  const arrays = new Map<string, Float64Array>(columns.map((name) => [
    name,
    Float64Array.from(results, ({ completeness }) => completeness[name]),
  ]));
  arrays.set("targetToken", Float64Array.from(results, ({ parts }) => parts[0].targetToken));
  results.forEach(({ parts }, index) => {
    for (const { layer, scores } of parts) arrays.set(`${units[index]}/${layer}`, Float64Array.from(scores));
  });
  return {
    arrays,
    settings: settings as unknown as Json,
    unitCount: paths.length,
    units,
    more: { examples: kept.map(({ id }) => id), nodesUsed: nodes } satisfies Json,
  };
}

/**
 * Joins the shards of a scoring into what one process finds, to the last bit.
 *
 * @throws {RangeError} If they do not belong together, or a path is missing.
 */
export function mergeScores(partials: readonly Partial[]): ScoreResult {
  checkPartials(partials);
  const missing = missingUnits(partials);
  if (missing.length > 0) throw new RangeError(`Cannot merge the scores: path ${missing[0]} is missing`);
  const { model, settings: json, unitCount, file } = partials[0];
  const settings = readField(
    file,
    () => completeScoreSettings(scoreSettingsSchema(json, "settings"), { config: model }),
  );
  const examples = readMore(partials[0]).examples.map((id) => ({ id }));
  const paths = scoredPaths(examples, settings);
  if (paths.length !== unitCount) {
    throw new SyntaxError(`Cannot read ${file}: it is of ${unitCount} paths, its settings make ${paths.length}`);
  }
  const results = new Array<PathResult>(paths.length);
  let nodes = 0;
  for (const partial of partials) {
    nodes += readMore(partial).nodesUsed;
    partial.units.forEach((unit, index) => {
      results[unit] = pathResult(partial, unit, index, paths[unit], settings);
    });
  }
  const sum = createScoreSum(model, examples, settings);
  sum.add({ results, nodes });
  return sum.finish(0);
}

const moreSchema = record({ examples: list(text), nodesUsed: integer });

function readMore({ file, more }: Partial): Infer<typeof moreSchema> {
  return readField(file, () => moreSchema(more, "more"));
}

/** One path as the shard stored it. */
function pathResult(
  { file, arrays, model, units }: Partial,
  unit: number,
  index: number,
  { example, layer }: ScoredPath,
  settings: ScoreSettings,
): PathResult {
  const numbers = (name: string, length: number) => {
    const array = arrays.get(name);
    if (array?.length !== length) {
      throw new SyntaxError(`Cannot read ${file}: the numbers ${name} are not there or not ${length}`);
    }
    return array;
  };
  const [nodes, objectiveAtOne, objectiveAtZero, attributionSum, relativeError] = columns.map((name) =>
    numbers(name, units.length)[index]
  );
  const neurons = siteNeurons(model, settings.site);
  const parts = (layer === null ? settings.layers : [layer]).map((scaled): PairAttribution => ({
    example,
    layer: scaled,
    scores: numbers(`${unit}/${scaled}`, neurons),
    objectiveAtOne,
    objectiveAtZero,
    targetToken: numbers("targetToken", units.length)[index],
    otherToken: null,
  }));
  const completeness = { example, layer, nodes, objectiveAtOne, objectiveAtZero, attributionSum, relativeError };
  return { parts, completeness };
}
