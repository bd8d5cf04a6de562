/** Stability: how much of a plan another draw of the examples would have found too. */
import { jaccard, rankAgreement } from "../agreement.ts";
import { layerScores, type NeuronScores } from "../neuron_scores.ts";
import { firstNeurons, neuronCount, rankNeurons } from "../rank.ts";
import { integer, list, nullable, number, record, type Schema, text } from "../schema.ts";
import type { Configuration, SearchResult } from "../search.ts";
import { summarySchema } from "./comparison.ts";
import { meanOrNull, pairsOf, type RedrawSummary, summarise } from "./statistics.ts";
import { type Draw, drawsOf, scoreDraw, searchDraw, type StudySubject } from "./subject.ts";

/** The fraction at which rankings are compared whatever was chosen. */
const comparedFraction = 0.2;

/** The stability of a study. */
export interface StabilityStudy {
  /** In the order of the seeds. */
  readonly redraws: readonly {
    /** Of the draw. */
    readonly seed: number;
    /** Ids of the adaptation examples. */
    readonly examples: readonly string[];
    /** Null for the unmodified model. */
    readonly layer: number | null;
    /** Of the layer's neurons; 0 for the unmodified model. */
    readonly fraction: number;
    /** Neurons switched off. */
    readonly neurons: number;
    /** Configurations as accurate as the chosen one, itself included. */
    readonly tiedOnAccuracy: number;
  }[];
  /** Configurations of each grid, the unmodified model included. */
  readonly configurations: number;
  /** Over the redraws. */
  readonly tiedOnAccuracy: RedrawSummary;
  /** Redraws that chose the most frequent (layer, fraction). */
  readonly agreeOnCell: number;
  /** Redraws that chose the most frequent layer. */
  readonly agreeOnLayer: number;
  /** Over all pairs of redraws; null for a single redraw. */
  readonly pairs: {
    /** Pairs of redraws. */
    readonly count: number;
    /** Mean Jaccard index of the neurons that both plans prune, a neuron being a layer and an index. */
    readonly jaccard: number;
    /** The same over the pairs that chose one layer; null where there is none. */
    readonly jaccardOfSameLayer: number | null;
    /** By layer: whether two draws rank its neurons alike. */
    readonly layers: readonly {
      /** Counted from 0. */
      readonly layer: number;
      /** Mean Spearman correlation of the scores; null where scores are constant. */
      readonly spearman: number | null;
      /** Mean Jaccard index of the first 20 % of the neurons. */
      readonly topJaccard: number;
      /** What two random fifths would have: E[J] of sets of that size, in first order. */
      readonly topJaccardByChance: number;
    }[];
  } | null;
}

/** Reads the stability of a study. */
export const stabilitySchema: Schema<StabilityStudy> = record({
  redraws: list(record({
    seed: integer,
    examples: list(text),
    layer: nullable(integer),
    fraction: number,
    neurons: integer,
    tiedOnAccuracy: integer,
  })),
  configurations: integer,
  tiedOnAccuracy: summarySchema,
  agreeOnCell: integer,
  agreeOnLayer: integer,
  pairs: nullable(record({
    count: integer,
    jaccard: number,
    jaccardOfSameLayer: nullable(number),
    layers: list(record({
      layer: integer,
      spearman: nullable(number),
      topJaccard: number,
      topJaccardByChance: number,
    })),
  })),
});

/** What one redraw found. */
interface Found {
  readonly draw: Draw;
  readonly scores: NeuronScores;
  readonly searched: SearchResult;
  /** The chosen configuration. */
  readonly cell: Configuration;
  /** The pruned neurons, counted through all layers. */
  readonly pruned: Uint32Array;
}

function mostFrequent(values: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Math.max(...counts.values());
}

/** Compares the plans and the rankings of all redraws, pair by pair. */
export async function studyStability(subject: StudySubject): Promise<StabilityStudy> {
  const { search } = subject.settings;
  const found: Found[] = [];
  for (const draw of drawsOf(subject)) {
    const step = `stability, seed ${draw.seed}`;
    const { scores } = await scoreDraw(subject, draw.examples, step);
    const searched = await searchDraw(subject, draw.examples, scores, step);
    const cell = searched.configurations[searched.chosen];
    // Neurons of different layers are different neurons.
    const pruned = searched.neurons.map((neuron) => (cell.layer ?? 0) * scores.neurons + neuron);
    found.push({ draw, scores, searched, cell, pruned });
  }
  const pairs = pairsOf(found);
  const count = neuronCount(comparedFraction, found[0].scores.neurons);
  const share = count / found[0].scores.neurons;
  const layers = search.layers.map((layer) => {
    const tops = found.map(({ scores }) =>
      firstNeurons(rankNeurons(layerScores(scores, layer), search.ranking), count)
    );
    const correlations = pairs.map(([a, b]) => {
      const only = (scores: typeof a.scores) => ({ ...scores, scored: [layer] });
      return rankAgreement(only(a.scores), only(b.scores), { fractions: [comparedFraction], ranking: search.ranking })
        .spearman;
    });
    return {
      layer,
      spearman: meanOrNull(correlations.filter((value) => value !== null)),
      topJaccard: meanOrNull(pairsOf(tops).map(([a, b]) => jaccard(a, b))) ?? 0,
      topJaccardByChance: share / (2 - share),
    };
  });
  return {
    redraws: found.map(({ draw, cell, searched }) => ({
      seed: draw.seed,
      examples: draw.examples.map(({ id }) => id),
      layer: cell.layer,
      fraction: cell.fraction,
      neurons: cell.neurons,
      tiedOnAccuracy: searched.tiedOnAccuracy,
    })),
    configurations: found[0].searched.configurations.length,
    tiedOnAccuracy: summarise(found.map(({ searched }) => searched.tiedOnAccuracy)),
    agreeOnCell: mostFrequent(found.map(({ cell }) => `${cell.layer} ${cell.fraction}`)),
    agreeOnLayer: mostFrequent(found.map(({ cell }) => `${cell.layer}`)),
    pairs: pairs.length === 0 ? null : {
      count: pairs.length,
      jaccard: meanOrNull(pairs.map(([a, b]) => jaccard(a.pruned, b.pruned)))!,
      jaccardOfSameLayer: meanOrNull(
        pairs.filter(([a, b]) => a.cell.layer === b.cell.layer).map(([a, b]) => jaccard(a.pruned, b.pruned)),
      ),
      layers,
    },
  };
}
