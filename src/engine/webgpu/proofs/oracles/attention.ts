/** Causal grouped-query attention and its gradient in float64.  arXiv:1706.03762, arXiv:2305.13245 */

/** What attention takes. */
export interface AttentionInputs {
  /** Q, G and K. */
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly width: number;
  /** Factor on q·k. */
  readonly scale: number;
  /** `[R, Q*K]` */
  readonly q: Float64Array;
  /** `[R', 2*G*K]`: the keys of all heads, then the values. */
  readonly kv: Float64Array;
  /** For each query row, the rows of kv that it sees. */
  readonly sees: readonly (readonly number[])[];
}

/** o = softmax(scale q kᵀ) v `[R, Q*K]`, and the log-sum-exp of the scores `[R, Q]`. */
export function attention(inputs: AttentionInputs): { o: Float64Array; lse: Float64Array } {
  const { queryHeads, width, q, sees } = inputs;
  const o = new Float64Array(q.length);
  const lse = new Float64Array(sees.length * queryHeads);
  forEachHead(inputs, (row, head, at, { probabilities, logSumExp, value }) => {
    lse[row * queryHeads + head] = logSumExp;
    sees[row].forEach((_, i) => {
      for (let c = 0; c < width; c++) o[at + c] += probabilities[i] * value(i, c);
    });
  });
  return { o, lse };
}

/** Gradients of Σ dO o, dO `[R, Q*K]`, with respect to q and kv; delta `[R, Q]` is dO · o of each head. */
export function attentionGradient(
  inputs: AttentionInputs,
  dO: Float64Array,
): { dq: Float64Array; dkv: Float64Array; delta: Float64Array } {
  const { queryHeads, width, scale, q, kv, sees } = inputs;
  const dq = new Float64Array(q.length);
  const dkv = new Float64Array(kv.length);
  const delta = new Float64Array(sees.length * queryHeads);
  forEachHead(inputs, (row, head, at, { probabilities, keyAt, valueAt }) => {
    // o = Σ p v, so dp = dO · v and dv = p dO; softmax gives ds = p (dp - Σ p dp).
    const dp = sees[row].map((_, i) => {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += dO[at + c] * kv[valueAt(i) + c];
      return sum;
    });
    const mean = dp.reduce((sum, value, i) => sum + probabilities[i] * value, 0);
    delta[row * queryHeads + head] = mean;
    sees[row].forEach((_, i) => {
      const ds = probabilities[i] * (dp[i] - mean) * scale;
      for (let c = 0; c < width; c++) {
        dkv[valueAt(i) + c] += probabilities[i] * dO[at + c];
        dq[at + c] += ds * kv[keyAt(i) + c];
        dkv[keyAt(i) + c] += ds * q[at + c];
      }
    });
  });
  return { dq, dkv, delta };
}

interface HeadTerms {
  /** Softmax over the rows that the query sees. */
  readonly probabilities: readonly number[];
  readonly logSumExp: number;
  /** Element of kv where the key, and the value, of the i-th seen row begins. */
  readonly keyAt: (i: number) => number;
  readonly valueAt: (i: number) => number;
  /** Column c of the value of the i-th seen row. */
  readonly value: (i: number, c: number) => number;
}

function forEachHead(
  { queryHeads, keyValueHeads, width, scale, q, kv, sees }: AttentionInputs,
  visit: (row: number, head: number, at: number, terms: HeadTerms) => void,
): void {
  const stride = 2 * keyValueHeads * width;
  sees.forEach((keys, row) => {
    for (let head = 0; head < queryHeads; head++) {
      const at = (row * queryHeads + head) * width;
      const shared = Math.floor(head / (queryHeads / keyValueHeads));
      const keyAt = (i: number) => keys[i] * stride + shared * width;
      const valueAt = (i: number) => keyAt(i) + keyValueHeads * width;
      const scores = keys.map((_, i) => {
        let sum = 0;
        for (let c = 0; c < width; c++) sum += q[at + c] * kv[keyAt(i) + c];
        return scale * sum;
      });
      const top = Math.max(...scores);
      const logSumExp = top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0));
      const probabilities = scores.map((score) => Math.exp(score - logSumExp));
      visit(row, head, at, { probabilities, logSumExp, keyAt, valueAt, value: (i, c) => kv[valueAt(i) + c] });
    }
  });
}
