/**
 * Cases of `map_rows`, `keep_outputs`, `gather_columns` and `neuron_statistics`. Their oracles are one line each, so
 * they are here.
 */
import { NONE } from "../../../src/ops/row_table.ts";
import { copyRows, foldStatistics, keepOutputs, pickColumns } from "../../../src/ops/rows.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import { packRowTable, packWords } from "../../../src/engine/webgpu/proofs/tables.ts";
import { randomRows } from "../random_rows.ts";

/** Parameters of `map_rows`. */
export interface CopyParameters {
  /** Rows of the result. */
  readonly T: number;
  /** Columns, a multiple of 8. */
  readonly D: number;
  /** Rows of x. */
  readonly sources: number;
  /** Row of x that the map calls row 0. */
  readonly from?: number;
  /** Entry of the map for row 0. */
  readonly first?: number;
  /** Whether every third row comes from nowhere. */
  readonly none?: boolean;
  /** Floats between the rows of x and between those of the result. */
  readonly gaps?: readonly [number, number];
}

/** A case of `map_rows`. */
export function copyCase(parameters: CopyParameters): KernelCase {
  const { T, D, sources, from = 0, first = 0, none = false, gaps = [0, 0] } = parameters;
  const name = caseName("map_rows", { T, D, sources, from, first, none, gaps: parameters.gaps });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const values = data.values(sources * D);
      const map = data.integers(T, sources).map((source, t) => none && t % 3 === 0 ? NONE : source);
      const x = await workspace.input("x", values, { rows: sources, columns: D, first: from, stride: D + gaps[0] });
      const out = await workspace.output("out", { rows: T, columns: D, stride: D + gaps[1] });
      const entries = await workspace.words("map", packWords([...new Array(first).fill(0), ...map]));
      return {
        record: () => copyRows(workspace.context, x, { entries, first }, out, T, from),
        results: async () => {
          const [actual] = await workspace.read(out);
          const expected = new Float64Array(T * D);
          map.forEach((source, t) => {
            if (source !== NONE) expected.set(values.subarray(source * D, (source + 1) * D), t * D);
          });
          return [{ name: "out", tolerance: "exact", actual, expected }];
        },
      };
    },
  };
}

/** Parameters of `keep_outputs`. */
export interface KeepOutputsParameters {
  readonly T: number;
  readonly D: number;
  /** Entry of the row table for row 0. */
  readonly first?: number;
}

/** A case of `keep_outputs`. */
export function keepOutputsCase({ T, D, first = 0 }: KeepOutputsParameters): KernelCase {
  const name = caseName("keep_outputs", { T, D, first });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const values = data.values(T * D);
      const rows = randomRows(data, T, D, { masks: true });
      const packed = packRowTable(rows, first);
      const x = await workspace.input("x", values, { rows: T, columns: D });
      const out = await workspace.output("out", { rows: T, columns: D }, { zeroPadding: true });
      const table = {
        rows: await workspace.words("rows", packed.rows),
        masks: await workspace.words("masks", packed.masks),
        first,
      };
      return {
        record: () => keepOutputs(workspace.context, x, table, out, T),
        results: async () => {
          const [actual] = await workspace.read(out);
          const expected = values.map((value, i) => rows[Math.floor(i / D)].outputs?.[i % D] ? 0 : value);
          return [{ name: "out", tolerance: "exact", actual, expected }];
        },
      };
    },
  };
}

/** Parameters of `gather_columns`. */
export interface PickColumnsParameters {
  readonly T: number;
  readonly H: number;
  /** Columns that are taken; they may repeat. */
  readonly n: number;
  /** Entry of the first column. */
  readonly first?: number;
  /** Element of the result for row 0, column 0. */
  readonly outFirst?: number;
}

