/**
 * The device of the kernel tests and what a case needs on it: inputs whose surroundings are poisoned, and outputs whose
 * surroundings must stay as they were.
 *
 * Everything outside a block is a NaN with known bits. A kernel that reads too far computes NaN, and one that writes
 * too far changes the bits; both fail the case.
 */
import { createOpContext } from "../../src/engine/webgpu.ts";
import { type Gpu, NoAdapterError, openGpu } from "../../src/gpu/device.ts";
import { Memory } from "../../src/gpu/memory.ts";
import { type KernelVariant, type Matrix, type OpContext, padded } from "../../src/ops/context.ts";
import {
  createWeightMatrix,
  releaseWeightMatrix,
  type StoredType,
  type WeightMatrix,
  writeWeightRows,
} from "../../src/ops/weight_matrix.ts";
import { encodeWeights } from "./weights.ts";

/** A quiet NaN that no computation makes. */
const POISON = 0x7fc5c3e1;

/** Rows of poison behind every block. */
const GUARD_ROWS = 3;

let opened: Promise<OpContext> | undefined;

/**
 * The one device of this process.
 *
 * @throws {Error} If there is no WebGPU adapter: kernel tests fail then, they are never skipped.
 */
export function openKernels(): Promise<OpContext> {
  return opened ??= open();
}

async function open(): Promise<OpContext> {
  let gpu: Gpu;
  try {
    gpu = await openGpu();
  } catch (error) {
    if (!(error instanceof NoAdapterError)) throw error;
    throw new Error(
      "Cannot test kernels: this machine has no WebGPU adapter. On Linux install a Vulkan driver (the software one is " +
        "enough: `apt-get install mesa-vulkan-drivers`) and set DENO_WEBGPU_BACKEND=vulkan",
      { cause: error },
    );
  }
  return await createOpContext(gpu, new Memory(gpu));
}

/** Whether a kernel variant needs subgroups; naming every variant here makes a new one a type error. */
const NEEDS_SUBGROUPS: Readonly<Record<KernelVariant, boolean>> = { subgroup: true, tile: false };

/** The kernel variants that this device runs. */
export async function kernelVariants(): Promise<KernelVariant[]> {
  const { gpu } = await openKernels();
  const all = Object.keys(NEEDS_SUBGROUPS) as KernelVariant[];
  return all.filter((variant) => gpu.hasSubgroups || !NEEDS_SUBGROUPS[variant]);
}

/** A block of a matrix on the GPU: rows `first` to `first + rows - 1`, columns 0 to `columns - 1`. */
export interface Block {
  readonly rows: number;
  readonly columns: number;
  /** Default 0. */
  readonly first?: number;
  /** Floats from row to row. Default: the columns, rounded up to a multiple of 8. */
  readonly stride?: number;
}

/** A block that a kernel writes. */
export interface Output extends Matrix {
  readonly block: Required<Block>;
  /** Words of the whole buffer as they were uploaded. */
  readonly before: Uint32Array;
  /** Columns up to which the kernel writes zeros behind the block; `columns` where it leaves them alone. */
  readonly zeroUntil: number;
}

/** The buffers of one case. */
export class Workspace {
  readonly context: OpContext;
  readonly #buffers: GPUBuffer[] = [];
  readonly #weights: WeightMatrix[] = [];

  constructor(context: OpContext) {
    this.context = context;
  }

  /**
   * Uploads a block with poison around it; columns between the block and its padded width are 0, as the ops require.
   */
  async input(label: string, values: ArrayLike<number>, block: Block): Promise<Matrix> {
    const full = complete(block);
    const words = poisoned(full);
    zeroColumns(words, full, padded(full.columns));
    fill(words, full, values);
    return { buffer: await this.words(label, words), stride: full.stride };
  }

  /**
   * Makes a block to be written, poisoned all over.
   *
   * @param options.initial Values of the block before the kernel runs, where it reads them.
   * @param options.zeroPadding Whether the kernel writes 0 between the block and its padded width; otherwise it must
   * not write there.
   */
  async output(
    label: string,
    block: Block,
    options: { readonly initial?: ArrayLike<number>; readonly zeroPadding?: boolean } = {},
  ): Promise<Output> {
    const full = complete(block);
    const zeroUntil = options.zeroPadding ? padded(full.columns) : full.columns;
    const before = poisoned(full);
    if (options.initial) {
      zeroColumns(before, full, zeroUntil);
      fill(before, full, options.initial);
    }
    return { buffer: await this.words(label, before), stride: full.stride, block: full, before, zeroUntil };
  }

