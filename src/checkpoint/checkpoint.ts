/** What an opened checkpoint offers; `open.ts` makes one from a folder. */
import type { ModelConfig, WeightRef } from "./model_config.ts";

/** Storage types that Secateur computes with. */
export type WeightType = "F32" | "F16" | "BF16";

/** One tensor of a checkpoint. */
export interface TensorInfo {
  /** Such as `model.layers.0.mlp.gate_proj.weight`. */
  readonly name: string;
  /** How its elements are stored. */
  readonly dtype: WeightType;
  /** Row-major. */
  readonly shape: readonly number[];
  /** Name of the file that holds it, relative to the checkpoint folder. */
  readonly file: string;
  /** Offset of its first byte in that file. */
  readonly byteOffset: number;
  /** Length in bytes. */
  readonly byteLength: number;
}

/** An opened checkpoint: its configuration, its tensors, and ranged access to their bytes. */
export interface Checkpoint {
  /** The folder or address it was opened from. */
  readonly location: string;
  /** What its `config.json` says. */
  readonly config: ModelConfig;
  /** The tensors the model computes with, by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Storage type of the tensor behind a weight. */
  typeOf(ref: WeightRef): WeightType;
  /**
   * Reads rows of a weight as stored (little-endian).
   *
   * @param rowStart First row, counted inside `ref`.
   * @param rowCount Number of rows.
   * @param target Receives exactly `rowCount * ref.columns * bytes per element` bytes.
   * @throws {RangeError} If the rows are not there, or hold NaN or an infinity; the message names tensor, index and
   * value.
   */
  readRows(ref: WeightRef, rowStart: number, rowCount: number, target: Uint8Array): Promise<void>;
  /** Reads a whole weight and widens it to f32 (exact for all three types). */
  readF32(ref: WeightRef): Promise<Float32Array>;
  /** Closes the files. Reading afterwards is an error. */
  close(): Promise<void>;
}
