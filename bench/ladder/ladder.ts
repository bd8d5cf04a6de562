/**
 * Retired kernels, still checked and timed beside the ones that took their place. README.md says what each step's idea
 * was and what it won.
 */
import { padded } from "../../src/ops/context.ts";
import { type StoredType, WEIGHT_TYPES } from "../../src/ops/weight_matrix.ts";
import { CaseData, caseName, type KernelCase } from "../../tests/kernels/kernel_case.ts";
import { product, productGradient } from "../../src/engine/webgpu/proofs/oracles/matmul.ts";
import { encodeWeights, roundWeights } from "../../tests/kernels/weights.ts";

const read = (file: string) => Deno.readTextFile(new URL(file, import.meta.url));

/** A retired matrix kernel: weights `[N,K]` in a storage buffer, tiles of 16 rows x 32 columns. */
interface RetiredProduct {
  readonly name: string;
  readonly code: string;
  /** Whether it computes x wᵀ, or dy w. */
  readonly kernel: "nt" | "nn";
}

const STORAGE: readonly RetiredProduct[] = [
  { name: "matmul_nt_storage", code: await read("matmul_nt_storage.wgsl"), kernel: "nt" },
  { name: "matmul_nn_storage", code: await read("matmul_nn_storage.wgsl"), kernel: "nn" },
];

/** Cases of the retired matrix kernels for weights `[N,K]` and T rows. They need subgroups of at least eight lanes. */
export function retiredProducts(
  T: number,
  K: number,
  N: number,
  type: Lowercase<StoredType>,
): KernelCase[] {
  return STORAGE.map(({ name: kernelName, code, kernel }) => {
    const name = caseName(kernelName, { T, K, N, type });
    const nt = kernel === "nt";
    const [columnsIn, columnsOut] = nt ? [K, N] : [N, K];
    return {
      name,
      async prepare(workspace) {
        const data = new CaseData(name);
        const stored = type.toUpperCase() as StoredType;
        const left = data.values(T * columnsIn);
        const weights = roundWeights(stored, data.values(N * K, { scale: 1 / Math.sqrt(columnsIn) }));
        const expected = (nt ? product : productGradient)(left, weights, [T, K, N]);
        const x = await workspace.input("left operand", left, { rows: T, columns: columnsIn });
        const y = await workspace.output("product", { rows: T, columns: columnsOut }, { zeroPadding: true });
        const bytes = encodeWeights(stored, weights, K);
        const w = await workspace.words("weights", new Uint32Array(bytes.buffer, 0, bytes.byteLength / 4));
        const { kernels, recorder } = workspace.context;
        return {
          record: () =>
            recorder.dispatch(
              kernels.get({ name: kernelName, code }, { WEIGHT_TYPE: WEIGHT_TYPES[stored] }),
              [x.buffer, w, y.buffer],
              nt
                ? [T, padded(N), padded(K), 0, x.stride, 0, y.stride, 0, 0, 0]
                : [T, padded(K), padded(N), 0, x.stride, 0, 0, y.stride, 0, 0],
              [Math.ceil(padded(columnsOut) / 32), Math.ceil(T / 16), 1],
              2 * T * K * N,
            ),
          results: async () => {
            const [actual] = await workspace.read(y);
            return [{ name: nt ? "y" : "dx", tolerance: "matmul", actual, expected }];
          },
        };
      },
    };
  });
}
