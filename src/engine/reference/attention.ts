/** Causal attention with grouped key/value heads and an optional sliding window, and its gradient. arXiv:2305.13245 */

/** Which heads there are and which keys a query sees. */
export interface AttentionShape {
  /** T */
  readonly rows: number;
  /** First query row that is computed; keys and values are needed from row 0. */
  readonly firstRow: number;
  /** Q */
  readonly queryHeads: number;
  /** G: query head q reads key/value head `floor(q / (Q/G))`. */
  readonly keyValueHeads: number;
  /** K */
  readonly headWidth: number;
  /** Query i sees keys j with `i - window < j <= i`; null sees all `j <= i`. */
  readonly window: number | null;
  /** Factor on q·k, usually 1/sqrt(K). */
  readonly scale: number;
}

/** What attention read and the probabilities it made: enough for its gradient. */
export interface AttentionTape {
  readonly shape: AttentionShape;
  /** `[T, Q*K]`, after rotation. */
  readonly q: Float64Array;
  /** `[T, G*K]`, after rotation. */
  readonly k: Float64Array;
  /** `[T, G*K]` */
  readonly v: Float64Array;
  /** softmax(scale q·k), `[Q, T, T]`, zero where a query does not see a key. */
  readonly probabilities: Float64Array;
}

/** The result of {@linkcode attend} and what its gradient needs. */
export interface Attention {
  /** `[T, Q*K]`; rows before `firstRow` are zero. */
  readonly output: Float64Array;
  readonly tape: AttentionTape;
}

/** `output[t] = sum_s softmax_s(scale q[t]·k[s]) v[s]`, head by head. */
export function attend(q: Float64Array, k: Float64Array, v: Float64Array, shape: AttentionShape): Attention {
  const { rows, firstRow, queryHeads, keyValueHeads, headWidth, window, scale } = shape;
  const queryStride = queryHeads * headWidth, keyStride = keyValueHeads * headWidth;
  const output = new Float64Array(rows * queryStride);
  const probabilities = new Float64Array(queryHeads * rows * rows);
  for (let head = 0; head < queryHeads; head++) {
    const keyOffset = Math.floor(head * keyValueHeads / queryHeads) * headWidth;
    for (let t = firstRow; t < rows; t++) {
      const query = t * queryStride + head * headWidth;
      const p = (head * rows + t) * rows;
      const firstKey = firstVisible(t, window);
      let largest = -Infinity;
      for (let s = firstKey; s <= t; s++) {
        const key = s * keyStride + keyOffset;
        let dot = 0;
        for (let i = 0; i < headWidth; i++) dot += q[query + i] * k[key + i];
        probabilities[p + s] = dot * scale;
        largest = Math.max(largest, dot * scale);
      }
      let total = 0;
      for (let s = firstKey; s <= t; s++) total += probabilities[p + s] = Math.exp(probabilities[p + s] - largest);
      for (let s = firstKey; s <= t; s++) {
        const probability = probabilities[p + s] /= total;
        const value = s * keyStride + keyOffset;
        for (let i = 0; i < headWidth; i++) output[query + i] += probability * v[value + i];
      }
    }
  }
  return { output, tape: { shape, q, k, v, probabilities } };
}

/** Gradients of the three inputs of {@linkcode attend}. */
export interface AttentionGradient {
  /** `[T, Q*K]` */
  readonly dq: Float64Array;
  /** `[T, G*K]` */
  readonly dk: Float64Array;
  /** `[T, G*K]` */
  readonly dv: Float64Array;
}

/**
 * With `dp[t,s] = dout[t]·v[s]` and `ds = p * (dp - sum_s p dp)`: `dq[t] = scale sum_s ds[t,s] k[s]`,
 * `dk[s] = scale sum_t ds[t,s] q[t]`, `dv[s] = sum_t p[t,s] dout[t]`, summed over the query heads of a group.
 *
 * @param dOutput `[T, Q*K]`; rows before `firstRow` are not read.
 */
export function attentionGradient(tape: AttentionTape, dOutput: Float64Array): AttentionGradient {
  const { q, k, v, probabilities } = tape;
  const { rows, firstRow, queryHeads, keyValueHeads, headWidth, window, scale } = tape.shape;
  const queryStride = queryHeads * headWidth, keyStride = keyValueHeads * headWidth;
  const dq = new Float64Array(q.length), dk = new Float64Array(k.length), dv = new Float64Array(v.length);
  const dp = new Float64Array(rows);
  for (let head = 0; head < queryHeads; head++) {
    const keyOffset = Math.floor(head * keyValueHeads / queryHeads) * headWidth;
    for (let t = firstRow; t < rows; t++) {
      const query = t * queryStride + head * headWidth;
      const p = (head * rows + t) * rows;
      const firstKey = firstVisible(t, window);
      let mean = 0;
      for (let s = firstKey; s <= t; s++) {
        const value = s * keyStride + keyOffset;
        let dot = 0;
        for (let i = 0; i < headWidth; i++) dot += dOutput[query + i] * v[value + i];
        dp[s] = dot;
        mean += probabilities[p + s] * dot;
      }
      for (let s = firstKey; s <= t; s++) {
        const probability = probabilities[p + s];
        const dScore = probability * (dp[s] - mean) * scale;
        const key = s * keyStride + keyOffset;
        for (let i = 0; i < headWidth; i++) {
          dq[query + i] += dScore * k[key + i];
          dk[key + i] += dScore * q[query + i];
          dv[key + i] += probability * dOutput[query + i];
        }
      }
    }
  }
  return { dq, dk, dv };
}

function firstVisible(query: number, window: number | null): number {
  return window === null ? 0 : Math.max(0, query - window + 1);
}
