/**
 * How far a neuron's activation goes with the label, on two sets of examples. A neuron that carries a shortcut goes
 * with it where the shortcut does, as in the training data, and not where the shortcut says nothing.
 */
import type { Engine, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { pearson } from "./agreement.ts";
import { forEachTrace, type TracedNeurons } from "./traces.ts";

/**
 * How the activations at a prompt's positions become one number: their mean, the last one, or the one of largest size.
 */
export type Pooling = "mean" | "last" | "largest";

/** One set of examples. */
export interface LabelledExamples {
  /** At least two. */
  readonly examples: readonly Example[];
  /**
   * What to correlate with, one integer an example, such as the side of a shortcut. Default: the index of the gold
   * choice.
   */
  readonly labels?: readonly number[];
}

/** Options of `labelCorrelations`. */
export interface LabelCorrelationOptions extends RunOptions {
  /** Default `mean`. */
  readonly pooling?: Pooling;
}

/** Correlations of one neuron. */
export interface NeuronCorrelation {
  /** Counted from 0. */
  readonly layer: number;
  /** Counted from 0. */
  readonly neuron: number;
  /**
   * On the first set: Pearson's correlation (point-biserial) with the label where there are two labels, in -1..1; with
   * more labels the correlation ratio, the root of the share of the variance that lies between labels, in 0..1. Null
   * where the activation or the label is constant.
   */
  readonly train: number | null;
  /** The same on the second set. */
  readonly test: number | null;
}

/** What `labelCorrelations` found. */
export interface LabelCorrelations {
  /** How positions were pooled. */
  readonly pooling: Pooling;
  /** By entry of the neurons given, then as given there. */
  readonly neurons: readonly NeuronCorrelation[];
  /** Mean |correlation| on the first set over the neurons that have both; null if none has. */
  readonly meanTrain: number | null;
  /** The same on the second set. */
  readonly meanTest: number | null;
  /**
   * Correlation, over neurons, of the two correlations: near 1 if the neurons mean the same on both sets. Null below
   * two.
   */
  readonly agreement: number | null;
}

/**
 * Correlates the activations of neurons with the label on two sets of examples.
 *
 * @throws {RangeError} If a set has fewer than two examples or not one label each, or a neuron is not there.
 */
export async function labelCorrelations(
  engine: Engine,
  neurons: readonly TracedNeurons[],
  sets: { readonly train: LabelledExamples; readonly test: LabelledExamples },
  options: LabelCorrelationOptions = {},
): Promise<LabelCorrelations> {
  const { pooling = "mean" } = options;
  if (!["mean", "last", "largest"].includes(pooling)) {
    throw new RangeError(`Cannot pool activations by "${pooling}": expected mean, last or largest`);
  }
  for (const [name, { examples, labels }] of Object.entries(sets)) {
    if (examples.length < 2) {
      throw new RangeError(`Cannot correlate over ${examples.length} ${name} examples: expected at least 2`);
    }
    if (labels && labels.length !== examples.length) {
      throw new RangeError(`Cannot correlate ${examples.length} ${name} examples with ${labels.length} labels`);
    }
  }
  const train = await correlate(engine, neurons, sets.train, pooling, options, "trace training rows");
  const test = await correlate(engine, neurons, sets.test, pooling, options, "trace test rows");
  const all = neurons.flatMap(({ layer, neurons: list }, entry) =>
    Array.from(list, (neuron, i): NeuronCorrelation => ({
      layer,
      neuron,
      train: train[entry][i],
      test: test[entry][i],
    }))
  );
  const both = all.filter((neuron) => neuron.train !== null && neuron.test !== null);
  const mean = (set: "train" | "test") =>
    both.length === 0 ? null : both.reduce((sum, neuron) => sum + Math.abs(neuron[set]!), 0) / both.length;
  return {
    pooling,
    neurons: all,
    meanTrain: mean("train"),
    meanTest: mean("test"),
    agreement: both.length < 2 ? null : pearson(both.map(({ train }) => train!), both.map(({ test }) => test!)),
  };
}

/** Correlation of every neuron with the label: `[entry][neuron]`. */
async function correlate(
  engine: Engine,
  traced: readonly TracedNeurons[],
  { examples, labels = examples.map((example) => example.gold) }: LabelledExamples,
  pooling: Pooling,
  run: RunOptions,
  stage: string,
): Promise<(number | null)[][]> {
  const pooled = traced.map(({ neurons }) => Array.from(neurons, () => new Float64Array(examples.length)));
  await forEachTrace(engine, examples, traced, (example, entry, h) => {
    pooled[entry].forEach((values, column) => {
      values[example] = pool(h, column, traced[entry].neurons.length, pooling);
    });
  }, { ...run, stage });
  return pooled.map((neurons) => neurons.map((values) => correlation(values, labels)));
}

function pool(h: Float32Array, column: number, columns: number, pooling: Pooling): number {
  if (pooling === "last") return h[h.length - columns + column];
  let sum = 0, largest = 0;
  for (let at = column; at < h.length; at += columns) {
    sum += h[at];
    if (Math.abs(h[at]) > Math.abs(largest)) largest = h[at];
  }
  return pooling === "mean" ? sum / (h.length / columns) : largest;
}

/** Pearson's correlation with two labels, the correlation ratio with more; null where one of the two is constant. */
export function correlation(values: ArrayLike<number>, labels: readonly number[]): number | null {
  const distinct = [...new Set(labels)].sort((a, b) => a - b);
  if (distinct.length < 2 || new Set(Array.from(values)).size < 2) return null;
  if (distinct.length === 2) return pearson(values, labels.map((label) => distinct.indexOf(label)));
  const n = labels.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i] / n;
  let total = 0;
  for (let i = 0; i < n; i++) total += (values[i] - mean) ** 2;
  let between = 0;
  for (const label of distinct) {
    const members = labels.flatMap((other, i) => other === label ? [values[i]] : []);
    const own = members.reduce((sum, value) => sum + value, 0) / members.length;
    between += members.length * (own - mean) ** 2;
  }
  return Math.sqrt(Math.min(1, between / total));
}
