/**
 * Greedy forward selection over (layer, fraction): one more layer a step, as long as a held-out split gains.
 *
 * Every step measures all cells of the layers that the plan does not touch yet, each together with the plan so far, and
 * takes the best one by the order of `compareConfigurations`. The step is kept only if the held-out examples gain.
 */
import type { Engine, Intervention, RunOptions, Site } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { evaluate } from "./evaluate.ts";
import { measure, type Measured } from "./measured.ts";
import { layerScores, type NeuronScores } from "./neuron_scores.ts";
import { createPlan, type Plan, type PlanMask } from "./plan.ts";
import { renameStages, secondsSince } from "./progress.ts";
import { firstNeurons, neuronCount, rankNeurons } from "./rank.ts";
import {
  checkSelectionExamples,
  compareConfigurations,
  type Configuration,
  resolveSearchSettings,
  type SearchSettings,
} from "./search.ts";

/** What decides the selection besides the scores. */
export interface ForwardSettings extends SearchSettings {
  /** Most layers that the plan may touch. Default: all layers of the grid. */
  readonly maxSteps: number;
  /** A step is kept if the held-out accuracy rises by more than this, in 0..1. Default 0. */
  readonly minimumGain: number;
}

/** What `selectForward` works on. */
export interface ForwardInput extends RunOptions, Partial<ForwardSettings> {
  /** The model. */
  readonly engine: Engine;
  /** Scores of the unmodified model. */
  readonly scores: NeuronScores;
  /** Examples that each step's cell is chosen on. */
  readonly selection: readonly Example[];
  /** Examples that decide whether a step is kept; no row of `selection` should be among them. */
  readonly heldOut: readonly Example[];
  /**
   * Scores under the plan so far, asked for before every step but the first, such as
   * `(base, run) => scoreNeurons(engine, adaptation, { ...run, base }).then(({ scores }) => scores)`. Default: the first
   * scores serve every step.
   */
  readonly rescore?: (base: Intervention, run: RunOptions) => Promise<NeuronScores>;
}

/** Answers of one plan on both splits. */
export interface SplitMeasures {
  /** On the selection examples. */
  readonly selection: Measured;
  /** On the held-out examples. */
  readonly heldOut: Measured;
}

/** One step: the cell that was best together with the plan so far, and the answers of the plan with it. */
export interface ForwardStep extends SplitMeasures {
  /** The layer that was added. */
  readonly layer: number;
  /** Its fraction. */
  readonly fraction: number;
  /** Neurons that were added. */
  readonly neurons: number;
  /** Neurons of the plan with this step. */
  readonly totalNeurons: number;
  /** Cells that were measured to find it. */
  readonly candidates: number;
  /** Cells as accurate as this one, itself included. */
  readonly tiedOnAccuracy: number;
  /** Whether the held-out examples gained, so that the step belongs to the plan. */
  readonly kept: boolean;
}

/**
 * Why a selection ended.
 *
 * - `selection`: no cell was better than the plan so far on the selection examples
 * - `held-out`: the best cell did not help the held-out examples; it is the last of `steps`, and is not kept
 * - `steps`: `maxSteps` layers were added
 * - `layers`: every layer of the grid was added
 */
export type StopReason = "selection" | "held-out" | "steps" | "layers";

/** What `selectForward` found. */
export interface ForwardResult {
  /** Whose neurons were switched off. */
  readonly site: Site;
  /** The options with their defaults filled in. */
  readonly settings: ForwardSettings;
  /** Whether the neurons were scored anew under the plan before every step but the first. */
  readonly rescored: boolean;
  /** The unmodified model. */
  readonly unmodified: SplitMeasures;
  /** In the order they were tried. */
  readonly steps: readonly ForwardStep[];
  /** Why it ended. */
  readonly stopped: StopReason;
  /** Cells measured in all, the unmodified model not counted. */
  readonly tried: number;
  /** The kept steps together. */
  readonly plan: Plan;
  /** Wall time. */
  readonly seconds: number;
}

/**
 * Adds layers to a plan one by one while a held-out split gains.
 *
 * @throws {RangeError} If there is no selection or held-out example, one has a single choice, or an option is out of range.
 */
