/**
 * Rules that choose a configuration of the grid from its answers to a few labelled examples. The paper's rule looks at
 * accuracy first, which ties often on ten examples; the others look at what those ten also say.
 */
import type { Example } from "../tasks/example.ts";
import { createRandom } from "../tasks/random.ts";
import { bestChoice, choiceMargin, choiceScores, isRight, type Metric } from "../tasks/scoring.ts";

/** One configuration with its answer to every selection example. The first of a list is the unmodified model. */
export interface CellAnswers {
  /** Null for the unmodified model. */
  readonly layer: number | null;
  /** 0 for the unmodified model. */
  readonly fraction: number;
  /** Neurons switched off. */
  readonly neurons: number;
  /** Whether each example is answered rightly `[N]`. */
  readonly correct: readonly boolean[];
  /** Gold choice minus best other one, in the metric's unit `[N]`. */
  readonly margins: Float64Array;
  /** Score of the gold choice in the metric's unit: its natural-log probability, or that per character `[N]`. */
  readonly gold: Float64Array;
  /** Natural log of the gold choices' share of the exponentials of all choices' scores `[N]`. */
  readonly goldShare: Float64Array;
}

/** What a rule decides on. */
export interface RuleInput {
  /** The unmodified model first, then the grid by layer and by fraction, ascending. */
  readonly cells: readonly CellAnswers[];
  /** The same cells, each example answered with neurons ranked without it; only `leave-one-out` needs them. */
  readonly leftOut?: readonly CellAnswers[];
  /** Of the bootstrap's draws, an integer in [0, 2^53). Default 0. */
  readonly seed?: number;
}

/**
 * How a configuration is chosen. All but the first end as the paper's rule does: fewer neurons, then the lower layer.
 *
 * - `paper`: accuracy, then mean margin, then fewer neurons, then the lower layer
 * - `margin`: mean margin first
 * - `gold-likelihood`: mean log-probability of the gold choice first
 * - `choice-likelihood`: mean log-share of the gold choice among the choices first
 * - `smoothed`: the paper's rule on values averaged over a fraction and its two neighbours, fraction 0 being the
 *   unmodified model
 * - `bootstrap`: the configuration that the paper's rule chooses most often when the examples are drawn anew with
 *   replacement
 * - `leave-one-out`: the paper's rule on answers to each example with neurons ranked without it
 *
 * Each of them with `+no-harm` keeps the model unpruned unless a sign-flip test on the log-shares of the gold choice
 * supports the gain.
 */
export type SelectionRule = BaseSelectionRule | `${BaseSelectionRule}+no-harm`;

/** A rule without a test of harm. */
export type BaseSelectionRule =
  | "paper"
  | "margin"
  | "gold-likelihood"
  | "choice-likelihood"
  | "smoothed"
  | "bootstrap"
  | "leave-one-out";

const baseRules: readonly BaseSelectionRule[] = [
  "paper",
  "margin",
  "gold-likelihood",
  "choice-likelihood",
  "smoothed",
  "bootstrap",
  "leave-one-out",
];

/** All rules. */
export const selectionRules: readonly SelectionRule[] = [
  ...baseRules,
  ...baseRules.map((rule): SelectionRule => `${rule}+no-harm`),
];

/** One-sided probability above which `+no-harm` keeps the model unpruned. */
export const noHarmLevel = 0.1;

/** Draws of the bootstrap. */
const bootstrapDraws = 200;

/** Answers of one configuration from its log-probabilities `[N][C]`. */
export function cellAnswers(
  place: Pick<CellAnswers, "layer" | "fraction" | "neurons">,
  examples: readonly Example[],
  logProbs: readonly Float64Array[],
  metric: Metric,
): CellAnswers {
  const scores = examples.map((example, index) => choiceScores(logProbs[index], example, metric));
  const over = (value: (scores: Float64Array, golds: readonly number[]) => number) =>
    Float64Array.from(scores, (row, index) => value(row, examples[index].golds ?? [examples[index].gold]));
  return {
    ...place,
    correct: scores.map((row, index) => isRight(examples[index], bestChoice(row))),
    margins: over(choiceMargin),
    gold: over((row, golds) => Math.max(...golds.map((gold) => row[gold]))),
    goldShare: over(logShare),
  };
}

/** log(sum over golds of exp(scores[gold]) / sum of exp(scores)) */
function logShare(scores: Float64Array, golds: readonly number[]): number {
  const largest = Math.max(...scores);
  if (largest === -Infinity) return Math.log(golds.length / scores.length);
  const sum = (values: ArrayLike<number>) =>
    Array.from(values).reduce((total, score) => total + Math.exp(score - largest), 0);
  return Math.log(sum(golds.map((gold) => scores[gold]))) - Math.log(sum(scores));
}

/** What a rule compares, the most important first; higher is better. */
type Key = readonly number[];

/** Index of the best key; the first one wins ties. */
function indexOfBest(keys: readonly Key[]): number {
  let best = 0;
  keys.forEach((key, index) => {
    const place = key.findIndex((value, i) => value !== keys[best][i]);
    if (place >= 0 && key[place] > keys[best][place]) best = index;
  });
  return best;
}

function weightedMean(values: ArrayLike<number | boolean>, weights: Uint32Array): number {
  let sum = 0, total = 0;
  for (let i = 0; i < weights.length; i++) {
    // A weight of 0 times an infinite margin would be NaN.
    if (weights[i] > 0) sum += weights[i] * Number(values[i]);
    total += weights[i];
  }
  return sum / total;
}

