/** `plan --cluster`: how long a job in shards takes on many GPUs, for a model or for a shape alone. */
import { parseConfig } from "../checkpoint/config.ts";
import { readText } from "../checkpoint/open.ts";
import type { Jsonable } from "../method/json.ts";
import {
  type Capacity,
  type CapacityJob,
  type CapacityModel,
  capacityModel,
  type Cluster,
  predictCapacity,
} from "../method/capacity.ts";
import { didYouMean } from "../tasks/did_you_mean.ts";
import type { OptionTable } from "./arguments.ts";
import { UsageError } from "./errors.ts";
import { counted, formatAmount, formatTable } from "./text.ts";

export const clusterOptions = {
  cluster: {
    type: "text",
    placeholder: "GPUS",
    description:
      "Predict a job in shards instead, on gpus=64,tflops=30,read_gbps=2 (achieved per GPU); also shared_gbps= of all processes, " +
      "memory_gb= of a GPU (80), start_s= of a process (10). Of the options of a run, those count that change the amount of " +
      "work: layers, nodes, path, positions, fractions and examples.",
  },
  shape: {
    type: "text",
    placeholder: "SHAPE",
    description: "With --cluster, instead of --model and --task: 8b, 70b, 405b, or a config.json.",
  },
  "prompt-tokens": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    default: 128,
    description: "With --shape: tokens of a prompt.",
  },
  tasks: {
    type: "integer",
    min: 1,
    max: 1_000_000,
    default: 1,
    description: "With --cluster: tasks like this one, each a job of its own.",
  },
} as const satisfies OptionTable;

/** Shapes of Llama 3.1, in bf16. */
const shapes: Readonly<Record<string, readonly [number, number, number, number, number]>> = {
  "8b": [32, 4096, 14336, 32, 8],
  "70b": [80, 8192, 28672, 64, 8],
  "405b": [126, 16384, 53248, 128, 8],
};

/** @throws {UsageError} If the text is no cluster. */
export function readCluster(text: string): Cluster {
  const values: Record<string, number | undefined> = {};
  const names = ["gpus", "tflops", "read_gbps", "shared_gbps", "memory_gb", "start_s"];
  const refuse = (problem: string) =>
    new UsageError(
      `--cluster: ${problem}`,
      "expected gpus=64,tflops=30,read_gbps=2, and shared_gbps=, memory_gb=, start_s= at will.",
    );
  for (const part of text.split(",")) {
    const [name, value, ...more] = part.split("=");
    if (!names.includes(name)) throw refuse(`cannot use ${JSON.stringify(part)}${didYouMean(name, names)}`);
    if (values[name] !== undefined) throw refuse(`${name} is given twice`);
    const number = value === undefined || value.trim() === "" || more.length > 0 ? NaN : Number(value);
    const fits = name === "start_s" ? number >= 0 : number > 0;
    if (!fits || !Number.isFinite(number) || (name === "gpus" && !Number.isInteger(number))) {
      throw refuse(`${name} cannot be ${JSON.stringify(value ?? "")}`);
    }
    values[name] = number;
  }
  const required = (name: string) => {
    const value = values[name];
    if (value === undefined) throw refuse(`${name} is missing`);
    return value;
  };
  return {
    gpus: required("gpus"),
    tflops: required("tflops"),
    readGbps: required("read_gbps"),
    sharedGbps: values.shared_gbps ?? null,
    memoryGb: values.memory_gb ?? 80,
    startSeconds: values.start_s ?? 10,
  };
}

/** The model of a shape's name, or of a `config.json`; weights are taken to be two bytes each. */
export async function readShape(shape: string): Promise<CapacityModel> {
  const known = Object.hasOwn(shapes, shape) ? shapes[shape] : undefined;
  if (known === undefined) return capacityModel(parseConfig(await readText(shape)).config);
  const [layers, width, neurons, queryHeads, keyValueHeads] = known;
  return capacityModel({
    layers,
    width,
    neurons,
    queryHeads,
    keyValueHeads,
    headWidth: 128,
    vocabularySize: 128256,
    tiedHead: false,
  });
}

/** Seconds in the largest unit that fits. */
export function formatDuration(seconds: number): string {
  const units = [["days", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const;
  const [unit, size] = units.find(([, size]) => seconds >= 1.5 * size) ?? units[3];
  const amount = seconds / size;
  return `${amount >= 100 ? amount.toFixed(0) : +amount.toPrecision(3)} ${unit}`;
}

const limits: Readonly<Record<Capacity["limitedBy"], string>> = {
  nothing: "nothing above a twentieth of the time",
  repeated: "the unmodified model, which every shard runs for its own examples",
  indivisible: "units that cannot be divided: shards wait for the dearest one",
  loading: "reading weights",
  chain: "the chain of steps: one process merges, prunes and evaluates, and processes start",
};

/** The prediction as a person and as a program read it. */
export function describeCapacity(
  model: CapacityModel,
  job: CapacityJob,
  cluster: Cluster,
): { text: string; json: Jsonable } {
  const capacity = predictCapacity(model, job, cluster);
  const { steps, wallSeconds, oneGpuSeconds, efficiency, losses, limitedBy, usefulShards, streamed } = capacity;
  const total = cluster.gpus * wallSeconds;
  const share = (seconds: number) => `${(100 * seconds / total).toFixed(1)} %`;
  const text = [
    `${model.layers} layers, width ${model.width}, ${model.neurons} neurons a layer, ${
      formatAmount(model.weightBytes, "B")
    } of weights${streamed ? `, streamed through ${cluster.memoryGb} GB` : ""}`,
    `${counted(job.tasks, "task")} of ${counted(job.promptTokens.length, "example")}, ${
      counted(job.nodes, "node")
    }, on ${counted(cluster.gpus, "GPU")}; ${counted(usefulShards, "path")} to divide in a task`,
    "",
    formatTable([
      ["step", "processes", "time", "of that reading"],
      ...steps.map(({ name, shards, seconds, readSeconds }) => [
        name,
        String(shards),
        formatDuration(seconds),
        formatDuration(readSeconds),
      ]),
    ]),
    "",
    `wall time ${formatDuration(wallSeconds)}; one GPU ${formatDuration(oneGpuSeconds)}; efficiency ${
      (100 * efficiency).toFixed(0)
    } %`,
    `of the GPUs' time: useful ${share(losses.useful)}, repeated ${share(losses.repeated)}, indivisible ${
      share(losses.indivisible)
    }, loading ${share(losses.loading)}, chain ${share(losses.chain)}`,
    `limited by: ${limits[limitedBy]}`,
  ].join("\n");
  return {
    text: `${text}\n`,
    json: {
      model: { ...model },
      job: { ...job, promptTokens: [...job.promptTokens], layers: job.layers ? [...job.layers] : null },
      cluster: { ...cluster },
      capacity: { ...capacity, steps: steps.map((step) => ({ ...step })), losses: { ...losses } },
    },
  };
}
