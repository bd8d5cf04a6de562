/** `deno task bench`: check, time, record. `--help` says what it measures. */
import { describeOptions, type OptionTable, parseOptions } from "../src/cli/arguments.ts";
import { describeError } from "../src/cli/errors.ts";
import { webgpuEnvironment } from "../src/cli/webgpu_environment.ts";
import { adapterAdvice } from "../src/cli/system_package.ts";
import { ensureAdapter } from "../tools/adapter.ts";
import type { BenchRun } from "./bench_run.ts";
import { describeEnvironment } from "./environment.ts";
import { formatMeasurement } from "./format.ts";
import { type ModelName, MODELS, QUICK_MODEL } from "./models.ts";
import { benchBudget } from "./parts/budget.ts";
import { benchGrowth } from "./parts/growth.ts";
import { benchJob } from "./parts/job.ts";
import { benchKernels } from "./parts/kernels.ts";
import { benchPeers } from "./parts/peers.ts";
import { appendRecords, type Measurement, type Part, PARTS } from "./record.ts";

const OPTIONS = {
  only: {
    type: "choice",
    choices: PARTS,
    placeholder: "PART",
    description:
      "Run one part: the kernels against the adapter's roofline; matrix products of other WebGPU libraries; the whole " +
      "job against the straightforward ways; time against size; time and memory to a plan. Default: all.",
  },
  model: {
    type: "choice",
    choices: Object.keys(MODELS),
    default: "small",
    placeholder: "MODEL",
    description: "The generated model of job and budget. The llama shapes are for real GPUs.",
  },
  filter: {
    type: "text",
    placeholder: "TEXT",
    description: "Only cases whose name contains this; names are printed, and can be pasted back.",
  },
  rounds: { type: "integer", min: 1, max: 1000, description: "Samples of everything. Default: 5, or 2 with --quick." },
  exhaustive: {
    type: "flag",
    description: "Run the straightforward ways to their end instead of timing a part of them and multiplying.",
  },
  quick: { type: "flag", description: "Tiny sizes that prove that the bench works and measure nothing." },
  results: {
    type: "text",
    placeholder: "DIR",
    description:
      "Where measurements are appended, one line of JSON each. Default: bench/results, or nowhere with --quick.",
  },
  json: { type: "flag", description: "Print the measurements as lines of JSON." },
} as const satisfies OptionTable;

const HELP = `Check, time and record, on this machine's WebGPU adapter.

Usage: deno task bench [options]

Options:
${describeOptions(OPTIONS)}

Example:
  deno task bench --only kernels --filter "matmul_nt(T=512"
`;

const RUNNERS: Readonly<Record<Part, (run: BenchRun) => Promise<void>>> = {
  kernels: benchKernels,
  peers: benchPeers,
  job: benchJob,
  growth: benchGrowth,
  budget: benchBudget,
};

/** Runs the bench; resolves to the exit code. */
async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const options = parseOptions("bench", OPTIONS, args);
  if (await ensureAdapter((line) => console.error(`adapter: ${line}`)) === null) {
    console.error(`Error: this machine has no WebGPU adapter.\nHint: ${await adapterAdvice()}`);
    return 1;
  }
  const environment = await describeEnvironment();
  const folder = options.results ?? (options.quick ? null : new URL("results", import.meta.url).pathname);
  const { adapter, driver, cpu, cores, load, commit, dirty } = environment;
  console.error(`${adapter}, ${driver}; ${cpu}, ${cores} cores, load ${load.toFixed(1)}; ${commit}${dirty ? "+" : ""}`);
  if (load > cores / 2) console.error("Other programs keep this machine busy: compare ratios, not seconds.");
  const name = options.model as ModelName;
  let previous = "";
  for (const part of options.only === undefined ? PARTS : [options.only as Part]) {
    const measured: Measurement[] = [];
    await RUNNERS[part]({
      quick: options.quick,
      model: options.quick ? { name: "quick", shape: QUICK_MODEL } : { name, shape: MODELS[name] },
      exhaustive: options.exhaustive,
      rounds: options.rounds ?? (options.quick ? 2 : 5),
      wants: (name) => options.filter === undefined || name.includes(options.filter),
      note: (line) => console.error(`\n${part}: ${line}`),
      emit(measurement) {
        measured.push(measurement);
        if (options.json) console.log(JSON.stringify({ ...environment, ...measurement }));
        else console.log(formatMeasurement(measurement, previous));
        previous = measurement.case;
      },
    });
    if (folder !== null && measured.length > 0) {
      console.error(`${part}: ${measured.length} records in ${await appendRecords(folder, environment, measured)}`);
    }
  }
  return 0;
}

// Before the first adapter is asked for: drivers are looked for once.
for (const [name, value] of Object.entries(webgpuEnvironment())) Deno.env.set(name, value);

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  const { code, lines } = describeError(error, true);
  for (const line of lines) console.error(line.replaceAll("secateur bench", "deno task bench"));
  Deno.exit(code);
}