  /** Uploads words: a table, indices, bits of floats. */
  async words(label: string, words: Uint32Array): Promise<GPUBuffer> {
    const { memory, gpu } = this.context;
    const buffer = await memory.allocate(label, words.byteLength);
    this.#buffers.push(buffer);
    gpu.device.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
    return buffer;
  }

  /**
   * Uploads weights `[rows, columns]` in their stored type, in the form the context's kernel variant reads.
   *
   * @param partRows Rows of each part the matrix is split over, multiples of 8. Default: as few parts as the device
   * allows.
   */
  async weights(
    name: string,
    type: StoredType,
    values: Float64Array,
    [rows, columns]: readonly [number, number],
    partRows?: readonly number[],
  ): Promise<WeightMatrix> {
    const matrix = await createWeightMatrix(this.context, { name, type, rows, columns }, partRows);
    this.#weights.push(matrix);
    writeWeightRows(this.context, matrix, 0, encodeWeights(type, values, columns));
    return matrix;
  }

  /**
   * Reads the blocks of outputs back, each `[rows, columns]`, in one map.
   *
   * @throws {Error} If anything around a block has changed, or the zeros behind it are missing.
   */
  async read(...outputs: readonly Output[]): Promise<Float32Array[]> {
    const bytes = await this.context.recorder.read(
      outputs.map(({ buffer, before }) => ({ buffer, offset: 0, size: before.byteLength })),
    );
    return outputs.map((output, i) => takeBlock(output, new Uint32Array(bytes[i])));
  }

  /** Destroys the buffers. */
  close(): void {
    for (const buffer of this.#buffers) this.context.memory.release(buffer);
    for (const matrix of this.#weights) releaseWeightMatrix(this.context, matrix);
    this.context.recorder.forgetBindGroups();
  }
}

function complete({ rows, columns, first = 0, stride = padded(columns) }: Block): Required<Block> {
  return { rows, columns, first, stride };
}

function poisoned({ rows, first, stride }: Required<Block>): Uint32Array {
  return new Uint32Array((first + rows + GUARD_ROWS) * stride).fill(POISON);
}

function zeroColumns(words: Uint32Array, { rows, columns, first, stride }: Required<Block>, end: number): void {
  for (let row = first; row < first + rows; row++) words.fill(0, row * stride + columns, row * stride + end);
}

function fill(words: Uint32Array, { rows, columns, first, stride }: Required<Block>, values: ArrayLike<number>): void {
  if (values.length !== rows * columns) {
    throw new RangeError(`Cannot fill a block of ${rows} x ${columns}: ${values.length} values given`);
  }
  const floats = new Float32Array(words.buffer);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      floats[(first + row) * stride + column] = values[row * columns + column];
    }
  }
}

function takeBlock({ block, before, zeroUntil, buffer }: Output, words: Uint32Array): Float32Array {
  const { rows, columns, first, stride } = block;
  const floats = new Float32Array(words.buffer);
  const values = new Float32Array(rows * columns);
  for (let start = 0, row = -first; start < words.length; start += stride, row++) {
    const inside = row >= 0 && row < rows;
    if (inside) values.set(floats.subarray(start, start + columns), row * columns);
    for (let column = inside ? columns : 0; column < stride; column++) {
      const at = start + column;
      if (inside && column < zeroUntil) {
        if (floats[at] === 0) continue;
        throw new Error(`${buffer.label}: padding column ${column} of row ${row} is ${floats[at]}, expected 0`);
      }
      if (words[at] === before[at]) continue;
      throw new Error(
        `${buffer.label}: row ${row}, column ${column} was overwritten with ${floats[at]}; ` +
          `the kernel may write rows 0 to ${rows - 1}, columns 0 to ${zeroUntil - 1} only`,
      );
    }
  }
  return values;
}
