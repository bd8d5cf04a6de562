/**
 * More than one layer: greedy forward selection with and without scoring anew, the neurons of highest score in the
 * whole model, and the joint path; each beside the best single layer with as many neurons.
 */
import { searchGlobal } from "../global_search.ts";
import { selectForward } from "../forward_selection.ts";
import type { Intervention } from "../../engine/engine.ts";
import { planToIntervention } from "../plan.ts";
import { firstNeurons, rankNeurons } from "../rank.ts";
import { decidingOptions, scoreNeurons } from "../score.ts";
import { integer, list, number, record, type Schema, text } from "../schema.ts";
import { compareConfigurations, searchGrid } from "../search.ts";
import { layerScores, type NeuronScores } from "../neuron_scores.ts";
import {
  type ArmPlan,
  type Attempt,
  attemptFromSearch,
  compareArms,
  type Comparison,
  comparisonSchema,
  countNeurons,
} from "./comparison.ts";
import { meanOrNull } from "./statistics.ts";
import { type Draw, drawsOf, scoreDraw, searchDraw, stepOf, type StudySubject } from "./subject.ts";

/** Plans over several layers compared. */
export interface LayersStudy {
  /** The arms and their test answers. */
  readonly comparison: Comparison;
  /** How forward selection went, redraw by redraw. */
  readonly forward: readonly {
    /** Of the draw. */
    readonly seed: number;
    /** Name of the arm. */
    readonly arm: string;
    /** Steps that were kept. */
    readonly steps: number;
    /** Why it ended. */
    readonly stopped: string;
  }[];
  /** Examples beyond those of the draw that decide whether a step is kept. */
  readonly heldOut: number;
  /** Mean number of neurons that each arm switches off, in the order of the arms. */
  readonly neurons: readonly number[];
}

/** Reads the comparison of plans over several layers. */
export const layersSchema: Schema<LayersStudy> = record({
  comparison: comparisonSchema,
  forward: list(record({ seed: integer, arm: text, steps: integer, stopped: text })),
  heldOut: integer,
  neurons: list(number),
});

/** An attempt that is no cell of the grid. */
function attemptOf(draw: Draw, intervention: Intervention, tried: number): Attempt {
  return { draw, intervention, chosen: null, tiedOnAccuracy: null, tried, worstCompletenessError: null };
}

/** The best single layer with as many neurons as another plan, or as near to it as a layer has. */
async function singleLayer(subject: StudySubject, draw: Draw, scores: NeuronScores, count: number): Promise<Attempt> {
  const { engine, settings: { search } } = subject;
  const fraction = Math.min(1, count / scores.neurons);
  if (fraction === 0) return attemptOf(draw, [], 0);
  const step = stepOf(subject, `equal neurons, seed ${draw.seed}`);
  const searched = await searchGrid(engine, draw.examples, scores, { ...search, fractions: [fraction], ...step });
  // The unmodified model, which comes first, would not be a plan of as many neurons.
  const [best] = searched.configurations.slice(1).sort(compareConfigurations);
  const neurons = firstNeurons(rankNeurons(layerScores(scores, best.layer!), search.ranking), best.neurons);
  return attemptFromSearch(
    draw,
    { ...searched, chosen: searched.configurations.indexOf(best), neurons },
    null,
  );
}

/** Names of the arms, and what they are; each but the first is followed by a single layer of as many neurons. */
const arms = [
  { name: "one layer", about: "the paper's protocol" },
  { name: "forward", about: "layer by layer, as long as held-out examples gain" },
  { name: "forward, scored anew", about: "the same, neurons scored under the plan so far" },
  { name: "global", about: "the neurons of highest score in all layers, as many as a single-layer cell has" },
  { name: "joint path", about: "the same with scores along the path that scales all layers together" },
] as const;

/** Compares plans over several layers with single layers over every draw. */
export async function studyLayers(subject: StudySubject): Promise<LayersStudy> {
  const { engine, settings: { size, search, score } } = subject;
  const draws = drawsOf(subject, size);
  const wider = drawsOf(subject, Math.min(2 * size, subject.pool.length));
  const attempts: Attempt[][] = arms.map(() => []);
  const equals: Attempt[][] = arms.map(() => []);
  const forward: LayersStudy["forward"][number][] = [];
  const isWhole = score.layers.length === engine.config.layers;
  let heldOutRows = 0;
  for (const [index, draw] of draws.entries()) {
    const taken = new Set(draw.examples);
    const heldOut = wider[index].examples.filter((example) => !taken.has(example));
    heldOutRows = heldOut.length;
    const name = `seed ${draw.seed}`;
    const { scores } = await scoreDraw(subject, draw.examples, `layers, ${name}`);
    const found: Attempt[] = [
      attemptFromSearch(draw, await searchDraw(subject, draw.examples, scores, `layers, ${name}`), null),
    ];
    for (const anew of [false, true]) {
      const arm = arms[anew ? 2 : 1].name;
      const result = await selectForward({
        engine,
        scores,
        selection: draw.examples,
        heldOut,
        ...search,
        ...(anew && {
          rescore: async (base, run) =>
            (await scoreNeurons(engine, draw.examples, { ...decidingOptions(score), base, ...run })).scores,
        }),
        ...stepOf(subject, `${arm}, ${name}`),
      });
      found.push(attemptOf(draw, planToIntervention(result.plan), result.tried));
      const steps = result.steps.filter(({ kept }) => kept).length;
      forward.push({ seed: draw.seed, arm, steps, stopped: result.stopped });
    }
    for (const path of isWhole ? ["layer", "joint"] as const : ["layer"] as const) {
      const own = path === "layer"
        ? scores
        : (await scoreDraw(subject, draw.examples, `joint, ${name}`, { path })).scores;
      const { ranking, metric } = search;
      const step = stepOf(subject, `all layers, ${name}`);
      const result = await searchGlobal(engine, draw.examples, own, { ranking, metric, ...step });
      found.push(attemptOf(draw, planToIntervention(result.plan), result.configurations.length));
    }
    for (const [arm, attempt] of found.entries()) {
      attempts[arm].push(attempt);
      if (arm > 0) equals[arm].push(await singleLayer(subject, draw, scores, countNeurons(attempt.intervention)));
    }
  }
  const plans = arms.flatMap(({ name, about }, arm): ArmPlan[] => {
    if (attempts[arm].length === 0) return [];
    const own = { name, about, attempts: attempts[arm] };
    if (arm === 0) return [own];
    return [own, { name: `one layer as ${name}`, about: `the best layer with as many neurons`, attempts: equals[arm] }];
  });
  const comparison = await compareArms(subject, plans, "several layers");
  return {
    comparison,
    forward,
    heldOut: heldOutRows,
    neurons: comparison.arms.map(({ redraws }) => meanOrNull(redraws.map(({ neurons }) => neurons))!),
  };
}
