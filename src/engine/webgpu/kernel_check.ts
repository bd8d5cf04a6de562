/**
 * The check of every kernel that has a hand in a result: each pipeline is held against float64, as it was compiled,
 * before the first results of it leave the device.
 *
 * A pipeline is checked once for each device, together with all others that are new, in one submission and one wait.
 * Pipelines that nothing asks for are neither compiled nor checked.
 */
import type { Kernel } from "../../gpu/kernel.ts";
import type { OpContext } from "../../ops/context.ts";
import { PROOFS, variantOf } from "./proofs/proofs.ts";
import { Workbench } from "./proofs/workbench.ts";
import { describeWrong, WrongResultsError } from "./wrong_results.ts";

/**
 * Worst error accepted, relative to the largest value; correct kernels stay a hundred times below, wrong ones are far
 * above.
 */
const TOLERANCE = 1e-4;

/** Checks by pipeline; a pipeline belongs to one device. */
const checks = new WeakMap<Kernel, Promise<void>>();

/**
 * Checks those pipelines that have not been checked yet, and waits for those that are being checked.
 *
 * @param open Makes a context on the device whose memory is released afterwards.
 * @throws {WrongResultsError} If one computes wrongly, each time. Failures of the device are passed on, and the check
 * is made again next time.
 */
export async function checkKernels(kernels: Iterable<Kernel>, open: () => Promise<OpContext>): Promise<void> {
  const all = [...kernels];
  const unchecked = all.filter((kernel) => !checks.has(kernel));
  if (unchecked.length > 0) {
    const check = proveAll(unchecked, open);
    for (const kernel of unchecked) checks.set(kernel, check);
    check.catch(() => unchecked.forEach((kernel) => checks.delete(kernel)));
  }
  await Promise.all(all.map((kernel) => checks.get(kernel)));
}

/** Runs the proofs of pipelines, reads everything back at once and compares. */
async function proveAll(kernels: readonly Kernel[], open: () => Promise<OpContext>): Promise<void> {
  const context = await open();
  const { recorder, memory, gpu } = context;
  try {
    const bench = new Workbench(context);
    const owners: Kernel[] = [];
    for (const kernel of kernels) {
      await PROOFS[kernel.name](bench.with({ variant: variantOf(kernel) }), kernel.constants);
      if (!recorder.kernels.has(kernel)) throw new TypeError(`Cannot check ${kernel.name}: its proof does not run it`);
      while (owners.length < bench.expectations) owners.push(kernel);
    }
    const errors = await bench.errors(recorder);
    const wrong = errors.findIndex((error) => !(error <= TOLERANCE));
    if (wrong >= 0) {
      throw new WrongResultsError(
        `Cannot compute on ${gpu.adapter}: its kernel ${owners[wrong].name} gives results ` +
          `${describeWrong(errors[wrong], TOLERANCE)}; its driver is at fault`,
      );
    }
  } finally {
    memory.releaseAll();
  }
}
