/**
 * A prompt, its choices and the index of the right one, as token ids.
 *
 * The prompt has at least one token. Each choice has at least one token and is scored as the continuation of the
 * prompt: sum of the log-probabilities of its tokens given everything before them.
 */
export interface Example {
  /** Where it came from, such as `test/17` (split and row, counted from 0). */
  readonly id: string;
  /** Token ids of the prompt `[T]`. */
  readonly prompt: Uint32Array;
  /** Token ids of each choice `[C][..]`. */
  readonly choices: readonly Uint32Array[];
  /** Length of each choice's text in characters (Unicode code points), for `acc_norm` `[C]`. */
  readonly choiceCharacters: readonly number[];
  /** Index of the right choice. */
  readonly gold: number;
}
