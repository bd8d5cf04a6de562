/** One transformer layer on packed rows, forward and backward, as records of ops. */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { attentionBackward, attentionForward, type AttentionHeads, type AttentionTiles } from "../ops/attention.ts";
import { fold, type FoldTables, foldThroughDown } from "../ops/attribution.ts";
import type { Matrix, OpContext } from "../ops/context.ts";
import { matmul, matmulBackward } from "../ops/matmul.ts";
import { type NormWeight, residualNorm, rmsnorm, rmsnormGradient } from "../ops/norm.ts";
import { ropeBackwardInPlace, ropeForward, type RopePositions } from "../ops/rope.ts";
import { copyRows, keepOutputs } from "../ops/rows.ts";
import type { RowTable } from "../ops/row_table.ts";
import { swigluBackwardInPlace, swigluForward } from "../ops/swiglu.ts";
import type { PackedTiles } from "./attention_tiles.ts";
import { type BufferPool, layerBuffer, streamBuffer, strides, type WaveMode } from "./buffers.ts";
import type { PackedLayer } from "./packing.ts";
import type { LayerWeights } from "./weights.ts";

/** Everything a layer's forward and backward pass need. */
export interface LayerRun {
  readonly context: OpContext;
  readonly config: ModelConfig;
  readonly layer: number;
  readonly weights: LayerWeights;
  /** Norm that follows the layer: the next layer's input norm, or the final norm. */
  readonly nextNorm: NormWeight;
  readonly packed: PackedLayer;
  readonly buffers: BufferPool;
  readonly mode: WaveMode;
  readonly tables: GPUBuffer;
  /** cos and sin by position. */
  readonly angles: GPUBuffer;
}

/** Site whose gradient is folded into scores, and the matrix of scores. */
export interface ScoreTarget {
  readonly site: "gate" | "up" | "down";
  readonly scores: Matrix;
}

/**
 * Layer input x to layer output x', with the variants spawned here appended and what is no longer needed dropped.
 *
 * Expects n = norm(x) in the buffer `n` and leaves the next norm of x' there.
 *
 * @param onActivation Called when h is in its buffer, before the down projection.
 */
export function forwardLayer(run: LayerRun, onActivation?: (h: Matrix, rows: number) => void): void {
  const { context, weights, packed, layer, mode } = run;
  const x = stream(run, layer);
  let n = shared(run, "n", "width");
  const y = shared(run, mode.foldsOutputs ? `y.${layer}` : "y", "width");
  const { q, kv, o, lse, mid, g, u, rawQ, rawKv } = activations(run);

  matmul(context, n, weights.kv, rawKv, { rows: packed.inRows });
  ropeForward(context, rawKv, weights.keyValueHeads, positions(run, packed.inPositions), kv, packed.inRows);
  let residual = x;
  if (packed.selects && packed.midRows < packed.inRows) {
    const map = { entries: run.tables, first: packed.midMap };
    const selected = shared(run, "selectedN", "width");
    residual = shared(run, "selectedX", "width");
    copyRows(context, n, map, selected, packed.midRows);
    copyRows(context, x, map, residual, packed.midRows);
    n = selected;
  }
  matmul(context, n, weights.q, rawQ, { rows: packed.midRows });
  ropeForward(context, rawQ, weights.queryHeads, positions(run, packed.midPositions), q, packed.midRows);
  attentionForward(context, heads(run), { q, kv, o, lse }, tiles(run, packed.tiles));
  n = shared(run, "n", "width");
  matmul(context, o, weights.o, y, { rows: packed.midRows });
  residualNorm(context, residual, y, undefined, weights.postAttentionNorm, mid, n, packed.midRows);

  matmul(context, n, weights.gate, g, { rows: packed.midRows });
  matmul(context, n, weights.up, u, { rows: packed.midRows });
  const h = shared(run, "h", "neurons");
  swigluForward(context, g, u, rowTable(run), h, packed.outRows);
  onActivation?.(h, packed.outRows);
  matmul(context, h, weights.down, y, { rows: packed.outRows });
  residualNorm(context, mid, y, rowTable(run), run.nextNorm, stream(run, layer + 1), n, packed.outRows);
}

/** Rebuilds the activations of a layer from its kept input, for the backward pass. */
export function recomputeLayer(run: LayerRun): void {
  const { context, weights, packed, layer } = run;
  rmsnorm(context, stream(run, layer), weights.inputNorm, shared(run, "n", "width"), packed.inRows);
  forwardLayer(run);
}

/**
 * Gradient of the layer's output, in `dOut`, to gradient of its input, in the buffer `dx`; folds the rows of the
 * variants spawned here into scores on the way.
 *
 * @param dOut Gradient rows of the out space; overwritten.
 */
