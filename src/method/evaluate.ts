/** What a model answers, unmodified or under plans, and how well. */
import type { Engine, Intervention, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { type FurtherMetric, type FurtherScore, scoreFurther } from "../tasks/further_scoring.ts";
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
  /** The further metrics that were asked for. */
  readonly further: readonly FurtherScore[];
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends RunOptions {
  /** What to evaluate; default: the unmodified model alone. */
  readonly interventions?: readonly Intervention[];
  /** Metrics to report besides, such as those of a task. Default: none. */
  readonly furtherMetrics?: readonly FurtherMetric[];
}

/**
 * Accuracies and margins from log-probabilities that are already known, `[N][C]`.
 *
 * @param further Further metrics; `acc_mutual_info` needs the log-probabilities without a context, `[N][C]`.
 */
export function evaluateLogProbs(
  examples: readonly Example[],
  logProbs: readonly Float64Array[],
  further: { readonly metrics: readonly FurtherMetric[]; readonly unconditional?: readonly Float64Array[] } = {
    metrics: [],
  },
): Evaluation {
  const scores = Object.fromEntries(metrics.map((metric) => [metric, scoreExamples(examples, logProbs, metric)]));
  return {
    examples: examples.map((example) => example.id),
    logProbs,
    scores: scores as Record<Metric, Score>,
    further: further.metrics.map((metric) => scoreFurther(metric, examples, logProbs, further.unconditional)),
  };
}

/** The examples' choices without their contexts, each once, and which of them is whose `[N]`. */
function unconditionalExamples(examples: readonly Example[]): { distinct: Example[]; place: number[] } {
  const distinct: Example[] = [];
  const places = new Map<string, number>();
  const place = examples.map(({ unconditional, prompts: _, ...example }) => {
    if (unconditional === undefined) {
      throw new RangeError(
        `Cannot measure acc_mutual_info on example ${example.id}: name it under metric_list of the task`,
      );
    }
    // Letters and labels are the same in every example.
    const key = unconditional.choices.map((ids) => ids.join(" ")).join(",");
    const known = places.get(key) ?? distinct.push({ ...example, ...unconditional }) - 1;
    places.set(key, known);
    return known;
  });
  return { distinct, place };
}

/**
 * Evaluates examples under every intervention; one result per intervention, in their order. Interventions that switch
 * off the same neurons are computed once.
 *
 * @throws {RangeError} If there is no example, the engine returns NaN, or a further metric does not fit the examples.
 */
export async function evaluate(
  engine: Pick<Engine, "choiceLogProbs">,
  examples: readonly Example[],
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  if (examples.length === 0) throw new RangeError("Cannot evaluate 0 examples: expected at least one");
  const { interventions = [[]], furtherMetrics = [] } = options;
  const distinct = new Map<string, Intervention>();
  for (const intervention of interventions) distinct.set(interventionKey(intervention), intervention);
  const alone = furtherMetrics.includes("acc_mutual_info") ? unconditionalExamples(examples) : null;
  const asked = [...examples, ...alone?.distinct ?? []];
  const logProbs = await engine.choiceLogProbs(asked, [...distinct.values()], forStage(options, "evaluate"));
  const evaluations = new Map(
    [...distinct.keys()].map((key, index) => {
      const own = logProbs[index].slice(0, examples.length);
      const unconditional = alone?.place.map((place) => logProbs[index][examples.length + place]);
      const further = { metrics: furtherMetrics, ...(unconditional && { unconditional }) };
      return [key, evaluateLogProbs(examples, own, further)];
    }),
  );
  return interventions.map((intervention) => evaluations.get(interventionKey(intervention))!);
}

/** Equal for interventions that switch off the same neurons, whatever the order of their masks. */
export function interventionKey(intervention: Intervention): string {
  return intervention
    .filter((mask) => mask.neurons.length > 0)
    .map(({ layer, site, neurons }) => `${layer} ${site} ${neurons.join(",")}`)
    .sort()
    .join(";");
}
