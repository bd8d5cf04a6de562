/** What a run says in one sentence, with its uncertainty. */
import type { PairedComparison } from "../method/paired.ts";
import { counted, grouped, percent, points } from "./numbers.ts";
import type { RunResults } from "../method/run_results.ts";
import { compareAnswers } from "./changed_answers.ts";

/** Which way the interval of the difference lies. */
export type Direction = "better" | "worse" | "unclear" | "unmodified";

/** The verdict on a run. */
export interface Verdict {
  readonly direction: Direction;
  /** One sentence. */
  readonly sentence: string;
  /** The answers it rests on. */
  readonly comparison: PairedComparison;
}

/** Judges a run by its test examples and the metric that decided its search. */
export function judge(data: RunResults): Verdict {
  const { record, searched } = data;
  const { metric } = searched.settings;
  const comparison = compareAnswers(data);
  const before = percent(record.test.unpruned[metric].accuracy);
  const after = percent(record.test.pruned[metric].accuracy);
  const on = counted(comparison.count, "test example");
  const { difference, interval: [low, high] } = comparison;
  if (record.chosen.layer === null) {
    return {
      direction: "unmodified",
      sentence: `The search kept the unmodified model, which answers ${before} of ${on} rightly: none of ${
        counted(record.configurations - 1, "pruned configuration")
      } did better on ${counted(searched.examples.length, "example")}.`,
      comparison,
    };
  }
  const what = `Pruning ${describePlanned(data)}`;
  const from = `accuracy on ${on} from ${before} to ${after}`;
  const interval = `95\u00a0% interval ${points(low)} to ${points(high)}`;
  if (low > 0) {
    return {
      direction: "better",
      sentence: `${what} raised ${from}: ${points(difference)} points, ${interval}.`,
      comparison,
    };
  }
  if (high < 0) {
    return {
      direction: "worse",
      sentence: `${what} lowered ${from}: ${points(difference)} points, ${interval}.`,
      comparison,
    };
  }
  return {
    direction: "unclear",
    sentence: `${what} made no clear difference: ${from}, ${points(difference)} points, ${interval}.`,
    comparison,
  };
}

/** `29 of the 192 gate_proj neurons of layer 0`, of a plan that is not empty. */
export function describePlanned({ plan, scored, searched, record }: RunResults): string {
  const { neurons } = scored.scores;
  const pruned = plan.masks.reduce((sum, mask) => sum + mask.neurons.length, 0);
  // A row of down_proj is an output of the layer, not a neuron.
  const noun = searched.site === "down" ? "rows" : "neurons";
  return `${grouped(pruned)} of the ${grouped(neurons)} ${searched.site}_proj ${noun} of layer ${record.chosen.layer}`;
}
