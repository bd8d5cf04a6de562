/**
 * The straightforward way with Secateur's own kernels: one full forward pass, and one backward pass down to the layer,
 * for every path node of every layer of every example; one full forward pass for every cell of the grid. Nothing is
 * shared or batched.
 *
 * The kernels, the weights and the kept activations are those of the engine, so what differs is the sweep.
 */
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import type { Intervention, QuadratureRule } from "../src/engine/engine.ts";
import { createOpContext } from "../src/engine/webgpu.ts";
import { pathRequest } from "../src/engine/webgpu/attribution.ts";
import { choiceSums, forwardRequest } from "../src/engine/webgpu/choices.ts";
import { layerMasks } from "../src/engine/webgpu/masks.ts";
import { openGpu } from "../src/gpu/device.ts";
import { Memory } from "../src/gpu/memory.ts";
import { packWave } from "../src/model/packing.ts";
import { BufferPool } from "../src/model/buffers.ts";
import { Sweep } from "../src/model/sweep.ts";
import { uploadWeights } from "../src/model/weights.ts";
import type { KernelVariant } from "../src/ops/context.ts";
import type { Example } from "../src/tasks/example.ts";

/** A model that is run one sequence at a time. */
export interface UnsharedModel {
  /**
   * One node of the path of one layer for one example, with the objective `max-logit`: its term of the Integrated
   * Gradients sum, `[H]`.
   *
   * @param token The arg-max token of the unmodified model.
   */
  pathNode(example: Example, token: number, layer: number, rule: QuadratureRule, node: number): Promise<Float32Array>;
  /** Log-probability of each choice under an intervention, in one forward pass of the prompt with all choices. */
  choices(example: Example, intervention: Intervention): Promise<Float64Array>;
  /**
   * Log-probability of one choice in a forward pass that takes every row through every layer to its logits, as a call
   * of a transformers model does: nothing is left out because nobody asks for it.
   */
  everyLogit(example: Example, choice: number, intervention: Intervention): Promise<number>;
  /** Waits for a result that takes the device no time: what every call above waits besides its work. */
  wait(): Promise<void>;
  /** Releases its memory. */
  close(): void;
}

/** Uploads a model to a device, which stays the caller's. */
export async function openUnshared(
  checkpoint: Checkpoint,
  device: GPUDevice,
  variant: KernelVariant,
): Promise<UnsharedModel> {
  const { config } = checkpoint;
  const gpu = await openGpu({ device });
  const memory = new Memory(gpu);
  const context = await createOpContext(gpu, memory);
  context.variant = variant;
  const weights = await uploadWeights(context, checkpoint);
  const pool = new BufferPool(memory, () => context.recorder.forgetBindGroups());
  const sweep = new Sweep(context, config, weights, pool);
  return {
    async pathNode(example, token, layer, rule, node) {
      const request = pathRequest({
        config,
        examples: [example],
        targets: [{ token, other: null }],
        masks: new Map(),
        rule,
        site: "gate",
        positions: "all",
        objective: "max-logit",
        signal: undefined,
      }, [{ example: 0, layer, node }]);
      return (await sweep.run(request, Infinity)).scores.subarray(0, config.neurons);
    },
    async choices(example, intervention) {
      const request = forwardRequest(config, [example], [layerMasks(config, intervention)], [
        { example: 0, intervention: 0 },
      ], { choices: true });
      return choiceSums(request, request.answers[0], await sweep.run(request, Infinity));
    },
    async everyLogit({ prompt, choices }, choice, intervention) {
      const continuation = choices[choice];
      const tokens = Uint32Array.of(...prompt, ...continuation.subarray(0, -1));
      const asked = Array.from(tokens, (_, row) => row);
      const masks = layerMasks(config, intervention);
      const segment = { length: tokens.length, position: 0, tokens, spawn: -1, asked, gradient: false, masks };
      const wave = packWave([segment], { layers: config.layers, windows: config.slidingWindow });
      const rows = wave.askedRows[0];
      const picks = Array.from(continuation, (token, i) => ({ row: rows[prompt.length - 1 + i], token }));
      const mode = { backward: false, residency: "keep", foldsOutputs: false } as const;
      const { picked, logSumExp } = await sweep.run({ wave, mode, picks }, Infinity);
      return picks.reduce((sum, { row }, i) => sum + picked[i] - logSumExp[row], 0);
    },
    async wait() {
      await context.recorder.read([{ buffer: context.unusedInput, offset: 0, size: 16 }]);
    },
    close() {
      memory.releaseAll();
    },
  };
}
