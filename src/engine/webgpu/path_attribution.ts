/** Runs attribution work in waves: adds up the scores of each path, and reads the objective at its ends. */
import type { Example } from "../../tasks/example.ts";
import { checkEnds, checkExamples, checkPairs, checkRule } from "../checks.ts";
import { type AttributeOptions, type PairAttribution, type PathEnds, siteNeurons } from "../engine.ts";
import { NotFiniteError, requireFinite } from "../not_finite.ts";
import { baseMasks, clearSilenced, everyPair, pathPlan, pathPoints, type PathSettings } from "./attribution.ts";
import { type CleanTargets, cleanTargets, type WaveRunner } from "./forward.ts";
import { objectiveReading, type ObjectiveTarget, objectiveValue } from "./targets.ts";
import { runWaves } from "./waves.ts";

/**
 * Attributes the objective to the neurons of every pair.
 *
 * @throws {NotFiniteError} If a logit or a score is not finite.
 * @throws {RangeError} If the examples or the options do not fit the model, or one path node not the memory budget.
 */
export async function attributePaths(
  runner: WaveRunner,
  examples: readonly Example[],
  options: AttributeOptions,
): Promise<PairAttribution[]> {
  const { config } = runner;
  const { rule, site = "gate", positions = "all", objective = "max-logit", path = "layer", base = [], ends, signal } =
    options;
  const joint = path === "joint";
  const pairs = options.pairs ?? everyPair(config, examples.length);
  checkExamples(config, examples);
  checkRule(rule);
  checkPairs(config, examples.length, pairs, joint);
  checkEnds(pairs, ends);
  const masks = baseMasks(config, base);
  const used = [...new Set(pairs.map((pair) => pair.example))].sort((a, b) => a - b);
  const slot = new Map(used.map((example, index) => [example, index]));
  const attributed = used.map((example) => examples[example]);
  const clean = ends
    ? knownTargets(pairs.map(({ example }) => slot.get(example)!), ends)
    : await cleanTargets(runner, attributed, objective, signal, base);
  const settings: PathSettings = {
    config,
    examples: attributed,
    targets: clean.targets,
    masks,
    rule,
    site,
    positions,
    objective,
    signal,
  };
  const neurons = siteNeurons(config, site);
  const scores = new Map<string, Float64Array>();
  const atZero = new Map<string, number>();
  const key = (example: number, layer: number | null) => `${example}:${layer ?? "joint"}`;
  const points = pathPoints(
    pairs.map(({ example, layer }) => ({ example: slot.get(example)!, layer })),
    rule,
    joint,
    !ends,
  );
  let done = 0;
  const progress = () => options.onProgress?.({ stage: "score", done, total: points.length, unit: "path nodes" });
  progress();
  await runWaves(runner.sweep, runner.limits, points, {
    ...pathPlan(settings),
    onWave: ({ items, request, result }) => {
      items.forEach(({ example, layer, node }, i) => {
        const row = request.finalRows[i];
        const pick = settings.targets[example].other === null ? [row] : [2 * row, 2 * row + 1];
        const value = objectiveValue(objective, objectiveReading(row, pick, result));
        if (result.notFinite[row] > 0) {
          throw new NotFiniteError("logits", settings.examples[example], describePath(layer));
        }
        if (node === null) atZero.set(key(example, layer), value);
      });
      request.scored.forEach(({ example, layer }, row) => {
        const sums = scores.get(key(example, layer)) ?? new Float64Array(neurons);
        scores.set(key(example, layer), sums);
        for (let j = 0; j < neurons; j++) sums[j] += result.scores[row * result.scoreStride + j];
      });
      done += items.length;
      progress();
    },
  });
  return pairs.map(({ example, layer }, position) => {
    const index = slot.get(example)!;
    const sums = scores.get(key(index, layer))!;
    clearSilenced(sums, site, masks.get(layer));
    requireFinite("scores", sums, examples[example], describePath(layer));
    return {
      example,
      layer,
      scores: sums,
      objectiveAtOne: clean.values[index],
      objectiveAtZero: ends?.[position].objectiveAtZero ?? atZero.get(key(index, joint ? null : layer))!,
      targetToken: clean.targets[index].token,
      otherToken: clean.targets[index].other,
    };
  });
}

/** Targets and M of examples whose path ends are known; `slots` gives the example of each pair. */
function knownTargets(slots: readonly number[], ends: readonly PathEnds[]): CleanTargets {
  const targets: ObjectiveTarget[] = [];
  const values: number[] = [];
  slots.forEach((slot, pair) => {
    const { targetToken, otherToken, objectiveAtOne } = ends[pair];
    targets[slot] = { token: targetToken, other: otherToken };
    values[slot] = objectiveAtOne;
  });
  return { targets, values };
}

function describePath(layer: number | null): string {
  return layer === null ? "the path of all layers" : `the path of layer ${layer}`;
}
