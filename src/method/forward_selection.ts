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
   * Scores under the plan so far, asked for before every step but the first, such as `(base, run) =>
   * scoreNeurons(engine, adaptation, { ...run, base }).then(({ scores }) => scores)`. Default: the first scores serve
   * every step.
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
 * @throws {RangeError} If there is no selection or held-out example, one has a single choice, or an option is out of
 * range.
 */
export async function selectForward(input: ForwardInput): Promise<ForwardResult> {
  const start = performance.now();
  const { engine, selection, heldOut, rescore } = input;
  checkSelectionExamples(selection);
  checkSelectionExamples(heldOut);
  const settings = resolveForwardSettings(input);
  const { metric } = settings;
  const site = input.scores.site;
  const answers = async (examples: readonly Example[], interventions: readonly Intervention[], run: RunOptions) =>
    (await evaluate(engine, examples, { ...run, interventions })).map((evaluation) => measure(evaluation, metric));
  const runOfStep = (step: number) => renameStages(input, (stage) => `step ${step}: ${stage}`);

  const [onSelection] = await answers(selection, [[]], runOfStep(1));
  const [onHeldOut] = await answers(heldOut, [[]], runOfStep(1));
  const unmodified: SplitMeasures = { selection: onSelection, heldOut: onHeldOut };
  let current = unmodified;
  let scores = input.scores;
  let masks: PlanMask[] = [];
  let stopped: StopReason | null = null;
  let tried = 0;
  const steps: ForwardStep[] = [];
  while (stopped === null) {
    input.signal?.throwIfAborted();
    const run = runOfStep(steps.length + 1);
    if (rescore && steps.length > 0) {
      scores = await rescore(masks, run);
      checkSameShape(scores, input.scores);
    }
    const cells = listCells(scores, settings, masks);
    tried += cells.length;
    const measured = cells.length === 0 ? [] : await answers(selection, cells.map((cell) => [...masks, cell]), run);
    const best = bestCell(cells, measured, current.selection);
    if (best === null) {
      stopped = "selection";
      break;
    }
    const plan = [...masks, cells[best]];
    const [heldOutNow] = await answers(heldOut, [plan], run);
    const found: SplitMeasures = { selection: measured[best], heldOut: heldOutNow };
    const kept = heldOutNow.accuracy - current.heldOut.accuracy > settings.minimumGain;
    const { layer, fraction, neurons } = cells[best];
    steps.push({
      layer,
      fraction: fraction!,
      neurons: neurons.length,
      totalNeurons: plan.reduce((sum, mask) => sum + mask.neurons.length, 0),
      ...found,
      candidates: cells.length,
      tiedOnAccuracy: measured.filter(({ correct }) => correct === measured[best].correct).length,
      kept,
    });
    if (!kept) {
      stopped = "held-out";
      break;
    }
    masks = plan;
    current = found;
    if (masks.length === settings.layers.length) stopped = "layers";
    else if (masks.length === settings.maxSteps) stopped = "steps";
  }
  return {
    site,
    settings,
    rescored: rescore !== undefined,
    unmodified,
    steps,
    stopped,
    tried,
    plan: createPlan(engine.config, masks, {
      by: "forward-selection",
      rescored: rescore !== undefined,
      ranking: settings.ranking,
      metric,
      selectionAccuracy: current.selection.accuracy,
      heldOutAccuracy: current.heldOut.accuracy,
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

/** Index of the cell that is best together with the plan so far; null if the plan alone is preferred to all of them. */
function bestCell(cells: readonly PlanMask[], measured: readonly Measured[], current: Measured): number | null {
  let best: { readonly index: number | null; readonly configuration: Configuration } = {
    index: null,
    configuration: { layer: null, fraction: 0, neurons: 0, ...current },
  };
  cells.forEach(({ layer, fraction, neurons }, index) => {
    const configuration = { layer, fraction: fraction!, neurons: neurons.length, ...measured[index] };
    if (compareConfigurations(configuration, best.configuration) < 0) best = { index, configuration };
  });
  return best.index;
}

function resolveForwardSettings(input: ForwardInput): ForwardSettings {
  const { layers, fractions, ranking, metric, selectionRule } = input;
  const asked = {
    ...(layers && { layers }),
    ...(fractions && { fractions }),
    ...(ranking && { ranking }),
    ...(metric && { metric }),
    ...(selectionRule && { selectionRule }),
  };
  const search = resolveSearchSettings(asked, input.engine, input.scores);
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
