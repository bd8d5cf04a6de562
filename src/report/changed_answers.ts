/** Which of a run's answers were right, before and after pruning. */
import { type AnsweredExample, type AnsweringModel, findAnswer } from "../method/answers_file.ts";
import { comparePaired, type PairedComparison } from "../method/paired.ts";
import type { RunResults } from "../method/run_results.ts";
import type { Metric } from "../tasks/scoring.ts";

/** Whether a model's answer to each test example was right `[N]`. */
export function rightAnswers(
  examples: readonly AnsweredExample[],
  model: AnsweringModel,
  metric: Metric,
): boolean[] {
  return examples.map((example) => findAnswer(example, model, metric).isRight);
}

/** The pruned model's answers against the unmodified model's, by the metric that decided the search. */
export function compareAnswers({ answers, searched }: Pick<RunResults, "answers" | "searched">): PairedComparison {
  const { metric } = searched.settings;
  return comparePaired(
    rightAnswers(answers.examples, "unpruned", metric),
    rightAnswers(answers.examples, "pruned", metric),
  );
}