export async function selectForward(input: ForwardInput): Promise<ForwardResult> {
  const start = performance.now();
  const { engine, selection, heldOut, rescore } = input;
  checkSelectionExamples(selection);
  checkSelectionExamples(heldOut);
  const settings = resolveForwardSettings(input);
  const { metric } = settings;
  const site = input.scores.site;
  const examples = [...selection, ...heldOut];

  let scores = input.scores;
  let masks: PlanMask[] = [];
  let current: SplitMeasures | null = null;
  let unmodified: SplitMeasures | null = null;
  const steps: ForwardStep[] = [];
  let stopped: StopReason | null = null;
  let tried = 0;
  while (stopped === null) {
    input.signal?.throwIfAborted();
    const run = renameStages(input, (stage) => `step ${steps.length + 1}: ${stage}`);
    if (rescore && steps.length > 0) {
      scores = await rescore(masks, run);
      checkSameShape(scores, input.scores);
    }
    const cells = listCells(scores, settings, masks);
    const interventions: Intervention[] = [masks, ...cells.map((cell) => [...masks, cell])];
    const evaluations = await evaluate(engine, examples, { ...run, interventions });
    const measured = evaluations.map((evaluation) => ({
      selection: measure(evaluation, metric, 0, selection.length),
      heldOut: measure(evaluation, metric, selection.length, examples.length),
    }));
    current ??= measured[0];
    unmodified ??= measured[0];
    tried += cells.length;

    const configurations = cells.map((cell, index): Configuration => ({
      layer: cell.layer,
      fraction: cell.fraction!,
      neurons: cell.neurons.length,
      ...measured[index + 1].selection,
    }));
    const stay: Configuration = { layer: null, fraction: 0, neurons: 0, ...current.selection };
    let best = -1;
    configurations.forEach((configuration, index) => {
      if (compareConfigurations(configuration, configurations[best] ?? stay) < 0) best = index;
    });
    if (best < 0) {
      stopped = "selection";
      break;
    }
    const found = measured[best + 1];
    const kept = found.heldOut.accuracy - current.heldOut.accuracy > settings.minimumGain;
    const { layer, fraction, neurons, correct } = configurations[best];
    steps.push({
      layer: layer!,
      fraction,
      neurons,
      totalNeurons: masks.reduce((sum, mask) => sum + mask.neurons.length, neurons),
      ...found,
      candidates: cells.length,
      tiedOnAccuracy: configurations.filter((other) => other.correct === correct).length,
      kept,
    });
    if (!kept) {
      stopped = "held-out";
      break;
    }
    masks = [...masks, cells[best]];
    current = found;
    if (masks.length === settings.layers.length) stopped = "layers";
    else if (masks.length === settings.maxSteps) stopped = "steps";
  }
  return {
    site,
    settings,
    rescored: rescore !== undefined,
    unmodified: unmodified!,
    steps,
    stopped,
    tried,
    plan: createPlan(engine.config, masks, {
      by: "forward-selection",
      rescored: rescore !== undefined,
      ranking: settings.ranking,
      metric,
      selectionAccuracy: current!.selection.accuracy,
      heldOutAccuracy: current!.heldOut.accuracy,
      configurations: tried,
      stopped,
    }),
    seconds: secondsSince(start),
  };
}

/** Every cell of a layer that the plan does not touch and that switches something off. */
function listCells(scores: NeuronScores, settings: ForwardSettings, masks: readonly PlanMask[]): PlanMask[] {
  const free = settings.layers.filter((layer) => !masks.some((mask) => mask.layer === layer));
  return free.flatMap((layer) => {
    const order = rankNeurons(layerScores(scores, layer), settings.ranking);
    return settings.fractions.map((fraction): PlanMask => ({
      layer,
      site: scores.site,
      fraction,
      neurons: firstNeurons(order, neuronCount(fraction, scores.neurons)),
    }));
  }).filter((cell) => cell.neurons.length > 0);
}

function resolveForwardSettings(input: ForwardInput): ForwardSettings {
  const search = resolveSearchSettings(input, input.engine, input.scores);
  const { maxSteps = search.layers.length, minimumGain = 0 } = input;
  if (!Number.isInteger(maxSteps) || maxSteps < 1) {
    throw new RangeError(`Cannot select forward for ${maxSteps} steps: expected an integer from 1`);
  }
  if (!(minimumGain >= 0 && minimumGain < 1)) {
    throw new RangeError(`Cannot ask for a gain of ${minimumGain}: expected a number in [0,1)`);
  }
  return { ...search, maxSteps, minimumGain };
}

function checkSameShape(scores: NeuronScores, first: NeuronScores): void {
  if (scores.site === first.site && scores.neurons === first.neurons && scores.layers === first.layers) return;
  throw new RangeError(
    `Cannot go on with scores of the site ${scores.site}, ${scores.layers} x ${scores.neurons}: expected ` +
      `${first.site}, ${first.layers} x ${first.neurons} as before`,
  );
}
