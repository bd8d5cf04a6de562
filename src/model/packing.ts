/**
 * Lays segments out in rows, layer by layer, and builds the tables the kernels read.
 *
 * In every layer the rows are: forward-only segments first, then gradient segments in the order they were spawned, so
 * that gradient buffers need no tables of their own: gradient row v is row `base + v`. A layer has three row spaces:
 * - in: rows that enter it;
 * - mid: rows that continue after its keys and values are made: all of them, or in the last layer the asked-for ones;
 * - out: mid rows that are still needed above, and the variants spawned here. The out space of a layer is the in space
 *   of the next one.
 */
import { PAIR_WORDS, VARIANT_WORDS } from "../ops/attribution.ts";
import { NONE, ROW_WORDS } from "../ops/row_table.ts";
import { packAttention, type PackedAttention } from "./attention_tiles.ts";
import { RowSpace } from "./row_space.ts";
import { type Segment, UNCHANGED } from "./segments.ts";
import { MaskTable, TableWriter } from "./wave_tables.ts";

/** Row counts and table offsets of one layer. Offsets count 32-bit words unless said otherwise. */
export interface PackedLayer extends PackedAttention {
  readonly inRows: number;
  /** First gradient row of the in space. */
  readonly inBase: number;
  readonly midRows: number;
  readonly midBase: number;
  readonly outRows: number;
  readonly outBase: number;
  /** Gradient rows of the mid space that continue into the out space (the spawned ones follow them there). */
  readonly continuing: number;
  /** Whether mid rows are a selection of in rows. */
  readonly selects: boolean;
  /** u32 position of each in row. */
  readonly inPositions: number;
  /** u32 position of each mid row. */
  readonly midPositions: number;
  /** u32 in row of each mid row; only where `selects`. */
  readonly midMap: number;
  /** u32 gradient mid row of each gradient in row, or NONE; only where `selects`. */
  readonly inverseMap: number;
  /** Entry (of `ROW_WORDS`) of out row 0. */
  readonly rowEntry: number;
  /** Variants and pairs to fold in this layer. */
  readonly fold: PackedFold | null;
}

/** Variant and pair entries of a layer's folds. */
export interface PackedFold {
  /** Word offset of variant 0, a multiple of 64 so that it can be bound. */
  readonly variants: number;
  readonly variantCount: number;
  readonly pairs: number;
  readonly pairCount: number;
  /** Gradient out row of variant 0. */
  readonly from: number;
}

/** A wave's segments laid out in rows. */
export interface PackedWave {
  readonly layers: readonly PackedLayer[];
  /** All tables, to be uploaded as one buffer. */
  readonly tables: Uint32Array<ArrayBuffer>;
  /** Token of each in row of layer 0. */
  readonly tokens: Uint32Array;
  /** Largest position plus one. */
  readonly positions: number;
  /** For each segment: the final out row of each row it asks for. */
  readonly askedRows: readonly Uint32Array[];
}

/** How a wave is packed. */
export interface PackingOptions {
  /** L */
  readonly layers: number;
  /** Sliding window of each layer in tokens, or null. */
  readonly windows: readonly (number | null)[];
  /** Compute every row in the last layer too, not only those asked for. */
  readonly wholeLastLayer?: boolean;
  /** Whether folds read block outputs (site `down`) instead of activations. */
  readonly foldsOutputs?: boolean;
}

/** The last layer whose in space a segment is part of; L when it is needed at the end. */
function lastUse(segments: readonly Segment[], layers: number): number[] {
  const until = segments.map((segment) => segment.asked.length > 0 ? layers : -1);
  segments.forEach((segment) => {
    if (segment.source !== undefined) until[segment.source] = Math.max(until[segment.source], segment.spawn);
  });
  segments.forEach((segment, index) => {
    if (segment.prefix !== undefined) until[segment.prefix] = Math.max(until[segment.prefix], until[index]);
  });
  return until;
}