/** A case of `gather_columns`. */
export function pickColumnsCase({ T, H, n, first = 0, outFirst = 0 }: PickColumnsParameters): KernelCase {
  const name = caseName("gather_columns", { T, H, n, first, outFirst });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const values = data.values(T * H);
      const columns = data.integers(n, H);
      const h = await workspace.input("h", values, { rows: T, columns: H });
      const entries = await workspace.words("columns", packWords([...new Array(first).fill(NONE), ...columns]));
      const out = await workspace.output("out", { rows: T * n, columns: 1, stride: 1, first: outFirst });
      return {
        record: () => pickColumns(workspace.context, h, { entries, first, count: n }, out.buffer, outFirst, T),
        results: async () => {
          const [actual] = await workspace.read(out);
          const expected = Float64Array.from(actual, (_, i) => values[Math.floor(i / n) * H + columns[i % n]]);
          return [{ name: "out", tolerance: "exact", actual, expected }];
        },
      };
    },
  };
}

/** Parameters of `neuron_statistics`. */
export interface StatisticsParameters {
  readonly T: number;
  readonly H: number;
  /** |h| */
  readonly magnitude?: number;
}

/** A case of `neuron_statistics`: it folds into statistics of other rows. */
export function statisticsCase({ T, H, magnitude = 0 }: StatisticsParameters): KernelCase {
  const name = caseName("neuron_statistics", { T, H, x: magnitude });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const values = data.values(T * H, { magnitude });
      const drawn = data.values(H * 3, { scale: 3 });
      // Sum, sum of magnitudes, largest magnitude, nothing.
      const before = Float64Array.from({ length: H * 4 }, (_, i) =>
        [
          drawn[i >> 2],
          Math.abs(drawn[H + (i >> 2)]),
          Math.abs(drawn[2 * H + (i >> 2)]),
          0,
        ][i & 3]);
      const h = await workspace.input("h", values, { rows: T, columns: H });
      const statistics = await workspace.output("statistics", { rows: H, columns: 4, stride: 4 }, { initial: before });
      return {
        record: () => foldStatistics(workspace.context, h, H, statistics.buffer, T),
        results: async () => {
          const [actual] = await workspace.read(statistics);
          const expected = before.slice();
          values.forEach((value, i) => {
            const at = 4 * (i % H);
            expected[at] += value;
            expected[at + 1] += Math.abs(value);
            expected[at + 2] = Math.max(expected[at + 2], Math.abs(value));
          });
          const column = (from: ArrayLike<number>, index: number) =>
            Array.from({ length: H }, (_, j) => from[4 * j + index]);
          return [
            ...["sum", "sum of magnitudes"].map((sum, index) => ({
              name: sum,
              tolerance: "neuronSums" as const,
              actual: column(actual, index),
              expected: column(expected, index),
            })),
            ...["largest magnitude", "unused word"].map((word, index) => ({
              name: word,
              tolerance: "exact" as const,
              actual: column(actual, 2 + index),
              expected: column(expected, 2 + index),
            })),
          ];
        },
      };
    },
  };
}

/** The table of `map_rows`. */
export const copyCases: readonly KernelCase[] = [
  copyCase({ T: 1, D: 8, sources: 1 }),
  copyCase({ T: 30, D: 104, sources: 7, first: 5, from: 2 }),
  copyCase({ T: 9, D: 64, sources: 3, none: true }),
  copyCase({ T: 5, D: 32, sources: 9, none: true, gaps: [16, 0] }),
  copyCase({ T: 12, D: 40, sources: 2, gaps: [0, 24], from: 4, first: 1 }),
];

/** The table of `keep_outputs`. */
export const keepOutputsCases: readonly KernelCase[] = [
  keepOutputsCase({ T: 1, D: 1 }),
  keepOutputsCase({ T: 9, D: 100, first: 3 }),
  keepOutputsCase({ T: 40, D: 33 }),
];

/** The table of `gather_columns`. */
export const pickColumnsCases: readonly KernelCase[] = [
  pickColumnsCase({ T: 1, H: 1, n: 1 }),
  pickColumnsCase({ T: 7, H: 100, n: 13, first: 2, outFirst: 50 }),
  pickColumnsCase({ T: 33, H: 20, n: 65 }),
];

/** The table of `neuron_statistics`. */
export const statisticsCases: readonly KernelCase[] = [
  statisticsCase({ T: 1, H: 1 }),
  statisticsCase({ T: 40, H: 100 }),
  statisticsCase({ T: 700, H: 130 }),
  statisticsCase({ T: 9, H: 65, magnitude: 150 }),
];
