/** Scoring time against size: each dimension doubled three times, with the exponent that fits. */
import { createWebGpuEngine, type WebGpuEngineOptions } from "../../src/engine/webgpu.ts";
import { openGpu } from "../../src/gpu/device.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import type { KernelVariant } from "../../src/ops/context.ts";
import { makeTinyExamples } from "../../tests/support/tiny_examples.ts";
import { type BenchRun, timed } from "../bench_run.ts";
import { type ModelShape, openGeneratedModel } from "../models.ts";
import { type Contender, samplePaired, wallClock } from "../sampling.ts";
import { fitExponent, median } from "../statistics.ts";

/** One point: a scoring job with a fixed number of nodes. */
interface Size {
  readonly examples: number;
  readonly tokens: number;
  readonly nodes: number;
  readonly layers: number;
  /** D; H is 2.75 D, heads are 32 wide. */
  readonly width: number;
}

/** Where every dimension stands while another one grows: the second of its four points. */
const BASE: Size = { examples: 4, tokens: 48, nodes: 4, layers: 4, width: 128 };
const QUICK: Size = { examples: 2, tokens: 4, nodes: 2, layers: 2, width: 64 };
/** Enough work for a real GPU. */
const LARGE: Size = { examples: 8, tokens: 64, nodes: 8, layers: 8, width: 1024 };

/** Runs the part. */
export async function benchGrowth(run: BenchRun): Promise<void> {
  const base = run.quick ? QUICK : run.model.name.startsWith("llama") ? LARGE : BASE;
  run.note(
    `one dimension at a time, around ${Object.entries(base).map(([name, size]) => `${size} ${name}`).join(", ")}`,
  );
  const gpu = await openGpu();
  try {
    for (const dimension of Object.keys(base) as (keyof Size)[]) {
      const name = `growth ${dimension}`;
      if (!run.wants(name)) continue;
      const factors = run.quick ? [0.5, 1] : [0.5, 1, 2, 4];
      const sizes = factors.map((factor): Size => ({ ...base, [dimension]: base[dimension] * factor }));
      const seconds = await timeSizes(gpu.device, sizes, run.rounds);
      sizes.forEach((size, i) => {
        run.emit(timed("growth", { case: name, contender: `${size[dimension]} ${dimension}` }, seconds[i]));
      });
      const medians = seconds.map(median);
      const { exponent, standardError } = fitExponent(sizes.map((size) => size[dimension]), medians);
      run.emit({
        part: "growth",
        case: name,
        contender: "seconds ~ size^exponent",
        seconds: null,
        samples: run.rounds,
        figures: { exponent, standardError, largestStepExponent: Math.log2(medians.at(-1)! / medians.at(-2)!) },
        check: {},
      });
    }
  } finally {
    gpu.close();
  }
}

/** Seconds of each size, sampled in the same rounds. */
async function timeSizes(device: GPUDevice, sizes: readonly Size[], rounds: number): Promise<number[][]> {
  const opened: OpenedSize[] = [];
  try {
    for (const [index, size] of sizes.entries()) {
      // Chosen once: a trial that comes out differently for one size would bend the line.
      const kernels = opened.length > 0 ? { kernelVariant: opened[0].variant } : {};
      opened.push(await open(size, `${index}`, { device, ...kernels }));
    }
    const seconds = await samplePaired(opened.map(({ contender }) => contender), rounds);
    return sizes.map((_, index) => seconds.get(`${index}`)!);
  } finally {
    for (const { close } of opened) await close();
  }
}

/** A size, ready to be timed. */
interface OpenedSize {
  readonly contender: Contender;
  readonly variant: KernelVariant;
  close(): Promise<void>;
}

async function open(size: Size, name: string, options: WebGpuEngineOptions): Promise<OpenedSize> {
  const checkpoint = await openGeneratedModel(modelShape(size));
  const engine = await createWebGpuEngine(checkpoint, options);
  const examples = makeTinyExamples(checkpoint.config, {
    count: size.examples,
    promptTokens: [size.tokens, size.tokens],
    choices: 2,
  });
  const work = () => scoreNeurons(engine, examples, { nodes: size.nodes });
  // Compiles and allocates, so that the samples do not.
  await work();
  return {
    contender: wallClock(name, work),
    variant: engine.info.details.kernels as KernelVariant,
    async close() {
      await engine.close();
      await checkpoint.close();
    },
  };
}

function modelShape({ layers, width }: Size): ModelShape {
  return {
    layers,
    width,
    neurons: 2.75 * width,
    queryHeads: width / 32,
    keyValueHeads: width / 32,
    headWidth: 32,
    vocabulary: 512,
    tied: false,
    dtype: "BF16",
  };
}
