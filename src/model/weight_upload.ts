/**
 * Brings weights from a checkpoint to the GPU in pieces, so that the host never holds more than a few of them: neither
 * here nor in the copies that a GPU queue keeps until it has carried them out.
 */
import type { Checkpoint, WeightType } from "../checkpoint/checkpoint.ts";
import { bytesPerWeight, widenToF32 } from "../checkpoint/dtype.ts";
import type { WeightRef } from "../checkpoint/model_config.ts";
import type { NormWeight } from "../ops/norm.ts";
import { type OpContext, padded } from "../ops/context.ts";
import { createWeightMatrix, rowBytes, type WeightMatrix, writeWeightRows } from "../ops/weight_matrix.ts";
import { stackType } from "./weight_layout.ts";

/** Bytes of one piece. */
export const PIECE_BYTES = 16 * 2 ** 20;

/** Bytes that may wait in the queue's own copies. */
const QUEUED_BYTES = 64 * 2 ** 20;

/** Some rows of a weight on their way into a matrix. */
export interface WeightPiece {
  readonly matrix: WeightMatrix;
  /** First row in the matrix. */
  readonly row: number;
  readonly ref: WeightRef;
  /** First row in the reference. */
  readonly rowStart: number;
  readonly rows: number;
}

/** A piece in host memory. */
export interface ReadPiece {
  readonly piece: WeightPiece;
  /** Rows as they will lie on the GPU. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Memory to be given back. */
  readonly buffer: Uint8Array<ArrayBuffer>;
}

/** How far an upload has come: bytes on the GPU, and bytes that will be there. */
export type UploadProgress = (done: number, total: number) => void;

/** The pieces of a stack of weights, in order. */
export function weightPieces(matrix: WeightMatrix, refs: readonly WeightRef[]): WeightPiece[] {
  const most = Math.max(1, Math.floor(PIECE_BYTES / rowBytes(matrix)));
  const pieces: WeightPiece[] = [];
  let first = 0;
  for (const ref of refs) {
    for (let rowStart = 0; rowStart < ref.rows; rowStart += most) {
      pieces.push({ matrix, row: first + rowStart, ref, rowStart, rows: Math.min(most, ref.rows - rowStart) });
    }
    first += ref.rows;
  }
  return pieces;
}

/** Uploads the weights of one checkpoint. */
export class WeightUploader {
  readonly #context: OpContext;
  readonly #checkpoint: Checkpoint;
  #progress: { readonly report: UploadProgress; readonly total: number } | null;
  #signal: AbortSignal | undefined;
  #spare: Uint8Array<ArrayBuffer>[] = [];
  #done = 0;
  #queued = 0;

  /**
   * @param progress Whom to tell, and how many bytes there will be.
   * @param signal Stops the loading.
   */
  constructor(
    context: OpContext,
    checkpoint: Checkpoint,
    progress: { readonly report: UploadProgress; readonly total: number } | null = null,
    signal?: AbortSignal,
  ) {
    this.#context = context;
    this.#checkpoint = checkpoint;
    this.#progress = progress;
    this.#signal = signal;
  }

