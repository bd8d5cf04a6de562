/** What is asked of logits, and the objective's gradient, in float64. */

/** Largest logit, the first index that has it, and log Σ exp of one row. */
export function reduceRow(logits: Float64Array): { max: number; argmax: number; logSumExp: number } {
  const max = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const argmax = logits.indexOf(max);
  if (max === -Infinity) return { max, argmax, logSumExp: -Infinity };
  return { max, argmax, logSumExp: max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0)) };
}

/** An objective of one row of logits: a sum of two of them with coefficients, or the probability of a token. */
export type HeadObjective =
  | {
    readonly kind: "terms";
    readonly tokens: readonly [number, number];
    readonly coefficients: readonly [number, number];
  }
  | { readonly kind: "probability"; readonly token: number };

/** M(logits) */
export function objective(logits: Float64Array, head: HeadObjective): number {
  if (head.kind === "probability") return Math.exp(logits[head.token] - reduceRow(logits).logSumExp);
  return head.coefficients[0] * logits[head.tokens[0]] + head.coefficients[1] * logits[head.tokens[1]];
}

/** dM/dlogits */
export function objectiveGradient(logits: Float64Array, head: HeadObjective): Float64Array {
  if (head.kind === "terms") {
    const d = new Float64Array(logits.length);
    head.tokens.forEach((token, term) => d[token] += head.coefficients[term]);
    return d;
  }
  // d softmax_t / d z_v = p_t (δ_tv - p_v)
  const { logSumExp } = reduceRow(logits);
  const p = objective(logits, head);
  return logits.map((logit, token) => p * (Number(token === head.token) - Math.exp(logit - logSumExp)));
}
