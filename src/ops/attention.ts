/**
 * Causal grouped-query attention on packed segments with prefixes, forward and backward: owns `attention`,
 * `attention_backward_query` and `attention_backward_key_value`, each with workgroup memory and (`_subgroup`) without.
 */
import {
  attention,
  attentionBackwardKeyValue,
  attentionBackwardKeyValueSubgroup,
  attentionBackwardQuery,
  attentionBackwardQuerySubgroup,
  attentionSubgroup,
} from "../../kernels/mod.ts";
import type { KernelSource } from "../gpu/kernel.ts";
import type { Binding } from "../gpu/recorder.ts";
import { type KernelVariant, type Matrix, type OpContext, requireRows } from "./context.ts";

/** Rows of one tile of queries or of keys. */
export const TILE_ROWS = 16;

/** Widest head the kernels keep in registers. */
export const MAX_HEAD_WIDTH = 128;

/** Workgroups of each variant that share a tile, and its three kernels. */
const VARIANTS: Record<KernelVariant, {
  readonly workgroups: number;
  readonly forward: KernelSource;
  readonly query: KernelSource;
  readonly keyValue: KernelSource;
}> = {
  tile: {
    workgroups: 1,
    forward: { name: "attention", code: attention },
    query: { name: "attention_backward_query", code: attentionBackwardQuery },
    keyValue: { name: "attention_backward_key_value", code: attentionBackwardKeyValue },
  },
  subgroup: {
    workgroups: 2,
    forward: { name: "attention_subgroup", code: attentionSubgroup },
    query: { name: "attention_backward_query_subgroup", code: attentionBackwardQuerySubgroup },
    keyValue: { name: "attention_backward_key_value_subgroup", code: attentionBackwardKeyValueSubgroup },
  },
};

/** Shapes of the heads. */
export interface AttentionHeads {
  /** Q */
  readonly queryHeads: number;
  /** G */
  readonly keyValueHeads: number;
  /** K, a multiple of 4, at most {@link MAX_HEAD_WIDTH}. */
  readonly width: number;
  /** Factor on q·k. Default 1/sqrt(K). */
  readonly scale?: number;
}

/** Tiles to run: where they are in the table, and how many of them. */
export interface AttentionTiles {
  /** vec4<u32> entries: tiles and queries as the kernels document them. */
  readonly table: Binding;
  readonly firstTile: number;
  readonly tiles: number;
  readonly firstQuery: number;
  /** Pairs of a query and a key it sees, for the operation count. */
  readonly visible: number;
}

/** What the forward pass keeps for the backward pass. */
export interface AttentionState {
  /** `[R, Q*K]` */
  readonly q: Matrix;
  /** `[R', 2*G*K]`: keys, then values. */
  readonly kv: Matrix;
  /** `[R, Q*K]` */
  readonly o: Matrix;
  /** f32 `[R, Q]` */
  readonly lse: GPUBuffer;
}

/**
 * o = softmax(scale q kᵀ) v and the log-sum-exp of each row and head. state.o and state.lse are overwritten in the rows
 * that the tiles cover.
 *
 * @throws {RangeError} If the heads are too wide, or not a multiple of 4 wide.
 */
export function attentionForward(
  context: OpContext,
  heads: AttentionHeads,
  state: AttentionState,
  tiles: AttentionTiles,
): void {
  const { forward, workgroups } = VARIANTS[context.variant];
  context.recorder.dispatch(
    context.kernels.get(forward, constants(heads)),
    [state.q.buffer, state.kv.buffer, tiles.table, state.o.buffer, state.lse],
    params(heads, tiles, state),
    [tiles.tiles * workgroups, heads.queryHeads, 1],
    4 * tiles.visible * heads.queryHeads * heads.width,
  );
}

/** Gradients of attention for the rows from `queryBase` and `keyBase` on. */
export interface AttentionGradients {
  /** Gradient of o, `[Rg, Q*K]`. */
  readonly dO: Matrix;
  /** `[Rg, Q*K]`, overwritten. */
  readonly dq: Matrix;
  /** `[Rg', 2*G*K]`, overwritten. */
  readonly dkv: Matrix;
  /** f32 `[Rg, Q]`, overwritten. */
  readonly delta: GPUBuffer;
  /** Row of q, o and lse that belongs to row 0 of dO and dq. */
  readonly queryBase: number;
  /** Row of kv that belongs to row 0 of dkv. */
  readonly keyBase: number;
}

/** Gradients of {@link attentionForward} with respect to q, k and v; prefix rows get none. */
export function attentionBackward(
  context: OpContext,
  heads: AttentionHeads,
  state: AttentionState,
  gradients: AttentionGradients,
  queryTiles: AttentionTiles,
  keyTiles: AttentionTiles,
): void {
  const { dO, dq, dkv, delta, queryBase, keyBase } = gradients;
  const { query, keyValue, workgroups } = VARIANTS[context.variant];
  requireRows("dq", dq, 1);
  requireRows("dkv", dkv, 1);
  context.recorder.dispatch(
    context.kernels.get(query, constants(heads)),
    [state.q.buffer, state.kv.buffer, state.o.buffer, state.lse, dO.buffer, queryTiles.table, dq.buffer, delta],
    [...params(heads, queryTiles, state), queryBase],
    [queryTiles.tiles * workgroups, heads.queryHeads, 1],
    6 * queryTiles.visible * heads.queryHeads * heads.width,
  );
  context.recorder.dispatch(
    context.kernels.get(keyValue, constants(heads)),
    [state.q.buffer, state.kv.buffer, state.lse, dO.buffer, delta, keyTiles.table, dkv.buffer],
    [...params(heads, keyTiles, state), queryBase, keyBase],
    [keyTiles.tiles * workgroups, heads.keyValueHeads, 1],
    8 * keyTiles.visible * heads.queryHeads * heads.width,
  );
}

function params(heads: AttentionHeads, tiles: AttentionTiles, state: AttentionState) {
  return [
    heads.width,
    heads.queryHeads,
    state.q.stride / 4,
    heads.keyValueHeads,
    tiles.firstTile,
    tiles.firstQuery,
    { f32: heads.scale ?? 1 / Math.sqrt(heads.width) },
  ];
}

function constants(heads: AttentionHeads) {
  if (heads.width % 4 !== 0 || heads.width > MAX_HEAD_WIDTH) {
    throw new RangeError(
      `Cannot run attention on heads of width ${heads.width}: expected a multiple of 4, at most ${MAX_HEAD_WIDTH}`,
    );
  }
  return { CHUNKS: Math.ceil(heads.width / 16) };
}