  /** Room for a stack of weights: `fill` it when all rooms are there. */
  async allocate(
    name: string,
    refs: readonly WeightRef[],
    type: WeightType = stackType(this.#checkpoint, refs),
  ): Promise<WeightMatrix> {
    const rows = refs.reduce((sum, ref) => sum + ref.rows, 0);
    return await createWeightMatrix(this.#context, { name, type, rows, columns: refs[0].columns });
  }

  /** Stacks the rows of `refs` in a matrix. */
  async fill(matrix: WeightMatrix, refs: readonly WeightRef[]): Promise<void> {
    await this.upload(weightPieces(matrix, refs));
    // The rows of zeros that pad the matrix are there as well.
    this.#advance((padded(matrix.rows) - matrix.rows) * rowBytes(matrix));
  }

  /** Concatenates vectors, times a factor, into one f32 buffer, padded with zeros. */
  async vector(name: string, refs: readonly WeightRef[], factor = 1): Promise<GPUBuffer> {
    const parts: Float32Array[] = [];
    for (const ref of refs) parts.push(await this.#checkpoint.readF32(ref));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const data = new Float32Array(padded(length));
    let at = 0;
    for (const part of parts) {
      for (let i = 0; i < part.length; i++) data[at + i] = factor * part[i];
      at += part.length;
    }
    const buffer = await this.#context.memory.allocate(name, data.byteLength);
    this.#context.gpu.device.queue.writeBuffer(buffer, 0, data);
    this.#advance(data.byteLength);
    return buffer;
  }

  /**
   * The weight, times a factor, of a norm over the residual stream, which the GPU holds divided by the residual
   * multiplier r: x/r + y in place of x + r y. RMSNorm of x/r with epsilon/r² is RMSNorm of x with epsilon.
   */
  async norm(ref: WeightRef, factor = 1): Promise<NormWeight> {
    const buffer = await this.vector(ref.name, [ref], factor);
    const { normEpsilon, multipliers } = this.#checkpoint.config;
    return { buffer, width: ref.rows * ref.columns, epsilon: normEpsilon / multipliers.residual ** 2 };
  }

  /** Reads a piece into host memory, which `write` or `discard` gives back. */
  async read(piece: WeightPiece): Promise<ReadPiece> {
    const { matrix, ref, rowStart, rows } = piece;
    const stored = this.#checkpoint.typeOf(ref);
    const length = rows * ref.columns * bytesPerWeight(stored);
    const buffer = this.#spare.pop() ?? new Uint8Array(Math.max(PIECE_BYTES, length));
    const raw = buffer.subarray(0, length);
    await this.#checkpoint.readRows(ref, rowStart, rows, raw);
    const bytes = stored === matrix.type ? raw : new Uint8Array(widenToF32(stored, raw).buffer as ArrayBuffer);
    return { piece, buffer, bytes: padRows(bytes, rows, rowBytes(matrix)) };
  }

  /** Gives a piece back that is not wanted any more. */
  discard({ buffer }: ReadPiece): void {
    this.#spare.push(buffer);
  }

  /**
   * Uploads pieces; the next one is read while one is written.
   *
   * @param begun Reads of the first pieces that are under way already.
   */
  async upload(pieces: readonly WeightPiece[], begun: readonly Promise<ReadPiece>[] = []): Promise<void> {
    const reads = [...begun];
    let started = begun.length;
    for (let i = 0; i < pieces.length; i++) {
      this.#signal?.throwIfAborted();
      if (reads.length === 0) reads.push(this.read(pieces[started++]));
      const read = await reads.shift()!;
      if (reads.length === 0 && started < pieces.length) {
        const next = this.read(pieces[started++]);
        // Reported when its turn comes.
        next.catch(() => {});
        reads.push(next);
      }
      await this.#write(read);
    }
  }

  /**
   * The model is open: what comes from now on, layer by layer, is nobody's loading, and the signal that would have
   * stopped the loading does not stop it.
   *
   * @param keepsMemory Whether pieces will follow, so that host memory is kept for them.
   */
  endLoading(keepsMemory: boolean): void {
    this.#progress = null;
    this.#signal = undefined;
    if (!keepsMemory) this.#spare = [];
  }

  async #write(read: ReadPiece): Promise<void> {
    const { piece: { matrix, row }, bytes } = read;
    writeWeightRows(this.#context, matrix, row, bytes);
    this.discard(read);
    this.#advance(bytes.byteLength);
    this.#queued += bytes.byteLength;
    if (this.#queued < QUEUED_BYTES) return;
    this.#queued = 0;
    // A queue keeps a copy of everything written until its next submit is done.
    const { gpu } = this.#context;
    gpu.device.queue.submit([]);
    await gpu.settle(gpu.device.queue.onSubmittedWorkDone());
  }

  #advance(bytes: number): void {
    if (!this.#progress || bytes === 0) return;
    const { report, total } = this.#progress;
    this.#done += bytes;
    report(this.#done, total);
  }
}

/** Rows with zeros behind each, up to `size` bytes a row. */
function padRows(bytes: Uint8Array<ArrayBuffer>, rows: number, size: number): Uint8Array<ArrayBuffer> {
  const width = bytes.byteLength / rows;
  if (width === size) return bytes;
  const out = new Uint8Array(rows * size);
  for (let row = 0; row < rows; row++) out.set(bytes.subarray(row * width, (row + 1) * width), row * size);
  return out;
}
