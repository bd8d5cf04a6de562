/** What attention reads of a wave: the keys that each query sees, and the tiles of queries and of keys. */
import { TILE_ROWS } from "../ops/attention.ts";
import type { RowSpace } from "./row_space.ts";
import type { Segment } from "./segments.ts";
import type { TableWriter } from "./wave_tables.ts";

/** Tiles of attention: table offset (in vec4) and count. */
export interface PackedTiles {
  readonly first: number;
  readonly count: number;
  /** Pairs of a query and a key it sees. */
  readonly visible: number;
}

/** The query table and the tiles of one layer. */
export interface PackedAttention {
  /** vec4 offset of the query table, one entry a mid row. */
  readonly queries: number;
  readonly tiles: PackedTiles;
  readonly gradientTiles: PackedTiles;
  readonly keyTiles: PackedTiles;
}

/** What {@link packAttention} works with. */
export interface AttentionInput {
  readonly segments: readonly Segment[];
  /** Sliding window of the layer in tokens, or null. */
  readonly window: number | null;
  /** Rows that have keys. */
  readonly inSpace: RowSpace;
  /** Rows that ask. */
  readonly midSpace: RowSpace;
  readonly tables: TableWriter;
}

/** Writes the query table and the tiles of a layer; `attention.wgsl` says what their words mean. */
export function packAttention(input: AttentionInput): PackedAttention {
  const { segments, window, inSpace, midSpace, tables } = input;
  const queries = new Uint32Array(midSpace.rows * 4);
  const tiles: number[] = [];
  const gradientTiles: number[] = [];
  const keyTiles: number[] = [];
  let visible = 0;
  let gradientVisible = 0;
  let open = null as SingleRowTile | null;
  const close = () => {
    if (!open) return;
    tiles.push(open.query, open.count, open.prefixRow, open.prefixLength, open.own, open.count, 0, 0);
    if (open.gradient) gradientTiles.push(...tiles.slice(-8));
    open = null;
  };
  for (const { segment, rows, first } of midSpace.entries) {
    const { prefix, prefixLength = 0, position, length, gradient, spawn } = segments[segment];
    const own = inSpace.row(segment, 0);
    const prefixRow = prefix === undefined ? 0 : inSpace.row(prefix, 0);
    rows.forEach((row, i) => {
      const end = own + row + 1;
      const begin = window === null ? own : Math.max(own, end - window);
      const prefixBegin = window === null ? 0 : Math.max(0, position + row + 1 - window);
      queries.set([begin, end, prefixBegin, position + row], (first + i) * 4);
      const seen = end - begin + Math.max(0, prefixLength - prefixBegin);
      visible += seen;
      if (gradient) gradientVisible += seen;
    });
    if (length === 1) {
      // One-row segments that share a prefix share tiles: a path node or a mask at the last position is one row. Only
      // those of one layer: the order of a softmax depends on the tile, and must not on what other layers are asked
      // for.
      const joins = open && open.spawn === spawn && open.prefixRow === prefixRow &&
        open.prefixLength === prefixLength &&
        open.gradient === gradient && open.count < TILE_ROWS && open.query + open.count === first &&
        open.own + open.count === own;
      if (open && joins) {
        open.count++;
      } else {
        close();
        open = { query: first, count: 1, prefixRow, prefixLength, own, gradient, spawn };
      }
      continue;
    }
    close();
    for (let start = 0; start < rows.length; start += TILE_ROWS) {
      const count = Math.min(TILE_ROWS, rows.length - start);
      const begin = queries[(first + start) * 4];
      const end = queries[(first + start + count - 1) * 4 + 1];
      const tile = [first + start, count, prefixRow, prefixLength, begin, end - begin, 0, 0];
      tiles.push(...tile);
      if (gradient) gradientTiles.push(...tile);
    }
  }
  close();
  for (const { segment, first, rows } of inSpace.entries) {
    if (!segments[segment].gradient) continue;
    const asking = midSpace.entry(segment);
    const previous = keyTiles.length - 4;
    const joins = rows.length === 1 && asking && previous >= 0 && keyTiles[previous + 1] < TILE_ROWS &&
      keyTiles[previous + 1] === keyTiles[previous + 3] && keyTiles[previous] + keyTiles[previous + 1] === first &&
      keyTiles[previous + 2] + keyTiles[previous + 3] === asking.first;
    if (joins) {
      keyTiles[previous + 1]++;
      keyTiles[previous + 3]++;
      continue;
    }
    for (let start = 0; start < rows.length; start += TILE_ROWS) {
      const count = Math.min(TILE_ROWS, rows.length - start);
      // Queries ascend, so those that see this tile are the ones from its first row on.
      const skipped = asking ? asking.rows.findIndex((row) => row >= start) : -1;
      const seers = asking && skipped >= 0 ? [asking.first + skipped, asking.rows.length - skipped] : [0, 0];
      keyTiles.push(first + start, count, ...seers);
    }
  }
  const add = (words: readonly number[], size: number, seen: number): PackedTiles => ({
    first: tables.words(words, 4) / 4,
    count: words.length / size,
    visible: seen,
  });
  return {
    queries: tables.words(queries, 4) / 4,
    tiles: add(tiles, 8, visible),
    gradientTiles: add(gradientTiles, 8, gradientVisible),
    keyTiles: add(keyTiles, 4, gradientVisible),
  };
}

/** A tile of segments of one row, while it grows. */
interface SingleRowTile {
  readonly query: number;
  count: number;
  readonly prefixRow: number;
  readonly prefixLength: number;
  readonly own: number;
  readonly gradient: boolean;
  readonly spawn: number;
}
