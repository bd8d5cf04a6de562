/** The kernels at the sizes they have at work: the constructors of the tests' case tables, with larger parameters. */
import type { KernelVariant } from "../src/ops/context.ts";
import { attentionCase, attentionGradientCase } from "../tests/kernels/cases/attention.ts";
import { foldCase, fusedCase } from "../tests/kernels/cases/attribution.ts";
import { headGradientCase, pickCase, reduceCase } from "../tests/kernels/cases/head.ts";
import { matmulCase } from "../tests/kernels/cases/matmul.ts";
import { normCase, normGradientCase } from "../tests/kernels/cases/norm.ts";
import { ropeCase, ropeGradientCase } from "../tests/kernels/cases/rope.ts";
import { copyCase, keepOutputsCase, pickColumnsCase, statisticsCase } from "../tests/kernels/cases/rows.ts";
import { swigluCase, swigluGradientCase } from "../tests/kernels/cases/swiglu.ts";
import type { KernelCase } from "../tests/kernels/kernel_case.ts";
import { retiredProducts } from "./ladder/ladder.ts";

/** Cases that are timed in the same rounds, so that their ratios mean something. */
export interface KernelGroup {
  readonly name: string;
  /** What a case is held against: the group's first one, or its own first variant. */
  readonly against: "first" | "itself";
  readonly cases: readonly KernelCase[];
  /** Variants to time each case in; empty where the kernel has none. */
  readonly variants: readonly KernelVariant[];
  /** Whether each tile of the matrix products is timed too. */
  readonly tilings: boolean;
  /** Retired kernels that are timed beside them. They need subgroups. */
  readonly ladder: readonly KernelCase[];
  /** Whether the kernels read and write the whole of what they bind, so that its bytes can be counted. */
  readonly touchesAll: boolean;
}

const BOTH: readonly KernelVariant[] = ["subgroup", "tile"];
const TYPES = ["f32", "bf16", "f16"] as const;

/** Sizes of one run of the kernel part. */
interface Sizes {
  /** Rows, depth and columns of the products. */
  readonly products: readonly (readonly [T: number, K: number, N: number])[];
  readonly rows: number;
  readonly width: number;
  readonly neurons: number;
  readonly heads: readonly [Q: number, G: number, K: number];
  readonly vocabulary: number;
  /** Prompts and their path nodes, as the attention cases write them. */
  readonly segments: string;
  readonly lastRows: string;
}

const FULL: Sizes = {
  products: [[512, 1024, 1024], [1, 2048, 2048], [16, 1024, 1024]],
  rows: 1024,
  width: 1024,
  neurons: 1408,
  heads: [8, 4, 64],
  vocabulary: 8192,
  segments: "48*+48*+48*+48*+48*+48*+48*+48*",
  lastRows: "256+128x1@0*",
};

const QUICK: Sizes = {
  products: [[16, 32, 24]],
  rows: 8,
  width: 32,
  neurons: 48,
  heads: [2, 1, 16],
  vocabulary: 64,
  segments: "5*+3*",
  lastRows: "5+3x1@0*",
};

/** All groups, at working sizes or (`quick`) at sizes that only show that everything runs. */
export function kernelGroups(quick: boolean): KernelGroup[] {
  const { products, rows: T, width: D, neurons: H, heads: [Q, G, K], vocabulary: V, segments, lastRows } = quick
    ? QUICK
    : FULL;
  const pairs = quick ? [3, 2] : [8 * 48, 8 * 48];
  const group = (
    name: string,
    cases: readonly KernelCase[],
    variants = BOTH,
    rest: Partial<Pick<KernelGroup, "against" | "tilings" | "ladder" | "touchesAll">> = {},
  ): KernelGroup => ({
    name,
    cases,
    variants,
    against: "itself",
    tilings: false,
    ladder: [],
    touchesAll: true,
    ...rest,
  });
  const heads = { Q, G, K };
  return [
    ...products.map(([T, K, N]) =>
      group(
        `matmul ${T}x${K}x${N}`,
        (["nt", "nn"] as const).flatMap((kernel) => TYPES.map((type) => matmulCase({ kernel, T, K, N, type }))),
        BOTH,
        { against: "first", tilings: true, ladder: retiredProducts(T, K, N, "f32") },
      )
    ),
    group("attention", [
      attentionCase({ ...heads, segments }),
      attentionGradientCase({ ...heads, segments }),
      attentionCase({ ...heads, segments: lastRows }),
      attentionGradientCase({ ...heads, segments: lastRows }),
    ]),
    group("attribution", [
      fusedCase({ H, D: quick ? D : D / 2, pairs, site: "gate", type: "bf16" }),
      foldCase({ H, pairs, site: "gate" }),
    ]),
    group("norm", [
      normCase({ T, D }),
      normCase({ T, D, sum: "rows", sources: T / 4 }),
      normGradientCase({ T, D }),
    ]),
    group("rope", [
      ropeCase({ T, heads: Q, rotated: Q, K }),
      ropeGradientCase({ T, heads: Q, rotated: Q, K }),
    ]),
    group("swiglu", [
      swigluCase({ T, H, sources: T / 4, alphas: true }),
      swigluGradientCase({ T, H, sources: T / 4, alphas: true }),
    ], []),
    group("head", [
      reduceCase({ R: T / 8, V }),
      headGradientCase({ R: T / 8, V, objective: "terms" }),
    ]),
    group("rows", [
      copyCase({ T, D, sources: T / 2 }),
      keepOutputsCase({ T, D }),
      statisticsCase({ T, H }),
    ], []),
    group("picks", [pickCase({ R: T / 8, V, n: T }), pickColumnsCase({ T, H, n: 64 })], [], { touchesAll: false }),
  ];
}
