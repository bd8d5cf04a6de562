/**
 * Attribution work: path nodes of (example, layer) pairs as gradient variants, and the switched-off end of each path as
 * a forward-only variant.
 */
import type { ModelConfig } from "../../checkpoint/model_config.ts";
import { packWave } from "../../model/packing.ts";
import type { FoldTarget, LayerMask, PathFactors, Segment } from "../../model/segments.ts";
import type { WaveRequest } from "../../model/wave_request.ts";
import type { Example } from "../../tasks/example.ts";
import { checkInterventions } from "../checks.ts";
import type { AttributeOptions, Intervention, Pair, QuadratureRule, Site } from "../engine.ts";
import { layerMasks } from "./masks.ts";
import { gradientSeed, type ObjectiveTarget } from "./targets.ts";

/** One point of one path: node `node` of the rule, or the switched-off end where `node` is null. */
export interface PathPoint {
  readonly example: number;
  /** Layer of the path; null for the joint path, which scales every layer. */
  readonly layer: number | null;
  readonly node: number | null;
}

/** Everything the points of one call share. */
export interface PathSettings extends Required<Pick<AttributeOptions, "rule" | "site" | "positions" | "objective">> {
  readonly config: ModelConfig;
  readonly examples: readonly Example[];
  readonly targets: readonly ObjectiveTarget[];
  /** What is silenced on the whole path, by layer. */
  readonly masks: ReadonlyMap<number, LayerMask>;
  readonly signal: AbortSignal | undefined;
}

/** A request with the places of its answers. */
export interface PathRequest extends WaveRequest {
  /** (example, layer) of each score row. */
  readonly scoreRows: number;
  readonly scored: readonly { readonly example: number; readonly layer: number }[];
  /** Per point: its final row. */
  readonly finalRows: readonly number[];
}

/** Packs path points into one wave. */
export function pathRequest(settings: PathSettings, points: readonly PathPoint[]): PathRequest {
  const { config, examples, targets, site, positions, rule, objective, masks } = settings;
  const silenced = masks.size > 0 && { masks };
  const segments: Segment[] = [];
  const bases = new Map<number, number>();
  for (const { example } of points) {
    if (bases.has(example)) continue;
    const tokens = examples[example].prompt;
    bases.set(
      example,
      segments.push({
        length: tokens.length,
        position: 0,
        tokens,
        spawn: -1,
        asked: [],
        gradient: false,
        ...silenced,
      }) - 1,
    );
  }
  const scored: { example: number; layer: number }[] = [];
  const scoreRows = new Map<string, number>();
  const scoreRow = (example: number, layer: number) => {
    const key = `${example}:${layer}`;
    if (!scoreRows.has(key)) scoreRows.set(key, scored.push({ example, layer }) - 1);
    return scoreRows.get(key)!;
  };
  const indices = points.map(({ example, layer, node }) => {
    const { length } = examples[example].prompt;
    const base = bases.get(example)!;
    const row = positions === "last" ? length - 1 : 0;
    const layers = layer === null ? config.layers : 1;
    const folds: FoldTarget[] = node === null ? [] : Array.from({ length: layers }, (_, i) => ({
      layer: layer ?? i,
      scoreRow: scoreRow(example, layer ?? i),
      weight: rule.weights[node],
    }));
    return segments.push({
      length: length - row,
      position: row,
      ...(row > 0 && { prefix: base, prefixLength: row }),
      source: base,
      sourceRow: row,
      spawn: layer ?? 0,
      factors: factors(site, node === null ? 0 : rule.nodes[node]),
      factorLayers: layer === null ? "all" : "spawn",
      asked: [length - row - 1],
      gradient: node !== null,
      folds,
      ...silenced,
    }) - 1;
  });
  const wave = packWave(segments, {
    layers: config.layers,
    windows: config.slidingWindow,
    foldsOutputs: site === "down",
  });
  const finalRows = indices.map((index) => wave.askedRows[index][0]);
  const pointOfRow = new Map(finalRows.map((row, point) => [row, points[point]]));
  const { outRows, outBase } = wave.layers.at(-1)!;
  const rows = Array.from({ length: outRows }, (_, row) => targets[pointOfRow.get(row)!.example]);
  return {
    wave,
    mode: {
      backward: scored.length > 0,
      residency: "keep",
      foldsOutputs: site === "down",
      masksOutputs: [...masks.values()].some(({ outputs }) => outputs !== null),
    },
    picks: rows.flatMap(({ token, other }, row) =>
      other === null ? [{ row, token }] : [{ row, token }, { row, token: other }]
    ),
    seeds: rows.slice(outBase).map((target) => gradientSeed(objective, target)),
    probability: objective === "max-prob",
    site,
    scoreRows: scored.length,
    scored,
    finalRows,
    ...(settings.signal && { signal: settings.signal }),
  };
}

/** Every (example, layer), example-major. */
export function everyPair(config: ModelConfig, examples: number): Pair[] {
  return Array.from({ length: examples * config.layers }, (_, i) => ({
    example: Math.floor(i / config.layers),
    layer: i % config.layers,
  }));
}

/**
 * The points of all paths: example-major, highest layer first, each path's switched-off end before its nodes.
 *
 * @param withEnds Whether the switched-off ends are wanted.
 */
export function pathPoints(
  pairs: readonly Pair[],
  rule: QuadratureRule,
  joint: boolean,
  withEnds: boolean,
): PathPoint[] {
  const paths = joint
    ? [...new Set(pairs.map(({ example }) => example))].map((example) => ({ example, layer: null }))
    : [...pairs];
  return paths.sort((a, b) => a.example - b.example || (b.layer ?? 0) - (a.layer ?? 0)).flatMap((
    { example, layer },
  ) => [
    ...(withEnds ? [{ example, layer, node: null }] : []),
    ...Array.from(rule.nodes, (_, node) => ({ example, layer, node })),
  ]);
}

/** How path points are turned into waves. */
export function pathPlan(settings: PathSettings) {
  const { examples, positions } = settings;
  return {
    requests: (points: readonly PathPoint[]): PathRequest[] => {
      const request = pathRequest(settings, points);
      return [request, { ...request, mode: { ...request.mode, residency: "recompute" } }];
    },
    belong: (a: PathPoint, b: PathPoint) => a.example === b.example && a.layer === b.layer,
    rows: ({ example }: PathPoint) => positions === "last" ? 1 : examples[example].prompt.length,
    describe: ({ example, layer }: PathPoint) =>
      `one path node of example ${examples[example].id}, layer ${layer ?? "all"}`,
  };
}

/**
 * Bits by layer of what a base intervention silences on a whole path.
 *
 * @throws {RangeError} If it does not fit the model.
 */
export function baseMasks(config: ModelConfig, base: Intervention): Map<number, LayerMask> {
  checkInterventions(config, [base]);
  return layerMasks(config, base);
}

/** Clears the scores of the neurons that a layer's mask silences: the fold reads their values as if they were not. */
export function clearSilenced(scores: Float64Array, site: Site, mask: LayerMask | undefined): void {
  const bits = site === "down" ? mask?.outputs : mask?.neurons;
  if (!bits) return;
  for (let j = 0; j < scores.length; j++) if (bits[j >>> 5] >>> (j & 31) & 1) scores[j] = 0;
}

function factors(site: Site, alpha: number): PathFactors {
  return { gate: 1, up: 1, down: 1, [site]: alpha };
}
