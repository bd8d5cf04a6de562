/**
 * How far the attributions of a path are from what they must add up to: sum_j IG[j] = M(1) - M(0).
 *
 * The error is relative to the largest of three quantities:
 * - |M(1) - M(0)|, the quantity to be explained;
 * - a tenth of sum_j |IG[j]|: where large contributions of both signs cancel, M(1) - M(0) says nothing about the size
 *   of the scores, and an error that is small against them does not change their order. Without this floor such pairs
 *   would be refined for ever, since rounding alone is proportional to sum_j |IG[j]|;
 * - |M(1)| / 10,000: M itself is known to about seven digits in f32, so a difference below that is mostly rounding.
 */
import type { PairAttribution } from "../engine/engine.ts";

/** Completeness of one path: one (example, layer) pair, or one example when all layers are scaled together. */
export interface PathCompleteness {
  /** Index into the examples that were scored. */
  readonly example: number;
  /** The layer whose site was scaled; null for the joint path. */
  readonly layer: number | null;
  /** Nodes of the rule that gave the attributions that were kept. */
  readonly nodes: number;
  /** M(1) */
  readonly objectiveAtOne: number;
  /** M(0) */
  readonly objectiveAtZero: number;
  /** sum_j IG[j] over the neurons of the path. */
  readonly attributionSum: number;
  /**
   * |attributionSum - (M(1) - M(0))| / max(|M(1) - M(0)|, 0.1 sum_j |IG[j]|, 1e-4 |M(1)|); 0 where all of these are 0.
   */
  readonly relativeError: number;
}

/** Completeness of a whole scoring run. */
export interface CompletenessError {
  /** One entry per path, by example and then layer. */
  readonly paths: readonly PathCompleteness[];
  /** Largest relative error. */
  readonly worst: number;
  /** Mean relative error. */
  readonly mean: number;
  /** Paths whose relative error is above `tolerance`. */
  readonly unconverged: number;
  /** The relative error that was asked for. */
  readonly tolerance: number;
}

const attributionShare = 0.1;
const objectiveShare = 1e-4;

/**
 * Completeness of one path.
 *
 * @param layer The layer that was scaled; null for path `joint`.
 * @param parts The attributions along it: one for path `layer`, one per layer for path `joint`.
 * @param nodes Nodes of the rule they were computed with.
 * @throws {RangeError} If an attribution or an objective is not finite.
 */
export function pathCompleteness(
  layer: number | null,
  parts: readonly PairAttribution[],
  nodes: number,
): PathCompleteness {
  const { example, objectiveAtOne, objectiveAtZero } = parts[0];
  let sum = 0;
  let absolute = 0;
  for (const { layer: scaled, scores } of parts) {
    let layerSum = 0;
    for (const score of scores) {
      layerSum += score;
      absolute += Math.abs(score);
    }
    if (!Number.isFinite(layerSum)) {
      throw new RangeError(`Cannot use the attributions of layer ${scaled} for example ${example}: one is not finite`);
    }
    sum += layerSum;
  }
  const difference = objectiveAtOne - objectiveAtZero;
  if (!Number.isFinite(difference)) {
    throw new RangeError(
      `Cannot use the objective of example ${example}: it goes from ${objectiveAtZero} to ${objectiveAtOne}, ` +
        "expected finite numbers",
    );
  }
  const scale = Math.max(
    Math.abs(difference),
    attributionShare * absolute,
    objectiveShare * Math.abs(objectiveAtOne),
  );
  return {
    example,
    layer,
    nodes,
    objectiveAtOne,
    objectiveAtZero,
    attributionSum: sum,
    relativeError: scale === 0 ? 0 : Math.abs(sum - difference) / scale,
  };
}

/** Worst and mean error of many paths, and how many are above `tolerance`. */
export function summariseCompleteness(paths: readonly PathCompleteness[], tolerance: number): CompletenessError {
  const errors = paths.map((path) => path.relativeError);
  return {
    paths,
    worst: errors.reduce((worst, error) => Math.max(worst, error), 0),
    mean: errors.reduce((sum, error) => sum + error, 0) / errors.length,
    unconverged: errors.filter((error) => error > tolerance).length,
    tolerance,
  };
}
