/**
 * Packing segments into rows and tables: row spaces, tiles of attention, row tables and folds, against their
 * definition.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type PackedLayer, type PackedWave, type PackingOptions, packWave } from "../../src/model/packing.ts";
import { type LayerMask, type Segment, UNCHANGED } from "../../src/model/segments.ts";
import { TILE_ROWS } from "../../src/ops/attention.ts";
import { PAIR_WORDS, VARIANT_WORDS } from "../../src/ops/attribution.ts";
import { NONE, ROW_WORDS } from "../../src/ops/row_table.ts";
import { type PlacedLayer, placeRows, rowKey, visibleRows } from "../support/packed_rows.ts";
import { base, choosing, every, full, joint, scenarios, scoring, variant, type Wave } from "../support/sample_waves.ts";

/** Calls `check` for every layer of a wave. */
function eachLayer({ name, segments, options }: Wave, check: (layer: LayerView) => void): void {
  const wave = packWave(segments, options);
  wave.layers.forEach((packed, layer) => {
    const placed = placeRows(segments, layer, options);
    const view = { segments, options, wave, packed, layer, placed };
    try {
      check(view);
    } catch (error) {
      throw new Error(`${name}, layer ${layer}: ${(error as Error).message}`, { cause: error });
    }
  });
}

interface LayerView {
  readonly segments: readonly Segment[];
  readonly options: PackingOptions;
  readonly wave: PackedWave;
  readonly packed: PackedLayer;
  readonly layer: number;
  readonly placed: PlacedLayer;
}

function words({ wave }: LayerView, first: number, count: number): number[] {
  return [...wave.tables.subarray(first, first + count)];
}

/** Entries of `size` words from an offset that counts vec4. */
function entries(view: LayerView, firstVec4: number, count: number, size: number): number[][] {
  return Array.from({ length: count }, (_, i) => words(view, firstVec4 * 4 + i * size, size));
}

/** Bits of a number as f32. */
function bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}

/** Packed row of every placed row. */
function rowNumbers(space: PlacedLayer["in"]): Map<string, number> {
  return new Map(space.rows.map((row, at) => [rowKey(row), at]));
}

/** The query table: own rows seen (begin, end), first prefix row seen, position. */
function sights(view: LayerView): number[][] {
  return entries(view, view.packed.queries, view.packed.midRows, 4);
}

/** Rows of the in space that each mid row sees, ascending. */
function expectedSight({ segments, options, layer, placed }: LayerView): number[][] {
  const numbers = rowNumbers(placed.in);
  return placed.mid.rows.map((row) =>
    visibleRows(segments, row, options.windows[layer]).map((key) => numbers.get(rowKey(key))!).sort((a, b) => a - b)
  );
}

