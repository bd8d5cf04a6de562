/** What a wave is asked for, and what it brings back. */
import type { Matrix } from "../ops/context.ts";
import type { WaveMode } from "./buffers.ts";
import type { ScoreTarget } from "./layer.ts";
import type { PackedWave } from "./packing.ts";

/** One logit to bring back: a final out row and a token. */
export interface Pick {
  readonly row: number;
  readonly token: number;
}

/** Gradient of the objective with respect to the logits of one gradient row: a sum of two logits, or a probability. */
export interface Seed {
  readonly token: number;
  readonly other: number;
  readonly coefficient: number;
  readonly otherCoefficient: number;
}

/** What a wave is asked for. */
export interface WaveRequest {
  readonly wave: PackedWave;
  readonly mode: WaveMode;
  /**
   * Logits to bring back, ascending by row. With `probability`, pick i belongs to final out row i.
   */
  readonly picks: readonly Pick[];
  /** One seed per gradient row of the final out space, in order. */
  readonly seeds?: readonly Seed[];
  /** Whether the objective is the probability of the seed's token. */
  readonly probability?: boolean;
  readonly site?: ScoreTarget["site"];
  readonly scoreRows?: number;
  /** Whether all logits of all final rows are to be brought back. */
  readonly wantLogits?: boolean;
  /** Whether to stop after the last layer: nothing is brought back, `onActivation` has seen what was wanted. */
  readonly skipHead?: boolean;
  readonly signal?: AbortSignal;
  /** Called with the activations h of a layer, before its down projection. */
  readonly onActivation?: (layer: number, h: Matrix, rows: number) => void;
}

/** What a wave brings back. */
export interface WaveResult {
  /** Logits of the picks. */
  readonly picked: Float32Array;
  /** Per final out row: largest logit, its token, log-sum-exp. */
  readonly largest: Float32Array;
  readonly argmax: Uint32Array;
  readonly logSumExp: Float32Array;
  /** Per final out row: how many of its logits are NaN or infinite. */
  readonly notFinite: Uint32Array;
  /** `[scoreRows, padded neurons]` */
  readonly scores: Float32Array;
  readonly scoreStride: number;
  /** `[rows, padded V]`, if wanted. */
  readonly logits: Float32Array | null;
}
