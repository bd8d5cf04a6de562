/** Whether a device that compiles one kernel wrongly is refused before an engine on it has handed out a result. */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { Engine, Intervention } from "../../src/engine/engine.ts";
import { createWebGpuEngine, type WebGpuEngineOptions } from "../../src/engine/webgpu.ts";
import { WrongResultsError } from "../../src/engine/webgpu/wrong_results.ts";
import type { Example } from "../../src/tasks/example.ts";
import { breakKernels, type Fault } from "./broken_kernel.ts";
import { makeTinyCheckpoint } from "./tiny_checkpoint.ts";

/** The model that is asked. */
export function refusalModel(): Promise<Checkpoint> {
  return makeTinyCheckpoint({ layers: 2, width: 16, neurons: 16, headWidth: 8, dtype: "BF16" });
}

function example(tokens: number): Example {
  return {
    id: `${tokens} tokens`,
    prompt: Uint32Array.from({ length: tokens }, (_, i) => 1 + i % 7),
    choices: [Uint32Array.of(1), Uint32Array.of(2, 3)],
    choiceCharacters: [1, 2],
    gold: 0,
  };
}

const RULE = { nodes: Float64Array.of(0.5), weights: Float64Array.of(1) };

const SILENCED: Intervention = [{ layer: 1, site: "down", neurons: Uint32Array.of(3) }];

type Request = (engine: Engine) => Promise<unknown>;

/** Requests that run every kernel between them, whichever the tiles are; those that start alike come first. */
const REQUESTS: Readonly<Record<string, Request>> = {
  "score choices": (engine) => engine.choiceLogProbs([example(4)], [[], SILENCED]),
  "score choices of a long prompt": (engine) => engine.choiceLogProbs([example(70)], [[]]),
  "attribute": (engine) => engine.attribute([example(70)], { rule: RULE }),
  "attribute along the joint path": (engine) => engine.attribute([example(4)], { rule: RULE, path: "joint" }),
  "attribute on a pruned model": (engine) => engine.attribute([example(4)], { rule: RULE, base: SILENCED }),
  "measure activations": (engine) =>
    engine.activations([example(4)], { trace: [{ layer: 0, neurons: Uint32Array.of(1, 5) }] }),
};

/** How an engine is opened so that it may run a kernel: the variant and the tile that have it. */
export function settingsFor(kernel: string): WebGpuEngineOptions {
  if (kernel.includes("_subgroup")) return { kernelVariant: "subgroup" };
  return { kernelVariant: "tile", tiling: kernel.endsWith("_wide") ? "wide" : "plain" };
}

/** What became of a broken kernel. */
export interface Refusal {
  /** What was asked when the device was refused: opening the engine, or a request. */
  readonly step: string;
  readonly message: string;
}

/**
 * Opens an engine on a device that breaks a kernel, and asks until the device is refused.
 *
 * @param device A device on which nothing has been compiled yet.
 * @throws {Error} If a result was handed out after the kernel was compiled, or if nothing was refused.
 */
export async function refusalOf(
  kernel: string,
  fault: Fault,
  { device, checkpoint }: { readonly device: GPUDevice; readonly checkpoint: Checkpoint },
): Promise<Refusal> {
  const { compiled } = breakKernels(device, (name) => name === kernel, fault);
  let engine: Engine | undefined;
  const steps: (readonly [string, Request | null])[] = [["open the engine", null], ...Object.entries(REQUESTS)];
  try {
    for (const [step, request] of steps) {
      try {
        if (request) await request(engine!);
        else engine = await createWebGpuEngine(checkpoint, { device, ...settingsFor(kernel) });
      } catch (error) {
        if (!(error instanceof WrongResultsError)) throw error;
        return { step, message: error.message };
      }
      if (compiled.has(kernel)) throw new Error(`${kernel} ${fault}, and the answer to "${step}" used it`);
    }
  } finally {
    await engine?.close();
  }
  throw new Error(`${kernel} ${fault}, and no request ran it`);
}
