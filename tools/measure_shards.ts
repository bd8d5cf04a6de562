/**
 * Measures shards of scoring on this machine: each alone against what the capacity model says from the rate of the
 * undivided job, and two at the same time on two cores against one on one core. Prints both tables.
 *
 *     deno run --allow-all tools/measure_shards.ts
 *
 * The software adapter gets one thread for each process (LP_NUM_THREADS=1), so that a process stands for a GPU.
 * Processor time is measured beside wall time: other work on the machine changes it less.
 */
import process from "node:process";
import { MODELS, openGeneratedModel } from "../bench/models.ts";
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";
import { openEngine } from "../src/engine/open.ts";
import { type CapacityJob, capacityModel, predictShardFlops } from "../src/method/capacity.ts";
import { scoreShard } from "../src/method/shard_score.ts";
import type { Shard } from "../src/method/shard.ts";
import type { Example } from "../src/tasks/example.ts";
import { createRandom } from "../src/tasks/random.ts";

const shape = MODELS.small;
const job: CapacityJob = {
  promptTokens: [96, 64, 80, 48],
  choiceTokens: 2,
  nodes: 4,
  path: "layer",
  positions: "all",
  fractions: 10,
  testExamples: 0,
  tasks: 1,
};

/** What one process took. */
interface Measured {
  /** Seconds: of the clock, and of processors; from the opened engine to the last result. */
  readonly wall: number;
  readonly processor: number;
  /** Seconds of processors before that: start, weights, first kernels. */
  readonly before: number;
  /** Operations that the engine counted. */
  readonly flops: number;
}

function examples(): Example[] {
  const random = createRandom(1);
  const tokens = (count: number) => Uint32Array.from({ length: count }, () => random.nextBelow(shape.vocabulary));
  return job.promptTokens.map((count, number) => ({
    id: String(number),
    prompt: tokens(count),
    choices: [tokens(1), tokens(1)],
    gold: 0,
    choiceCharacters: [1, 1],
  }));
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function measure(shard: Shard): Promise<Measured> {
  const checkpoint = await openGeneratedModel(shape);
  const engine = await openEngine(checkpoint);
  const options = { nodes: job.nodes };
  // First use of each kernel compiles it.
  await scoreShard(engine, examples().slice(0, 1), { index: 1, count: 8 }, options);
  const counted = () => Number(engine.info.details.flops);
  const [flops, before, start] = [counted(), processorSeconds(), performance.now()];
  await scoreShard(engine, examples(), shard, options);
  const result = {
    wall: (performance.now() - start) / 1000,
    processor: processorSeconds() - before,
    before,
    flops: counted() - flops,
  };
  await engine.close();
  return result;
}

async function measureApart(shard: Shard): Promise<Measured> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", import.meta.filename!, String(shard.index), String(shard.count)],
    env: { ...webgpuEnvironment(), LP_NUM_THREADS: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function printTable(rows: readonly (readonly string[])[]): void {
  for (const row of rows) {
    console.log(row.map((cell, column) => column === 0 ? cell.padEnd(20) : cell.padStart(16)).join(""));
  }
}

const seconds = (value: number) => `${value.toFixed(2)} s`;
const percent = (value: number) => `${value >= 0 ? "+" : ""}${(100 * value).toFixed(1)} %`;

if (Deno.args.length === 2) {
  console.log(JSON.stringify(await measure({ index: Number(Deno.args[0]), count: Number(Deno.args[1]) })));
} else {
  const model = capacityModel({
    ...shape,
    vocabularySize: shape.vocabulary,
    tiedHead: shape.tied,
  });
  const whole = await measureApart({ index: 1, count: 1 });
  const [expected] = predictShardFlops(model, job, 1).score;
  // The rate that one shard shows predicts the others.
  const rate = expected / whole.processor;
  console.log(
    `rate of 1/1: ${(whole.flops / whole.processor / 1e9).toFixed(1)} GFLOP/s of one core; operations ${
      percent(expected / whole.flops - 1)
    } from what the engine counts\n`,
  );
  const rows = [["shard", "operations", "processor", "predicted", "error", "wall"]];
  for (const count of [1, 2, 3, 6]) {
    const predicted = predictShardFlops(model, job, count).score;
    for (const index of count === 6 ? [1, 4, 6] : Array.from({ length: count }, (_, i) => i + 1)) {
      const { processor, wall, flops } = count === 1 ? whole : await measureApart({ index, count });
      const guess = predicted[index - 1] / rate;
      rows.push([
        `${index}/${count}`,
        `${(flops / 1e9).toFixed(1)} GFLOP`,
        seconds(processor),
        seconds(guess),
        count === 1 ? "-" : percent(guess / processor - 1),
        seconds(wall),
      ]);
    }
  }
  printTable(rows);

  // In turn and several times, since what else the machine does comes and goes; the best of each is the least
  // disturbed.
  const ones: Measured[] = [];
  const pairs: (readonly Measured[])[] = [];
  for (let round = 0; round < 4; round++) {
    ones.push(await measureApart({ index: 1, count: 1 }));
    pairs.push(await Promise.all([1, 2].map((index) => measureApart({ index, count: 2 }))));
  }
  const slowest = (pair: readonly Measured[], of: "wall" | "processor") => Math.max(...pair.map((one) => one[of]));
  console.log("");
  printTable([
    ["", "wall", "processor"],
    ...ones.map(({ wall, processor }) => ["one shard", seconds(wall), seconds(processor)]),
    ...pairs.map((
      pair,
    ) => ["two at once", seconds(slowest(pair, "wall")), `each ${seconds(slowest(pair, "processor"))}`]),
  ]);
  const ratio = (of: "wall" | "processor") =>
    (Math.min(...ones.map((one) => one[of])) / Math.min(...pairs.map((pair) => slowest(pair, of)))).toFixed(2);
  console.log(
    `\ntwo shards on two cores, best of each: ${ratio("wall")} times as fast; by processor time ${ratio("processor")}`,
  );
}
