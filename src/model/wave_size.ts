/** How many bytes a wave takes on the GPU, from what it is asked for: known before anything is allocated. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { allocatedBytes } from "../gpu/memory.ts";
import { PICK_WORDS, SEED_WORDS, STATISTICS_WORDS } from "../ops/head.ts";
import { strides, waveBuffers, type WaveShape } from "./buffers.ts";
import type { PackedWave } from "./packing.ts";
import type { WaveRequest } from "./wave_request.ts";

/** Bytes of logits computed at once, unless one row is larger. */
const LOGIT_BYTES = 16 * 2 ** 20;

/** Rows of logits that are computed at once. */
export function logitRows(config: ModelConfig, finalRows: number, wantLogits = false): number {
  if (wantLogits) return finalRows;
  return Math.max(1, Math.min(finalRows, Math.floor(LOGIT_BYTES / (strides(config).logits * 4))));
}

/** The buffers a request needs, by name, in bytes. */
export function waveSizes(config: ModelConfig, request: WaveRequest): Map<string, number> {
  const columns = strides(config);
  const finalRows = request.wave.layers.at(-1)!.outRows;
  const shape: WaveShape = {
    ...shapeOf(request.wave),
    scoreRows: request.scoreRows ?? 0,
    scoreColumns: request.site === "down" ? columns.width : columns.neurons,
    tableBytes: request.wave.tables.byteLength +
      4 * (request.picks.length * PICK_WORDS + (request.seeds?.length ?? 0) * SEED_WORDS) + 1024,
    logitRows: request.skipHead ? 0 : logitRows(config, finalRows, request.wantLogits),
    picks: Math.max(1, request.picks.length),
  };
  return waveBuffers(config, shape, request.mode);
}

/**
 * Bytes a request takes besides its buffers: the table of angles and what is brought back.
 *
 * @param positions Positions that the table of angles has already.
 */
export function overheadBytes(config: ModelConfig, request: WaveRequest, positions = 0): number {
  const { statistics, picked, scores, logits } = readBackBytes(config, request);
  const needed = Math.max(positions, anglePositions(config, request.wave.positions));
  const angles = needed * config.rope.inverseFrequencies.length * 2 * 4;
  return allocatedBytes(angles) + allocatedBytes(statistics + picked + scores + logits);
}

/** Bytes of each result that a request brings back. */
export function readBackBytes(config: ModelConfig, request: WaveRequest) {
  const { width, neurons, logits } = strides(config);
  const rows = request.wave.layers.at(-1)!.outRows;
  const scoreRows = request.mode.backward ? request.scoreRows ?? 0 : 0;
  return {
    statistics: rows * STATISTICS_WORDS * 4,
    picked: request.picks.length * 4,
    scores: scoreRows * (request.site === "down" ? width : neurons) * 4,
    logits: request.wantLogits ? rows * logits * 4 : 0,
  };
}

/** Positions of a table of angles that has at least `count`: doubling keeps it from being made anew too often. */
export function anglePositions(config: ModelConfig, count: number): number {
  return Math.min(Math.max(64, 2 ** Math.ceil(Math.log2(count))), Math.max(count, config.maxPositions));
}

/** Row counts of a packed wave. */
function shapeOf({ layers }: PackedWave) {
  return {
    inRows: layers.map((layer) => layer.inRows),
    midRows: layers.map((layer) => layer.midRows),
    outRows: layers.map((layer) => layer.outRows),
    inGradients: layers.map((layer) => layer.inRows - layer.inBase),
    midGradients: layers.map((layer) => layer.continuing),
    outGradients: layers.map((layer) => layer.outRows - layer.outBase),
  };
}
