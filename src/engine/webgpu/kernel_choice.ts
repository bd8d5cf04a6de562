/** Which variant of the kernels an engine runs: the one asked for, else the one that a trial finds faster. */
import type { Gpu } from "../../gpu/device.ts";
import type { KernelVariant, OpContext } from "../../ops/context.ts";
import { chooseKernelVariant } from "../../ops/kernel_trial.ts";
import type { WebGpuEngineOptions } from "../webgpu.ts";

/** Which kernels are wanted. */
type KernelWish = Pick<WebGpuEngineOptions, "kernelVariant" | "adapterKernels">;

/** The kernels that are asked for on an adapter; undefined leaves them to a trial. */
function askedVariant({ kernelVariant, adapterKernels }: KernelWish, { adapter, hasSubgroups }: Gpu) {
  if (kernelVariant !== undefined) return kernelVariant;
  if (adapterKernels?.adapter !== adapter) return undefined;
  return adapterKernels.variant === "subgroup" && !hasSubgroups ? undefined : adapterKernels.variant;
}

/** The kernels to run on the device of a context. */
export async function resolveKernelVariant(wish: KernelWish, context: OpContext): Promise<KernelVariant> {
  return askedVariant(wish, context.gpu) ?? await chooseKernelVariant(context);
}
