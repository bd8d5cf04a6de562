/** Completeness: the scores of a path add up to the change of the objective along it. */
import type { PairAttribution } from "../../src/engine/engine.ts";

/**
 * `|sum of all scores - (M(1) - M(0))| / |M(1) - M(0)|` of one path: one pair, or all layers of an example for the
 * joint path.
 */
export function completenessError(path: readonly PairAttribution[]): number {
  const change = path[0].objectiveAtOne - path[0].objectiveAtZero;
  let total = 0;
  for (const { scores } of path) {
    for (const score of scores) total += score;
  }
  return Math.abs(total - change) / Math.abs(change);
}
