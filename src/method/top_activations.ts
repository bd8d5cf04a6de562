/** What neurons respond to: the rows and the tokens on which they are most active. */
import type { Engine, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import type { Tokenizer } from "../tasks/tokenizer.ts";
import { forEachTrace, type TracedNeurons } from "./traces.ts";

/** One row on which a neuron is active: the position of its prompt where |h| is largest. */
export interface TopRow {
  /** Id of the example. */
  readonly example: string;
  /** Position in the prompt, counted from 0. */
  readonly position: number;
  /** Token id at that position. */
  readonly token: number;
  /** Text of the token; present with a tokenizer. */
  readonly text?: string;
  /** Text up to and including the token, at most `contextTokens` tokens; present with a tokenizer. */
  readonly context?: string;
  /** h at that position. */
  readonly activation: number;
}

/** One token on which a neuron is active. */
export interface TopToken {
  /** Token id. */
  readonly token: number;
  /** Text of the token; present with a tokenizer. */
  readonly text?: string;
  /** How often it occurs in the prompts. */
  readonly occurrences: number;
  /** Mean h over its occurrences. */
  readonly meanActivation: number;
}

/** What one neuron responds to. */
export interface NeuronResponses {
  /** Counted from 0. */
  readonly layer: number;
  /** Counted from 0. */
  readonly neuron: number;
  /** Mean h over all positions. */
  readonly mean: number;
  /** Rows by falling |h|, one position each; rows as active as each other in the order of the examples. */
  readonly rows: readonly TopRow[];
  /** Tokens by falling |mean h|; tokens as active as each other by id. */
  readonly tokens: readonly TopToken[];
}

/** Options of `topActivations`. */
export interface TopActivationOptions extends RunOptions {
  /** Rows to list for each neuron. Default 5. */
  readonly rows?: number;
  /** Tokens to list for each neuron. Default 5. */
  readonly tokens?: number;
  /** Tokens that occur less often are not listed. Default 2. */
  readonly minimumOccurrences?: number;
  /** Tokens of context with each row. Default 12. */
  readonly contextTokens?: number;
  /** Turns token ids into text. Default: ids only. */
  readonly tokenizer?: Pick<Tokenizer, "tokenText" | "decode">;
}

/**
 * Lists, for each neuron, the rows and the tokens on which |h| is largest.
 *
 * @throws {RangeError} If there is no example or neuron, a neuron is not there, or an option is out of range.
 */
export async function topActivations(
  engine: Engine,
  examples: readonly Example[],
  neurons: readonly TracedNeurons[],
  options: TopActivationOptions = {},
): Promise<NeuronResponses[]> {
  const { rows = 5, tokens = 5, minimumOccurrences = 2, contextTokens = 12, tokenizer } = options;
  for (const [name, value] of Object.entries({ rows, tokens, minimumOccurrences, contextTokens })) {
    if (Number.isInteger(value) && value >= 0) continue;
    throw new RangeError(`Cannot list top activations with ${name} ${value}: expected an integer from 0`);
  }
  const responses = neurons.map(({ neurons: list }) => Array.from(list, () => new Responses(rows)));
  await forEachTrace(engine, examples, neurons, (example, entry, h) => {
    const { length } = neurons[entry].neurons;
    responses[entry].forEach((response, column) => response.add(example, examples[example].prompt, h, column, length));
  }, options);
  const textOf = (token: number) => tokenizer && { text: tokenizer.tokenText(token) };
  return neurons.flatMap(({ layer, neurons: list }, entry) =>
    Array.from(list, (neuron, i): NeuronResponses => {
      const response = responses[entry][i];
      return {
        layer,
        neuron,
        mean: response.mean,
        rows: response.rows.map(({ example, position, activation }): TopRow => {
          const { id, prompt } = examples[example];
          const before = prompt.subarray(Math.max(0, position + 1 - contextTokens), position + 1);
          return {
            example: id,
            position,
            token: prompt[position],
            ...textOf(prompt[position]),
            ...(tokenizer && { context: tokenizer.decode(before) }),
            activation,
          };
        }),
        tokens: response.tokens(minimumOccurrences).slice(0, tokens).map((token) => ({
          ...token,
          ...textOf(token.token),
        })),
      };
    })
  );
}

/** What is known of one neuron so far. */
class Responses {
  readonly rows: { readonly example: number; readonly position: number; readonly activation: number }[] = [];
  readonly #limit: number;
  readonly #byToken = new Map<number, { count: number; sum: number }>();
  #count = 0;
  #sum = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get mean(): number {
    return this.#sum / this.#count;
  }

  /** Takes in column `column` of h `[T, columns]` of one example. */
  add(example: number, prompt: Uint32Array, h: Float32Array, column: number, columns: number): void {
    let best = 0;
    prompt.forEach((token, position) => {
      const value = h[position * columns + column];
      if (Math.abs(value) > Math.abs(h[best * columns + column])) best = position;
      const entry = this.#byToken.get(token) ?? { count: 0, sum: 0 };
      this.#byToken.set(token, entry);
      entry.count++;
      entry.sum += value;
      this.#count++;
      this.#sum += value;
    });
    this.rows.push({ example, position: best, activation: h[best * columns + column] });
    this.rows.sort((a, b) => Math.abs(b.activation) - Math.abs(a.activation) || a.example - b.example);
    this.rows.length = Math.min(this.rows.length, this.#limit);
  }

  /** Tokens by falling |mean|. */
  tokens(minimumOccurrences: number): TopToken[] {
    return [...this.#byToken]
      .filter(([, { count }]) => count >= minimumOccurrences)
      .map(([token, { count, sum }]) => ({ token, occurrences: count, meanActivation: sum / count }))
      .sort((a, b) => Math.abs(b.meanActivation) - Math.abs(a.meanActivation) || a.token - b.token);
  }
}
