/**
 * Chooses between kernel variants by timing them: a short trial, once per adapter and process, so that every engine on an
 * adapter runs the same kernels and gives the same bits.
 */
import { Profiler } from "../gpu/profiler.ts";
import { Recorder } from "../gpu/recorder.ts";
import type { KernelVariant, Matrix, OpContext } from "./context.ts";
import { matmul } from "./matmul.ts";
import { createWeightMatrix, releaseWeightMatrix, type WeightMatrix } from "./weight_matrix.ts";

/** Rows, columns and depth of the product that the variants are timed on. */
const TRIAL = { rows: 128, columns: 256, depth: 256 };

/** Timed rounds; each times every contender, in turn, so that whatever slows the machine slows all of them. */
const ROUNDS = 5;

/** How many times faster the register-tile kernels must be: on a GPU both take no time here, and noise must not decide. */
const CLEARLY_FASTER = 1.5;

/** Milliseconds that a sample should last where only the host's clock can time it. */
const LEAST_MILLISECONDS = 60;

/** Products in one sample at most. */
const MOST_PRODUCTS = 64;

/** What was chosen, by adapter. */
const choices = new Map<string, Promise<KernelVariant>>();

/**
 * The variant for this adapter: `subgroup` where the device can run it and it is clearly faster, as on software adapters (about
 * sixfold), otherwise `tile`. The first call times both, later calls on an adapter of that name get the same answer.
 */
export async function chooseKernelVariant(context: OpContext): Promise<KernelVariant> {
  const { gpu } = context;
  if (!gpu.hasSubgroups) return "tile";
  let choice = choices.get(gpu.adapter);
  if (choice === undefined) {
    choice = timeKernelVariants(context);
    choices.set(gpu.adapter, choice);
    choice.catch(() => choices.delete(gpu.adapter));
  }
  return await choice;
}

/** A variant that takes part in the trial. */
interface Contender {
  readonly variant: KernelVariant;
  readonly weights: WeightMatrix;
  /** Time of one product, one sample a round. */
  readonly samples: number[];
}

/** The faster variant as measured now: what `chooseKernelVariant` remembers. The device must have subgroups. */
export async function timeKernelVariants(context: OpContext): Promise<KernelVariant> {
  const { memory } = context;
  const { rows, columns, depth } = TRIAL;
  const profiler = context.gpu.hasTimestamps ? new Profiler(memory) : undefined;
  await profiler?.open();
  const recorder = new Recorder(memory, profiler);
  await recorder.open();
  const x = { buffer: await memory.allocate("trial x", rows * depth * 4), stride: depth };
  const y = { buffer: await memory.allocate("trial y", rows * columns * 4), stride: columns };
  const contenders: Contender[] = [];
  try {
    for (const variant of ["subgroup", "tile"] as const) {
      const shape = { name: "trial w", type: "F32", rows: columns, columns: depth } as const;
      contenders.push({ variant, weights: await createWeightMatrix({ ...context, variant }, shape), samples: [] });
    }
    const record = ({ weights }: Contender) => matmul({ ...context, recorder }, x, weights, y, { rows });
    // The first time compiles the kernels.
    contenders.forEach(record);
    await recorder.drain();
    if (profiler) await sampleTimestamps(contenders, record, recorder, profiler);
    else await sampleClock(contenders, record, recorder);
  } finally {
    for (const { weights } of contenders) releaseWeightMatrix(context, weights);
    for (const { buffer } of [x, y] satisfies Matrix[]) memory.release(buffer);
    recorder.close();
    profiler?.close();
  }
  const [subgroup, tile] = contenders.map(({ samples }) => samples.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]);
  return tile > CLEARLY_FASTER * subgroup ? "subgroup" : "tile";
}

type Record = (contender: Contender) => void;

/** Times every product by itself, on the device's own clock; waits once for all of them. */
async function sampleTimestamps(
  contenders: readonly Contender[],
  record: Record,
  recorder: Recorder,
  profiler: Profiler,
): Promise<void> {
  await profiler.take();
  for (let round = 0; round < ROUNDS; round++) contenders.forEach(record);
  await recorder.drain();
  (await profiler.take()).forEach(({ seconds }, i) => contenders[i % contenders.length].samples.push(seconds));
}

/** Times so many products together that the wait for them, which takes about 11 ms however short they are, does not count. */
async function sampleClock(contenders: readonly Contender[], record: Record, recorder: Recorder): Promise<void> {
  const time = async (contender: Contender, products: number): Promise<number> => {
    const started = performance.now();
    for (let i = 0; i < products; i++) record(contender);
    await recorder.drain();
    return performance.now() - started;
  };
  const slower = contenders[contenders.length - 1];
  let products = 1;
  while (products < MOST_PRODUCTS && await time(slower, products) < LEAST_MILLISECONDS) products *= 2;
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of contenders) contender.samples.push(await time(contender, products) / products);
  }
}
