/**
 * What travels through the layers: segments of rows. A base segment starts from token embeddings; a variant is spawned
 * from a base segment inside one layer, where its activation differs by a path factor or a mask, and lives from there
 * to the end.
 */

/** Factors on the outputs of gate, up and down projection. */
export interface PathFactors {
  readonly gate: number;
  readonly up: number;
  readonly down: number;
}

/** Factors of the unmodified model. */
export const UNCHANGED: PathFactors = { gate: 1, up: 1, down: 1 };

/** Silenced neurons of one layer, as bits; null where nothing is silenced. */
export interface LayerMask {
  /** Bits of the H neurons of gate and up together: silencing either silences h. */
  readonly neurons: Uint32Array | null;
  /** Bits of the D output dimensions. */
  readonly outputs: Uint32Array | null;
}

/** Where the gradient of a variant's rows goes. */
export interface FoldTarget {
  readonly layer: number;
  /** Row of the wave's score buffer. */
  readonly scoreRow: number;
  /** Quadrature weight of the variant's node. */
  readonly weight: number;
}

/** A run of consecutive positions of one sequence. */
export interface Segment {
  /** Rows. */
  readonly length: number;
  /** Position of the first row in its sequence. */
  readonly position: number;
  /** Token ids, for base segments. */
  readonly tokens?: Uint32Array;
  /** Index of the segment whose first `prefixLength` rows this one attends to before its own. */
  readonly prefix?: number;
  readonly prefixLength?: number;
  /** For variants: the base segment, the row of it that row 0 continues, and the layer in which it branches off. */
  readonly source?: number;
  readonly sourceRow?: number;
  readonly spawn: number;
  /** Path factors; in the layers of `factorLayers` only. */
  readonly factors?: PathFactors;
  /** `spawn`: the spawning layer only; `all`: every layer. */
  readonly factorLayers?: "spawn" | "all";
  /** Masks by layer, for segments that silence neurons. */
  readonly masks?: ReadonlyMap<number, LayerMask>;
  /** Rows whose final hidden state is asked for, ascending. */
  readonly asked: readonly number[];
  /** Whether the objective is differentiated with respect to it; such a segment asks for exactly one row. */
  readonly gradient: boolean;
  /** Where its gradient is folded into scores. */
  readonly folds?: readonly FoldTarget[];
}
