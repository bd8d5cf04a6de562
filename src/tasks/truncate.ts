/** Prompts that are too long for a model, cut from the left as lm-evaluation-harness cuts them. */
import type { Example } from "./example.ts";

/** Prompt and choices of an example, and a prompt for each choice where they differ. */
type Tokens = Pick<Example, "prompt" | "prompts" | "choices">;

/**
 * Cuts tokens off the beginning of a prompt until prompt and choice have `maxTokens`, the last token of the choice not
 * counted. Each choice is cut by itself: where that leaves prompts of different lengths, each has a prompt of its own.
 *
 * @returns What is left, and how many tokens are missing at most; null where a choice alone is too long.
 */
export function truncatePrompts(
  { prompt, prompts, choices }: Tokens,
  gold: number,
  maxTokens: number,
): Tokens & { readonly cutTokens: number } | null {
  if (choices.some(({ length }) => length > maxTokens)) return null;
  const whole = choices.map((_, choice) => prompts?.[choice] ?? prompt);
  const cut = whole.map((tokens, choice) =>
    tokens.slice(-Math.min(tokens.length, maxTokens + 1 - choices[choice].length))
  );
  const cutTokens = whole.reduce((most, { length }, choice) => Math.max(most, length - cut[choice].length), 0);
  const isShared = prompts === undefined && cut.every(({ length }) => length === cut[0].length);
  return { prompt: cut[gold], ...(!isShared && { prompts: cut }), choices, cutTokens };
}