for (const [name, waves] of scenarios) {
  Deno.test(`packWave() places the rows each layer needs when given ${name}`, () => {
    for (const wave of waves) {
      eachLayer(wave, (view) => {
        const { segments, packed, placed, layer } = view;
        const { inRows, inBase, midRows, midBase, outRows, outBase } = packed;
        assertEquals({ inRows, inBase, midRows, midBase, outRows, outBase }, {
          inRows: placed.in.rows.length,
          inBase: placed.in.base,
          midRows: placed.mid.rows.length,
          midBase: placed.mid.base,
          outRows: placed.out.rows.length,
          outBase: placed.out.base,
        });
        const positions = (space: PlacedLayer["in"]) =>
          space.rows.map(({ segment, row }) => segments[segment].position + row);
        assertEquals(words(view, packed.inPositions, inRows), positions(placed.in));
        assertEquals(words(view, packed.midPositions, midRows), positions(placed.mid));
        const lived = placed.out.rows.slice(outBase).filter(({ segment }) => segments[segment].spawn < layer);
        assertEquals(packed.continuing, lived.length);
        // Gradient buffers have no tables: the gradient rows that continue are the first ones, in the order of the mid
        // space.
        assertEquals(lived, placed.mid.rows.slice(midBase, midBase + lived.length));
        assertEquals(lived, placed.out.rows.slice(outBase, outBase + lived.length));
      });
    }
  });

  Deno.test(`packWave() maps selected rows both ways when given ${name}`, () => {
    for (const wave of waves) {
      eachLayer(wave, (view) => {
        const { packed, placed, layer, options } = view;
        assertEquals(packed.selects, layer === options.layers - 1 && !options.wholeLastLayer);
        if (!packed.selects) return;
        const inRow = rowNumbers(placed.in);
        const midRow = rowNumbers(placed.mid);
        assertEquals(words(view, packed.midMap, packed.midRows), placed.mid.rows.map((row) => inRow.get(rowKey(row))!));
        const gradients = placed.in.rows.slice(placed.in.base);
        const inverse = gradients.map((row) =>
          midRow.has(rowKey(row)) ? midRow.get(rowKey(row))! - packed.midBase : NONE
        );
        assertEquals(words(view, packed.inverseMap, gradients.length), inverse);
      });
    }
  });

  Deno.test(`packWave() covers exactly the visible pairs with query tiles when given ${name}`, () => {
    for (const wave of waves) {
      eachLayer(wave, (view) => {
        const { packed, placed } = view;
        const sight = sights(view);
        const expected = expectedSight(view);
        assertEquals(
          sight.map(([, , , position]) => position),
          placed.mid.rows.map(({ segment, row }) => view.segments[segment].position + row),
        );
        for (const [tiles, from] of [[packed.tiles, 0], [packed.gradientTiles, packed.midBase]] as const) {
          const seen = new Map<number, number[]>();
          for (const tile of entries(view, tiles.first, tiles.count, 8)) {
            const [query, queries, prefixRow, prefixRows, ownRow, ownRows] = tile;
            assert(queries >= 1 && queries <= TILE_ROWS, `a tile of ${queries} queries`);
            for (let row = query; row < query + queries; row++) {
              assert(!seen.has(row), `row ${row} is in two tiles`);
              const [begin, end, prefixBegin] = sight[row];
              const prefix = every(prefixRows).filter((i) => i >= prefixBegin).map((i) => prefixRow + i);
              const own = every(ownRows).map((i) => ownRow + i).filter((key) => key >= begin && key < end);
              seen.set(row, [...prefix, ...own].sort((a, b) => a - b));
            }
          }
          const rows = [...seen.keys()].sort((a, b) => a - b);
          assertEquals(rows, every(packed.midRows).slice(from));
          assertEquals(rows.map((row) => seen.get(row)!), expected.slice(from));
          assertEquals(tiles.visible, expected.slice(from).reduce((sum, keys) => sum + keys.length, 0));
        }
      });
    }
  });

  Deno.test(`packWave() covers exactly the pairs of gradient rows with key tiles when given ${name}`, () => {
    for (const wave of waves) {
      eachLayer(wave, (view) => {
        const { segments, packed, placed } = view;
        const sight = sights(view);
        const pairs: string[] = [];
        const owned: number[] = [];
        for (const [key, keys, query, queries] of entries(view, packed.keyTiles.first, packed.keyTiles.count, 4)) {
          assert(keys >= 1 && keys <= TILE_ROWS, `a tile of ${keys} keys`);
          for (let row = key; row < key + keys; row++) {
            owned.push(row);
            for (let seer = query; seer < query + queries; seer++) {
              assert(seer >= packed.midBase && seer < packed.midRows, `query ${seer} has no gradient`);
              if (row >= sight[seer][0] && row < sight[seer][1]) pairs.push(`${seer} sees ${row}`);
            }
          }
        }
        assertEquals(owned, every(packed.inRows).slice(packed.inBase));
        // A prefix gets no gradient, so only keys of the query's own segment count.
        const expected = expectedSight(view).flatMap((keys, seer) =>
          seer < packed.midBase ? [] : keys
            .filter((key) => placed.in.rows[key].segment === placed.mid.rows[seer].segment)
            .map((key) => `${seer} sees ${key}`)
        );
        assert(placed.in.rows.slice(packed.inBase).every(({ segment }) => segments[segment].gradient));
        assertEquals(pairs.sort(), expected.sort());
      });
    }
  });

  Deno.test(`packWave() says what every row that leaves a layer is made of when given ${name}`, () => {
    for (const wave of waves) {
      eachLayer(wave, (view) => {
        const { segments, packed, placed, layer, wave } = view;
        const midRow = rowNumbers(placed.mid);
        placed.out.rows.forEach(({ segment, row }, at) => {
          const { spawn, source, sourceRow = 0, factors = UNCHANGED, factorLayers, masks } = segments[segment];
          const entry = words(view, (packed.rowEntry + at) * ROW_WORDS, ROW_WORDS);
          const from = spawn === layer ? { segment: source!, row: sourceRow + row } : { segment, row };
          const { gate, up, down } = spawn === layer || factorLayers === "all" ? factors : UNCHANGED;
          assertEquals(entry.slice(0, 4), [midRow.get(rowKey(from)), bits(gate), bits(up), bits(down)]);
          const mask = masks?.get(layer);
          for (const [silenced, offset] of [[mask?.neurons, entry[4]], [mask?.outputs, entry[5]]] as const) {
            assertEquals(
              offset === NONE ? null : [...wave.tables.subarray(offset, offset + (silenced?.length ?? 0))],
              silenced ? [...silenced] : null,
            );
          }
        });
      });
    }
  });

  Deno.test(`packWave() finds the rows that were asked for when given ${name}`, () => {
    for (const { segments, options } of waves) {
      const wave = packWave(segments, options);
      const numbers = rowNumbers(placeRows(segments, options.layers - 1, options).out);
      const asked = segments.map(({ asked }, segment) => asked.map((row) => numbers.get(rowKey({ segment, row }))!));
      assertEquals(wave.askedRows.map((rows) => [...rows]), asked);
      const entering = placeRows(segments, 0, options).in.rows;
      assertEquals([...wave.tokens], entering.map(({ segment, row }) => segments[segment].tokens![row]));
      assertEquals(wave.positions, Math.max(...segments.map(({ position, length }) => position + length)));
    }
  });
}

