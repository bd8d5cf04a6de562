/** Cases of `head_reduce`, `head_pick` and `head_gradient`. */
import { ARGMAX, pickLogits, reduceLogits, seedGradient, STATISTICS_WORDS } from "../../../src/ops/head.ts";
import { gradientError } from "../finite_differences.ts";
import { CaseData, caseName, type KernelCase } from "../kernel_case.ts";
import {
  type HeadObjective,
  objective,
  objectiveGradient,
  reduceRow,
} from "../../../src/engine/webgpu/proofs/oracles/head.ts";
import { packWords } from "../../../src/engine/webgpu/proofs/tables.ts";

/** Parameters of `head_reduce`. */
export interface ReduceParameters {
  /** Rows. */
  readonly R: number;
  /** Vocabulary. */
  readonly V: number;
  /** Row of statistics for row 0. */
  readonly first?: number;
  /**
   * `ties`: logits from five values only. `holes`: some are -inf. `empty`: all of row 0 are -inf. `wild`: some are NaN
   * or infinite, and only how many is looked at.
   */
  readonly pattern?: "ties" | "holes" | "empty" | "wild";
  /** |logits| */
  readonly magnitude?: number;
}

/** A case of `head_reduce`. */
export function reduceCase({ R, V, first = 0, pattern, magnitude = 0 }: ReduceParameters): KernelCase {
  const name = caseName("head_reduce", { R, V, first, pattern, x: magnitude });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const values = pattern === "ties"
        ? Float64Array.from(data.integers(R * V, 5), (draw) => draw - 2)
        : data.values(R * V, { magnitude, scale: 3 });
      if (pattern === "holes") {
        data.integers(R * V, 4).forEach((draw, i) => values[i] = draw === 0 ? -Infinity : values[i]);
      }
      if (pattern === "empty") values.fill(-Infinity, 0, V);
      const wild = [NaN, Infinity, -Infinity];
      if (pattern === "wild") data.integers(R * V, 9).forEach((draw, i) => values[i] = wild[draw] ?? values[i]);
      const rows = Array.from({ length: R }, (_, r) => reduceRow(values.subarray(r * V, (r + 1) * V)));
      const logits = await workspace.input("logits", values, { rows: R, columns: V });
      const statistics = await workspace.output("statistics", {
        rows: R,
        columns: STATISTICS_WORDS,
        stride: STATISTICS_WORDS,
        first,
      });
      return {
        record: () => reduceLogits(workspace.context, logits, V, statistics.buffer, first, R),
        results: async () => {
          const [floats] = await workspace.read(statistics);
          const words = new Uint32Array(floats.buffer);
          const column = (from: ArrayLike<number>, index: number) =>
            rows.map((_, r) => from[r * STATISTICS_WORDS + index]);
          const notFinite = rows.map((_, r) =>
            values.subarray(r * V, (r + 1) * V).filter((value) => !Number.isFinite(value)).length
          );
          const count = {
            name: "not finite",
            tolerance: "exact",
            actual: column(words, 3),
            expected: notFinite,
          } as const;
          if (pattern === "wild") return [count];
          return [
            { name: "max", tolerance: "exact", actual: column(floats, 0), expected: rows.map(({ max }) => max) },
            {
              name: "argmax",
              tolerance: "exact",
              actual: column(words, 1),
              expected: rows.map(({ argmax }) => argmax),
            },
            {
              name: "log-sum-exp",
              tolerance: "logSumExp",
              actual: column(floats, 2),
              expected: rows.map(({ logSumExp }) => logSumExp),
            },
            count,
          ];
        },
      };
    },
  };
}

/** Parameters of `head_pick`. */
export interface PickParameters {
  /** Rows of logits. */
  readonly R: number;
  readonly V: number;
  /** Picks. */
  readonly n: number;
  /** Entry of the first pick. */
  readonly first?: number;
  /** Row that the picks call the logits' row 0. */
  readonly firstRow?: number;
}

/** A case of `head_pick`. */
export function pickCase({ R, V, n, first = 0, firstRow = 0 }: PickParameters): KernelCase {
  const name = caseName("head_pick", { R, V, n, first, firstRow });
  return {
    name,
    async prepare(workspace) {
      const data = new CaseData(name);
      const values = data.values(R * V);
      const [rows, tokens] = [data.integers(n, R), data.integers(n, V)];
      const logits = await workspace.input("logits", values, { rows: R, columns: V });
      const entries = [...new Array(2 * first).fill(0), ...rows.flatMap((row, i) => [firstRow + row, tokens[i]])];
      const picks = await workspace.words("picks", packWords(entries));
      const picked = await workspace.output("picked", { rows: 1, columns: first + n, stride: first + n + 5 }, {
        initial: new Float64Array(first + n).fill(7),
      });
      return {
        record: () => pickLogits(workspace.context, logits, picks, picked.buffer, { first, count: n, firstRow }),
        results: async () => {
          const [actual] = await workspace.read(picked);
          const expected = [...new Array(first).fill(7), ...rows.map((row, i) => values[row * V + tokens[i]])];
          return [{ name: "picked", tolerance: "exact", actual, expected }];
        },
      };
    },
  };
}

/** Parameters of `head_gradient`. */
export interface HeadGradientParameters {
  readonly R: number;
  readonly V: number;
  /**
   * `terms`: two tokens with random coefficients. `twice`: the same token in both terms. `argmax`: the row's own
   * arg-max. `probability`: the probability of a token.
   */
  readonly objective: "terms" | "twice" | "argmax" | "probability";
  /** First entries of statistics, seeds and picked logits. */
  readonly first?: readonly [number, number, number];
  /** |logits| */
  readonly magnitude?: number;
}

