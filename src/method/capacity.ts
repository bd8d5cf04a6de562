/**
 * How long a job in shards takes on a cluster, before it runs: the operations of each shard as `divideUnits` divides
 * them, the reading of weights, and the chain of steps; and where the time of the GPUs goes that is no useful work.
 *
 * What is left out: queues of a scheduler, failures, reading the projections once more for the fingerprint of the
 * weights, element-wise work (a few percent), and waves that wait for the host.
 */
import type { ModelConfig } from "../checkpoint/model_config.ts";
import { OptionError } from "../text/option_error.ts";
import { divideUnits, pathCost } from "./shard.ts";

/** The shape of a model; a `config.json` is enough. */
export interface CapacityModel {
  /** L */
  readonly layers: number;
  /** D */
  readonly width: number;
  /** H */
  readonly neurons: number;
  /** Q times K */
  readonly queryWidth: number;
  /** G times K */
  readonly keyWidth: number;
  /** V */
  readonly vocabulary: number;
  /** Bytes of all weights. */
  readonly weightBytes: number;
}

/** What there is to compute with. */
export interface Cluster {
  /** GPUs; one process each. */
  readonly gpus: number;
  /** 10^12 operations per second that a GPU achieves, not what its data sheet says. */
  readonly tflops: number;
  /** 10^9 bytes of weights per second that a process reads. */
  readonly readGbps: number;
  /** 10^9 bytes per second that all processes read together; null where they do not share. */
  readonly sharedGbps: number | null;
  /** 10^9 bytes of a GPU's memory; a model that needs more is streamed through it in every wave. */
  readonly memoryGb: number;
  /** Seconds until a process has started, and a scheduler noticed the one before. */
  readonly startSeconds: number;
}

/** The work of one task. */
export interface CapacityJob {
  /** Tokens of the prompt of each adaptation example. */
  readonly promptTokens: readonly number[];
  /** Tokens that all choices of an example add. */
  readonly choiceTokens: number;
  /** Layers that are scored and searched. Default: all. */
  readonly layers?: readonly number[] | undefined;
  /** Path nodes. */
  readonly nodes: number;
  /** As in the settings of scoring. */
  readonly path: "layer" | "joint";
  /** As in the settings of scoring. */
  readonly positions: "all" | "last";
  /** Fractions of a layer that the search tries. */
  readonly fractions: number;
  /** Test examples of the closing evaluation, which one process does. */
  readonly testExamples: number;
  /** Tasks like this one; each is a job of its own. */
  readonly tasks: number;
}

/** Where the time of all GPUs goes; in GPU-seconds, summing to GPUs times wall time. */
export interface CapacityLosses {
  /** Work that one process would do too. */
  readonly useful: number;
  /** The unmodified model, which every shard runs for its own examples. */
  readonly repeated: number;
  /** Shards that wait for the dearest one: units cannot be divided. */
  readonly indivisible: number;
  /** Reading weights. */
  readonly loading: number;
  /** GPUs without work while one process merges, prunes or evaluates, and starts of processes. */
  readonly chain: number;
}

/** One step of the chain. */
export interface CapacityStep {
  /** Command of the program. */
  readonly name: "score" | "merge" | "search" | "prune" | "eval";
  /** Processes that divide it, for each task. */
  readonly shards: number;
  /** Seconds of the slowest process. */
  readonly seconds: number;
  /** Seconds of those that are reading weights. */
  readonly readSeconds: number;
}

/** A prediction. */
export interface Capacity {
  /** In the order in which they run. */
  readonly steps: readonly CapacityStep[];
  /** Seconds from the first start to the last result, of all tasks. */
  readonly wallSeconds: number;
  /** Seconds that one GPU would take for everything, in one process for each task. */
  readonly oneGpuSeconds: number;
  /** `oneGpuSeconds` over GPUs times `wallSeconds`. */
  readonly efficiency: number;
  /** Where the time of the GPUs goes. */
  readonly losses: CapacityLosses;
  /** The largest loss; `nothing` where each is below a twentieth. */
  readonly limitedBy: Exclude<keyof CapacityLosses, "useful"> | "nothing";
  /** Most shards that have a unit each. */
  readonly usefulShards: number;
  /** Whether weights are streamed in every wave. */
  readonly streamed: boolean;
}

/** Rows of a wave that streams weights; more would not make a GPU busier. */
const rowsPerWave = 4096;

