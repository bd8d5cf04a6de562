/** Examples whose choices have prompts of their own, as examples of one choice each. */
import type { Example } from "../tasks/example.ts";

/** What to run in the place of some examples, and how the results become theirs. */
export interface SplitExamples {
  readonly examples: readonly Example[];
  /** From `[example run][choice]` to `[example][choice]`. */
  join(logProbs: readonly Float64Array[]): Float64Array[];
}

/** Splits the examples that have `prompts`; the others stay as they are. */
export function splitPrompts(examples: readonly Example[]): SplitExamples {
  const parts = examples.map((example) => {
    const { prompts, ...rest } = example;
    return prompts === undefined
      ? [example]
      : prompts.map((prompt, choice): Example => ({ ...rest, prompt, choices: [example.choices[choice]] }));
  });
  return {
    examples: parts.flat(),
    join(logProbs) {
      let next = 0;
      return parts.map((own, index) => {
        const results = logProbs.slice(next, next += own.length);
        if (examples[index].prompts === undefined) return results[0];
        return Float64Array.from(results, ([logProb]) => logProb);
      });
    },
  };
}