/** A case of `head_gradient`. */
export function headGradientCase(parameters: HeadGradientParameters): KernelCase {
  const { R, V, objective: kind, first = [0, 0, 0], magnitude = 0 } = parameters;
  const name = caseName("head_gradient", { R, V, kind, first: parameters.first, x: magnitude });
  const draw = () => {
    const data = new CaseData(name);
    const logits = data.values(R * V, { magnitude, scale: 2 });
    const rows = Array.from({ length: R }, (_, r) => logits.subarray(r * V, (r + 1) * V));
    const tokens = data.integers(2 * R, V);
    // Eighths, so that f32 adds them exactly.
    const coefficients = data.integers(2 * R, 33).map((draw) => (draw - 16) / 8);
    const objectives = rows.map((row, r): HeadObjective => {
      const token = tokens[2 * r];
      if (kind === "probability") return { kind, token };
      if (kind === "argmax") return { kind: "terms", tokens: [reduceRow(row).argmax, 0], coefficients: [1, 0] };
      return {
        kind: "terms",
        tokens: [token, kind === "twice" ? token : tokens[2 * r + 1]],
        coefficients: [coefficients[2 * r], coefficients[2 * r + 1]],
      };
    });
    return { logits, rows, objectives };
  };
  return {
    name,
    async prepare(workspace) {
      const { logits, rows, objectives } = draw();
      const expected = new Float64Array(R * V);
      rows.forEach((row, r) => expected.set(objectiveGradient(row, objectives[r]), r * V));
      const reduced = rows.map(reduceRow);
      const statistics = await workspace.words(
        "statistics",
        packWords([
          ...new Array(first[0] * STATISTICS_WORDS).fill(0),
          ...reduced.flatMap(({ max, argmax, logSumExp }) => [{ f32: max }, argmax, { f32: logSumExp }, 0]),
        ]),
      );
      const seeds = await workspace.words(
        "seeds",
        packWords([
          ...new Array(first[1] * 4).fill(0),
          ...objectives.flatMap((head) =>
            head.kind === "probability" ? [head.token, 0, { f32: 1 }, { f32: 0 }] : [
              kind === "argmax" ? ARGMAX : head.tokens[0],
              head.tokens[1],
              ...head.coefficients.map((f32) => ({ f32 })),
            ]
          ),
        ]),
      );
      const targets = objectives.map((head, r) => rows[r][head.kind === "probability" ? head.token : head.tokens[0]]);
      const picked = await workspace.words(
        "picked",
        packWords([...new Array(first[2]).fill(0), ...targets.map((f32) => ({ f32 }))]),
      );
      const inPlace = await workspace.output("logits", { rows: R, columns: V }, { initial: logits, zeroPadding: true });
      return {
        record: () =>
          seedGradient(workspace.context, inPlace, V, {
            statistics,
            firstStatistics: first[0],
            seeds,
            firstSeed: first[1],
            picked,
            firstPicked: first[2],
            probability: kind === "probability",
          }, R),
        results: async () => {
          const [actual] = await workspace.read(inPlace);
          return [{ name: "d", tolerance: kind === "probability" ? "probabilityGradient" : "exact", actual, expected }];
        },
      };
    },
    ...(R * V < 2000 && {
      gradientError: () => {
        const { rows, objectives } = draw();
        return Math.max(
          ...rows.map((row, r) =>
            gradientError((at) => objective(at, objectives[r]), row, objectiveGradient(row, objectives[r]))
          ),
        );
      },
    }),
  };
}

/** The table of `head_reduce`. */
export const reduceCases: readonly KernelCase[] = [
  reduceCase({ R: 1, V: 1 }),
  reduceCase({ R: 3, V: 63 }),
  reduceCase({ R: 3, V: 64, first: 2 }),
  reduceCase({ R: 5, V: 65, pattern: "ties" }),
  reduceCase({ R: 2, V: 32_003 }),
  reduceCase({ R: 4, V: 1000, pattern: "ties", first: 1 }),
  reduceCase({ R: 4, V: 130, pattern: "holes" }),
  reduceCase({ R: 3, V: 50, pattern: "empty" }),
  reduceCase({ R: 5, V: 130, pattern: "wild" }),
  reduceCase({ R: 3, V: 300, pattern: "empty", first: 4 }),
  reduceCase({ R: 4, V: 500, magnitude: 150 }),
];

/** The table of `head_pick`. */
export const pickCases: readonly KernelCase[] = [
  pickCase({ R: 1, V: 1, n: 1 }),
  pickCase({ R: 6, V: 100, n: 130, first: 3, firstRow: 20 }),
  pickCase({ R: 2, V: 2000, n: 64, firstRow: 7 }),
];

/** The table of `head_gradient`. */
export const headGradientCases: readonly KernelCase[] = [
  headGradientCase({ R: 1, V: 1, objective: "terms" }),
  headGradientCase({ R: 4, V: 100, objective: "terms", first: [3, 5, 2] }),
  headGradientCase({ R: 3, V: 65, objective: "twice" }),
  headGradientCase({ R: 5, V: 200, objective: "argmax", first: [1, 2, 3] }),
  headGradientCase({ R: 3, V: 40, objective: "probability" }),
  headGradientCase({ R: 4, V: 301, objective: "probability", first: [2, 1, 4] }),
];