/** Decodes the folds of a layer: per score row, the (mid row, gate, up, weight) of each row that is folded into it. */
function foldsOf(view: LayerView): { from: number; byScoreRow: [number, number[][]][] } | null {
  const { fold } = view.packed;
  if (!fold) return null;
  const variants = Array.from({ length: fold.variantCount }, (_, i) => {
    const entry = words(view, fold.variants + i * VARIANT_WORDS, VARIANT_WORDS);
    const floats = new Float32Array(Uint32Array.from(entry).buffer);
    return [entry[0], floats[1], floats[2], floats[3]];
  });
  let next = 0;
  const byScoreRow = Array.from({ length: fold.pairCount }, (_, i): [number, number[][]] => {
    const [first, count, scoreRow, unused] = words(view, fold.pairs + i * PAIR_WORDS, PAIR_WORDS);
    assertEquals([first, unused], [next, 0], "pairs follow one another");
    next += count;
    return [scoreRow, variants.slice(first, first + count)];
  });
  assertEquals(next, fold.variantCount);
  assertEquals([fold.variants % 64, fold.pairs % 64], [0, 0], "tables that are bound start at a multiple of 256 bytes");
  return { from: fold.from, byScoreRow };
}

/** What the folds of a layer must be, from the segments. */
function expectedFolds(view: LayerView): ReturnType<typeof foldsOf> {
  const { segments, placed, layer, options } = view;
  const midRow = rowNumbers(placed.mid);
  const byScoreRow = new Map<number, number[][]>();
  let from = -1;
  placed.out.rows.forEach(({ segment, row }, at) => {
    const { folds = [], factors = UNCHANGED, spawn, source, sourceRow = 0 } = segments[segment];
    for (const { scoreRow, weight } of folds.filter((fold) => fold.layer === layer)) {
      if (from < 0) from = at - placed.out.base;
      const mid = midRow.get(rowKey(spawn === layer ? { segment: source!, row: sourceRow + row } : { segment, row }))!;
      const entry = [options.foldsOutputs ? at : mid, factors.gate, factors.up, weight].map(Math.fround);
      byScoreRow.set(scoreRow, [...byScoreRow.get(scoreRow) ?? [], entry]);
    }
  });
  return from < 0 ? null : { from, byScoreRow: [...byScoreRow] };
}

for (
  const [name, segments] of [
    ["path nodes at all positions", scoring([5, 18], 3, "all")],
    ["path nodes at the last position", scoring([5, 18, 33], 3, "last")],
    ["a joint path", joint(9, 3)],
  ] as const
) {
  for (const foldsOutputs of [false, true]) {
    Deno.test(`packWave() folds the rows of ${foldsOutputs ? "block outputs" : "activations"} by pair when given ${name}`, () => {
      const options = { ...full(3), foldsOutputs };
      eachLayer({ name, segments, options }, (view) => {
        assert(view.packed.fold, "every layer is scored");
        assertEquals(foldsOf(view), expectedFolds(view));
      });
    });
  }
}

Deno.test("packWave() folds nothing when no segment asks for it", () => {
  assertEquals(packWave(choosing(2), full(2)).layers.map(({ fold }) => fold), [null, null]);
});

Deno.test("packWave() folds only the rows that reach the objective when a last layer selects rows", () => {
  const wave = packWave(scoring([12], 2, "all"), full(2));
  // Below, all 12 rows of the three nodes carry a gradient; in the last layer one row each.
  assertEquals(wave.layers.map(({ fold }) => fold!.variantCount), [36, 3]);
});