/** What of a checkpoint's configuration decides its work. */
export type CapacityShape = Pick<
  ModelConfig,
  "layers" | "width" | "neurons" | "queryHeads" | "keyValueHeads" | "headWidth" | "vocabularySize" | "tiedHead"
>;

/** The shape of a checkpoint. */
export function capacityModel(config: CapacityShape, bytesPerWeight = 2): CapacityModel {
  const { layers, width, neurons, queryHeads, keyValueHeads, headWidth, vocabularySize, tiedHead } = config;
  const [queryWidth, keyWidth] = [queryHeads * headWidth, keyValueHeads * headWidth];
  const perLayer = width * (2 * queryWidth + 2 * keyWidth + 3 * neurons);
  const weights = layers * perLayer + (tiedHead ? 1 : 2) * vocabularySize * width;
  return {
    layers,
    width,
    neurons,
    queryWidth,
    keyWidth,
    vocabulary: vocabularySize,
    weightBytes: bytesPerWeight * weights,
  };
}

/** Operations of one row in one layer: forward, and the gradient of its input. */
function rowFlops({ width, neurons, queryWidth, keyWidth }: CapacityModel, tokens: number) {
  const products = 2 * width * (2 * queryWidth + 2 * keyWidth + 3 * neurons);
  // A row sees half of the positions on average.
  const attention = 4 * (tokens / 2) * queryWidth;
  return { forward: products + attention, backward: products + 3.5 * attention };
}

/** Operations of the head for one row. */
function headFlops({ width, vocabulary }: CapacityModel): number {
  return 2 * width * vocabulary;
}

/** A unit of a step: what it takes by itself, and the example whose unmodified run it needs. */
interface Unit {
  readonly flops: number;
  /** The relative cost that shards are divided by. */
  readonly cost: number;
  readonly example: number;
}

/**
 * Operations of rows that differ from a layer's SwiGLU on, in one direction: the second half of that layer, every layer
 * above, and of the last one only what reaches the objective rows, beside keys and values.
 *
 * @param perRow Of one row in one whole layer, in that direction.
 */
function flopsFrom(
  { layers, width, neurons, keyWidth }: CapacityModel,
  layer: number,
  perRow: number,
  { rows, objectiveRows }: { readonly rows: number; readonly objectiveRows: number },
): number {
  const own = 2 * width * neurons;
  if (layer === layers - 1) return objectiveRows * own;
  const keys = 2 * width * 2 * keyWidth;
  return rows * (own + (layers - 2 - layer) * perRow + keys) + objectiveRows * perRow;
}

/** Layers that are scored and searched. */
function layersOf({ layers }: CapacityModel, job: CapacityJob): readonly number[] {
  return job.layers ?? Array.from({ length: layers }, (_, layer) => layer);
}

/** Operations of one path: nodes forward and backward from its layer up, and its switched-off end. */
export function scoringUnits(model: CapacityModel, job: CapacityJob): Unit[] {
  return job.promptTokens.flatMap((tokens, example) => {
    const { forward, backward } = rowFlops(model, tokens);
    const rows = { rows: job.positions === "last" ? 1 : tokens, objectiveRows: 1 };
    // The joint path differs in every gate, which costs the same as from the lowest up.
    const started = job.path === "joint" ? [Math.min(...layersOf(model, job))] : layersOf(model, job);
    return started.map((layer): Unit => {
      const there = flopsFrom(model, layer, forward, rows) + headFlops(model);
      const back = flopsFrom(model, layer, backward, rows) + headFlops(model);
      const cost = pathCost(rows.rows, job.path === "joint" ? null : layer, model.layers, job.nodes);
      return { flops: (job.nodes + 1) * there + job.nodes * back, cost, example };
    });
  });
}

/** Operations of one cell of the grid on all examples. */
export function searchUnits(model: CapacityModel, job: CapacityJob): Unit[] {
  return layersOf(model, job).flatMap((layer) => {
    const flops = job.promptTokens.reduce((sum, tokens) => {
      const objectiveRows = 1 + job.choiceTokens;
      const rows = { rows: tokens + job.choiceTokens, objectiveRows };
      return sum + flopsFrom(model, layer, rowFlops(model, tokens).forward, rows) + objectiveRows * headFlops(model);
    }, 0);
    return Array.from({ length: job.fractions }, (): Unit => ({ flops, cost: model.layers - layer, example: -1 }));
  });
}

