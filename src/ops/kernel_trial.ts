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

/** Timed rounds at a time; each times every entrant, in turn, so that whatever slows the machine slows all of them. */
const ROUNDS = 5;

/** Rounds by which one variant must lead to be taken before `MOST_ROUNDS`. */
const LEAD = 5;
const MOST_ROUNDS = 45;

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
  const entrants = [{ variant: "tile", tiling: "plain" }, { variant: "subgroup" }] as const;
  return await withTrial(context, entrants, VARIANT_SHAPE, fasterVariant);
}

/**
 * Lets rounds of `tile` and `subgroup` go on until one of them leads clearly.
 *
 * The variants differ in the last bits, so that other programs of a busy machine must not decide. Where they turn a
 * quarter of the rounds, one choice in about 240 is wrong; in a quiet moment five rounds are enough.
 */
export async function fasterVariant(timeRounds: TimeRounds): Promise<KernelVariant> {
  let lead = 0;
  for (let rounds = 0; rounds < MOST_ROUNDS && Math.abs(lead) < LEAD; rounds += ROUNDS) {
    for (const [tile, subgroup] of await timeRounds()) lead += tile > CLEARLY_FASTER.variant * subgroup ? 1 : -1;
  }
  return lead > 0 ? "subgroup" : "tile";
}

/** The fastest tile as measured now: what `chooseTiling` remembers. */
export async function timeTilings(context: OpContext): Promise<MatmulTiling> {
  const entrants = (["plain", "wide", "large"] as const)
    .filter((tiling) => tiling !== "large" || context.gpu.limits.maxComputeInvocationsPerWorkgroup >= 256)
    .map((tiling) => ({ variant: "tile", tiling }) as const);
  for (const [index, shape] of TILE_SHAPES.entries()) {
    const seconds = await withTrial(context, entrants, shape, async (timeRounds) => medians(await timeRounds()));
    if (seconds[0] < BUSY_SECONDS && index < TILE_SHAPES.length - 1) continue;
    const fastest = seconds.indexOf(Math.min(...seconds));
    return seconds[0] > CLEARLY_FASTER.tiling * seconds[fastest] ? entrants[fastest].tiling : "plain";
  }
  return "plain";
}

/** Times `ROUNDS` rounds: for each, the seconds that each entrant takes for one product. */
export type TimeRounds = () => Promise<number[][]>;

/** The median over the rounds, for each entrant. */
function medians(rounds: readonly number[][]): number[] {
  return rounds[0].map((_, entrant) => {
    const times = rounds.map((round) => round[entrant]).sort((a, b) => a - b);
    return times[Math.floor(times.length / 2)];
  });
}

/** Makes the matrices of a product, compiles the kernels of all entrants, lets `use` time them, and releases all. */
async function withTrial<T>(
  context: OpContext,
  entrants: readonly Entrant[],
  shape: Shape,
  use: (timeRounds: TimeRounds) => Promise<T>,
): Promise<T> {
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
    return await use(
      profiler
        ? await timestampRounds(entrants, record, recorder, profiler)
        : await clockRounds(entrants, record, recorder),
    );
  } finally {
    for (const matrix of weights.values()) releaseWeightMatrix(context, matrix);
    for (const { buffer } of [x, y] satisfies Matrix[]) memory.release(buffer);
    recorder.close();
    profiler?.close();
  }
}

type RecordProduct = (entrant: Entrant) => void;

/** Times every product by itself, on the device's own clock; waits once for all of them. */
async function timestampRounds(
  entrants: readonly Entrant[],
  record: RecordProduct,
  recorder: Recorder,
  profiler: Profiler,
): Promise<TimeRounds> {
  // What compiling took is no sample.
  await profiler.take();
  return async () => {
    for (let round = 0; round < ROUNDS; round++) entrants.forEach(record);
    await recorder.drain();
    const samples = (await profiler.take()).map(({ seconds }) => seconds);
    return Array.from({ length: ROUNDS }, (_, i) => samples.slice(i * entrants.length, (i + 1) * entrants.length));
  };
}

/**
 * Times so many products together that the wait for them, which takes about 11 ms however short they are, does not
 * count.
 */
async function clockRounds(
  entrants: readonly Entrant[],
  record: RecordProduct,
  recorder: Recorder,
): Promise<TimeRounds> {
  const time = async (entrant: Entrant, products: number): Promise<number> => {
    const started = performance.now();
    for (let i = 0; i < products; i++) record(entrant);
    await recorder.drain();
    return (performance.now() - started) / 1e3;
  };
  let products = 1;
  while (products < MOST_PRODUCTS && await time(entrants[0], products) < LEAST_SECONDS) products *= 2;
  return async () => {
    const rounds: number[][] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const seconds: number[] = [];
      for (const entrant of entrants) seconds.push(await time(entrant, products) / products);
      rounds.push(seconds);
    }
    return rounds;
  };
}
