/**
 * Proofs of `attention*`: two sequences of two tiles, one of them without a gradient, and one that goes on after a part
 * of it.
 */
import { packWave } from "../../../model/packing.ts";
import type { Segment } from "../../../model/segments.ts";
import { attentionBackward, attentionForward } from "../../../ops/attention.ts";
import { attention, attentionGradient, type AttentionInputs } from "./oracles/attention.ts";
import type { Workbench } from "./workbench.ts";

const HEADS = { queryHeads: 2, keyValueHeads: 1 };

/** Rows of the three sequences, and rows of the first that the third one sees. */
const [PLAIN, LONG, SHORT, SEEN] = [19, 18, 5, 17];

const GRADIENT_ROWS = LONG + SHORT;

/** The same for both directions: operands, what each row sees, and the tables of the kernels. */
function drawAttention(bench: Workbench, width: number) {
  const base = { position: 0, spawn: -1, tokens: new Uint32Array() };
  const segments: Segment[] = [
    { ...base, length: PLAIN, asked: [PLAIN - 1], gradient: false },
    { ...base, length: LONG, asked: [LONG - 1], gradient: true },
    { ...base, length: SHORT, asked: [SHORT - 1], gradient: true, position: SEEN, prefix: 0, prefixLength: SEEN },
  ];
  // Of two layers, the first one computes every row.
  const { layers: [packed], tables } = packWave(segments, { layers: 2, windows: [null, null] });
  const upTo = (row: number, first: number) => Array.from({ length: row + 1 }, (_, i) => first + i);
  const sees = [
    ...upTo(PLAIN - 1, 0).map((row) => upTo(row, 0)),
    ...upTo(LONG - 1, 0).map((row) => upTo(row, PLAIN)),
    ...upTo(SHORT - 1, 0).map((row) => [...upTo(SEEN - 1, 0), ...upTo(row, PLAIN + LONG)]),
  ];
  const inputs: AttentionInputs = {
    ...HEADS,
    width,
    scale: 1 / Math.sqrt(width),
    q: bench.values(sees.length * HEADS.queryHeads * width),
    kv: bench.values(sees.length * 2 * HEADS.keyValueHeads * width),
    sees,
  };
  return { packed, tables, inputs, rows: sees.length };
}

/** Widths of heads that kernels for so many groups of 16 columns take: whole groups, and a last one that is not. */
function widths(groups: number): readonly number[] {
  return [16 * groups, 16 * groups - 4];
}

/** Proves the forward kernel for heads of up to `groups` times 16 columns. */
export async function proveAttention(bench: Workbench, groups: number): Promise<void> {
  for (const width of widths(groups)) {
    const { packed, tables, inputs, rows } = drawAttention(bench, width);
    const columns = HEADS.queryHeads * width;
    const q = await bench.input(inputs.q, columns);
    const kv = await bench.input(inputs.kv, 2 * HEADS.keyValueHeads * width);
    const o = await bench.output(rows, columns);
    const lse = await bench.output(rows, HEADS.queryHeads, { stride: HEADS.queryHeads });
    const { first, count, visible } = packed.tiles;
    attentionForward(bench.context, { ...HEADS, width }, { q, kv, o, lse: lse.buffer }, {
      table: await bench.words(tables),
      firstTile: first,
      tiles: count,
      firstQuery: packed.queries,
      visible,
    });
    const expected = attention(inputs);
    bench.expect(o, expected.o);
    bench.expect(lse, expected.lse);
  }
}

/**
 * Proves one of the backward kernels. Both run, because the second one reads what the first one writes.
 *
 * @param kernel `query`: dq, and the sums that the other one needs. `keyValue`: dk and dv.
 */
export async function proveAttentionGradient(
  bench: Workbench,
  kernel: "query" | "keyValue",
  groups: number,
): Promise<void> {
  for (const width of widths(groups)) {
    const { packed, tables, inputs } = drawAttention(bench, width);
    const columns = HEADS.queryHeads * width;
    const keyColumns = 2 * HEADS.keyValueHeads * width;
    // Only the last rows have a gradient.
    const dO = bench.values(inputs.q.length).fill(0, 0, PLAIN * columns);
    const { o, lse } = attention(inputs);
    const dq = await bench.output(GRADIENT_ROWS, columns);
    const dkv = await bench.output(GRADIENT_ROWS, keyColumns);
    const delta = await bench.output(GRADIENT_ROWS, HEADS.queryHeads, { stride: HEADS.queryHeads });
    const table = await bench.words(tables);
    const tiles = ({ first, count, visible }: typeof packed.tiles) => ({
      table,
      firstTile: first,
      tiles: count,
      firstQuery: packed.queries,
      visible,
    });
    attentionBackward(
      bench.context,
      { ...HEADS, width },
      {
        q: await bench.input(inputs.q, columns),
        kv: await bench.input(inputs.kv, keyColumns),
        o: await bench.input(o, columns),
        lse: (await bench.input(lse, HEADS.queryHeads, 0, HEADS.queryHeads)).buffer,
      },
      {
        dO: await bench.input(dO.subarray(PLAIN * columns), columns),
        dq,
        dkv,
        delta: delta.buffer,
        queryBase: PLAIN,
        keyBase: PLAIN,
      },
      tiles(packed.gradientTiles),
      tiles(packed.keyTiles),
    );
    const expected = attentionGradient(inputs, dO);
    if (kernel === "keyValue") {
      bench.expect(dkv, expected.dkv.subarray(PLAIN * keyColumns));
      continue;
    }
    bench.expect(dq, expected.dq.subarray(PLAIN * columns));
    bench.expect(delta, expected.delta.subarray(PLAIN * HEADS.queryHeads));
  }
}