/** Operations of the unmodified model on one example. */
function baseFlops(model: CapacityModel, tokens: number): number {
  const { forward } = rowFlops(model, tokens);
  const keys = 2 * model.width * 2 * model.keyWidth;
  return tokens * ((model.layers - 1) * forward + keys) + forward + headFlops(model);
}

/** Operations of each shard of a step: its units, and the unmodified model on the examples that they need. */
function shardFlops(units: readonly Unit[], shards: number, base: (example: number) => number): number[] {
  return divideUnits(units.map(({ cost }) => cost), shards).map((own) => {
    const examples = new Set(own.map((unit) => units[unit].example));
    return own.reduce((sum, unit) => sum + units[unit].flops, 0) +
      [...examples].reduce((sum, example) => sum + base(example), 0);
  });
}

/**
 * Operations of each shard of scoring and of the search.
 *
 * @returns By step, one number for each shard.
 */
export function predictShardFlops(
  model: CapacityModel,
  job: CapacityJob,
  shards: number,
): { readonly score: number[]; readonly search: number[] } {
  const all = job.promptTokens.reduce((sum, tokens) => sum + baseFlops(model, tokens + job.choiceTokens), 0);
  return {
    score: shardFlops(scoringUnits(model, job), shards, (example) => baseFlops(model, job.promptTokens[example])),
    search: shardFlops(searchUnits(model, job), shards, () => all),
  };
}

/**
 * Predicts a job. With as many tasks as GPUs or more, each task runs in one process for each step, side by side.
 *
 * @throws {RangeError} If a number is not finite or too small, what is counted is no integer, or there are no examples.
 */
export function predictCapacity(model: CapacityModel, job: CapacityJob, cluster: Cluster): Capacity {
  checkNumbers(model, job, cluster);
  const { gpus, startSeconds, memoryGb } = cluster;
  const rate = cluster.tflops * 1e12;
  const shards = Math.max(1, Math.floor(gpus / job.tasks));
  const abreast = Math.min(gpus, job.tasks * shards);
  const rounds = Math.ceil(job.tasks * shards / gpus);
  const streamed = model.weightBytes > memoryGb * 1e9;

  const readOnce = (processes: number) => {
    const gbps = Math.min(cluster.readGbps, (cluster.sharedGbps ?? Infinity) / processes);
    return model.weightBytes / (gbps * 1e9);
  };
  /** Seconds of a process that computes, and of its reading that computing does not hide. */
  const process = (flops: number, rows: number, directions: number, processes: number) => {
    const compute = flops / rate;
    if (!streamed) return { compute, read: flops === 0 ? 0 : readOnce(processes) };
    // Every wave reads the layers it passes, half of them on average, once in each direction, while the one before
    // computes.
    const reading = Math.max(1, Math.ceil(rows / rowsPerWave)) * directions * readOnce(processes) / 2;
    return { compute, read: Math.max(0, reading - compute) };
  };

  const tokens = job.promptTokens.reduce((sum, count) => sum + count, 0);
  const scoringRows = (job.positions === "last" ? job.promptTokens.length : tokens) * (job.nodes + 1) *
    (job.path === "joint" ? 1 : layersOf(model, job).length);
  const searchRows = (tokens + job.promptTokens.length * job.choiceTokens) * job.fractions *
    layersOf(model, job).length;
  const sharded = (name: "score" | "search", count: number, processes: number) => {
    const flops = predictShardFlops(model, job, count)[name];
    const [rows, directions] = name === "score" ? [scoringRows, 2] : [searchRows, 1];
    const times = flops.map((own) => process(own, rows / count, directions, processes));
    const seconds = Math.max(...times.map(({ compute, read }) => compute + read));
    return {
      flops,
      seconds,
      read: Math.max(...times.map(({ read }) => read)),
      // Of all its processes together.
      reading: add(times.map(({ read }) => read)),
      waiting: add(times.map(({ compute, read }) => seconds - compute - read)),
    };
  };
  const meanTokens = tokens / job.promptTokens.length + job.choiceTokens;
  // The pruned copy and the unmodified model, one after the other.
  const testFlops = 2 * job.testExamples * baseFlops(model, meanTokens);
  const test = process(testFlops, 2 * job.testExamples * meanTokens, 1, Math.min(gpus, job.tasks));
  const evalRead = streamed ? test.read : 2 * test.read;
  const alone = Math.min(gpus, job.tasks);
  // Every file is read, and written.
  const copy = 2 * readOnce(alone);

  const score = sharded("score", shards, abreast);
  const search = sharded("search", shards, abreast);
  const step = (name: CapacityStep["name"], count: number, seconds: number, readSeconds = 0): CapacityStep => ({
    name,
    shards: count,
    seconds: startSeconds + seconds,
    readSeconds,
  });
  const steps = [
    step("score", shards, score.seconds, score.read),
    step("merge", 1, 0),
    step("search", shards, search.seconds, search.read),
    step("merge", 1, 0),
    step("prune", 1, copy, copy),
    step("eval", 1, test.compute + evalRead, evalRead),
  ];
  const chainSeconds = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  const wallSeconds = rounds * chainSeconds;

  const one = { score: sharded("score", 1, 1), search: sharded("search", 1, 1) };
  const useful = job.tasks * (add(one.score.flops) + add(one.search.flops) + testFlops) / rate;
  const done = job.tasks * (add(score.flops) + add(search.flops) + testFlops) / rate;
  const indivisible = job.tasks * (score.waiting + search.waiting);
  const loading = job.tasks * (score.reading + search.reading + copy + evalRead);
  const total = gpus * wallSeconds;
  const losses = {
    useful,
    repeated: done - useful,
    indivisible,
    loading,
    chain: total - done - indivisible - loading,
  };
  const oneGpuSeconds = job.tasks *
      (startSeconds + (streamed ? one.score.read + one.search.read : one.score.read) + copy + evalRead) + useful;
  const [largest] = (["repeated", "indivisible", "loading", "chain"] as const).toSorted((a, b) =>
    losses[b] - losses[a]
  );
  return {
    steps,
    wallSeconds,
    oneGpuSeconds,
    efficiency: oneGpuSeconds / total,
    losses,
    limitedBy: losses[largest] < total / 20 ? "nothing" : largest,
    usefulShards: scoringUnits(model, job).length,
    streamed,
  };
}

