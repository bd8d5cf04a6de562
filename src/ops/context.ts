/** What every op needs: where to record, compiled kernels, and stand-ins for bindings a kernel variant does not use. */
import type { Gpu } from "../gpu/device.ts";
import { type KernelCache } from "../gpu/kernel.ts";
import type { Memory } from "../gpu/memory.ts";
import type { Recorder } from "../gpu/recorder.ts";

/**
 * Which kernels to use where there are two: `tile` shares loads through workgroup memory, as GPUs like it; `subgroup`
 * uses registers, subgroup broadcasts and weight textures, as software adapters like it.
 */
export type KernelVariant = "subgroup" | "tile";

/**
 * Tiles of the matrix products. Of `tile`: `rows` for a few rows, `plain` (64 x 64, 4 x 4 sums an invocation), `wide`
 * (64 x 64, 8 x 8 sums), `large` (128 x 128, 8 x 8 sums). Of `subgroup`: `low` (16 rows) and `tall` (32 rows).
 */
export type MatmulTiling = "rows" | "plain" | "wide" | "large" | "low" | "tall";

/** Shared state of the ops of one engine. */
export interface OpContext {
  readonly gpu: Gpu;
  readonly memory: Memory;
  readonly recorder: Recorder;
  readonly kernels: KernelCache;
  /** Chosen once when the engine opens; see `chooseKernelVariant` in `kernel_trial.ts`. */
  variant: KernelVariant;
  /** Of the `tile` kernels, the tile for products of many rows; see `chooseTiling` in `kernel_trial.ts`. */
  manyRows: MatmulTiling;
  /** The tile of every product, whatever its rows; for trials and tests. By default it follows from the rows. */
  tiling?: MatmulTiling;
  /**
   * Whether products of a few rows add in the same order as others, so that a row's bits do not depend on how many
   * there are.
   */
  batchInvariant: boolean;
  /** Bound where a kernel variant reads a binding it does not use. */
  readonly unusedInput: GPUBuffer;
  /** Bound where a kernel variant writes a binding it does not use. */
  readonly unusedOutput: GPUBuffer;
}

/**
 * A row-major f32 matrix on the GPU. Strides are multiples of 8 floats; columns beyond the logical width are 0.
 */
export interface Matrix {
  readonly buffer: GPUBuffer;
  /** Floats from row to row. */
  readonly stride: number;
}

/**
 * Invocations of a workgroup in kernels that reduce a row: as many as a software adapter runs at once, or a GPU's usual
 * 64.
 */
export function rowLanes(context: OpContext): number {
  return context.variant === "subgroup" ? 8 : 64;
}

/** Rounds a width up to the multiple of 8 that all strides are. */
export function padded(width: number): number {
  return Math.ceil(width / 8) * 8;
}

/** @throws {RangeError} If the matrix has fewer than `rows` rows. */
export function requireRows(name: string, matrix: Matrix, rows: number): void {
  if (rows * matrix.stride * 4 > matrix.buffer.size) {
    const capacity = Math.floor(matrix.buffer.size / (matrix.stride * 4));
    throw new RangeError(`Cannot use ${rows} rows of ${name}: its buffer "${matrix.buffer.label}" holds ${capacity}`);
  }
}
