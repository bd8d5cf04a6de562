/** Segments as the engine packs them, and random ones, for tests of the packing. */
import type { PackingOptions } from "../../src/model/packing.ts";
import type { Segment } from "../../src/model/segments.ts";
import { createRandom } from "../../src/tasks/random.ts";

/** Segments to pack, and how. */
export interface Wave {
  readonly name: string;
  readonly segments: readonly Segment[];
  readonly options: PackingOptions;
}

/** The last row of a segment. */
const last = (length: number) => [length - 1];
/** All rows of a segment. */
export const every = (length: number) => Array.from({ length }, (_, row) => row);

/** A segment that starts from tokens. */
export function base(length: number, more: Partial<Segment> = {}): Segment {
  const tokens = Uint32Array.from({ length }, (_, i) => 100 * length + i);
  return { length, position: 0, tokens, spawn: -1, asked: last(length), gradient: false, ...more };
}

/** A variant of all rows of a base segment from `sourceRow` on, which attends to the rows before them. */
export function variant(
  segments: readonly Segment[],
  source: number,
  spawn: number,
  more: Partial<Segment> = {},
): Segment {
  const { sourceRow = 0 } = more;
  const length = segments[source].length - sourceRow;
  return {
    length,
    position: sourceRow,
    ...(sourceRow > 0 && { prefix: source, prefixLength: sourceRow }),
    source,
    sourceRow,
    spawn,
    asked: last(length),
    gradient: false,
    ...more,
  };
}

/** Two prompts, in each layer three gradient variants that fold into one score row and one that does not. */
export function scoring(lengths: readonly number[], layers: number, position: "all" | "last"): Segment[] {
  const segments: Segment[] = lengths.map((length) => base(length, { asked: [] }));
  for (let layer = layers - 1; layer >= 0; layer--) {
    lengths.forEach((length, source) => {
      const sourceRow = position === "last" ? length - 1 : 0;
      segments.push(variant(segments, source, layer, { sourceRow, factors: { gate: 0, up: 1, down: 1 } }));
      for (let node = 0; node < 3; node++) {
        segments.push(variant(segments, source, layer, {
          sourceRow,
          factors: { gate: (node + 1) / 4, up: 1, down: 1 },
          gradient: true,
          folds: [{ layer, scoreRow: layer * lengths.length + source, weight: (node + 1) / 8 }],
        }));
      }
    });
  }
  return segments;
}

/** A prompt with three choices behind it, unmodified and under two masks. */
export function choosing(layers: number): Segment[] {
  const segments: Segment[] = [base(21)];
  const tails = [4, 1, 18].map((length) =>
    segments.push(base(length, { position: 21, prefix: 0, prefixLength: 21, asked: every(length) })) - 1
  );
  for (let spawn = 0; spawn < layers; spawn++) {
    const masks = new Map([[spawn, { neurons: Uint32Array.of(spawn + 1, 7), outputs: null }]]);
    const own = segments.push(variant(segments, 0, spawn, { masks })) - 1;
    for (const tail of tails) {
      const { length } = segments[tail];
      const place = { position: 21, prefix: own, prefixLength: 21, asked: every(length) };
      segments.push(variant(segments, tail, spawn, { masks, ...place }));
    }
  }
  return segments;
}

/** One gradient variant per node that is different in every layer and folded in every layer. */
export function joint(length: number, layers: number): Segment[] {
  const segments: Segment[] = [base(length)];
  for (let node = 0; node < 3; node++) {
    segments.push(variant(segments, 0, 0, {
      factors: { gate: 1, up: node / 2, down: 1 },
      factorLayers: "all",
      gradient: true,
      folds: Array.from({ length: layers }, (_, layer) => ({ layer, scoreRow: layer, weight: 1 / (node + 1) })),
    }));
  }
  return segments;
}

/** A random wave: bases, tails behind them, and variants with and without gradient, whole and from some row on. */
function randomWave(seed: number): Wave {
  const random = createRandom(seed);
  const draw = (least: number, most: number) => least + random.nextBelow(most - least + 1);
  const layers = draw(1, 4);
  const segments: Segment[] = [];
  const bases = draw(1, 3);
  for (let i = 0; i < bases; i++) {
    const length = draw(1, 40);
    segments.push(base(length, { asked: draw(0, 1) ? last(length) : [] }));
  }
  for (let i = draw(0, 2); i > 0; i--) {
    const prefix = draw(0, bases - 1);
    const length = draw(1, 20);
    const prefixLength = draw(1, segments[prefix].length);
    const asked = every(length).filter((row) => row === length - 1 || draw(0, 1));
    segments.push(base(length, { position: prefixLength, prefix, prefixLength, asked }));
  }
  for (let i = draw(0, 40); i > 0; i--) {
    const source = draw(0, bases - 1);
    const { length } = segments[source];
    const sourceRow = draw(0, 2) ? (draw(0, 1) ? length - 1 : 0) : draw(0, length - 1);
    segments.push(variant(segments, source, draw(0, layers - 1), { sourceRow, gradient: draw(0, 1) === 1 }));
  }
  const windows = Array.from({ length: layers }, () => draw(0, 1) ? draw(1, 30) : null);
  const wholeLastLayer = draw(0, 3) === 0;
  return { name: `random wave ${seed}`, segments, options: { layers, windows, wholeLastLayer } };
}

/** Options without windows. */
export const full = (layers: number) => ({ layers, windows: new Array<null>(layers).fill(null) });

/** Waves by description. */
export const scenarios: readonly (readonly [string, readonly Wave[]])[] = [
  ...([
    { name: "one segment of one row", segments: [base(1)], options: full(1) },
    { name: "segments of several lengths", segments: [base(5), base(1), base(40)], options: full(2) },
    { name: "choices under masks", segments: choosing(3), options: full(3) },
    { name: "path nodes at all positions", segments: scoring([5, 18], 3, "all"), options: full(3) },
    { name: "path nodes at the last position", segments: scoring([5, 18, 33], 3, "last"), options: full(3) },
    { name: "a joint path", segments: joint(9, 3), options: full(3) },
    { name: "sliding windows", segments: choosing(3), options: { layers: 3, windows: [4, null, 10] } },
    { name: "a whole last layer", segments: choosing(2), options: { ...full(2), wholeLastLayer: true } },
  ].map((wave): [string, Wave[]] => [wave.name, [wave]])),
  ["60 random waves", Array.from({ length: 60 }, (_, seed) => randomWave(seed))],
];