Deno.test("packWave() names the segment when the rows to fold are not consecutive", () => {
  const segments = [base(4)];
  const fold = { gradient: true, folds: [{ layer: 0, scoreRow: 0, weight: 1 }] };
  segments.push(
    variant(segments, 0, 0, fold),
    variant(segments, 0, 0, { gradient: true }),
    variant(segments, 0, 0, fold),
  );
  assertThrows(() => packWave(segments, full(2)), RangeError, "Cannot fold segment 3 in layer 0");
});

Deno.test("packWave() shares tiles among one-row segments when they have the same prefix", () => {
  const segments: Segment[] = [base(30, { asked: [] }), base(9, { asked: [] })];
  for (let node = 0; node < 20; node++) segments.push(variant(segments, 0, 0, { sourceRow: 29, gradient: true }));
  for (let node = 0; node < 3; node++) segments.push(variant(segments, 1, 0, { sourceRow: 8, gradient: true }));
  const { tiles, gradientTiles, keyTiles } = packWave(segments, full(3)).layers[1];
  // Two tiles of the first prompt, one of the second, then 16 + 4 and 3 single rows.
  assertEquals([tiles.count, gradientTiles.count], [2 + 1 + 2 + 1, 2 + 1]);
  // Keys of one-row segments do not depend on the prefix, so all 23 share tiles.
  assertEquals(keyTiles.count, 2);
});

Deno.test("packWave() leaves out queries that come before a key tile when a gradient segment has several tiles", () => {
  const segments: Segment[] = [base(40, { asked: [] })];
  segments.push(variant(segments, 0, 0, { gradient: true }));
  const wave = packWave(segments, full(3));
  const { first, count } = wave.layers[1].keyTiles;
  const tiles = Array.from(
    { length: count },
    (_, i) => [...wave.tables.subarray((first + i) * 4, (first + i) * 4 + 4)],
  );
  assertEquals(tiles, [[0, 16, 0, 40], [16, 16, 16, 24], [32, 8, 32, 8]]);
});

Deno.test("packWave() gives one-row segments tiles of their own when one has a gradient and the other has none", () => {
  const segments: Segment[] = [base(5, { asked: [] })];
  for (const gradient of [false, true]) segments.push(variant(segments, 0, 0, { sourceRow: 4, gradient }));
  const { tiles, gradientTiles } = packWave(segments, full(3)).layers[1];
  assertEquals([tiles.count, gradientTiles.count], [3, 1]);
});

Deno.test("packWave() drops a prompt when nothing above is spawned from it or attends to it", () => {
  const segments: Segment[] = [base(10, { asked: [] })];
  segments.push(variant(segments, 0, 1, { gradient: true }));
  const { layers } = packWave(segments, full(4));
  assertEquals(layers.map(({ inRows, outRows }) => [inRows, outRows]), [[10, 10], [10, 10], [10, 10], [10, 1]]);
  assertEquals(layers.map(({ inBase }) => inBase), [10, 10, 0, 0]);
});

Deno.test("packWave() keeps a prompt as keys only when last rows attend to it to the end", () => {
  const segments: Segment[] = [base(10, { asked: [] })];
  segments.push(variant(segments, 0, 0, { sourceRow: 9, gradient: true }));
  const { layers } = packWave(segments, full(3));
  assertEquals(layers.map(({ inRows, midRows, outRows }) => [inRows, midRows, outRows]), [
    [10, 10, 11],
    [11, 11, 11],
    [11, 1, 1],
  ]);
});

Deno.test("packWave() leaves segments out when nothing needs them", () => {
  const wave = packWave([base(4, { asked: [] }), base(3)], full(2));
  assertEquals([...wave.tokens], [300, 301, 302]);
  assertEquals(wave.askedRows.map((rows) => [...rows]), [[], [0]]);
});

Deno.test("packWave() stores a mask once when many segments have it", () => {
  const mask: LayerMask = { neurons: Uint32Array.of(0xdeadbeef, 0x12345678), outputs: Uint32Array.of(0xcafebabe) };
  const segments: Segment[] = [base(6, { asked: [] })];
  for (let i = 0; i < 5; i++) segments.push(variant(segments, 0, 0, { masks: new Map([[0, mask], [1, mask]]) }));
  const { tables } = packWave(segments, full(2));
  for (const word of [0xdeadbeef, 0x12345678, 0xcafebabe]) {
    assertEquals([...tables].filter((value) => value === word).length, 1);
  }
});

Deno.test("packWave() pads the tables to whole 256 bytes, so that what follows them can be bound, at every size", () => {
  const options = { layers: 1, windows: [null] };
  // One table alone outgrows what was reserved, by every remainder of 64 words.
  for (let rows = 2100; rows < 2300; rows += 7) {
    const { tables } = packWave([base(rows, { asked: every(rows) })], options);
    assertEquals(tables.length % 64, 0, `${rows} rows`);
  }
});