/** The last two places of every key. */
function smallest({ neurons, layer }: CellAnswers): Key {
  return [-neurons, -(layer ?? -1)];
}

function paperKeys(cells: readonly CellAnswers[], weights: Uint32Array): Key[] {
  return cells.map((cell) => [
    weightedMean(cell.correct, weights),
    weightedMean(cell.margins, weights),
    ...smallest(cell),
  ]);
}

/** Keys averaged over neighbouring fractions of the same layer, in all places but the last two. */
function smooth(cells: readonly CellAnswers[], keys: readonly Key[]): Key[] {
  return cells.map((cell, index) => {
    if (cell.layer === null) return keys[index];
    const before = cells[index - 1].layer === cell.layer ? index - 1 : 0;
    const after = cells[index + 1]?.layer === cell.layer ? [index + 1] : [];
    const near = [before, index, ...after];
    return keys[index].map((value, place) =>
      place < 2 ? near.reduce((sum, other) => sum + keys[other][place], 0) / near.length : value
    );
  });
}

/** The paper's choice in most of the draws; ties go to the one that the paper's rule prefers on all examples. */
function mostVoted(cells: readonly CellAnswers[], seed: number): number {
  const count = cells[0].correct.length;
  const random = createRandom(seed);
  const votes = new Uint32Array(cells.length);
  for (let draw = 0; draw < bootstrapDraws; draw++) {
    const weights = new Uint32Array(count);
    for (let i = 0; i < count; i++) weights[random.nextBelow(count)]++;
    votes[indexOfBest(paperKeys(cells, weights))]++;
  }
  const paper = paperKeys(cells, ones(count));
  return indexOfBest(paper.map((key, index) => [votes[index], ...key]));
}

function ones(count: number): Uint32Array {
  return new Uint32Array(count).fill(1);
}

function chooseBase(rule: BaseSelectionRule, { cells, leftOut, seed = 0 }: RuleInput): number {
  const weights = ones(cells[0].correct.length);
  const first = (values: (cell: CellAnswers) => Float64Array) =>
    indexOfBest(
      cells.map((
        cell,
      ) => [weightedMean(values(cell), weights), weightedMean(cell.correct, weights), ...smallest(cell)]),
    );
  switch (rule) {
    case "paper":
      return indexOfBest(paperKeys(cells, weights));
    case "margin":
      return first((cell) => cell.margins);
    case "gold-likelihood":
      return first((cell) => cell.gold);
    case "choice-likelihood":
      return first((cell) => cell.goldShare);
    case "smoothed":
      return indexOfBest(smooth(cells, paperKeys(cells, weights)));
    case "bootstrap":
      return mostVoted(cells, seed);
    case "leave-one-out":
      if (!leftOut) throw new RangeError("Cannot choose by leave-one-out: expected answers with each example left out");
      return indexOfBest(paperKeys(leftOut, weights));
  }
}

/** Most examples whose sign patterns are all gone through; beyond, `signFlips` of them are drawn. */
const exactExamples = 16;
const signFlips = 65536;

/**
 * One-sided sign-flip test: the share of sign patterns of the differences whose sum is at least the observed one. All
 * patterns up to 16 differences, else 65,536 drawn ones. Differences that are not finite count as 0.
 */
export function signFlipTest(differences: ArrayLike<number>, seed = 0): number {
  const values = Float64Array.from(differences, (value) => Number.isFinite(value) ? value : 0);
  const count = values.length;
  const observed = values.reduce((sum, value) => sum + value, 0);
  const scale = values.reduce((sum, value) => sum + Math.abs(value), 0);
  const isExact = count <= exactExamples;
  const total = isExact ? 2 ** count : signFlips;
  const random = createRandom(seed);
  let atLeast = 0;
  for (let pattern = 0; pattern < total; pattern++) {
    let sum = 0, bits = pattern;
    for (let i = 0; i < count; i++) {
      if (!isExact && i % 32 === 0) bits = random.nextUint32();
      sum += (bits >>> (i % 32)) & 1 ? -values[i] : values[i];
    }
    if (sum >= observed - 1e-12 * scale) atLeast++;
  }
  return atLeast / total;
}

/**
 * The index of the configuration that a rule chooses.
 *
 * @throws {RangeError} If the rule is unknown, there is no example, or `leave-one-out` lacks its answers.
 */
export function chooseCell(rule: SelectionRule, input: RuleInput): number {
  if (!selectionRules.includes(rule)) {
    throw new RangeError(`Cannot choose by the rule "${rule}": expected one of ${selectionRules.join(", ")}`);
  }
  const { cells, seed } = input;
  if (cells[0].correct.length === 0) throw new RangeError("Cannot choose on 0 examples: expected at least one");
  const [base, isCareful] = rule.endsWith("+no-harm")
    ? [rule.slice(0, -"+no-harm".length) as BaseSelectionRule, true]
    : [rule as BaseSelectionRule, false];
  const chosen = chooseBase(base, input);
  if (!isCareful || chosen === 0) return chosen;
  const gains = cells[chosen].goldShare.map((value, example) => value - cells[0].goldShare[example]);
  return signFlipTest(gains, seed) <= noHarmLevel ? chosen : 0;
}
