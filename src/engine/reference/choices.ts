/** Log-probabilities of an example's choices as continuations of its prompt. */
import type { Example } from "../../tasks/example.ts";
import { forward, logitsAt } from "./forward.ts";
import { logProbability } from "./objective.ts";
import type { Scalings } from "./scaling.ts";
import type { Model } from "./weights.ts";

/**
 * Sum of the natural-log probabilities of each choice's tokens, `[C]`. Choices of one token share the pass over the
 * prompt; each longer one has a pass of its own.
 */
export function choiceLogProbs(model: Model, example: Example, scalings: Scalings): Float64Array {
  const { prompt, choices } = example;
  const firstRow = prompt.length - 1;
  const result = new Float64Array(choices.length);
  let promptLogits: Float64Array | undefined;
  choices.forEach((choice, index) => {
    if (choice.length === 1) {
      promptLogits ??= logitsAt(model, forward(model, prompt, { scalings, firstRow }), firstRow);
      result[index] = logProbability(promptLogits, choice[0]);
      return;
    }
    // The last token is predicted, never read.
    const tokens = new Uint32Array(prompt.length + choice.length - 1);
    tokens.set(prompt);
    tokens.set(choice.subarray(0, -1), prompt.length);
    const pass = forward(model, tokens, { scalings, firstRow });
    choice.forEach((token, i) => result[index] += logProbability(logitsAt(model, pass, firstRow + i), token));
  });
  return result;
}
