/** Layers that take turns on the GPU in the room of one: the next one is read from disk while one computes. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { OpContext } from "../ops/context.ts";
import type { WeightMatrix } from "../ops/weight_matrix.ts";
import { MATRICES, type MatrixName, matrixRefs, streamedType } from "./weight_layout.ts";
import { PIECE_BYTES, type ReadPiece, type WeightPiece, weightPieces, type WeightUploader } from "./weight_upload.ts";

/** Bytes of the next layer that are held in host memory; the rest of it is read when its turn comes. */
const AHEAD_BYTES = 96 * 2 ** 20;

/** The matrices of the layer whose turn it is. */
export type LayerMatrices = Readonly<Record<MatrixName, WeightMatrix>>;

/** The room of one layer. */
export class LayerStream {
  readonly #context: OpContext;
  readonly #checkpoint: Checkpoint;
  readonly #uploader: WeightUploader;
  readonly #matrices: LayerMatrices;
  #loaded = -1;
  #ahead: { readonly layer: number; readonly reads: readonly Promise<ReadPiece>[] } | null = null;

  private constructor(
    context: OpContext,
    checkpoint: Checkpoint,
    uploader: WeightUploader,
    matrices: LayerMatrices,
  ) {
    this.#context = context;
    this.#checkpoint = checkpoint;
    this.#uploader = uploader;
    this.#matrices = matrices;
  }

  /** Allocates the room; no layer is in it yet. */
  static async open(context: OpContext, checkpoint: Checkpoint, uploader: WeightUploader): Promise<LayerStream> {
    const refs = matrixRefs(checkpoint.config, 0);
    const matrices: Partial<Record<MatrixName, WeightMatrix>> = {};
    for (const name of MATRICES) {
      matrices[name] = await uploader.allocate(`streamed ${name}`, refs[name], streamedType(checkpoint, name));
    }
    return new LayerStream(context, checkpoint, uploader, matrices as LayerMatrices);
  }

  /**
   * The matrices of a layer, valid until the next call.
   *
   * @param next The layer to read ahead.
   */
  async take(layer: number, next?: number): Promise<LayerMatrices> {
    if (this.#loaded !== layer) {
      const reads = this.#ahead?.layer === layer ? this.#ahead.reads : [];
      if (reads.length > 0) this.#ahead = null;
      // What is recorded still means the layer that is there now.
      await this.#context.recorder.drain();
      // While it is being overwritten, no layer is there.
      this.#loaded = -1;
      await this.#uploader.upload(this.#pieces(layer), reads);
      this.#loaded = layer;
    }
    if (next !== undefined && next !== layer && this.#ahead?.layer !== next) this.#readAhead(next);
    return this.#matrices;
  }

  #readAhead(layer: number): void {
    for (const read of this.#ahead?.reads ?? []) read.then((piece) => this.#uploader.discard(piece), () => {});
    const reads = this.#pieces(layer).slice(0, AHEAD_BYTES / PIECE_BYTES).map((piece) => this.#uploader.read(piece));
    // A failed read is reported by the call that needs the layer.
    for (const read of reads) read.catch(() => {});
    this.#ahead = { layer, reads };
  }

  #pieces(layer: number): WeightPiece[] {
    const refs = matrixRefs(this.#checkpoint.config, layer);
    return MATRICES.flatMap((name) => weightPieces(this.#matrices[name], refs[name]));
  }
}