/** Packs segments. Segments must be ordered so that sources and prefixes come before what depends on them. */
export function packWave(segments: readonly Segment[], options: PackingOptions): PackedWave {
  const { layers } = options;
  const until = lastUse(segments, layers);
  const order = segments.map((_, index) => index).sort((a, b) =>
    Number(segments[a].gradient) - Number(segments[b].gradient) ||
    (segments[a].gradient ? segments[a].spawn - segments[b].spawn : 0) || a - b
  );
  const tables = new TableWriter();
  const masks = new MaskTable(tables);
  const packed: PackedLayer[] = [];
  let present = order.filter((index) => segments[index].spawn < 0 && until[index] >= 0);
  const tokens = concatenate(present.map((index) => segments[index].tokens!));
  let final = new Map<number, Uint32Array>();
  for (let layer = 0; layer < layers; layer++) {
    const last = layer === layers - 1;
    const selects = last && !options.wholeLastLayer;
    const inSpace = new RowSpace(present.map((index) => [index, range(segments[index].length)]), segments);
    const spawned = order.filter((index) => segments[index].spawn === layer);
    const midSpace = selects ? new RowSpace(selectRows(present, spawned, segments), segments) : inSpace;
    const outIndices = order.filter((index) => {
      const segment = segments[index];
      return until[index] > layer && segment.spawn <= layer && (!last || segment.asked.length > 0);
    });
    const outSpace = new RowSpace(
      outIndices.map((index) => [index, selects ? segments[index].asked : range(segments[index].length)]),
      segments,
    );
    packed.push(packLayer({ segments, options, layer, selects, inSpace, midSpace, outSpace, tables, masks }));
    present = outIndices;
    if (last) {
      final = new Map(outIndices.map((index) => [
        index,
        Uint32Array.from(segments[index].asked, (row) => outSpace.row(index, row)),
      ]));
    }
  }
  return {
    layers: packed,
    tables: tables.take(),
    tokens,
    positions: segments.reduce((most, segment) => Math.max(most, segment.position + segment.length), 1),
    askedRows: segments.map((_, index) => final.get(index) ?? new Uint32Array()),
  };
}

/** Rows of the last layer that anything above or beside needs. */
function selectRows(present: readonly number[], spawned: readonly number[], segments: readonly Segment[]) {
  const needed = new Map(present.map((index) => [index, new Set(segments[index].asked)]));
  for (const index of spawned) {
    const { source, sourceRow = 0, asked } = segments[index];
    for (const row of asked) needed.get(source!)!.add(sourceRow + row);
  }
  return [...needed].filter(([, rows]) => rows.size > 0).map(([index, rows]): [number, readonly number[]] => [
    index,
    [...rows].sort((a, b) => a - b),
  ]);
}

interface LayerInput {
  readonly segments: readonly Segment[];
  readonly options: PackingOptions;
  readonly layer: number;
  readonly selects: boolean;
  readonly inSpace: RowSpace;
  readonly midSpace: RowSpace;
  readonly outSpace: RowSpace;
  readonly tables: TableWriter;
  readonly masks: MaskTable;
}