export function backwardLayer(run: LayerRun, dOut: Matrix, target: ScoreTarget): void {
  const { context, weights, packed, layer } = run;
  const { g, u, mid, q, kv, o, lse, rawQ, rawKv } = activations(run);
  const continuing = packed.continuing;
  const folds = packed.fold && foldTables(run);
  const foldsHere = folds && packed.fold!.from >= continuing;
  const table = { ...rowTable(run), first: packed.rowEntry + packed.outBase };
  let dy = dOut;
  if (run.mode.masksOutputs) {
    dy = shared(run, "dy", "width");
    keepOutputs(context, dOut, table, dy, packed.outRows - packed.outBase);
  }
  if (folds && target.site === "down") {
    fold(context, dOut, shared(run, `y.${layer}`, "width"), undefined, "down", folds, target.scores, packed.fold!.from);
  } else if (folds && target.site !== "down" && foldsHere) {
    foldThroughDown(context, dy, weights.down, g, u, target.site, folds, target.scores, packed.fold!.from);
  }
  if (packed.inRows === packed.inBase) return;

  const dx = shared(run, "dx", "width");
  const dn = shared(run, "dn", "width");
  const dMid = dOut;
  if (continuing > 0) {
    const dh = shared(run, "dh", "neurons");
    const du = shared(run, "du", "neurons");
    matmulBackward(context, dy, weights.down, dh, { rows: continuing });
    if (folds && target.site !== "down" && !foldsHere) {
      fold(context, dh, g, u, target.site, folds, target.scores, packed.fold!.from);
    }
    swigluBackwardInPlace(context, g, u, table, dh, du, continuing);
    matmulBackward(context, dh, weights.gate, dn, { rows: continuing });
    matmulBackward(context, du, weights.up, dn, { rows: continuing, accumulate: true });
    rmsnormGradient(context, mid, dn, weights.postAttentionNorm, dMid, { rows: continuing, from: packed.midBase });
  }

  const dO = shared(run, "dO", "q");
  const dq = shared(run, "dq", "q");
  const dkv = shared(run, "dkv", "kv");
  const inGradients = packed.inRows - packed.inBase;
  matmulBackward(context, dMid, weights.o, dO, { rows: continuing });
  attentionBackward(
    context,
    heads(run),
    { q, kv, o, lse },
    { dO, dq, dkv, delta: run.buffers.get("delta"), queryBase: packed.midBase, keyBase: packed.inBase },
    tiles(run, packed.gradientTiles),
    tiles(run, packed.keyTiles),
  );
  const queryPositions = positions(run, packed.midPositions + packed.midBase);
  ropeBackwardInPlace(context, rawQ, weights.queryHeads, queryPositions, dq, continuing, packed.midBase);
  const keyPositions = positions(run, packed.inPositions + packed.inBase);
  ropeBackwardInPlace(context, rawKv, weights.keyValueHeads, keyPositions, dkv, inGradients, packed.inBase);
  if (packed.selects) {
    // Only the asked-for rows have queries and a residual gradient; keys and values of all rows have one.
    const inverse = { entries: run.tables, first: packed.inverseMap };
    const selected = shared(run, "dnSelected", "width");
    matmulBackward(context, dq, weights.q, selected, { rows: continuing });
    copyRows(context, selected, inverse, dn, inGradients);
    copyRows(context, dMid, inverse, dx, inGradients);
  } else {
    matmulBackward(context, dq, weights.q, dn, { rows: inGradients });
  }
  matmulBackward(context, dkv, weights.kv, dn, { rows: inGradients, accumulate: true });
  rmsnormGradient(context, stream(run, layer), dn, weights.inputNorm, dx, { rows: inGradients, from: packed.inBase });
}

function stream(run: LayerRun, layer: number): Matrix {
  return shared(run, streamBuffer(layer, run.mode), "width");
}

function shared(run: LayerRun, name: string, kind: keyof ReturnType<typeof strides>): Matrix {
  return run.buffers.matrix(name, strides(run.config)[kind]);
}

function activations(run: LayerRun) {
  const { layer, mode, buffers, weights } = run;
  const named = (name: Parameters<typeof layerBuffer>[0], kind: keyof ReturnType<typeof strides>) =>
    shared(run, layerBuffer(name, layer, mode), kind);
  const raw = weights.queryHeads.norm !== undefined;
  return {
    q: named("q", "q"),
    kv: named("kv", "kv"),
    o: named("o", "q"),
    lse: buffers.get(layerBuffer("lse", layer, mode)),
    mid: named("mid", "width"),
    g: named("g", "neurons"),
    u: named("u", "neurons"),
    rawQ: raw ? named("rawQ", "q") : shared(run, "rawQ", "q"),
    rawKv: raw ? named("rawKv", "kv") : shared(run, "rawKv", "kv"),
  };
}

function heads({ config }: LayerRun): AttentionHeads {
  const { queryHeads, keyValueHeads, headWidth, multipliers } = config;
  return { queryHeads, keyValueHeads, width: headWidth, scale: multipliers.attention };
}

function positions(run: LayerRun, first: number): RopePositions {
  return { positions: run.tables, first, angles: run.angles };
}

function tiles(run: LayerRun, packed: PackedTiles): AttentionTiles {
  return {
    table: run.tables,
    firstTile: packed.first,
    tiles: packed.count,
    firstQuery: run.packed.queries,
    visible: packed.visible,
  };
}

function rowTable(run: LayerRun): RowTable {
  return { rows: run.tables, masks: run.tables, first: run.packed.rowEntry };
}

function foldTables(run: LayerRun): FoldTables {
  const { variants, variantCount, pairs, pairCount } = run.packed.fold!;
  const slice = (words: number, count: number) => ({ buffer: run.tables, offset: words * 4, size: count * 16 });
  return { variants: slice(variants, variantCount), pairs: slice(pairs, pairCount), pairCount, variantCount };
}
