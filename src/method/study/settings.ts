/** What a study does: its parts, how often examples are drawn, and the protocol that every part keeps to. */
import type { Engine } from "../../engine/engine.ts";
import type { Sampling } from "../../tasks/sample.ts";
import { OptionError } from "../../text/option_error.ts";
import { emptyFractions, leastFraction } from "../fractions.ts";
import { searchSettingsSchema } from "../grid_file.ts";
import { siteNeurons } from "../neuron_scores.ts";
import type { PlanModel } from "../plan.ts";
import { integer, list, oneOf, record, type Schema } from "../schema.ts";
import { resolveScoreSettings, type ScoreSettings, scoresToCome } from "../score.ts";
import { scoreSettingsSchema } from "../scores_file.ts";
import { resolveSearchSettings, type SearchSettings } from "../search.ts";

/** The parts of a study, in the order they run. */
export const studyParts = [
  "main",
  "projection",
  "samples",
  "grid",
  "stability",
  "examples",
  "selection",
  "attribution",
  "layers",
  "shortcuts",
  "contrast",
] as const;

/** A part of a study. */
export type StudyPart = typeof studyParts[number];

/** What decides a study. */
export interface StudyOptions {
  /** Default: all of them. */
  readonly parts?: readonly StudyPart[];
  /** How often the adaptation examples are drawn anew, from 1. Default 10. */
  readonly redraws?: number;
  /** Adaptation examples of a redraw, from 1. Default 10. */
  readonly size?: number;
  /** Numbers of adaptation examples of the sample-efficiency curve. Default 5, 10, 20, 50, 100. */
  readonly sizes?: readonly number[];
  /** Redraws, the first ones, in which attribution methods are compared, from 1. Default 3. */
  readonly attributionRedraws?: number;
  /**
   * Most neurons in all layers for methods that cost passes for every neuron, such as ablation and Shapley. Default
   * 2048.
   */
  readonly exhaustiveNeurons?: number;
  /** Redraw r uses seed + r. Default 0. */
  readonly seed?: number;
  /** Default `plain`. */
  readonly sampling?: Sampling;
  /** Default: every default of `scoreNeurons`. */
  readonly score?: Partial<ScoreSettings>;
  /** Default: every default of `searchGrid`. */
  readonly search?: Partial<SearchSettings>;
}

/** The options of a study with their defaults filled in. */
export interface StudySettings {
  /** In the order they run. */
  readonly parts: readonly StudyPart[];
  /** How often adaptation examples are drawn. */
  readonly redraws: number;
  /** Adaptation examples of a redraw. */
  readonly size: number;
  /** Ascending. */
  readonly sizes: readonly number[];
  /** Redraws in which attribution methods are compared. */
  readonly attributionRedraws: number;
  /** Most neurons for methods that cost passes for every neuron. */
  readonly exhaustiveNeurons: number;
  /** Redraw r uses seed + r. */
  readonly seed: number;
  /** How rows are drawn. */
  readonly sampling: "plain" | "balanced";
  /** How neurons are scored. */
  readonly score: ScoreSettings;
  /** The grid, and how the paper's rule chooses from it. */
  readonly search: SearchSettings;
}

/** Reads the settings of a study. */
export const studySettingsSchema: Schema<StudySettings> = record({
  parts: list(oneOf(...studyParts)),
  redraws: integer,
  size: integer,
  sizes: list(integer),
  attributionRedraws: integer,
  exhaustiveNeurons: integer,
  seed: integer,
  sampling: oneOf("plain", "balanced"),
  score: scoreSettingsSchema,
  search: searchSettingsSchema,
});

function checkCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot study ${what} ${value}: expected an integer from 1`);
  }
}

/** Parts that compare the sites, whichever is asked for. */
const partsOfAllSites: readonly StudyPart[] = ["projection", "attribution"];

/** Refuses a grid that is empty at one of the sites: the part would find that out after hours. */
function checkSites(part: StudyPart, { fractions }: SearchSettings, config: PlanModel): void {
  for (const site of ["gate", "up", "down"] as const) {
    const neurons = siteNeurons(config, site);
    if (emptyFractions(fractions, neurons).length < fractions.length) continue;
    throw new OptionError(
      `Cannot study the part ${part} with the fractions ${
        fractions.join(", ")
      }: they switch off none of the ${neurons} ` +
        `rows of ${site} in a layer; the smallest that switches one off is ${leastFraction(neurons)}`,
      "fractions",
    );
  }
}

/**
 * Fills in the defaults and checks them.
 *
 * @throws {RangeError} If a part is unknown, or an option is out of its range.
 */
export function resolveStudySettings(options: StudyOptions, engine: Pick<Engine, "config">): StudySettings {
  const { parts = studyParts, redraws = 10, size = 10, sizes = [5, 10, 20, 50, 100], seed = 0, sampling = "plain" } =
    options;
  const unknown = parts.find((part) => !studyParts.includes(part));
  if (unknown !== undefined) {
    throw new RangeError(`Cannot study the part "${unknown}": expected one of ${studyParts.join(", ")}`);
  }
  if (parts.length === 0) throw new RangeError("Cannot study 0 parts: name at least one");
  const { attributionRedraws = 3, exhaustiveNeurons = 2048 } = options;
  checkCount("redraws", redraws);
  checkCount("attributions over redraws", attributionRedraws);
  if (!Number.isSafeInteger(exhaustiveNeurons) || exhaustiveNeurons < 0) {
    throw new RangeError(`Cannot go through ${exhaustiveNeurons} neurons: expected an integer from 0`);
  }
  checkCount("a draw of size", size);
  sizes.forEach((other) => checkCount("a draw of size", other));
  if (sizes.length === 0) throw new RangeError("Cannot study 0 sizes: name at least one");
  // The part examples filters by confidence whatever the others filter by.
  const { confidence, ...asked } = options.score ?? {};
  const score = {
    ...resolveScoreSettings(asked, engine),
    ...(confidence !== undefined && { confidence }),
  };
  const search = resolveSearchSettings(options.search ?? {}, engine, scoresToCome(score, engine.config));
  const chosen = studyParts.filter((part) => parts.includes(part));
  for (const part of chosen) if (partsOfAllSites.includes(part)) checkSites(part, search, engine.config);
  return {
    parts: chosen,
    redraws,
    size,
    sizes: [...new Set(sizes)].sort((a, b) => a - b),
    attributionRedraws: Math.min(attributionRedraws, redraws),
    exhaustiveNeurons,
    seed,
    sampling,
    score: { ...score, layers: [...score.layers] },
    search: { ...search, layers: [...search.layers], fractions: [...search.fractions].sort((a, b) => a - b) },
  };
}
