/** Activations of chosen neurons, example by example, without holding those of all examples at once. */
import type { Engine, RunOptions } from "../engine/engine.ts";
import type { Example } from "../tasks/example.ts";
import { forStage } from "./progress.ts";

/** Neurons of one layer, ascending; h = silu(g) * u is the same neuron for the sites gate and up. */
export interface TracedNeurons {
  /** Counted from 0. */
  readonly layer: number;
  /** Ascending, without repeats. */
  readonly neurons: Uint32Array;
}

/** Options of `forEachTrace`. */
export interface TraceOptions extends RunOptions {
  /** Stage of the progress reports. Default `trace`. */
  readonly stage?: string;
  /** Host memory for traces that are held at once, in bytes. Default 64 MiB. It does not change the result. */
  readonly resultBudgetBytes?: number;
}

/**
 * Calls `visit` with the activations of one example and one entry of `traced`: h row-major `[T, neurons]`.
 *
 * @throws {RangeError} If there is no example or neuron, or a neuron is not there.
 */
export async function forEachTrace(
  engine: Engine,
  examples: readonly Example[],
  traced: readonly TracedNeurons[],
  visit: (example: number, entry: number, h: Float32Array) => void,
  options: TraceOptions = {},
): Promise<void> {
  const { stage = "trace", resultBudgetBytes = 64 * 2 ** 20 } = options;
  const columns = traced.reduce((sum, { neurons }) => sum + neurons.length, 0);
  if (examples.length === 0) throw new RangeError("Cannot trace neurons on 0 examples: expected at least one");
  if (columns === 0) throw new RangeError("Cannot trace 0 neurons: expected at least one");
  let group: number[] = [];
  let bytes = 0;
  const flush = async () => {
    if (group.length === 0) return;
    const { traces } = await engine.activations(group.map((index) => examples[index]), {
      ...forStage(options, stage),
      trace: traced,
    });
    group.forEach((example, i) => traces.forEach((byExample, entry) => visit(example, entry, byExample[i])));
    group = [];
    bytes = 0;
  };
  for (const [index, { prompt }] of examples.entries()) {
    const own = prompt.length * columns * Float32Array.BYTES_PER_ELEMENT;
    if (bytes + own > resultBudgetBytes) await flush();
    group.push(index);
    bytes += own;
  }
  await flush();
}
