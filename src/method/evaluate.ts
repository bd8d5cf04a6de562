/** What a model answers, unmodified or under plans, and how well. */
import type { Engine, Intervention, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { type Metric, metrics, type Score, scoreExamples } from "../tasks/scoring.ts";
import { forStage } from "./progress.ts";

/** How one model answers some examples. */
export interface Evaluation {
  /** Ids of the examples `[N]`. */
  readonly examples: readonly string[];
  /** Natural-log probability of each choice `[N][C]`. */
  readonly logProbs: readonly Float64Array[];
  /** Accuracy, standard error, margins and predictions by each metric. */
  readonly scores: Readonly<Record<Metric, Score>>;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends RunOptions {
  /** What to evaluate; default: the unmodified model alone. */
  readonly interventions?: readonly Intervention[];
}

/** Accuracies and margins from log-probabilities that are already known, `[N][C]`. */
export function evaluateLogProbs(examples: readonly Example[], logProbs: readonly Float64Array[]): Evaluation {
  const scores = Object.fromEntries(metrics.map((metric) => [metric, scoreExamples(examples, logProbs, metric)]));
  return {
    examples: examples.map((example) => example.id),
    logProbs,
    scores: scores as Record<Metric, Score>,
  };
}

/**
 * Evaluates examples under every intervention; one result per intervention, in their order. Interventions that switch
 * off the same neurons are computed once.
 *
 * @throws {RangeError} If there is no example, or the engine returns NaN.
 */
export async function evaluate(
  engine: Engine,
  examples: readonly Example[],
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  if (examples.length === 0) throw new RangeError("Cannot evaluate 0 examples: expected at least one");
  const interventions = options.interventions ?? [[]];
  const distinct = new Map<string, Intervention>();
  for (const intervention of interventions) distinct.set(interventionKey(intervention), intervention);
  const logProbs = await engine.choiceLogProbs(examples, [...distinct.values()], forStage(options, "evaluate"));
  const evaluations = new Map(
    [...distinct.keys()].map((key, index) => [key, evaluateLogProbs(examples, logProbs[index])]),
  );
  return interventions.map((intervention) => evaluations.get(interventionKey(intervention))!);
}

/** Equal for interventions that switch off the same neurons, whatever the order of their masks. */
function interventionKey(intervention: Intervention): string {
  return intervention
    .filter((mask) => mask.neurons.length > 0)
    .map(({ layer, site, neurons }) => `${layer} ${site} ${neurons.join(",")}`)
    .sort()
    .join(";");
}
