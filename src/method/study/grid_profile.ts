/**
 * The fraction curve and the layer profile: every cell of the grid of every redraw on the test examples. It says where
 * good cells are; nothing is chosen here.
 */
import type { Intervention } from "../../engine/engine.ts";
import { layerScores, type NeuronScores } from "../neuron_scores.ts";
import { firstNeurons, neuronCount, rankNeurons } from "../rank.ts";
import { integer, list, number, record, type Schema } from "../schema.ts";
import { summarySchema } from "./comparison.ts";
import { type RedrawSummary, summarise } from "./statistics.ts";
import { type Draw, drawsOf, scoreDraw, searchDraw, type StudySubject, testUnder } from "./subject.ts";

/** The fraction curve and the layer profile. */
export interface GridStudy {
  /** Test accuracy of the unmodified model. */
  readonly unpruned: number;
  /** Test accuracy by fraction, for every layer. */
  readonly layers: readonly {
    /** Counted from 0. */
    readonly layer: number;
    /** Ascending. */
    readonly fractions: readonly {
      /** Of the layer's neurons; 0 for the unmodified model. */
      readonly fraction: number;
      /** Neurons switched off. */
      readonly neurons: number;
      /** Test accuracy over the redraws. */
      readonly accuracy: RedrawSummary;
    }[];
    /** The fraction of the highest mean test accuracy; of several, the smallest. */
    readonly bestFraction: number;
    /** That accuracy. */
    readonly best: RedrawSummary;
    /** Redraws whose search chose this layer. */
    readonly chosen: number;
  }[];
  /** Redraws whose search chose the unmodified model. */
  readonly choseUnmodified: number;
  /** Different plans evaluated on the test rows, none of which was chosen there. */
  readonly testPlans: number;
}

/** Reads the profile. */
export const gridSchema: Schema<GridStudy> = record({
  unpruned: number,
  layers: list(record({
    layer: integer,
    fractions: list(record({
      fraction: number,
      neurons: integer,
      accuracy: summarySchema,
    })),
    bestFraction: number,
    best: summarySchema,
    chosen: integer,
  })),
  choseUnmodified: integer,
  testPlans: integer,
});

/** A cell of the grid. */
export interface GridCell {
  readonly layer: number;
  readonly fraction: number;
  readonly intervention: Intervention;
  readonly neurons: number;
}

/** Every cell of the study's grid over some scores, by layer, then by fraction. */
export function gridCells({ settings: { search } }: StudySubject, scores: NeuronScores): GridCell[] {
  return search.layers.flatMap((layer) => {
    const order = rankNeurons(layerScores(scores, layer), search.ranking);
    return search.fractions.map((fraction): GridCell => {
      const neurons = firstNeurons(order, neuronCount(fraction, scores.neurons));
      const intervention = neurons.length === 0 ? [] : [{ layer, site: scores.site, neurons }];
      return { layer, fraction, intervention, neurons: neurons.length };
    });
  });
}

/** The grid of one redraw with its test answers. */
export interface MeasuredGrid {
  readonly draw: Draw;
  readonly scores: NeuronScores;
  readonly cells: readonly GridCell[];
  /** Test accuracy of every cell, in the order of `cells`. */
  readonly accuracies: readonly number[];
}

/** Measures every cell of every redraw on the test examples. */
export async function measureGrids(
  subject: StudySubject,
): Promise<{ readonly unpruned: number; readonly grids: MeasuredGrid[]; readonly testPlans: number }> {
  const { metric } = subject.settings.search;
  const ranked = [];
  for (const draw of drawsOf(subject)) {
    const { scores } = await scoreDraw(subject, draw.examples, `grid, seed ${draw.seed}`);
    ranked.push({ draw, scores, cells: gridCells(subject, scores) });
  }
  const interventions = [[], ...ranked.flatMap(({ cells }) => cells.map(({ intervention }) => intervention))];
  const evaluations = await testUnder(subject, interventions, "every cell");
  let next = 1;
  const grids = ranked.map((grid): MeasuredGrid => ({
    ...grid,
    accuracies: grid.cells.map(() => evaluations[next++].scores[metric].accuracy),
  }));
  return {
    unpruned: evaluations[0].scores[metric].accuracy,
    grids,
    testPlans: new Set(evaluations).size,
  };
}

/** Averages the grids of all redraws. */
export async function studyGrid(subject: StudySubject): Promise<GridStudy> {
  const { search } = subject.settings;
  const { unpruned, grids, testPlans } = await measureGrids(subject);
  const chosen: (number | null)[] = [];
  for (const { draw, scores } of grids) {
    const { configurations, chosen: index } = await searchDraw(subject, draw.examples, scores, `seed ${draw.seed}`);
    chosen.push(configurations[index].layer);
  }
  const layers = search.layers.map((layer) => {
    const places = [...grids[0].cells.keys()].filter((index) => grids[0].cells[index].layer === layer);
    const fractions = places.map((index) => ({
      fraction: grids[0].cells[index].fraction,
      neurons: Math.max(...grids.map(({ cells }) => cells[index].neurons)),
      accuracy: summarise(grids.map(({ accuracies }) => accuracies[index])),
    }));
    const best = fractions.reduce((a, b) => b.accuracy.mean > a.accuracy.mean ? b : a);
    return {
      layer,
      fractions,
      bestFraction: best.fraction,
      best: best.accuracy,
      chosen: chosen.filter((other) => other === layer).length,
    };
  });
  return { unpruned, layers, choseUnmodified: chosen.filter((layer) => layer === null).length, testPlans };
}
