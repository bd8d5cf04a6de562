/** Every pipeline of every kernel: the values that each `override` of `kernels/` is compiled with. */
import * as kernels from "../../kernels/mod.ts";
import { variantOf } from "../../src/engine/webgpu/proofs/proofs.ts";
import type { KernelConstants, KernelSource } from "../../src/gpu/kernel.ts";
import { withDevice } from "./webgpu_engine.ts";

/** A kernel with constants to compile it with. */
export interface Pipeline {
  readonly source: KernelSource;
  readonly constants: KernelConstants;
}

/** The name on disk of an export of `kernels/mod.ts`: `ropeBackward` is `rope_backward`. */
function fileName(exportName: string): string {
  return exportName.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The kernels of `kernels/mod.ts`, each with the name that the ops give it. */
export const kernelSources: readonly KernelSource[] = Object.entries(kernels).map(([name, code]) => ({
  name: fileName(name),
  code,
}));

/** Values of each constant. Of heads: one group of 16 columns, and as many as there can be. */
const VALUES: Readonly<Record<string, readonly number[]>> = {
  CHUNKS: [1, 8],
  HAS_BIAS: [0, 1],
  HAS_NORM: [0, 1],
  HAS_ROWS: [0, 1],
  HAS_Y: [0, 1],
  LANES: [8, 64],
  SIDE: [8, 16],
  WEIGHT_TYPE: [0, 1, 2],
};

/**
 * Every combination that the ops ask for on an adapter.
 *
 * @throws {RangeError} If a kernel has a constant that is not known here.
 */
export function pipelinesOf({ hasSubgroups }: { readonly hasSubgroups: boolean }): Pipeline[] {
  return allPipelines().filter(({ source: { name }, constants }) =>
    hasSubgroups || variantOf({ name, constants }) === "tile"
  );
}

/** Names of the kernels that this machine's adapter runs. */
export async function runnableKernels(): Promise<string[]> {
  const names = new Set<string>();
  await withDevice((gpu) => {
    for (const { source } of pipelinesOf(gpu)) names.add(source.name);
    return Promise.resolve();
  });
  return [...names];
}

function allPipelines(): Pipeline[] {
  return kernelSources.flatMap((source) => {
    let combinations: Record<string, number>[] = [{}];
    for (const [, name] of source.code.matchAll(/^override (\w+)/gm)) {
      if (!VALUES[name]) throw new RangeError(`Cannot list the pipelines of ${source.name}: what is ${name}?`);
      // The heads of a row are turned by 32 lanes at most.
      const values = VALUES[name].map((value) => source.name.startsWith("rope") ? Math.min(32, value) : value);
      combinations = combinations.flatMap((constants) => values.map((value) => ({ ...constants, [name]: value })));
    }
    // Rows of a table are summed with y.
    return combinations.filter(({ HAS_Y, HAS_ROWS }) => !(HAS_ROWS && !HAS_Y))
      .map((constants) => ({ source, constants }));
  });
}
