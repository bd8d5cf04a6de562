/** What a memory budget leaves for weights, and for waves. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { OpContext } from "../../ops/context.ts";
import { formatShortage } from "../../text/bytes.ts";
import { OptionError } from "../../text/option_error.ts";
import type { WaveLimits } from "./waves.ts";

/** Budgets in bytes of GPU memory. */
export interface MemoryBudgets {
  /** For everything: weights and working buffers. */
  readonly memoryBudgetBytes?: number;
  /** For weights. */
  readonly weightBudgetBytes?: number;
}

/** Share of the memory budget that weights may take before layers are streamed. */
const WEIGHT_SHARE = 0.75;

/** Bytes for working buffers where no memory budget is given. */
export const DEFAULT_WORKING_BYTES = 2 ** 30;

/**
 * Bytes that weights may take, or undefined for as many as they need.
 *
 * @throws {OptionError} If they may take more than everything together.
 */
export function weightBudget({ memoryBudgetBytes, weightBudgetBytes }: MemoryBudgets): number | undefined {
  if (weightBudgetBytes !== undefined && memoryBudgetBytes !== undefined && weightBudgetBytes > memoryBudgetBytes) {
    const [weights, everything] = formatShortage(weightBudgetBytes, memoryBudgetBytes);
    throw new OptionError(
      `Cannot keep weights of up to ${weights}: the memory budget, of which they are a part, is ${everything}`,
    );
  }
  if (weightBudgetBytes !== undefined || memoryBudgetBytes === undefined) return weightBudgetBytes;
  return Math.floor(memoryBudgetBytes * WEIGHT_SHARE);
}

/**
 * What limits a wave.
 *
 * @param fixedBytes Bytes of weights and of everything else that stays.
 * @throws {RangeError} If the budget leaves nothing.
 */
export function waveLimits(
  { gpu }: Pick<OpContext, "gpu">,
  checkpoint: Checkpoint,
  residency: "resident" | "streamed",
  fixedBytes: number,
  { memoryBudgetBytes }: MemoryBudgets,
): WaveLimits {
  const bytes = memoryBudgetBytes === undefined ? DEFAULT_WORKING_BYTES : memoryBudgetBytes - fixedBytes;
  if (bytes <= 0) {
    const [fixed, budget] = formatShortage(fixedBytes, memoryBudgetBytes!);
    throw new OptionError(
      `Cannot open ${checkpoint.location}: its weights and fixed buffers take ${fixed}, the memory budget is ${budget}`,
    );
  }
  return {
    bytes,
    bindingBytes: Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize),
    streamed: residency === "streamed",
  };
}
