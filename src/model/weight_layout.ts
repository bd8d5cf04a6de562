/** How a model's weights lie on the GPU: the tensors behind each matrix, its type, and the bytes it all takes. */
import type { Checkpoint, WeightType } from "../checkpoint/checkpoint.ts";
import { bytesPerWeight } from "../checkpoint/dtype.ts";
import type { ModelConfig, WeightRef } from "../checkpoint/model_config.ts";
import { MAX_HEAD_WIDTH } from "../ops/attention.ts";
import { padded } from "../ops/context.ts";
import { formatShortage } from "../text/bytes.ts";
import { OptionError } from "../text/option_error.ts";

/** Matrices of a layer, which may take turns on the GPU; everything else of a layer is small and stays. */
export const MATRICES = ["q", "kv", "o", "gate", "up", "down"] as const;

/** The name of a matrix of a layer. */
export type MatrixName = typeof MATRICES[number];

/** The checkpoint tensors that make up each matrix of a layer, stacked by rows. */
export function matrixRefs(config: ModelConfig, layer: number): Record<MatrixName, readonly WeightRef[]> {
  const { q, k, v, o, gate, up, down } = config.layerWeights[layer];
  return { q: [q], kv: [k, v], o: [o], gate: [gate], up: [up], down: [down] };
}

/** The type of a stack of weights on the GPU: as stored, or f32 where its parts are stored differently. */
export function stackType(checkpoint: Checkpoint, refs: readonly WeightRef[]): WeightType {
  const types = new Set(refs.map((ref) => checkpoint.typeOf(ref)));
  return types.size === 1 ? [...types][0] : "F32";
}

/** The type of a matrix that every layer takes its turn in: f32 where the layers are stored differently. */
export function streamedType(checkpoint: Checkpoint, name: MatrixName): WeightType {
  const { config } = checkpoint;
  return stackType(checkpoint, config.layerWeights.flatMap((_, layer) => matrixRefs(config, layer)[name]));
}

/** A matrix as it will lie on the GPU. */
export interface MatrixShape {
  readonly name: string;
  readonly type: WeightType;
  readonly rows: number;
  readonly columns: number;
}

/** How the weights of a model are brought to the GPU. */
export interface WeightLayout {
  /** Whether all layers are on the GPU at once, or take turns in the room of one. */
  readonly residency: "resident" | "streamed";
  /** Bytes on the GPU. */
  readonly bytes: number;
  /** Bytes if all layers were there at once; the embedding is not, a tied one is there as the head. */
  readonly residentBytes: number;
  /** Bytes with one layer at a time: the smallest weight budget. */
  readonly streamedBytes: number;
  /** Bytes that go to the GPU when it is opened; streamed layers come when their turn does. */
  readonly loadedBytes: number;
  /** The matrices of this layout. */
  readonly matrices: readonly MatrixShape[];
}

function shapeOf(name: string, refs: readonly WeightRef[], type: WeightType): MatrixShape {
  return { name, type, rows: refs.reduce((sum, ref) => sum + ref.rows, 0), columns: refs[0].columns };
}

function matrixBytes({ type, rows, columns }: MatrixShape): number {
  return padded(rows) * padded(columns) * bytesPerWeight(type);
}

/** Bytes of all vectors, f32. */
function vectorBytes(config: ModelConfig): number {
  const vector = (...refs: WeightRef[]) => padded(refs.reduce((sum, ref) => sum + ref.rows * ref.columns, 0)) * 4;
  let bytes = vector(config.finalNorm);
  for (const { inputNorm, postAttentionNorm, qkvBias, qkNorm } of config.layerWeights) {
    bytes += vector(inputNorm) + vector(postAttentionNorm);
    if (qkvBias) bytes += vector(qkvBias.q) + vector(qkvBias.k, qkvBias.v);
    if (qkNorm) bytes += vector(qkNorm.q) + vector(qkNorm.k);
  }
  return bytes;
}

/**
 * Decides between resident and streamed weights.
 *
 * @param budgetBytes Bytes of GPU memory for weights.
 * @throws {RangeError} If not even the head and one layer fit the budget, or the attention heads are too wide for the
 * kernels.
 */
export function layOutWeights(checkpoint: Checkpoint, budgetBytes = Infinity): WeightLayout {
  const { config } = checkpoint;
  if (config.headWidth > MAX_HEAD_WIDTH) {
    throw new RangeError(
      `Cannot load ${checkpoint.location} on a GPU: its attention heads are ${config.headWidth} wide, expected at most ` +
        `${MAX_HEAD_WIDTH}; the reference engine takes any width`,
    );
  }
  const head = shapeOf("head", [config.head], checkpoint.typeOf(config.head));
  const resident = config.layerWeights.flatMap((_, layer) => {
    const refs = matrixRefs(config, layer);
    return MATRICES.map((name) => shapeOf(`layer ${layer} ${name}`, refs[name], stackType(checkpoint, refs[name])));
  });
  const room = MATRICES.map((name) =>
    shapeOf(`streamed ${name}`, matrixRefs(config, 0)[name], streamedType(checkpoint, name))
  );
  const rest = matrixBytes(head) + vectorBytes(config);
  const sum = (matrices: readonly MatrixShape[]) => matrices.reduce((bytes, matrix) => bytes + matrixBytes(matrix), 0);
  const [residentBytes, streamedBytes] = [rest + sum(resident), rest + sum(room)];
  if (residentBytes <= budgetBytes) {
    return {
      residency: "resident",
      bytes: residentBytes,
      residentBytes,
      streamedBytes,
      loadedBytes: residentBytes,
      matrices: [head, ...resident],
    };
  }
  if (streamedBytes > budgetBytes) {
    const [least, budget] = formatShortage(streamedBytes, budgetBytes);
    throw new OptionError(
      `Cannot load ${checkpoint.location}: its head and one layer take ${least}, the weight budget is ${budget}`,
    );
  }
  return {
    residency: "streamed",
    bytes: streamedBytes,
    residentBytes,
    streamedBytes,
    loadedBytes: rest,
    matrices: [head, ...room],
  };
}
