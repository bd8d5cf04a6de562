/** Random examples for a random checkpoint: the same tokens for the same options. */
import type { ModelConfig } from "../../src/checkpoint/model_config.ts";
import type { Example } from "../../src/tasks/example.ts";
import { createRandom } from "../../src/tasks/random.ts";

/** How many examples, and how long; every field has a default. */
export interface TinyExampleOptions {
  /** N, default 3. */
  readonly count?: number;
  /**
   * Shortest and longest prompt in tokens, default 1 to 9. The first example has the shortest, the second the longest.
   */
  readonly promptTokens?: readonly [shortest: number, longest: number];
  /** C, default 3. */
  readonly choices?: number;
  /** Shortest and longest choice in tokens, default 1 to 1. */
  readonly choiceTokens?: readonly [shortest: number, longest: number];
  /** Default 1. */
  readonly seed?: number;
}

/** Makes examples with random tokens and a random right choice; first tokens of an example's choices differ. */
export function makeTinyExamples(
  config: Pick<ModelConfig, "vocabularySize">,
  options: TinyExampleOptions = {},
): Example[] {
  const { count = 3, promptTokens = [1, 9], choices = 3, choiceTokens = [1, 1], seed = 1 } = options;
  const random = createRandom(seed);
  const vocabulary = Array.from({ length: config.vocabularySize }, (_, token) => token);
  const between = ([least, most]: readonly [number, number]) => least + random.nextBelow(most - least + 1);
  const tokens = (length: number) => Uint32Array.from({ length }, () => random.nextBelow(config.vocabularySize));
  return Array.from({ length: count }, (_, index) => ({
    id: `tiny/${index}`,
    prompt: tokens(index < 2 ? promptTokens[index] : between(promptTokens)),
    choices: random.sample(vocabulary, choices).map((first) =>
      Uint32Array.from([first, ...tokens(between(choiceTokens) - 1)])
    ),
    choiceCharacters: Array.from({ length: choices }, () => 1 + random.nextBelow(9)),
    gold: random.nextBelow(choices),
  }));
}
