/** What a kernel is proved with: buffers with small exact numbers in them, and what must be in them afterwards. */
import type { Recorder } from "../../../gpu/recorder.ts";
import { type Matrix, type OpContext, padded } from "../../../ops/context.ts";
import { createWeightMatrix, type StoredType, type WeightMatrix, writeWeightRows } from "../../../ops/weight_matrix.ts";
import { createRandom } from "../../../tasks/random.ts";
import { sixteenths } from "./stored_weights.ts";

/** In every element that no kernel may write, or that it must overwrite. */
const UNTOUCHED = -77;

/**
 * A block of a matrix that kernels write: rows `first` to `first + rows - 1`, and a row behind it that they must not
 * touch.
 */
export interface Block extends Matrix {
  readonly first: number;
  readonly rows: number;
  readonly columns: number;
}

/** Weights on the device, and their values `[rows, columns]`. */
export interface KnownWeights {
  readonly matrix: WeightMatrix;
  readonly values: Float64Array;
}

interface Expectation {
  readonly buffer: GPUBuffer;
  /** Worst difference over the largest expected value; NaN where something is not a number. */
  readonly error: (words: Uint32Array<ArrayBuffer>) => number;
}

/** Worst difference over the largest expected value; NaN anywhere gives NaN. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(actual[i] - expected[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return worst / largest;
}

/** Makes buffers and collects what is expected of them. */
export class Workbench {
  readonly context: OpContext;
  readonly #random = createRandom(7);
  readonly #expectations: Expectation[];

  /**
   * @param context Where to record; its memory holds the buffers.
   * @param expectations Where to add what is expected.
   */
  constructor(context: OpContext, expectations: Expectation[] = []) {
    this.context = context;
    this.#expectations = expectations;
  }

  /** The same bench with other kernels. */
  with(changes: Partial<Pick<OpContext, "variant" | "tiling">>): Workbench {
    return new Workbench({ ...this.context, ...changes }, this.#expectations);
  }

  /** Multiples of 1/16 from -15/16 to 15/16. */
  values(count: number): Float64Array {
    return Float64Array.from(this.#sixteenths(count), (value) => value / 16);
  }

  /** Uniform integers from 0 to `bound - 1`. */
  integers(count: number, bound: number): number[] {
    return Array.from({ length: count }, () => this.#random.nextBelow(bound));
  }

  /** Uploads words: a table, indices, bits of floats. */
  async words(words: Uint32Array | Float32Array): Promise<GPUBuffer> {
    const { memory, gpu } = this.context;
    const buffer = await memory.allocate("proof", words.byteLength);
    gpu.device.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
    return buffer;
  }

  /** Uploads a vector, padded with zeros. */
  async vector(values: Float64Array): Promise<GPUBuffer> {
    const floats = new Float32Array(padded(values.length));
    floats.set(values);
    return await this.words(floats);
  }

  /** Uploads `[rows, columns]` behind `first` rows that the kernel must not read. */
  async input(values: Float64Array, columns: number, first = 0, stride = padded(columns)): Promise<Matrix> {
    const rows = values.length / columns;
    const floats = new Float32Array((first + rows) * stride).fill(NaN, 0, first * stride);
    copyRows(floats, values, { first, rows, columns, stride });
    return { buffer: await this.words(floats), stride };
  }

  /**
   * Makes a block to be written.
   *
   * @param options.initial What is in it before, where the kernel reads that.
   */
  async output(
    rows: number,
    columns: number,
    options: { readonly first?: number; readonly stride?: number; readonly initial?: Float64Array } = {},
  ): Promise<Block> {
    const { first = 0, stride = padded(columns), initial } = options;
    const floats = new Float32Array((first + rows + 1) * stride).fill(UNTOUCHED);
    if (initial) {
      floats.fill(0, first * stride, (first + rows) * stride);
      copyRows(floats, initial, { first, rows, columns, stride });
    }
    return { buffer: await this.words(floats), stride, first, rows, columns };
  }

  /**
   * Uploads random weights in their stored type.
   *
   * @param partRows Rows of the parts they are split over, multiples of 8.
   */
  async weights(type: StoredType, rows: number, columns: number, partRows: readonly number[]): Promise<KnownWeights> {
    const width = padded(columns);
    const drawn = this.#sixteenths(rows * columns);
    const wide = new Int8Array(padded(rows) * width);
    for (let row = 0; row < rows; row++) wide.set(drawn.subarray(row * columns, (row + 1) * columns), row * width);
    const matrix = await createWeightMatrix(this.context, { name: "proof", type, rows, columns }, partRows);
    writeWeightRows(this.context, matrix, 0, new Uint8Array(sixteenths(wide, type).buffer));
    return { matrix, values: Float64Array.from(drawn, (value) => value / 16) };
  }

  /** Demands that a block holds `[rows, columns]` in the end, and that what is around it is as it was. */
  expect({ buffer, first, rows, columns, stride }: Block, expected: Float64Array): void {
    this.#expectations.push({
      buffer,
      error: (words) => {
        const floats = new Float32Array(words.buffer);
        const isUntouched = (from: number, to: number) =>
          floats.subarray(from * stride, to * stride).every((value) => value === UNTOUCHED);
        if (!isUntouched(0, first) || !isUntouched(first + rows, first + rows + 1)) return Infinity;
        const inside = new Float32Array(rows * columns);
        for (let row = 0; row < rows; row++) {
          const start = (first + row) * stride;
          inside.set(floats.subarray(start, start + columns), row * columns);
        }
        return relativeError(inside, expected);
      },
    });
  }

  /** Demands a condition of the words of a buffer: the relative error that they have. */
  expectWords(buffer: GPUBuffer, error: Expectation["error"]): void {
    this.#expectations.push({ buffer, error });
  }

  /** Runs what is recorded, reads everything back in one go, and gives the errors in the order they were asked for. */
  async errors(recorder: Recorder): Promise<number[]> {
    const read = await recorder.read(
      this.#expectations.map(({ buffer }) => ({ buffer, offset: 0, size: buffer.size })),
    );
    return this.#expectations.map(({ error }, i) => error(new Uint32Array(read[i])));
  }

  /** How much is expected so far. */
  get expectations(): number {
    return this.#expectations.length;
  }

  #sixteenths(count: number): Int8Array {
    return Int8Array.from({ length: count }, () => this.#random.nextBelow(31) - 15);
  }
}

function copyRows(
  floats: Float32Array,
  values: Float64Array,
  { first, rows, columns, stride }: Omit<Block, "buffer">,
): void {
  for (let row = 0; row < rows; row++) {
    floats.set(values.subarray(row * columns, (row + 1) * columns), (first + row) * stride);
  }
}
