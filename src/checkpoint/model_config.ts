/** What the engines need to know of a model: a checked, library-neutral reading of Hugging Face's `config.json`. */

/**
 * How rotary position embeddings are computed. All families use the half-split (`rotate_half`) layout; where there are
 * fewer than K/2 frequencies, the elements of a head behind the pairs are not rotated.
 */
export interface RopeConfig {
  /**
   * Inverse frequencies after any scaling, f64, at most K/2: angle of pair i at position p = `p *
   * inverseFrequencies[i]`.
   */
  readonly inverseFrequencies: Float64Array;
  /** Factor on cos and sin (1 except for yarn and longrope). */
  readonly attentionFactor: number;
}

/** Constant factors in the forward pass. A family without such fields has 1 everywhere, and `attention` 1/sqrt(K). */
export interface Multipliers {
  /** On the embedding rows that enter layer 0. */
  readonly embedding: number;
  /** On q·k before the softmax. */
  readonly attention: number;
  /** On what attention and the feed-forward block add to the residual stream; above 0. */
  readonly residual: number;
  /** On the logits; above 0. */
  readonly logits: number;
}

/** The tensors that hold a weight: whole, or some rows of a fused tensor. */
export interface WeightRef {
  /** Name in the checkpoint, such as `model.layers.0.mlp.gate_proj.weight`. */
  readonly name: string;
  /** First row of the tensor that belongs to this weight. */
  readonly rowStart: number;
  /** Number of rows. */
  readonly rows: number;
  /** Columns (1 for vectors, whose rows are their elements). */
  readonly columns: number;
}

/** Where the weights of one layer are. Row-major `[out, in]`, as PyTorch's `nn.Linear` stores them. */
export interface LayerWeightRefs {
  /** RMSNorm weight before attention, `[D]`. */
  readonly inputNorm: WeightRef;
  /** `[Q*K, D]` */
  readonly q: WeightRef;
  /** `[G*K, D]` */
  readonly k: WeightRef;
  /** `[G*K, D]` */
  readonly v: WeightRef;
  /** Biases of q, k, v (`[Q*K]`, `[G*K]`, `[G*K]`), where the family has them. */
  readonly qkvBias?: { readonly q: WeightRef; readonly k: WeightRef; readonly v: WeightRef };
  /** RMSNorm weights over each head of q and k before the rotary embedding, `[K]`, where the family has them. */
  readonly qkNorm?: { readonly q: WeightRef; readonly k: WeightRef };
  /** `[D, Q*K]` */
  readonly o: WeightRef;
  /** RMSNorm weight before the feed-forward block, `[D]`. */
  readonly postAttentionNorm: WeightRef;
  /** `[H, D]` */
  readonly gate: WeightRef;
  /** `[H, D]` */
  readonly up: WeightRef;
  /** `[D, H]` */
  readonly down: WeightRef;
}

/** Shapes, constants and tensor names of a decoder-only transformer with SwiGLU feed-forward blocks. */
export interface ModelConfig {
  /** Hugging Face `model_type`, such as `llama`. */
  readonly family: string;
  /** V */
  readonly vocabularySize: number;
  /** D */
  readonly width: number;
  /** H, feed-forward neurons per layer. */
  readonly neurons: number;
  /** L */
  readonly layers: number;
  /** Q */
  readonly queryHeads: number;
  /** G; Q is a multiple of G. */
  readonly keyValueHeads: number;
  /** K, width of one head. */
  readonly headWidth: number;
  /** epsilon of every RMSNorm. */
  readonly normEpsilon: number;
  /** Constant factors in the forward pass. */
  readonly multipliers: Multipliers;
  /** How positions enter attention in the layers that are rotated. */
  readonly rope: RopeConfig;
  /** Per layer: whether q and k are rotated; where they are not, positions enter attention through its mask alone. */
  readonly rotated: readonly boolean[];
  /** Longest sequence the model was made for, in tokens. */
  readonly maxPositions: number;
  /** Per layer: the sliding window W in tokens (query i sees keys j with i-W < j <= i), or null for full attention. */
  readonly slidingWindow: readonly (number | null)[];
  /** Whether the LM head is the embedding matrix. */
  readonly tiedHead: boolean;
  /** `[V, D]` */
  readonly embedding: WeightRef;
  /** `[D]` */
  readonly finalNorm: WeightRef;
  /** `[V, D]`; equals `embedding` when tied. */
  readonly head: WeightRef;
  /** Weights of each layer `[L]`. */
  readonly layerWeights: readonly LayerWeightRefs[];
}
