/**
 * `grid.json`: every configuration of a search and the chosen one. No time, no device: the same search, the same bytes.
 */
import { isJsonObject } from "../checkpoint/strict_json.ts";
import { metrics } from "../tasks/scoring.ts";
import { formatJson } from "./json.ts";
import { siteNeurons } from "./neuron_scores.ts";
import type { PlanModel } from "./plan.ts";
import { type Provenance, provenanceSchema } from "./provenance.ts";
import { rankings } from "./rank.ts";
import { integer, list, nullable, number, oneOf, parseDocument, record, type Schema, text, uint32s } from "./schema.ts";
import { type Configuration, type SearchResult, searchRules, type SearchSettings } from "./search.ts";

const format = "secateur-grid";
const version = 1;

const settingsSchema: Schema<SearchSettings> = record({
  layers: list(integer),
  fractions: list(number),
  ranking: oneOf(...rankings),
  metric: oneOf(...metrics),
  selectionRule: oneOf(...searchRules),
});

/** Reads the settings of a search. Files from before there were other rules than the paper's name none. */
export const searchSettingsSchema: Schema<SearchSettings> = (value, where) =>
  settingsSchema(isJsonObject(value) ? { selectionRule: "paper", ...value } : value, where);

/** Reads one configuration of a grid. */
export const configurationSchema: Schema<Configuration> = record({
  layer: nullable(integer),
  fraction: number,
  neurons: integer,
  correct: integer,
  accuracy: number,
  meanMargin: number,
});

const gridSchema = record({
  format: oneOf(format),
  version: oneOf(version),
  provenance: provenanceSchema,
  site: oneOf("gate", "up", "down"),
  settings: searchSettingsSchema,
  examples: list(text),
  chosen: integer,
  tiedOnAccuracy: integer,
  neurons: uint32s,
  configurations: list(configurationSchema),
});

/** A search read back from a file. */
export interface SavedGrid {
  /** As it was written, with `seconds` 0, which is not stored. */
  readonly result: SearchResult;
  /** What was searched, with which versions. */
  readonly provenance: Provenance;
}

/** A search as the text of `grid.json`. */
export function serialiseGrid(result: SearchResult, provenance: Provenance): string {
  const { site, settings, examples, chosen, tiedOnAccuracy, neurons, configurations } = result;
  return formatJson({
    format,
    version,
    provenance: { ...provenance },
    site,
    settings: { ...settings },
    examples,
    chosen,
    tiedOnAccuracy,
    neurons: [...neurons],
    configurations: configurations.map((configuration) => ({ ...configuration })),
  });
}

/**
 * Reads the text of a `grid.json`.
 *
 * @param what Named in errors, such as the path.
 * @throws {SyntaxError} If it is no such file, or contradicts itself.
 * @throws {RangeError} If it does not fit the model.
 */
export function parseGrid(what: string, content: string | Uint8Array, config: PlanModel): SavedGrid {
  const { site, settings, examples, chosen, tiedOnAccuracy, neurons, configurations, provenance } = parseDocument(
    what,
    content,
    gridSchema,
  );
  const configuration = configurations[chosen];
  if (configuration === undefined || configuration.neurons !== neurons.length) {
    throw new SyntaxError(
      `Cannot parse ${what}: configuration ${chosen} of ${configurations.length} with ${neurons.length} neurons is not there`,
    );
  }
  const limit = siteNeurons(config, site);
  const outside = neurons.find((neuron) => neuron >= limit);
  const layer = configurations.find((other) => other.layer !== null && other.layer >= config.layers)?.layer;
  if (outside !== undefined || layer !== undefined) {
    throw new RangeError(
      `Cannot use ${what}: it names ${outside === undefined ? `layer ${layer}` : `neuron ${outside}`}, the model has ` +
        `${config.layers} layers of ${limit}`,
    );
  }
  const result = { site, settings, examples, configurations, chosen, neurons, tiedOnAccuracy, seconds: 0 };
  return { result, provenance };
}
