/** Cases of `attention`, `attention_backward_query` and `attention_backward_key_value`, in all their variants. */
import { packWave } from "../../../src/model/packing.ts";
import type { Segment } from "../../../src/model/segments.ts";
import { attentionBackward, attentionForward } from "../../../src/ops/attention.ts";
import { placeRows, rowKey, visibleRows } from "../../support/packed_rows.ts";
import { dot, gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import {
  attention,
  attentionGradient,
  type AttentionInputs,
} from "../../../src/engine/webgpu/proofs/oracles/attention.ts";

/** Parameters of both directions. */
export interface AttentionParameters {
  /** Query heads. */
  readonly Q: number;
  /** Key/value heads. */
  readonly G: number;
  /** Width of a head. */
  readonly K: number;
  /**
   * Segments by rows, such as `9+4@0:7+20x1@0*`: nine rows; four rows that see the first seven rows of segment 0 before
   * their own; twenty segments of one row that see all of segment 0, with a gradient. `-` behind a segment asks for
   * none of its rows in a last layer, `!` for all of them; otherwise it is the last row.
   */
  readonly segments: string;
  readonly window?: number;
  /** Whether the layer is the last one, where only the rows that are asked for have queries. */
  readonly last?: boolean;
  /** Factor on q·k. Default 1/sqrt(K). */
  readonly scale?: number;
  /** |q| */
  readonly magnitude?: number;
}

/** A case of the forward kernels. */
export function attentionCase(parameters: AttentionParameters): KernelCase {
  const { Q, G, K, scale, magnitude = 0 } = parameters;
  const name = attentionName("attention", parameters);
  return {
    name,
    async prepare(workspace) {
      const { wave, inputs, midRows, inRows } = draw(name, parameters);
      const [packed] = wave.layers;
      const expected = attention(inputs);
      const q = await workspace.input("q", inputs.q, { rows: midRows, columns: Q * K });
      const kv = await workspace.input("kv", inputs.kv, { rows: inRows, columns: 2 * G * K });
      const table = await workspace.words("table", wave.tables);
      const o = await workspace.output("o", { rows: midRows, columns: Q * K });
      const lse = await workspace.output("lse", { rows: midRows, columns: Q, stride: Q });
      const { first, count, visible } = packed.tiles;
      return {
        record: () =>
          attentionForward(workspace.context, { queryHeads: Q, keyValueHeads: G, width: K, scale }, {
            q,
            kv,
            o,
            lse: lse.buffer,
          }, { table, firstTile: first, tiles: count, firstQuery: packed.queries, visible }),
        results: async () => {
          const [actualO, actualLse] = await workspace.read(o, lse);
          const tolerance = magnitude ? "attentionLarge" : "attention";
          return [
            { name: "o", tolerance, actual: actualO, expected: expected.o },
            { name: "lse", tolerance, actual: actualLse, expected: expected.lse },
          ];
        },
      };
    },
  };
}

/** A case of the backward kernels. */
export function attentionGradientCase(parameters: AttentionParameters): KernelCase {
  const { Q, G, K, scale, magnitude = 0 } = parameters;
  const name = attentionName("attention_backward", parameters);
  return {
    name,
    async prepare(workspace) {
      const { wave, inputs, dO, midRows, inRows } = draw(name, parameters);
      const [packed] = wave.layers;
      const { midBase, inBase } = packed;
      const { o, lse } = attention(inputs);
      const { dq, dkv, delta } = attentionGradient(inputs, dO);
      const table = await workspace.words("table", wave.tables);
      const state = {
        q: await workspace.input("q", inputs.q, { rows: midRows, columns: Q * K }),
        kv: await workspace.input("kv", inputs.kv, { rows: inRows, columns: 2 * G * K }),
        o: await workspace.input("o", o, { rows: midRows, columns: Q * K }),
        lse: (await workspace.input("lse", lse, { rows: midRows, columns: Q, stride: Q })).buffer,
      };
      const rows = midRows - midBase;
      const gpuDo = await workspace.input("dO", dO.subarray(midBase * Q * K), { rows, columns: Q * K });
      const gpuDq = await workspace.output("dq", { rows, columns: Q * K });
      const gpuDkv = await workspace.output("dkv", { rows: inRows - inBase, columns: 2 * G * K });
      const gpuDelta = await workspace.output("delta", { rows, columns: Q, stride: Q });
      const tiles = ({ first, count, visible }: typeof packed.tiles) => {
        return { table, firstTile: first, tiles: count, firstQuery: packed.queries, visible };
      };
      return {
        record: () =>
          attentionBackward(
            workspace.context,
            { queryHeads: Q, keyValueHeads: G, width: K, scale },
            state,
            { dO: gpuDo, dq: gpuDq, dkv: gpuDkv, delta: gpuDelta.buffer, queryBase: midBase, keyBase: inBase },
            tiles(packed.gradientTiles),
            tiles(packed.keyTiles),
          ),
        results: async () => {
          const [actualDq, actualDkv, actualDelta] = await workspace.read(gpuDq, gpuDkv, gpuDelta);
          const tolerance = magnitude ? "attentionGradientLarge" : "attentionGradient";
          return [
            { name: "dq", tolerance, actual: actualDq, expected: dq.subarray(midBase * Q * K) },
            { name: "dkv", tolerance, actual: actualDkv, expected: dkv.subarray(inBase * 2 * G * K) },
            { name: "delta", tolerance, actual: actualDelta, expected: delta.subarray(midBase * Q) },
          ];
        },
      };
    },
    ...(magnitude === 0 && Q * K < 50 && {
      gradientError: () => {
        const { inputs, dO } = draw(name, parameters);
        const { dq, dkv } = attentionGradient(inputs, dO);
        return Math.max(
          gradientError((q) => dot(dO, attention({ ...inputs, q }).o), inputs.q, dq),
          gradientError((kv) => dot(dO, attention({ ...inputs, kv }).o), inputs.kv, dkv),
        );
      },
    }),
  };
}

function attentionName(
  kernel: string,
  { Q, G, K, segments, window, last, scale, magnitude }: AttentionParameters,
): string {
  return caseName(kernel, { Q, G, K, segments, window, last, scale, x: magnitude });
}

function draw(name: string, parameters: AttentionParameters) {
  const { Q, G, K, window = null, last = false, scale, magnitude = 0 } = parameters;
  const segments = parseSegments(parameters.segments);
  // One layer is a last layer; of two, the first one is not.
  const layers = last ? 1 : 2;
  const wave = packWave(segments, { layers, windows: [window, window] });
  const placed = placeRows(segments, 0, { layers });
  const inRow = new Map(placed.in.rows.map((row, at) => [rowKey(row), at]));
  const data = new CaseData(name);
  const midRows = placed.mid.rows.length;
  const inputs: AttentionInputs = {
    queryHeads: Q,
    keyValueHeads: G,
    width: K,
    scale: scale ?? 1 / Math.sqrt(K),
    q: data.values(midRows * Q * K, { magnitude }),
    kv: data.values(inRow.size * 2 * G * K),
    sees: placed.mid.rows.map((row) => visibleRows(segments, row, window).map((key) => inRow.get(rowKey(key))!)),
  };
  // Only gradient rows have a gradient.
  const dO = data.values(midRows * Q * K).fill(0, 0, placed.mid.base * Q * K);
  return { wave, inputs, dO, midRows, inRows: inRow.size };
}

function parseSegments(text: string): Segment[] {
  const segments: Segment[] = [];
  for (const part of text.split("+")) {
    const match = /^(?:(\d+)x)?(\d+)(?:@(\d+)(?::(\d+))?)?([*!-]*)$/.exec(part);
    if (!match) throw new SyntaxError(`Cannot read the segment ${part} of ${text}`);
    const [, times = "1", rows, prefix, prefixLength, flags] = match;
    const length = Number(rows);
    const before = prefix === undefined ? 0 : Number(prefixLength ?? segments[Number(prefix)].length);
    const asked = Array.from({ length }, (_, row) => row).filter((row) =>
      flags.includes("!") || (row === length - 1 && !flags.includes("-"))
    );
    for (let i = 0; i < Number(times); i++) {
      segments.push({
        length,
        position: before,
        tokens: new Uint32Array(length),
        ...(prefix !== undefined && { prefix: Number(prefix), prefixLength: before }),
        spawn: -1,
        asked,
        gradient: flags.includes("*"),
      });
    }
  }
  return segments;
}

// The kernels are unrolled by groups of 16 columns, so K = 128 runs every line of them and K = 116 every partial group;
// each number of groups is a kernel of its own to compile.

/** The table of the forward kernels. */
export const attentionCases: readonly KernelCase[] = [
  attentionCase({ Q: 1, G: 1, K: 4, segments: "1" }),
  attentionCase({ Q: 1, G: 1, K: 4, segments: "5" }),
  attentionCase({ Q: 3, G: 3, K: 12, segments: "17" }),
  attentionCase({ Q: 4, G: 2, K: 16, segments: "16+1+33+7" }),
  attentionCase({ Q: 8, G: 2, K: 8, segments: "50" }),
  attentionCase({ Q: 3, G: 1, K: 64, segments: "2+40" }),
  attentionCase({ Q: 2, G: 2, K: 116, segments: "19+1+1" }),
  attentionCase({ Q: 2, G: 1, K: 128, segments: "35" }),
  attentionCase({ Q: 4, G: 2, K: 8, segments: "20+4@0+1@0+18@0" }),
  attentionCase({ Q: 4, G: 1, K: 16, segments: "9+20x1@0" }),
  attentionCase({ Q: 2, G: 1, K: 12, segments: "19+6+5x1@0:18+3x1@1:5+1@0:18" }),
  attentionCase({ Q: 2, G: 2, K: 8, segments: "40", window: 7 }),
  attentionCase({ Q: 4, G: 2, K: 12, segments: "25+6@0+3x1@0:24", window: 5 }),
  attentionCase({ Q: 2, G: 1, K: 16, segments: "30+12@0", window: 1 }),
  attentionCase({ Q: 4, G: 2, K: 16, segments: "12+1+33", last: true }),
  attentionCase({ Q: 4, G: 2, K: 16, segments: "21-+4@0!+1@0!+19@0!", last: true }),
  attentionCase({ Q: 2, G: 1, K: 4, segments: "30-+18x1@0:29+9", last: true, window: 6 }),
  attentionCase({ Q: 4, G: 2, K: 12, segments: "20+4@0", scale: 0.6 }),
  attentionCase({ Q: 4, G: 2, K: 128, segments: "20+5@0", magnitude: 150 }),
];

/** The table of the backward kernels. */
export const attentionGradientCases: readonly KernelCase[] = [
  attentionGradientCase({ Q: 1, G: 1, K: 4, segments: "5*" }),
  attentionGradientCase({ Q: 3, G: 3, K: 12, segments: "17*" }),
  attentionGradientCase({ Q: 4, G: 2, K: 8, segments: "6+16*+1*+33*" }),
  attentionGradientCase({ Q: 8, G: 2, K: 4, segments: "50*" }),
  attentionGradientCase({ Q: 6, G: 2, K: 116, segments: "3+22*" }),
  attentionGradientCase({ Q: 2, G: 1, K: 128, segments: "7+21*+2*" }),
  attentionGradientCase({ Q: 4, G: 1, K: 8, segments: "20+4@0*+18@0*" }),
  attentionGradientCase({ Q: 4, G: 2, K: 4, segments: "9+20x1@0*" }),
  attentionGradientCase({ Q: 2, G: 1, K: 16, segments: "19+6+5x1@0:18*+3x1@1:5*+4@1*" }),
  attentionGradientCase({ Q: 2, G: 2, K: 8, segments: "5+40*", window: 7 }),
  attentionGradientCase({ Q: 4, G: 2, K: 4, segments: "25+6@0*+3x1@0:24*", window: 5 }),
  attentionGradientCase({ Q: 4, G: 2, K: 8, segments: "9+12*+33*", last: true }),
  attentionGradientCase({ Q: 2, G: 1, K: 8, segments: "21-+4@0*+18x1@0:20*", last: true }),
  attentionGradientCase({ Q: 2, G: 1, K: 12, segments: "30-+35*+1@0:29*", last: true, window: 6 }),
  attentionGradientCase({ Q: 4, G: 2, K: 8, segments: "6+17*+4@0*", scale: 0.6 }),
  attentionGradientCase({ Q: 4, G: 2, K: 128, segments: "20+5@0*+24*", magnitude: 150 }),
];