function add(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function checkNumbers(model: CapacityModel, job: CapacityJob, cluster: Cluster): void {
  const { layers } = job;
  const wrong = layers?.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < model.layers));
  if (wrong !== undefined || layers?.length === 0) {
    throw new OptionError(`Cannot predict a cluster: layer ${wrong}, expected some of 0 to ${model.layers - 1}`);
  }
  const { promptTokens } = job;
  if (promptTokens.length === 0) throw new RangeError("Cannot predict a cluster: there are no examples");
  const badTokens = promptTokens.find((tokens) => !isCount(tokens, 1));
  const counts: Readonly<Record<string, readonly [value: number, least: number]>> = {
    "model.layers": [model.layers, 1],
    "model.width": [model.width, 1],
    "model.neurons": [model.neurons, 1],
    "model.queryWidth": [model.queryWidth, 1],
    "model.keyWidth": [model.keyWidth, 1],
    "model.vocabulary": [model.vocabulary, 1],
    gpus: [cluster.gpus, 1],
    tasks: [job.tasks, 1],
    nodes: [job.nodes, 1],
    fractions: [job.fractions, 1],
    promptTokens: [badTokens ?? promptTokens[0], 1],
    choiceTokens: [job.choiceTokens, 0],
    testExamples: [job.testExamples, 0],
  };
  for (const [name, [value, least]] of Object.entries(counts)) {
    if (!isCount(value, least)) {
      throw new RangeError(`Cannot predict a cluster: ${name} is ${value}, expected an integer from ${least}`);
    }
  }
  const above: Readonly<Record<string, number>> = {
    "model.weightBytes": model.weightBytes,
    tflops: cluster.tflops,
    readGbps: cluster.readGbps,
    sharedGbps: cluster.sharedGbps ?? 1,
    memoryGb: cluster.memoryGb,
  };
  for (const [name, value] of Object.entries(above)) {
    if (!(value > 0 && Number.isFinite(value))) {
      throw new RangeError(`Cannot predict a cluster: ${name} is ${value}, expected a number above 0`);
    }
  }
  const { startSeconds } = cluster;
  if (!(startSeconds >= 0 && Number.isFinite(startSeconds))) {
    throw new RangeError(`Cannot predict a cluster: startSeconds is ${startSeconds}, expected a number from 0`);
  }
}

function isCount(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}
