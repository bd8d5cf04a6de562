/**
 * Which rows a layer of a packed wave has, and what they see, by definition: written for the tests from the description
 * of segments, not from the packing.
 */
import type { Segment } from "../../src/model/segments.ts";

/** A row of a segment. */
export interface PlacedRow {
  readonly segment: number;
  readonly row: number;
}

/** Rows of one space in packed order; gradient rows are at the end. */
export interface PlacedSpace {
  readonly rows: readonly PlacedRow[];
  /** First gradient row. */
  readonly base: number;
}

/** The row spaces of a layer: what enters it, what goes on behind its keys and values, and what leaves it. */
export interface PlacedLayer {
  readonly in: PlacedSpace;
  readonly mid: PlacedSpace;
  readonly out: PlacedSpace;
}

/** Places the rows of `layer`, of `layers`. */
export function placeRows(
  segments: readonly Segment[],
  layer: number,
  { layers, wholeLastLayer = false }: { readonly layers: number; readonly wholeLastLayer?: boolean },
): PlacedLayer {
  const indices = packedOrder(segments);
  const all = (index: number) => Array.from({ length: segments[index].length }, (_, row) => row);
  const place = (rowsOf: (index: number) => readonly number[]): PlacedSpace => {
    const rows = indices.flatMap((segment) => rowsOf(segment).map((row) => ({ segment, row })));
    const base = rows.findIndex(({ segment }) => segments[segment].gradient);
    return { rows, base: base < 0 ? rows.length : base };
  };
  const selects = layer === layers - 1 && !wholeLastLayer;
  const enters = (index: number) => segments[index].spawn < layer && lastLayer(segments, index, layers) >= layer;
  const leaves = (index: number) => segments[index].spawn <= layer && lastLayer(segments, index, layers) > layer;
  const asksAtEnd = (index: number) => layer < layers - 1 || segments[index].asked.length > 0;
  return {
    in: place((index) => enters(index) ? all(index) : []),
    mid: place((index) => {
      if (!enters(index)) return [];
      if (!selects) return all(index);
      // Asked for themselves, or continued by a variant that is spawned here.
      const continued = segments.flatMap(({ source, sourceRow = 0, spawn, asked }) =>
        source === index && spawn === layer ? asked.map((row) => sourceRow + row) : []
      );
      return all(index).filter((row) => segments[index].asked.includes(row) || continued.includes(row));
    }),
    out: place((index) => {
      if (!leaves(index) || !asksAtEnd(index)) return [];
      return selects ? segments[index].asked : all(index);
    }),
  };
}

/** Rows that a row sees: those of its prefix and its own, up to its position and within the window. */
export function visibleRows(
  segments: readonly Segment[],
  { segment, row }: PlacedRow,
  window: number | null,
): PlacedRow[] {
  const { prefix, prefixLength = 0, position } = segments[segment];
  const before = prefix === undefined
    ? []
    : Array.from({ length: prefixLength }, (_, i) => ({ segment: prefix, row: i }));
  const own = Array.from({ length: row + 1 }, (_, i) => ({ segment, row: i }));
  return [...before, ...own].filter((key) =>
    window === null || position + row - (segments[key.segment].position + key.row) < window
  );
}

/** A text that tells rows apart. */
export function rowKey({ segment, row }: PlacedRow): string {
  return `${segment}.${row}`;
}

/** Forward-only segments in the order given, then gradient segments in the order they are spawned. */
function packedOrder(segments: readonly Segment[]): number[] {
  const indices = segments.map((_, index) => index);
  const gradient = indices.filter((index) => segments[index].gradient);
  return [
    ...indices.filter((index) => !segments[index].gradient),
    ...gradient.sort((a, b) => segments[a].spawn - segments[b].spawn || a - b),
  ];
}

/** The last layer that a segment enters; `layers` where it is asked for at the end, -1 where nothing needs it. */
function lastLayer(segments: readonly Segment[], index: number, layers: number): number {
  if (segments[index].asked.length > 0) return layers;
  return segments.reduce((last, segment, other) => {
    if (segment.source === index) last = Math.max(last, segment.spawn);
    if (segment.prefix === index) last = Math.max(last, lastLayer(segments, other, layers));
    return last;
  }, -1);
}
