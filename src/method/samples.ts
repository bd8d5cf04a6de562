/**
 * What a model answered row by row, as lm-evaluation-harness logs it, with the log-probabilities as numbers besides.
 */
import { createHash } from "node:crypto";
import type { Row } from "../tasks/dataset.ts";
import type { ChoiceRequest } from "../tasks/example_builder.ts";
import type { Example } from "../tasks/example.ts";
import type { ValueRecord } from "../tasks/python_value.ts";
import type { Metric } from "../tasks/scoring.ts";
import type { Evaluation } from "./evaluate.ts";
import type { Jsonable } from "./json.ts";

/** One row of an evaluation, as JSON. */
export type Sample = { readonly [name: string]: Jsonable };

/** What is known of the rows of an evaluation, each list `[N]` in the same order. */
export interface SampleInput {
  /** The rows as texts. */
  readonly requests: readonly ChoiceRequest[];
  /** The rows as token ids. */
  readonly examples: readonly Example[];
  /** The rows as their files have them. */
  readonly rows: readonly Row[];
  /** What was answered. */
  readonly evaluation: Evaluation;
  /** What another model, or the same under another plan, answered to the same rows. */
  readonly against?: Evaluation;
  /** Which metrics to list. */
  readonly metrics: readonly Metric[];
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Cells as JSON can hold them: null where a number is not finite. */
function finiteCells(value: ValueRecord): ValueRecord {
  return JSON.parse(JSON.stringify(value));
}

/** A float as Python writes it, which is how the harness logs responses. */
function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Answers to one row: log-probabilities, best choice, and whether it is right by each metric. */
function answers(
  { logProbs, scores }: Evaluation,
  index: number,
  metrics: readonly Metric[],
): { readonly [name: string]: Jsonable } {
  return {
    log_probs: Array.from(logProbs[index], finite),
    prediction: scores[metrics[0]].predictions[index],
    ...Object.fromEntries(metrics.map((metric) => [metric, scores[metric].correct[index] ? 1 : 0])),
  };
}

/**
 * Describes every row. The keys of the harness come first: `doc_id` (row of its file's split), `doc`, `target`,
 * `arguments`, `resps`, `filtered_resps`, `filter`, `metrics` and the hashes; whether a choice is the greedy
 * continuation is not known here, so the second part of a response is `None`. `id`, `choices`, `log_probs` (null for an
 * impossible choice) and `prediction` are added, and `against` where there is another evaluation.
 */
export function describeSamples(input: SampleInput): Sample[] {
  const { requests, examples, rows, evaluation, against, metrics } = input;
  return requests.map((request, index): Sample => {
    const { id, context, contexts, continuations, choices, gold } = request;
    const { golds = [gold] } = examples[index];
    const target = golds.length === 1 ? String(gold) : `[${golds.join(", ")}]`;
    const responses = Array.from(evaluation.logProbs[index], (value) => [pythonFloat(value), "None"]);
    const values = finiteCells(rows[index].values);
    return {
      doc_id: Number(id.slice(id.lastIndexOf("/") + 1)),
      doc: values,
      target,
      arguments: Object.fromEntries(
        continuations.map((continuation, choice) => [
          `gen_args_${choice}`,
          { arg_0: contexts?.[choice] ?? context, arg_1: continuation },
        ]),
      ),
      resps: responses.map((response) => [response]),
      filtered_resps: responses,
      filter: "none",
      metrics: [...metrics],
      doc_hash: sha256(JSON.stringify(values, null, 2)),
      prompt_hash: sha256(contexts?.[0] ?? context),
      target_hash: sha256(target),
      id,
      choices: [...choices],
      ...answers(evaluation, index, metrics),
      ...(against && { against: answers(against, index, metrics) }),
    };
  });
}

/** Samples as JSON Lines. */
export function serialiseSamples(samples: readonly Sample[]): string {
  return samples.map((sample) => `${JSON.stringify(sample)}\n`).join("");
}
