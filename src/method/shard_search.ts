/**
 * Searching in shards: a shard measures some of the grid's cells, and merging chooses among all of them as one process
 * does.
 */
import type { Json } from "../checkpoint/strict_json.ts";
import type { Engine } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import type { NeuronScores } from "./neuron_scores.ts";
import { checkPartials, missingUnits, type Partial, readField } from "./partial_file.ts";
import { integer, list, optional, record, text, uint32s } from "./schema.ts";
import {
  type Cell,
  checkSelectionExamples,
  concludeSearch,
  distinctCells,
  listCells,
  measureCells,
  resolveSearchSettings,
  type SearchOptions,
  type SearchResult,
} from "./search.ts";
import { searchSettingsSchema } from "./grid_file.ts";
import { divideUnits, type Shard } from "./shard.ts";

/** What a search shard found, but for what it belongs to. */
export type SearchShard = Pick<Partial, "arrays" | "more" | "settings" | "unitCount" | "units">;

/** Relative costs of cells: layers that their rows pass. */
function cellCost({ layer }: Cell, layers: number): number {
  return layers - (layer ?? 0);
}

/**
 * Measures one shard's share of the cells.
 *
 * @param engine To merge to the bits of one process, a WebGPU engine has to be opened with `batchInvariant`.
 * @throws {RangeError} As `searchGrid`.
 */
export async function searchShard(
  engine: Engine,
  examples: readonly Example[],
  scores: NeuronScores,
  shard: Shard,
  options: SearchOptions = {},
): Promise<SearchShard> {
  checkSelectionExamples(examples);
  const settings = resolveSearchSettings(options, engine, scores);
  const cells = distinctCells(listCells(scores, settings));
  const costs = cells.map((cell) => cellCost(cell, engine.config.layers));
  const units = divideUnits(costs, shard.count)[shard.index - 1];
  const own = units.map((unit) => cells[unit]);
  const answers = own.length === 0 ? new Map() : await measureCells(engine, examples, own, options);
  const arrays = new Map(own.map(({ key }, index) => [
    String(units[index]),
    Float64Array.from((answers.get(key)! as readonly Float64Array[]).flatMap((row) => [...row])),
  ]));
  return {
    arrays,
    settings: settings as unknown as Json,
    unitCount: cells.length,
    units,
    more: { examples: examples.map(describeExample) },
  };
}

/**
 * Joins the shards of a search into what one process finds, to the last bit.
 *
 * @param scores The scores that the shards searched over.
 * @throws {RangeError} If they do not belong together, or a cell is missing.
 */
export function mergeSearch(partials: readonly Partial[], scores: NeuronScores): SearchResult {
  checkPartials(partials);
  const missing = missingUnits(partials);
  if (missing.length > 0) throw new RangeError(`Cannot merge the search: cell ${missing[0]} is missing`);
  const { model, settings: json, file } = partials[0];
  const settings = readField(
    file,
    () => resolveSearchSettings(searchSettingsSchema(json, "settings"), { config: model }, scores),
  );
  const examples = readExamples(partials[0]);
  const cells = listCells(scores, settings);
  const distinct = distinctCells(cells);
  if (distinct.length !== partials[0].unitCount) {
    throw new RangeError(
      `Cannot merge ${file}: the grid has ${distinct.length} cells with these scores, it was made for ` +
        `${partials[0].unitCount}`,
    );
  }
  const answers = new Map<string, Float64Array[]>();
  // In the order of the grid, as one process measures them.
  const byUnit = new Map(partials.flatMap((partial) => partial.units.map((unit) => [unit, partial] as const)));
  distinct.forEach(({ key }, unit) => {
    const partial = byUnit.get(unit)!;
    const numbers = partial.arrays.get(String(unit));
    const wanted = examples.reduce((sum, { choices }) => sum + choices.length, 0);
    if (numbers?.length !== wanted) {
      throw new SyntaxError(`Cannot read ${partial.file}: cell ${unit} has not ${wanted} log-probabilities`);
    }
    let start = 0;
    answers.set(key, examples.map(({ choices }) => numbers.slice(start, start += choices.length)));
  });
  return concludeSearch(examples, scores.site, settings, cells, answers, 0);
}

/** An example as JSON. */
function describeExample(example: Example): Json {
  return JSON.parse(
    JSON.stringify(example, (_, value) => ArrayBuffer.isView(value) ? Array.from(value as Uint32Array) : value),
  ) as Json;
}

const exampleSchema = record({
  id: text,
  prompt: uint32s,
  choices: list(uint32s),
  choiceCharacters: list(integer),
  choiceBytes: optional(list(integer)),
  gold: integer,
  golds: optional(list(integer)),
  prompts: optional(list(uint32s)),
  unconditional: optional(record({ prompt: uint32s, choices: list(uint32s) })),
});

const moreSchema = record({ examples: list(exampleSchema) });

/** The examples that a partial was measured on. */
function readExamples({ file, more }: Partial): Example[] {
  const { examples } = readField(file, () => moreSchema(more, "more"));
  for (const { id, choices, choiceCharacters, choiceBytes, gold, golds, prompts, unconditional } of examples) {
    const lists = [choiceCharacters, choiceBytes, prompts, unconditional?.choices];
    const fits = lists.every((one) => one === undefined || one.length === choices.length);
    if (!fits || [gold, ...golds ?? []].some((right) => right >= choices.length)) {
      throw new SyntaxError(`Cannot read ${file}: example ${id} does not have ${choices.length} choices throughout`);
    }
  }
  return examples;
}
