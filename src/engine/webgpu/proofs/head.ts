/** Proofs of `head_reduce`, `head_pick` and `head_gradient`. */
import { ARGMAX, pickLogits, reduceLogits, seedGradient, STATISTICS_WORDS } from "../../../ops/head.ts";
import { type HeadObjective, objectiveGradient, reduceRow } from "./oracles/head.ts";
import { packWords } from "./tables.ts";
import { relativeError, type Workbench } from "./workbench.ts";

/** Rows and vocabulary: more than the lanes of a workgroup, and no multiple of them. */
const [R, V] = [5, 300];

/** Entries before the first one, in every table. */
const FIRST = 2;

function rowsOf(values: Float64Array): Float64Array[] {
  return Array.from({ length: R }, (_, r) => values.subarray(r * V, (r + 1) * V));
}

/** Largest logit, where it is, and log Σ exp, of rows with many ties; and how many logits are not finite. */
export async function proveReduce(bench: Workbench): Promise<void> {
  const values = bench.values(R * V);
  values[V + 7] = -Infinity;
  const statistics = await bench.words(new Uint32Array((FIRST + R) * STATISTICS_WORDS));
  reduceLogits(bench.context, await bench.input(values, V), V, statistics, FIRST, R);
  const expected = rowsOf(values).map(reduceRow);
  bench.expectWords(statistics, (words) => {
    const floats = new Float32Array(words.buffer);
    const found = expected.flatMap((_, r) => {
      const at = (FIRST + r) * STATISTICS_WORDS;
      return [floats[at], words[at + 1] / V, floats[at + 2], words[at + 3]];
    });
    const wanted = expected.flatMap(({ max, argmax, logSumExp }, r) => [max, argmax / V, logSumExp, Number(r === 1)]);
    return relativeError(found, wanted);
  });
}

/** Single logits of rows that are counted from elsewhere. */
export async function provePick(bench: Workbench): Promise<void> {
  const [count, firstRow] = [70, 3];
  const values = bench.values(R * V);
  const [rows, tokens] = [bench.integers(count, R), bench.integers(count, V)];
  const entries = [...new Array(2 * FIRST).fill(0), ...rows.flatMap((row, i) => [firstRow + row, tokens[i]])];
  const picks = await bench.words(packWords(entries));
  const picked = await bench.output(count, 1, { first: FIRST, stride: 1 });
  const logits = await bench.input(values, V);
  pickLogits(bench.context, logits, picks, picked.buffer, { first: FIRST, count, firstRow });
  bench.expect(picked, Float64Array.from(rows, (row, i) => values[row * V + tokens[i]]));
}

/** The gradient of two logits, of the largest one, and of a probability. */
export async function proveHeadGradient(bench: Workbench): Promise<void> {
  for (const kind of ["terms", "argmax", "probability"] as const) {
    const values = bench.values(R * V);
    const rows = rowsOf(values);
    const reduced = rows.map(reduceRow);
    const tokens = rows.map(() => bench.integers(2, V));
    const objectives = rows.map((_, r): HeadObjective => {
      if (kind === "probability") return { kind, token: tokens[r][0] };
      if (kind === "terms") return { kind, tokens: [tokens[r][0], tokens[r][1]], coefficients: [1.5, -0.25] };
      return { kind: "terms", tokens: [reduced[r].argmax, 0], coefficients: [1, 0] };
    });
    const statistics = reduced.flatMap(({ max, argmax, logSumExp }) => [{ f32: max }, argmax, { f32: logSumExp }, 0]);
    const seeds = objectives.flatMap((head, r) =>
      head.kind === "probability" ? [head.token, 0, { f32: 1 }, { f32: 0 }] : [
        kind === "argmax" ? ARGMAX : tokens[r][0],
        head.tokens[1],
        ...head.coefficients.map((f32) => ({ f32 })),
      ]
    );
    const logits = await bench.output(R, V, { initial: values });
    seedGradient(bench.context, logits, V, {
      statistics: await bench.words(packWords([...new Array(FIRST * STATISTICS_WORDS).fill(0), ...statistics])),
      firstStatistics: FIRST,
      seeds: await bench.words(packWords([...new Array(FIRST * 4).fill(0), ...seeds])),
      firstSeed: FIRST,
      picked: await bench.words(Float32Array.of(0, 0, ...rows.map((row, r) => row[tokens[r][0]]))),
      firstPicked: FIRST,
      probability: kind === "probability",
    }, R);
    const expected = new Float64Array(R * V);
    rows.forEach((row, r) => expected.set(objectiveGradient(row, objectives[r]), r * V));
    bench.expect(logits, expected);
  }
}
