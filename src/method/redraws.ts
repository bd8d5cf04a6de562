/** How much of a result is luck: the same job over several draws of the adaptation examples. */
import type { Engine } from "../engine/engine.ts";
import { refuseShared } from "../tasks/draw.ts";
import type { Example } from "../tasks/example.ts";
import { drawRows, type Sampling } from "../tasks/sample.ts";
import { evaluate } from "./evaluate.ts";
import { makePlans, type PlanningOptions, type PlanningResult } from "./pipeline.ts";
import { type Plan, planToIntervention } from "./plan.ts";
import { renameStages, runOptionsOf, secondsSince } from "./progress.ts";
import type { Configuration } from "./search.ts";

/** What `runRedraws` works on. */
export interface RedrawInput extends PlanningOptions {
  /** The model. */
  readonly engine: Engine;
  /** The examples that adaptation examples are drawn from. */
  readonly pool: readonly Example[];
  /** The examples that nothing is chosen on. */
  readonly test: readonly Example[];
  /** Number of redraws, at least 1. */
  readonly redraws: number;
  /** Adaptation examples per redraw. */
  readonly size: number;
  /** Default `plain`. */
  readonly sampling?: Sampling;
  /** Redraw r uses seed + r for its examples and its random neurons. Default 0. */
  readonly seed?: number;
  /** Random plans at the chosen cell of each redraw. Default 1, since the redraws are averaged anyway. */
  readonly randomDraws?: number;
}

/** What is compared. `random` is the mean over a redraw's random plans at the chosen cell. */
export type Arm = "unpruned" | "pruned" | "lowest" | "random" | "randomSearched";

/** Mean and sample standard deviation (divisor n - 1; null for a single value). */
export interface Spread {
  /** Arithmetic mean. */
  readonly mean: number;
  /** Null for a single value. */
  readonly standardDeviation: number | null;
}

/** One redraw. */
export interface Redraw {
  /** Seed of its examples and of its random neurons. */
  readonly seed: number;
  /** Positions in the pool of the adaptation examples, in the order drawn. */
  readonly rows: readonly number[];
  /** What its search chose. */
  readonly chosen: Configuration;
  /** Configurations that its search found equally accurate, the chosen one included. */
  readonly tiedOnAccuracy: number;
  /** Of all its paths. */
  readonly worstCompletenessError: number;
  /** Test accuracy by the metric of the search; arms that were not asked for are missing. */
  readonly accuracy: Readonly<Partial<Record<Arm, number>>>;
}

/** What `runRedraws` found. */
export interface RedrawResult {
  /** In the order of their seeds. */
  readonly redraws: readonly Redraw[];
  /** Test accuracy over the redraws; arms that were not asked for are missing. */
  readonly accuracy: Readonly<Partial<Record<Arm, Spread>>>;
  /** Accuracy of `pruned` minus that of each other arm, redraw by redraw. */
  readonly gainOver: Readonly<Partial<Record<Exclude<Arm, "pruned">, Spread>>>;
  /** Wall time. */
  readonly seconds: number;
}

const arms: readonly Arm[] = ["unpruned", "pruned", "lowest", "random", "randomSearched"];

/**
 * Draws adaptation examples `redraws` times, makes plans from each draw, and evaluates all of them on the test examples
 * in one call.
 *
 * @throws {RangeError} As `makePlans`, if `redraws` is not an integer from 1, or the pool is smaller than `size` or
 * shares an example with the test.
 */
export async function runRedraws(input: RedrawInput): Promise<RedrawResult> {
  const start = performance.now();
  const { engine, pool, redraws, size, sampling = "plain", seed = 0, randomDraws = 1 } = input;
  if (input.test.length === 0) throw new RangeError("Cannot evaluate on 0 test examples: expected at least one");
  if (!Number.isInteger(redraws) || redraws < 1) {
    throw new RangeError(`Cannot redraw ${redraws} times: expected an integer from 1`);
  }
  refuseShared(pool, input.test);
  const golds = pool.map((example) => example.gold);
  const drawn: { readonly seed: number; readonly rows: number[]; readonly planning: PlanningResult }[] = [];
  for (let redraw = 0; redraw < redraws; redraw++) {
    input.signal?.throwIfAborted();
    const rows = drawRows(golds, { count: size, seed: seed + redraw, sampling });
    const planning = await makePlans({
      engine,
      adaptation: rows.map((row) => pool[row]),
      score: input.score,
      search: input.search,
      seed: seed + redraw,
      randomDraws,
      randomSearch: input.randomSearch,
      ...renameStages(input, (stage) => `redraw ${redraw + 1}/${redraws}: ${stage}`),
    });
    drawn.push({ seed: seed + redraw, rows, planning });
  }

  const accuracyOf = await testAccuracies(input, drawn.map(({ planning }) => planning));
  const results = drawn.map(({ seed, rows, planning }): Redraw => {
    const { scored, searched, plans } = planning;
    return {
      seed,
      rows,
      chosen: searched.configurations[searched.chosen],
      tiedOnAccuracy: searched.tiedOnAccuracy,
      worstCompletenessError: scored.completenessError.worst,
      accuracy: {
        unpruned: accuracyOf(null),
        pruned: accuracyOf(plans.pruned),
        lowest: accuracyOf(plans.lowest),
        ...(plans.random.length > 0 && { random: spread(plans.random.map(accuracyOf)).mean }),
        ...(plans.randomSearched && { randomSearched: accuracyOf(plans.randomSearched) }),
      },
    };
  });
  const present = arms.filter((arm) => results[0].accuracy[arm] !== undefined);
  const overRedraws = (value: (redraw: Redraw) => number) => spread(results.map(value));
  return {
    redraws: results,
    accuracy: Object.fromEntries(present.map((arm) => [arm, overRedraws(({ accuracy }) => accuracy[arm]!)])),
    gainOver: Object.fromEntries(
      present.filter((arm) => arm !== "pruned").map((arm) => [
        arm,
        overRedraws(({ accuracy }) => accuracy.pruned! - accuracy[arm]!),
      ]),
    ),
    seconds: secondsSince(start),
  };
}

/** Evaluates every plan and the unmodified model (null) on the test examples at once. */
async function testAccuracies(
  input: RedrawInput,
  plannings: readonly PlanningResult[],
): Promise<(plan: Plan | null) => number> {
  const plans: (Plan | null)[] = [
    null,
    ...plannings.flatMap(({ plans: { pruned, lowest, random, randomSearched } }) => [
      pruned,
      lowest,
      ...random,
      ...(randomSearched ? [randomSearched] : []),
    ]),
  ];
  const evaluations = await evaluate(input.engine, input.test, {
    interventions: plans.map((plan) => plan === null ? [] : planToIntervention(plan)),
    ...runOptionsOf(input),
  });
  const metric = input.search?.metric ?? "acc";
  const accuracies = new Map(plans.map((plan, index) => [plan, evaluations[index].scores[metric].accuracy]));
  return (plan) => accuracies.get(plan)!;
}

/**
 * Mean and sample standard deviation.
 *
 * @param values At least one number.
 */
export function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardDeviation: values.length < 2 ? null : Math.sqrt(squares / (values.length - 1)) };
}
