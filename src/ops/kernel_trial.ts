/**
 * Chooses between kernels by timing them: short trials, once per adapter and process, so that every engine of a process
 * runs the same kernels on an adapter and gives the same bits.
 */
import { Profiler } from "../gpu/profiler.ts";
import { Recorder } from "../gpu/recorder.ts";
import type { KernelVariant, MatmulTiling, Matrix, OpContext } from "./context.ts";
import { matmul } from "./matmul.ts";
import { createWeightMatrix, releaseWeightMatrix, type WeightMatrix } from "./weight_matrix.ts";

/** Rows, columns and depth of a product that is timed. */
interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

/** Kernels that take part in a trial. */
interface Entrant {
  readonly variant: KernelVariant;
  readonly tiling?: MatmulTiling;
}

/** The product that the variants are timed on. */
const VARIANT_SHAPE: Shape = { rows: 128, columns: 256, depth: 256 };

/** The products that tiles are timed on: the first one that keeps the adapter busy. */
const TILE_SHAPES: readonly Shape[] = [
  { rows: 256, columns: 512, depth: 512 },
  { rows: 1024, columns: 2048, depth: 512 },
  { rows: 4096, columns: 4096, depth: 512 },
];

/** Seconds that a product must take for its adapter to be busy. */
const BUSY_SECONDS = 5e-4;

/** Timed rounds; each times every entrant, in turn, so that whatever slows the machine slows all of them. */
const ROUNDS = 5;

/** How many times faster another kernel than the plain tile must be to be taken. Noise must not decide. */
const CLEARLY_FASTER = { variant: 1.5, tiling: 1.1 };

/** Seconds that a sample should last where only the host's clock can time it. */
const LEAST_SECONDS = 0.06;

/** Products in one sample at most. */
const MOST_PRODUCTS = 64;

/** Trials by adapter. */
const variants = new Map<string, Promise<KernelVariant>>();
const tilings = new Map<string, Promise<MatmulTiling>>();

/** Makes a choice for an adapter once; a trial that failed is made again. */
function once<T>(choices: Map<string, Promise<T>>, adapter: string, choose: () => Promise<T>): Promise<T> {
  let choice = choices.get(adapter);
  if (choice === undefined) {
    choice = choose();
    choices.set(adapter, choice);
    choice.catch(() => choices.delete(adapter));
  }
  return choice;
}

/**
 * The variant for this adapter: `subgroup` where the device can run it and it is clearly faster, as on software
 * adapters (about sixfold), otherwise `tile`. The first call times both, later calls on an adapter of that name get the
 * same answer.
 */
export async function chooseKernelVariant(context: OpContext): Promise<KernelVariant> {
  const { gpu } = context;
  return gpu.hasSubgroups ? await once(variants, gpu.adapter, () => timeKernelVariants(context)) : "tile";
}

/**
 * The tile for products of many rows on this adapter, for a context of the variant `tile`: the fastest of three. All of
 * them add their sums in the same order. The first call times them, later calls on an adapter of that name get the same
 * answer.
 */
export async function chooseTiling(context: OpContext): Promise<MatmulTiling> {
  const { gpu, variant } = context;
  return variant === "tile" ? await once(tilings, gpu.adapter, () => timeTilings(context)) : "plain";
}

/** The faster variant as measured now: what `chooseKernelVariant` remembers. The device must have subgroups. */
export async function timeKernelVariants(context: OpContext): Promise<KernelVariant> {
  const [plain, subgroup] = await timeEntrants(context, [
    { variant: "tile", tiling: "plain" },
    { variant: "subgroup" },
  ], VARIANT_SHAPE);
  return plain > CLEARLY_FASTER.variant * subgroup ? "subgroup" : "tile";
}

/** The fastest tile as measured now: what `chooseTiling` remembers. */
export async function timeTilings(context: OpContext): Promise<MatmulTiling> {
  const entrants = (["plain", "wide", "large"] as const)
    .filter((tiling) => tiling !== "large" || context.gpu.limits.maxComputeInvocationsPerWorkgroup >= 256)
    .map((tiling) => ({ variant: "tile", tiling }) as const);
  for (const [index, shape] of TILE_SHAPES.entries()) {
    const seconds = await timeEntrants(context, entrants, shape);
    if (seconds[0] < BUSY_SECONDS && index < TILE_SHAPES.length - 1) continue;
    const fastest = seconds.indexOf(Math.min(...seconds));
    return seconds[0] > CLEARLY_FASTER.tiling * seconds[fastest] ? entrants[fastest].tiling : "plain";
  }
  return "plain";
}

/** Median seconds that each entrant takes for one product. */
async function timeEntrants(context: OpContext, entrants: readonly Entrant[], shape: Shape): Promise<number[]> {
  const { memory } = context;
  const { rows, columns, depth } = shape;
  const profiler = context.gpu.hasTimestamps ? new Profiler(memory) : undefined;
  await profiler?.open();
  const recorder = new Recorder(memory, profiler);
  await recorder.open();
  const x = { buffer: await memory.allocate("trial x", rows * depth * 4), stride: depth };
  const y = { buffer: await memory.allocate("trial y", rows * columns * 4), stride: columns };
  const weights = new Map<KernelVariant, WeightMatrix>();
  try {
    for (const { variant } of entrants) {
      if (weights.has(variant)) continue;
      const matrix = { name: "trial w", type: "F32", rows: columns, columns: depth } as const;
      weights.set(variant, await createWeightMatrix({ ...context, variant }, matrix));
    }
    const record = ({ variant, tiling }: Entrant) => {
      const trial: OpContext = { ...context, recorder, ...(tiling && { tiling }) };
      matmul(trial, x, weights.get(variant)!, y, { rows });
    };
    // The first time compiles the kernels.
    entrants.forEach(record);
    await recorder.drain();
    const samples = profiler
      ? await sampleTimestamps(entrants, record, recorder, profiler)
      : await sampleClock(entrants, record, recorder);
    return samples.map((times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]);
  } finally {
    for (const matrix of weights.values()) releaseWeightMatrix(context, matrix);
    for (const { buffer } of [x, y] satisfies Matrix[]) memory.release(buffer);
    recorder.close();
    profiler?.close();
  }
}

type RecordProduct = (entrant: Entrant) => void;

/** Times every product by itself, on the device's own clock; waits once for all of them. */
async function sampleTimestamps(
  entrants: readonly Entrant[],
  record: RecordProduct,
  recorder: Recorder,
  profiler: Profiler,
): Promise<number[][]> {
  await profiler.take();
  for (let round = 0; round < ROUNDS; round++) entrants.forEach(record);
  await recorder.drain();
  const samples: number[][] = entrants.map(() => []);
  (await profiler.take()).forEach(({ seconds }, i) => samples[i % entrants.length].push(seconds));
  return samples;
}

/**
 * Times so many products together that the wait for them, which takes about 11 ms however short they are, does not
 * count.
 */
async function sampleClock(
  entrants: readonly Entrant[],
  record: RecordProduct,
  recorder: Recorder,
): Promise<number[][]> {
  const time = async (entrant: Entrant, products: number): Promise<number> => {
    const started = performance.now();
    for (let i = 0; i < products; i++) record(entrant);
    await recorder.drain();
    return (performance.now() - started) / 1e3;
  };
  let products = 1;
  while (products < MOST_PRODUCTS && await time(entrants[0], products) < LEAST_SECONDS) products *= 2;
  const samples: number[][] = entrants.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, entrant] of entrants.entries()) samples[i].push(await time(entrant, products) / products);
  }
  return samples;
}
