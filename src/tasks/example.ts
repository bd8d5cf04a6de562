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
  /** Length of each choice's text in bytes of UTF-8, for `acc_bytes` `[C]`. Default: `choiceCharacters`. */
  readonly choiceBytes?: readonly number[];
  /** Index of the right choice; the first of several. */
  readonly gold: number;
  /** Indices of all right choices, `gold` first, where there are several. Objectives look at `gold` alone. */
  readonly golds?: readonly number[];
  /**
   * A prompt for each choice `[C][..]`, where the choices differ in the prompt and are followed by the same text, or
   * where a prompt that was too long was cut for choices of different lengths. `prompt` is then that of the right
   * choice, and is what neurons are scored on.
   */
  readonly prompts?: readonly Uint32Array[];
  /** Tokens that were cut off the beginning of a prompt that was too long, at most; absent where none were. */
  readonly cutTokens?: number;
  /** The choices without their context, for `acc_mutual_info`: the prefix token, and each choice after it `[C][..]`. */
  readonly unconditional?: { readonly prompt: Uint32Array; readonly choices: readonly Uint32Array[] };
}

/** Most tokens that the model reads of an example in one sequence: a prompt and all but the last token of a choice. */
export function tokensRead({ prompt, prompts, choices }: Pick<Example, "prompt" | "prompts" | "choices">): number {
  return choices.reduce(
    (most, { length }, choice) => Math.max(most, (prompts?.[choice] ?? prompt).length + length - 1),
    prompt.length,
  );
}

/** How many of some rows are of each split, such as `test`, or `mmlu_anatomy/test` of a group. */
export function countBySplit(rows: readonly Pick<Example, "id">[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { id } of rows) {
    const split = id.slice(0, id.lastIndexOf("/"));
    counts[split] = (counts[split] ?? 0) + 1;
  }
  return counts;
}
