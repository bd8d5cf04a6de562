/**
 * Weight matrices on the GPU: padded to multiples of 8 both ways with zeros, split by rows where the adapter cannot
 * bind them whole, in the form the matrix kernels of this adapter read: storage buffers, or textures for the
 * register-tile kernels.
 */
import type { KernelVariant, OpContext } from "./context.ts";
import { padded } from "./context.ts";

/** Storage types of weights, numbered as the kernels' `WEIGHT_TYPE`. */
export const WEIGHT_TYPES = { F32: 0, BF16: 1, F16: 2 } as const;

/** How weights are stored. */
export type StoredType = keyof typeof WEIGHT_TYPES;

/** Some rows of a weight matrix. */
export interface WeightPart {
  /** A storage buffer (`tile`), or a texture of 16-byte texels (`subgroup`). */
  readonly storage: GPUBuffer | GPUTexture;
  /** What kernels bind: the buffer, or a view of the texture. */
  readonly binding: GPUBuffer | GPUTextureView;
  /** First row of the matrix that this part holds. */
  readonly rowStart: number;
  /** Rows it holds, a multiple of 8; padding rows are 0. */
  readonly rows: number;
}

/** A weight matrix `[rows, columns]` on the GPU. */
export interface WeightMatrix {
  readonly name: string;
  readonly type: StoredType;
  /** Logical rows. */
  readonly rows: number;
  /** Logical columns. */
  readonly columns: number;
  /** Which kernels can read it. */
  readonly variant: KernelVariant;
  readonly parts: readonly WeightPart[];
}

/** Bytes of one weight. */
export function bytesOfType(type: StoredType): 2 | 4 {
  return type === "F32" ? 4 : 2;
}

/** Bytes of one padded row. */
export function rowBytes(matrix: Pick<WeightMatrix, "type" | "columns">): number {
  return padded(matrix.columns) * bytesOfType(matrix.type);
}

/** Most rows (a multiple of 8) of such a matrix that one part can hold on this adapter. */
export function largestPart(context: OpContext, matrix: Pick<WeightMatrix, "type" | "columns">): number {
  const { limits } = context.gpu;
  const bytes = rowBytes(matrix);
  const rows = context.variant === "subgroup"
    ? bytes / 16 > limits.maxTextureDimension2D
      ? 0
      : Math.min(limits.maxTextureDimension2D, limits.maxBufferSize / bytes)
    : Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) / bytes;
  return Math.floor(rows / 8) * 8;
}

/**
 * As {@link largestPart}.
 *
 * @throws {RangeError} If eight rows do not fit one part.
 */
export function requireWeightRows(
  context: OpContext,
  shape: Pick<WeightMatrix, "name" | "type" | "columns">,
): number {
  const largest = largestPart(context, shape);
  if (largest > 0) return largest;
  throw new RangeError(`Cannot hold ${shape.name}: rows of ${rowBytes(shape)} bytes exceed this adapter's limits`);
}

/**
 * Allocates a weight matrix of zeros for the context's kernel variant.
 *
 * @param partRows Rows of each part but the last, which takes the rest; by default parts are as large as the adapter
 * allows.
 * @throws {RangeError} If eight rows do not fit one part.
 */
export async function createWeightMatrix(
  context: OpContext,
  shape: Pick<WeightMatrix, "name" | "type" | "rows" | "columns">,
  partRows?: readonly number[],
): Promise<WeightMatrix> {
  const { name, rows, columns } = shape;
  const { memory, variant } = context;
  const bytes = rowBytes(shape);
  const largest = requireWeightRows(context, shape);
  const parts: WeightPart[] = [];
  for (let rowStart = 0, index = 0; rowStart < rows; index++) {
    const part = Math.min(partRows?.[index] ?? largest, padded(rows - rowStart));
    if (variant === "subgroup") {
      const storage = await memory.allocateTexture(name, bytes / 16, part);
      parts.push({ storage, binding: storage.createView(), rowStart, rows: part });
    } else {
      const storage = await memory.allocate(name, part * bytes);
      parts.push({ storage, binding: storage, rowStart, rows: part });
    }
    rowStart += part;
  }
  return { name, type: shape.type, rows, columns, variant, parts };
}

/**
 * Writes padded rows, as stored, from row `first` on.
 *
 * @param data `count` rows of {@link rowBytes} bytes.
 */
export function writeWeightRows(
  context: OpContext,
  matrix: WeightMatrix,
  first: number,
  data: Uint8Array<ArrayBuffer>,
): void {
  const { queue } = context.gpu.device;
  const bytes = rowBytes(matrix);
  const end = first + data.byteLength / bytes;
  for (const { storage, rowStart, rows } of matrix.parts) {
    const from = Math.max(first, rowStart);
    const to = Math.min(end, rowStart + rows);
    if (from >= to) continue;
    const slice = data.subarray((from - first) * bytes, (to - first) * bytes);
    if ("format" in storage) {
      const size = [bytes / 16, to - from];
      queue.writeTexture({ texture: storage, origin: [0, from - rowStart] }, slice, { bytesPerRow: bytes }, size);
    } else {
      queue.writeBuffer(storage, (from - rowStart) * bytes, slice);
    }
  }
}

/** Destroys the parts of a matrix. */
export function releaseWeightMatrix(context: OpContext, matrix: WeightMatrix): void {
  for (const { storage } of matrix.parts) context.memory.release(storage);
}
