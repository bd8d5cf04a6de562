/**
 * Reads every weight of a checkpoint once, to tell which of them are NaN or infinite before anything computes with
 * them.
 */
import type { Checkpoint } from "./checkpoint.ts";
import { bytesPerWeight } from "./dtype.ts";

/** Bytes read at a time. */
const PIECE_BYTES = 16 * 2 ** 20;

/** How to check weights. */
export interface CheckWeightsOptions {
  /** Stops the work; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every piece read. */
  readonly onProgress?: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;
}

/**
 * Reads all tensors that the model computes with.
 *
 * @returns One sentence for each tensor with an element that is not finite, naming the first such element; in the order
 * of the tensors.
 */
export async function checkWeights(checkpoint: Checkpoint, options: CheckWeightsOptions = {}): Promise<string[]> {
  const { signal, onProgress } = options;
  const tensors = [...checkpoint.tensors.values()];
  const bytesTotal = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const problems: string[] = [];
  let bytesDone = 0;
  let buffer = new Uint8Array(0);
  for (const { name, dtype, shape, byteLength } of tensors) {
    const [rows, columns = 1] = shape;
    const rowBytes = columns * bytesPerWeight(dtype);
    const most = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
    const before = bytesDone;
    for (let row = 0; row < rows; row += most) {
      signal?.throwIfAborted();
      const count = Math.min(most, rows - row);
      if (buffer.byteLength < count * rowBytes) buffer = new Uint8Array(count * rowBytes);
      try {
        const target = buffer.subarray(0, count * rowBytes);
        await checkpoint.readRows({ name, rowStart: 0, rows, columns }, row, count, target);
      } catch (error) {
        problems.push((error as Error).message);
        break;
      }
      bytesDone += count * rowBytes;
      onProgress?.({ bytesDone, bytesTotal });
    }
    bytesDone = before + byteLength;
    onProgress?.({ bytesDone, bytesTotal });
  }
  return problems;
}
