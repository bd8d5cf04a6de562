/** Which proof each kernel has: a small computation with every constant that a pipeline of it can have. */
import type { Kernel, KernelConstants } from "../../../gpu/kernel.ts";
import type { KernelVariant, MatmulTiling } from "../../../ops/context.ts";
import { type StoredType, WEIGHT_TYPES } from "../../../ops/weight_matrix.ts";
import { proveAttention, proveAttentionGradient } from "./attention.ts";
import { proveFold, proveFusedFold, proveSwiglu } from "./feed_forward.ts";
import { proveHeadGradient, provePick, proveReduce } from "./head.ts";
import { proveNorm, proveNormGradient, proveRope } from "./norms.ts";
import { proveProduct } from "./products.ts";
import { proveCopy, proveGather, proveKeepOutputs, proveStatistics } from "./rows.ts";
import type { Workbench } from "./workbench.ts";

/** Records what a pipeline computes, on a bench of its variant, and says what must come of it. */
type Proof = (bench: Workbench, constants: KernelConstants) => Promise<void>;

function storedType({ WEIGHT_TYPE }: KernelConstants): StoredType {
  return (Object.keys(WEIGHT_TYPES) as StoredType[]).find((type) => WEIGHT_TYPES[type] === WEIGHT_TYPE)!;
}

function product(direction: "nt" | "nn", tiling: (constants: KernelConstants) => MatmulTiling): Proof {
  return (bench, constants) => proveProduct(bench, direction, tiling(constants), storedType(constants));
}

function turn(isBackward: boolean): Proof {
  return (bench, { HAS_BIAS, HAS_NORM }) =>
    proveRope(bench, { isBackward, hasBias: HAS_BIAS === 1, hasNorm: HAS_NORM === 1 });
}

const forward: Proof = (bench, { CHUNKS }) => proveAttention(bench, CHUNKS);
const queryGradient: Proof = (bench, { CHUNKS }) => proveAttentionGradient(bench, "query", CHUNKS);
const keyValueGradient: Proof = (bench, { CHUNKS }) => proveAttentionGradient(bench, "keyValue", CHUNKS);
const fused: Proof = (bench, constants) => proveFusedFold(bench, storedType(constants));
const wide = ({ SIDE }: KernelConstants): MatmulTiling => SIDE === 16 ? "large" : "wide";

/** The proof of each kernel of `kernels/`, by name. */
export const PROOFS: Readonly<Record<string, Proof>> = {
  attention: forward,
  attention_subgroup: forward,
  attention_backward_query: queryGradient,
  attention_backward_query_subgroup: queryGradient,
  attention_backward_key_value: keyValueGradient,
  attention_backward_key_value_subgroup: keyValueGradient,
  attribution_fold: proveFold,
  attribution_fused_subgroup: fused,
  attribution_fused_tile: fused,
  gather_columns: proveGather,
  head_gradient: proveHeadGradient,
  head_pick: provePick,
  head_reduce: proveReduce,
  keep_outputs: proveKeepOutputs,
  map_rows: proveCopy,
  matmul_nn_rows: product("nn", () => "rows"),
  matmul_nn_subgroup: product("nn", () => "low"),
  matmul_nn_subgroup_tall: product("nn", () => "tall"),
  matmul_nn_tile: product("nn", () => "plain"),
  matmul_nn_tile_wide: product("nn", wide),
  matmul_nt_rows: product("nt", () => "rows"),
  matmul_nt_subgroup: product("nt", () => "low"),
  matmul_nt_subgroup_tall: product("nt", () => "tall"),
  matmul_nt_tile: product("nt", () => "plain"),
  matmul_nt_tile_wide: product("nt", wide),
  neuron_statistics: proveStatistics,
  residual_rmsnorm: (bench, { HAS_Y, HAS_ROWS }) => proveNorm(bench, HAS_ROWS ? "rows" : HAS_Y ? "y" : "x"),
  rmsnorm_backward: proveNormGradient,
  rope: turn(false),
  rope_backward: turn(true),
  swiglu: (bench) => proveSwiglu(bench, false),
  swiglu_backward: (bench) => proveSwiglu(bench, true),
};

/** The variant whose ops run a pipeline; the lanes of a workgroup tell it where the name does not. */
export function variantOf({ name, constants }: Pick<Kernel, "name" | "constants">): KernelVariant {
  return name.includes("_subgroup") || constants.LANES === 8 ? "subgroup" : "tile";
}
