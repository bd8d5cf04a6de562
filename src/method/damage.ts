/** What pruning for one task does elsewhere: accuracy on other tasks, and perplexity on text. */
import type { Engine, Intervention, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import type { Metric } from "../tasks/scoring.ts";
import type { TextWindows } from "../tasks/text_windows.ts";
import { evaluate } from "./evaluate.ts";
import { forStage } from "./progress.ts";

/** How well a model predicts a text. */
export interface Perplexity {
  /** Sum of the natural-log probabilities of all its tokens. */
  readonly logLikelihood: number;
  /** exp(-logLikelihood / tokens) */
  readonly perToken: number;
  /** exp(-logLikelihood / words), as lm-evaluation-harness reports it; null for a text without words. */
  readonly perWord: number | null;
  /** -logLikelihood / (bytes ln 2): comparable between tokenizers. */
  readonly bitsPerByte: number;
}

/** Perplexity of one text under every intervention. */
export interface TextPerplexities {
  /** Name of the text. */
  readonly name: string;
  /** Tokens that were predicted. */
  readonly tokens: number;
  /** In the order of the interventions. */
  readonly perplexities: readonly Perplexity[];
}

/** A task that nothing was chosen on. */
export interface OtherTask {
  /** Named in the result. */
  readonly name: string;
  /** At least one. */
  readonly examples: readonly Example[];
  /** Default `acc`. */
  readonly metric?: Metric;
}

/** Accuracy on one task under every intervention. */
export interface TaskAccuracies {
  /** Name of the task. */
  readonly name: string;
  /** How answers were judged. */
  readonly metric: Metric;
  /** Number of examples. */
  readonly count: number;
  /** In the order of the interventions. */
  readonly accuracies: readonly number[];
  /** Mean margins, in the order of the interventions. */
  readonly meanMargins: readonly number[];
  /** For each intervention, examples that it answers rightly and the first one does not. */
  readonly mended: readonly number[];
  /** For each intervention, examples that the first one answers rightly and it does not. */
  readonly broken: readonly number[];
}

/** What `measureDamage` found. */
export interface Damage {
  /** One a task. */
  readonly tasks: readonly TaskAccuracies[];
  /** One a text. */
  readonly texts: readonly TextPerplexities[];
}

/**
 * Perplexity of texts under every intervention, from the log-probabilities of their windows.
 *
 * @throws {RangeError} If a window does not fit the model; and as the engine throws.
 */
export async function measurePerplexity(
  engine: Engine,
  texts: readonly TextWindows[],
  options: RunOptions & { readonly interventions?: readonly Intervention[] } = {},
): Promise<TextPerplexities[]> {
  const { interventions = [[]] } = options;
  const results: TextPerplexities[] = [];
  for (const { name, windows, tokens, words, bytes } of texts) {
    const logProbs = await engine.choiceLogProbs(windows, interventions, forStage(options, `perplexity of ${name}`));
    const perplexities = logProbs.map((byWindow): Perplexity => {
      const logLikelihood = byWindow.reduce((sum, [logProb]) => sum + logProb, 0);
      return {
        logLikelihood,
        perToken: Math.exp(-logLikelihood / tokens),
        perWord: words === 0 ? null : Math.exp(-logLikelihood / words),
        bitsPerByte: -logLikelihood / (bytes * Math.LN2),
      };
    });
    results.push({ name, tokens, perplexities });
  }
  return results;
}

/**
 * Measures other tasks and texts under every intervention; put the unmodified model, `[]`, first to compare with it.
 *
 * @throws {RangeError} If there is no intervention, or a task has no example.
 */
export async function measureDamage(
  engine: Engine,
  elsewhere: { readonly tasks?: readonly OtherTask[]; readonly texts?: readonly TextWindows[] },
  interventions: readonly Intervention[],
  options: RunOptions = {},
): Promise<Damage> {
  if (interventions.length === 0) throw new RangeError("Cannot measure the damage of 0 interventions: expected one");
  const tasks: TaskAccuracies[] = [];
  for (const { name, examples, metric = "acc" } of elsewhere.tasks ?? []) {
    const evaluations = await evaluate(engine, examples, { ...forStage(options, `evaluate ${name}`), interventions });
    const scores = evaluations.map((evaluation) => evaluation.scores[metric]);
    const [{ correct: first }] = scores;
    tasks.push({
      name,
      metric,
      count: examples.length,
      accuracies: scores.map(({ accuracy }) => accuracy),
      meanMargins: scores.map(({ meanMargin }) => meanMargin),
      mended: scores.map(({ correct }) => correct.filter((right, i) => right && !first[i]).length),
      broken: scores.map(({ correct }) => correct.filter((right, i) => !right && first[i]).length),
    });
  }
  return { tasks, texts: await measurePerplexity(engine, elsewhere.texts ?? [], { ...options, interventions }) };
}