function packLayer(input: LayerInput): PackedLayer {
  const { segments, layer, selects, inSpace, midSpace, outSpace, tables } = input;
  const positionsOf = (space: RowSpace) =>
    space.entries.flatMap(({ segment, rows }) => rows.map((row) => segments[segment].position + row));
  const inPositions = tables.words(positionsOf(inSpace));
  const midPositions = selects ? tables.words(positionsOf(midSpace)) : inPositions;
  let midMap = 0;
  let inverseMap = 0;
  if (selects) {
    const map = midSpace.entries.flatMap(({ segment, rows }) => rows.map((row) => inSpace.row(segment, row)));
    midMap = tables.words(map);
    const inverse = new Uint32Array(inSpace.rows - inSpace.base).fill(NONE);
    map.forEach((inRow, midRow) => {
      if (inRow >= inSpace.base) inverse[inRow - inSpace.base] = midRow - midSpace.base;
    });
    inverseMap = tables.words(inverse);
  }
  const continuing = outSpace.entries.reduce(
    (sum, { segment, rows }) => sum + (segments[segment].gradient && segments[segment].spawn < layer ? rows.length : 0),
    0,
  );
  return {
    inRows: inSpace.rows,
    inBase: inSpace.base,
    midRows: midSpace.rows,
    midBase: midSpace.base,
    outRows: outSpace.rows,
    outBase: outSpace.base,
    continuing,
    selects,
    inPositions,
    midPositions,
    midMap,
    inverseMap,
    ...packAttention({ ...input, window: input.options.windows[layer] }),
    rowEntry: packRows(input),
    fold: packFold(input),
  };
}

/** The row table of the out space. */
function packRows({ segments, layer, midSpace, outSpace, tables, masks }: LayerInput): number {
  const words = new Uint32Array(outSpace.rows * ROW_WORDS);
  const floats = new Float32Array(words.buffer);
  let at = 0;
  for (const { segment, rows } of outSpace.entries) {
    const { source, sourceRow = 0, spawn, factors = UNCHANGED, factorLayers = "spawn", masks: byLayer } =
      segments[segment];
    const active = factorLayers === "all" || spawn === layer ? factors : UNCHANGED;
    const mask = byLayer?.get(layer);
    const neurons = masks.offset(mask?.neurons);
    const outputs = masks.offset(mask?.outputs);
    for (const row of rows) {
      words[at] = spawn === layer ? midSpace.row(source!, sourceRow + row) : midSpace.row(segment, row);
      floats[at + 1] = active.gate;
      floats[at + 2] = active.up;
      floats[at + 3] = active.down;
      words[at + 4] = neurons;
      words[at + 5] = outputs;
      at += ROW_WORDS;
    }
  }
  return tables.words(words, ROW_WORDS) / ROW_WORDS;
}

/** Variant rows whose gradient is folded into scores in this layer, grouped by score row. */
function packFold({ segments, options, layer, midSpace, outSpace, tables }: LayerInput): PackedFold | null {
  const variants: number[] = [];
  const pairs: number[] = [];
  let from = -1;
  for (const { segment, rows, first } of outSpace.entries) {
    const { folds, source, sourceRow = 0, spawn, factors = UNCHANGED } = segments[segment];
    const target = folds?.find((fold) => fold.layer === layer);
    if (!target) continue;
    if (from < 0) from = first - outSpace.base;
    const variant = variants.length / VARIANT_WORDS;
    if (from + variant !== first - outSpace.base) {
      throw new RangeError(`Cannot fold segment ${segment} in layer ${layer}: the rows to fold are not consecutive`);
    }
    rows.forEach((row, i) => {
      const mid = spawn === layer ? midSpace.row(source!, sourceRow + row) : midSpace.row(segment, row);
      variants.push(options.foldsOutputs ? first + i : mid, factors.gate, factors.up, target.weight);
    });
    const previous = pairs.length - PAIR_WORDS;
    if (previous >= 0 && pairs[previous + 2] === target.scoreRow) pairs[previous + 1] += rows.length;
    else pairs.push(variant, rows.length, target.scoreRow, 0);
  }
  if (variants.length === 0) return null;
  const words = new Uint32Array(variants.length);
  const floats = new Float32Array(words.buffer);
  variants.forEach((value, i) => {
    if (i % VARIANT_WORDS === 0) words[i] = value;
    else floats[i] = value;
  });
  return {
    variants: tables.words(words, 64),
    variantCount: variants.length / VARIANT_WORDS,
    pairs: tables.words(pairs, 64),
    pairCount: pairs.length / PAIR_WORDS,
    from,
  };
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function concatenate(parts: readonly Uint32Array[]): Uint32Array {
  const out = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
