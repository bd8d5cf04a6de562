/**
 * One case of a kernel: seeded by its name, prepared on a device, recorded through the kernel's op, compared with the
 * oracle.
 */
import type { KernelVariant, MatmulTiling } from "../../src/ops/context.ts";
import { createRandom, type Random } from "../../src/tasks/random.ts";
import { gaussian } from "../support/tiny_checkpoint.ts";
import { assertWithin, type Result } from "./compare.ts";
import { foldGrids } from "./folded_grid.ts";
import { openKernels, Workspace } from "./support.ts";

/** A case of a kernel. */
export interface KernelCase {
  /** Kernel and parameters, such as `matmul_nt(T=33,K=2048,N=100,bf16)`: the seed of its data, and a test filter. */
  readonly name: string;
  /** Draws the data, computes the oracle and uploads, for the kernel variant of the workspace's context. */
  prepare(workspace: Workspace): Promise<PreparedCase>;
  /**
   * Compares the float64 backward oracle with finite differences of the float64 forward oracle on this case's data: the
   * worst relative error. Only of cases that are small enough.
   */
  readonly gradientError?: () => number;
}

/** A case whose data is on the device. */
export interface PreparedCase {
  /** Records the op. */
  record(): void;
  /** Reads back what one recording computed. */
  results(): Promise<Result[]>;
}

/** A parameter of a name: a number shows as `key=3`, a list as `key=3+5`, true as `key`, a string as itself. */
export type CaseParameter = number | readonly number[] | boolean | string | undefined;

/** Name of a case from its kernel and parameters, without those that are undefined, false or 0. */
export function caseName(kernel: string, parameters: Readonly<Record<string, CaseParameter>>): string {
  const parts = Object.entries(parameters).flatMap(([key, value]) => {
    if (!value) return [];
    if (value === true) return [key];
    if (typeof value === "string") return [value];
    return [`${key}=${typeof value === "number" ? value : value.join("+")}`];
  });
  return `${kernel}(${parts.join(",")})`;
}

/** Values that are drawn before an array repeats: a prime, so that rows differ all the same. */
const LONGEST_DRAW = 65_537;

/** Random data that depends on a name only. */
export class CaseData {
  readonly #random: Random;

  constructor(name: string) {
    let hash = 0x811c9dc5; // FNV-1a
    for (const character of name) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
    this.#random = createRandom(hash);
  }

  /**
   * Values that f32 holds exactly: standard normal times `scale`, or with `magnitude` of random sign and between half
   * of it and all of it. Long arrays repeat.
   */
  values(count: number, { scale = 1, magnitude = 0 } = {}): Float64Array {
    const { nextFloat } = this.#random;
    const values = new Float64Array(count);
    const drawn = Math.min(count, LONGEST_DRAW);
    for (let i = 0; i < drawn; i++) {
      const value = magnitude === 0
        ? scale * gaussian(nextFloat)
        : magnitude * (0.5 + 0.5 * nextFloat()) * (nextFloat() < 0.5 ? -1 : 1);
      values[i] = Math.fround(value);
    }
    for (let i = drawn; i < count; i += drawn) values.set(values.subarray(0, Math.min(drawn, count - i)), i);
    return values;
  }

  /** Uniform integers from 0 to `bound - 1`. */
  integers(count: number, bound: number): number[] {
    return Array.from({ length: count }, () => this.#random.nextBelow(bound));
  }

  /** The numbers from 0 to `count - 1` in random order. */
  permutation(count: number): number[] {
    return this.#random.shuffle(Array.from({ length: count }, (_, i) => i));
  }
}

/** How to run a case. */
export interface RunOptions {
  /** Kernel variant, where a kernel has several. Default `tile`. */
  readonly variant?: KernelVariant;
  /** Tile of the matrix products. By default it follows from the rows. */
  readonly tiling?: MatmulTiling;
  /** Whether grids of one dimension are folded into two; see `foldGrids`. */
  readonly folded?: boolean;
}

/** Runs a case and returns what it computed beside what it should have. */
export async function runCase(kernelCase: KernelCase, options: RunOptions = {}): Promise<Result[]> {
  const { variant = "tile", tiling } = options;
  const context = { ...await openKernels(), variant, ...(tiling && { tiling }) };
  const workspace = new Workspace(options.folded ? foldGrids(context) : context);
  try {
    const prepared = await kernelCase.prepare(workspace);
    prepared.record();
    return await prepared.results();
  } finally {
    workspace.close();
  }
}

/** Largest relative error of a float64 gradient against float64 finite differences. Measured floor: 6e-11. */
const GRADIENT_TOLERANCE = 1e-9;

/** How a table of cases is tested. */
export interface TestOptions {
  /** Kernel variants to run each case in. Default: the kernel has none. */
  readonly variants?: readonly KernelVariant[];
  /** Tiles of each variant to run each case with. Default: the one that follows from the rows. */
  readonly tilings?: Readonly<Record<KernelVariant, readonly MatmulTiling[]>>;
  /** Whether the kernels walk a linear grid, so that each case is run on a folded one too. Default false. */
  readonly linear?: boolean;
}

/** Registers the tests of a table of cases. */
export function testCases(symbol: string, cases: readonly KernelCase[], options: TestOptions = {}): void {
  const { variants = [], tilings, linear = false } = options;
  const runs: (readonly [string, RunOptions])[] = variants.flatMap((variant): (readonly [string, RunOptions])[] =>
    tilings
      ? tilings[variant].map((tiling) => [` in ${variant} (${tiling})`, { variant, tiling }])
      : [[` in ${variant}`, { variant }]]
  );
  if (runs.length === 0) runs.push(["", {}]);
  if (linear) runs.push([" on a folded grid", { folded: true }]);
  for (const kernelCase of cases) {
    for (const [suffix, run] of runs) {
      Deno.test(`${symbol} agrees with float64 when ${kernelCase.name}${suffix}`, async () => {
        (await runCase(kernelCase, run)).forEach(assertWithin);
      });
    }
    const { gradientError } = kernelCase;
    if (!gradientError) continue;
    Deno.test(`${symbol}'s oracle agrees with finite differences when ${kernelCase.name}`, () => {
      const error = gradientError();
      if (!(error <= GRADIENT_TOLERANCE)) {
        throw new Error(`the gradient's worst relative error is ${error}, expected at most ${GRADIENT_TOLERANCE}`);
      }
    });
  }
}
