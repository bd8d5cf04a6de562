/**
 * A long look at what must never happen: other bytes from a repeated run, a run that does not survive kill -9, input that
 * breaks a reader, a wrong kernel whose results are used, a service that gives way. `deno task soak [--minutes 15] [--seed 1]` runs all parts, `deno task soak kills`
 * some of them: repeats, adapters, kernels, kills, fuzz, service. Prints tables; fails with the first loss.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { webgpuEnvironment } from "../../src/cli/webgpu_environment.ts";
import { projectPath } from "../cli/program.ts";
import { type Fault, FAULTS } from "../support/broken_kernel.ts";
import { runnableKernels } from "../support/pipelines.ts";
import { refusalModel, refusalOf } from "../support/refusals.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { withDevice } from "../support/webgpu_engine.ts";
import { runOnBoth, secondDriver } from "./adapters.ts";
import { killRuns } from "./kills.ts";
import { formatMarkdownTable } from "./markdown.ts";
import { repeatScores } from "./repeats.ts";
import { tinyRun, writeTinyProject } from "./tiny_project.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "15" },
    seed: { type: "string", default: "1" },
    /** Kills on each engine at most, however long they may take. */
    kills: { type: "string", default: "50" },
    /** Processes that must give the same scores. */
    processes: { type: "string", default: "10" },
    /** Seeds that two adapters are compared on. */
    seeds: { type: "string", default: "5" },
  },
});
const seed = Number(values.seed);
// As the program does for itself: one part computes in this process.
for (const [name, value] of Object.entries(webgpuEnvironment())) Deno.env.set(name, value);

/** Minutes that attacking the service takes with its own defaults. */
const SERVICE_MINUTES = 15;

/** Runs another script of this folder, which prints its own table; it must succeed. */
async function runScript(name: string, ...args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", projectPath(`tests/trust/${name}`), ...args],
    stdin: "null",
  }).spawn().status;
  if (!success) throw new Error(`${name} ${args.join(" ")} failed; see above`);
}

/** Kills runs on both engines for about `minutes`, after as many kills at the latest as were asked for. */
async function kill(minutes: number): Promise<void> {
  const rows = [];
  for (const engine of ["reference", "webgpu"]) {
    const end = Date.now() + 60_000 * minutes / 2;
    const tally = await withFolder({}, async (folder) => {
      const project = await writeTinyProject(folder);
      return await killRuns({
        folder,
        run: (out) => [...tinyRun(project, out), "--engine", engine],
        kills: Number(values.kills),
        seed,
        isOver: () => Date.now() >= end,
      });
    });
    const { killed, midway, escaped, resumed } = tally;
    rows.push([engine, killed, midway, escaped, resumed].map(String));
  }
  const header = ["engine", "kills", "with some results there", "ended before", "runs resumed to the same bytes"];
  console.log(formatMarkdownTable(header, rows));
}

async function repeat(): Promise<void> {
  const { adapter, kernels, digest } = await withFolder({}, async (folder) => {
    const out = join(folder, "repeats");
    await mkdir(out);
    return await repeatScores(out, Number(values.processes));
  });
  const rows = [[values.processes, adapter, `${kernels} in all`, `${digest.slice(0, 16)}... in all`]];
  console.log(formatMarkdownTable(["processes", "adapter", "kernels chosen", "SHA-256 of scores.safetensors"], rows));
}

/** Compares the plans of several seeds on two adapters, where there are two. */
async function compareAdapters(): Promise<void> {
  const driver = await secondDriver();
  if (driver === null) {
    console.log("Not compared: this machine has one driver. On Debian, `apt-get install chromium` brings another.");
    return;
  }
  const pairs = await withFolder({}, async (folder) => {
    const all = [];
    for (let i = 0; i < Number(values.seeds); i++) all.push(await runOnBoth(folder, driver, seed + i));
    return all;
  });
  console.log(`${pairs[0].adapters.join(" and ")}\n`);
  const rows = pairs.map(({ seed, chosen: [first, second], tied, samePlan, otherNeurons, worstScore }) => [
    `${seed}`,
    first,
    second === first ? "the same" : second,
    `${tied}`,
    samePlan ? "the same" : `${otherNeurons} neurons differ`,
    worstScore.toExponential(1),
  ]);
  console.log(
    formatMarkdownTable(["seed", "chosen on the first", "on the second", "ties", "plans", "worst score"], rows),
  );
}

/** Breaks every kernel that this adapter runs, one at a time, in every way there is; each must be refused. */
async function breakKernels(): Promise<void> {
  const checkpoint = await refusalModel();
  const rows = [];
  for (const fault of Object.keys(FAULTS) as Fault[]) {
    let [adapter, broken, early] = ["", 0, 0];
    for (const kernel of await runnableKernels()) {
      await withDevice(async ({ device, adapter: name }) => {
        const { step } = await refusalOf(kernel, fault, { device, checkpoint });
        adapter = name;
        broken++;
        if (step === "open the engine") early++;
      });
    }
    rows.push([adapter, fault, `${broken}`, `${early}`, `${broken - early}`, "0"]);
  }
  const header = [
    "adapter",
    "each kernel",
    "kernels",
    "refused when the engine opened",
    "refused by the first call that ran it",
    "results used",
  ];
  console.log(formatMarkdownTable(header, rows));
}

/** Each part takes about the minutes that it is given; repeating and breaking kernels take seconds, comparing adapters some minutes. */
const parts: Readonly<Record<string, { share: number; run: (minutes: number) => Promise<void> }>> = {
  repeats: { share: 0, run: repeat },
  adapters: { share: 0, run: compareAdapters },
  kernels: { share: 0, run: breakKernels },
  kills: { share: 1, run: kill },
  fuzz: { share: 1, run: (minutes) => runScript("fuzz.ts", "--minutes", minutes.toFixed(2), "--seed", values.seed) },
  service: {
    share: 2,
    run: async (minutes) => {
      const scaled = (count: number) => String(Math.max(10, Math.round(count * minutes / SERVICE_MINUTES)));
      const sizes = { requests: 5000, connections: 1000, kills: 40, jobs: 500, seconds: 30 };
      const options = Object.entries(sizes).flatMap(([name, count]) => [`--${name}`, scaled(count)]);
      await runScript("service_soak.ts", ...options, "--seed", values.seed);
    },
  },
};

const unknown = positionals.find((name) => !(name in parts));
const minutes = Number(values.minutes);
if (unknown !== undefined || !(minutes > 0)) {
  const problem = unknown === undefined ? `cannot run for ${values.minutes} minutes` : `there is no part ${unknown}`;
  console.error(`Error: ${problem}.\nHint: the parts are ${Object.keys(parts).join(", ")}; --minutes takes a number.`);
  Deno.exit(2);
}
const names = positionals.length > 0 ? positionals : Object.keys(parts);
const shares = names.reduce((sum, name) => sum + parts[name].share, 0);
console.log(`${minutes} minutes, seed ${seed}`);
for (const name of names) {
  console.log(`\n${name}\n`);
  const { share, run } = parts[name];
  await run(minutes * share / Math.max(1, shares));
}
