/** `secateur submit`: the whole job for a scheduler that people already run. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../checkpoint/atomic_file.ts";
import { formatJson } from "../method/json.ts";
import { mostShards } from "../method/shard.ts";
import { quoteArgument } from "../report/command_line.ts";
import type { OptionTable } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { CommandError, UsageError } from "./errors.ts";
import { parallelScript } from "./gnu_parallel.ts";
import { graphOptions, jobGraph } from "./job_graph.ts";
import { kubernetesManifests } from "./kubernetes.ts";
import { logFolder, type SlurmChoice, slurmDependency, type SlurmJob, slurmJobs, slurmScript } from "./slurm.ts";
import { readSubcommand, refuseFurtherWords } from "./subcommand.ts";
import { formatTable } from "./text.ts";

const kinds = ["slurm", "k8s", "parallel"] as const;

/** Name of the file of job ids. */
const jobsFile = "jobs.json";

const submitOptions = {
  out: {
    type: "text",
    placeholder: "DIR",
    required: true,
    description: "Folder of all results, which all processes reach.",
  },
  shards: {
    type: "integer",
    min: 1,
    max: mostShards,
    required: true,
    description: "Processes that divide scoring: one per GPU, or a few times as many.",
  },
  "search-shards": {
    type: "integer",
    min: 1,
    max: mostShards,
    description: "Processes that divide the search. Default: as many as --shards.",
  },
  concurrent: {
    type: "integer",
    min: 1,
    max: mostShards,
    description: "Most shards at the same time. Default: the scheduler's.",
  },
  retries: {
    type: "integer",
    min: 0,
    max: 100,
    default: 3,
    description: "How often a shard that failed is tried again.",
  },
  name: {
    type: "text",
    placeholder: "NAME",
    default: "secateur",
    description: "Start of the names of the jobs: lower-case letters, digits and dashes.",
  },
  program: {
    type: "text",
    placeholder: "COMMAND",
    description:
      "The program as a shell on the machines finds it; it goes into scripts as it is. Default: how this one was started; `secateur` for k8s.",
  },
  "dry-run": { type: "flag", description: "Print the script and do nothing; always so for k8s and parallel." },
  sbatch: {
    type: "texts",
    placeholder: "OPTION",
    description: "slurm: an option for the steps that compute, such as --sbatch=--gpus=1. May be repeated.",
  },
  image: { type: "text", placeholder: "IMAGE", description: "k8s: container image with the program. Required there." },
  claim: {
    type: "text",
    placeholder: "NAME",
    default: "secateur",
    description: "k8s: the persistent volume claim (ReadWriteMany) with model, data and results.",
  },
  mount: {
    type: "text",
    placeholder: "PATH",
    default: "/data",
    description: "k8s: where that volume is in the containers; relative paths start there.",
  },
  namespace: { type: "text", placeholder: "NAME", description: "k8s: namespace of the Jobs." },
  "gpu-resource": {
    type: "text",
    placeholder: "NAME",
    description: "k8s: resource that a computing pod takes one of, such as nvidia.com/gpu. Default: none.",
  },
  pin: {
    type: "texts",
    placeholder: "NAME=VALUE",
    description:
      "parallel: variable that binds a process to a GPU, once for each GPU; docs/cluster.md says which bind.",
  },
  ...graphOptions,
} as const satisfies OptionTable;

/** The command line that this process was started with, up to the arguments. */
function ownProgram(): string {
  const main = Deno.mainModule;
  const entry = main.startsWith("file:") ? fileURLToPath(main) : main;
  return [Deno.execPath(), "run", "--quiet", "--allow-all", entry].map(quoteArgument).join(" ");
}

/** Lines in names would end a comment, a line of a script or a document early. */
function refuseControls(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    for (const text of [value].flat()) {
      // deno-lint-ignore no-control-regex
      if (typeof text === "string" && /[\x00-\x1f\x7f]/.test(text)) {
        throw new UsageError(`--${name} has a control character: ${JSON.stringify(text)}`, "use names of one line.");
      }
    }
  }
}

/** @throws {UsageError} If it is no DNS label; that is what Kubernetes takes, and the others too. */
function checkName(option: string, name: string): void {
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= 50) return;
  throw new UsageError(
    `--${option} cannot be ${JSON.stringify(name)}`,
    "expected at most 50 lower-case letters, digits and dashes, with a letter or digit at both ends.",
  );
}

/** A job that was submitted. */
interface Submitted {
  readonly step: string;
  readonly job: string;
  readonly shards: number | null;
  readonly after: string | null;
}

/** Submits one job to Slurm and resolves to its id. */
async function callSbatch({ step, arguments: words, script }: SlurmJob, after: string | null): Promise<string> {
  const command = new Deno.Command("sbatch", {
    args: [...words, ...slurmDependency(after)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  let process: Deno.ChildProcess;
  try {
    process = command.spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new CommandError(
      "sbatch is not there",
      "submit where Slurm is installed, or print the script with --dry-run.",
    );
  }
  const writer = process.stdin.getWriter();
  // One that refuses its arguments may have ended already; its own words are what counts.
  await writer.write(new TextEncoder().encode(script)).then(() => writer.close()).catch(() => {});
  const { success, stdout, stderr } = await process.output();
  const [id] = new TextDecoder().decode(stdout).trim().split(";");
  if (success && /^\d+$/.test(id)) return id;
  throw new CommandError(
    `sbatch refused ${step.name}: ${new TextDecoder().decode(stderr).trim() || `it printed ${JSON.stringify(id)}`}`,
    "change --sbatch or --shards, or look at the script with --dry-run.",
  );
}

/** Submits all steps; where one is refused, those before it are taken back. */
async function submitToSlurm(jobs: readonly SlurmJob[], choice: SlurmChoice, { note, signal }: CommandContext) {
  await mkdir(logFolder(choice.out), { recursive: true });
  const submitted: Submitted[] = [];
  const idOf = (name: string | null) => submitted.find(({ step }) => step === name)?.job ?? null;
  try {
    for (const job of jobs) {
      signal.throwIfAborted();
      const { name, shards, after } = job.step;
      submitted.push({ step: name, job: await callSbatch(job, idOf(after)), shards, after: idOf(after) });
    }
  } catch (error) {
    if (submitted.length > 0) {
      const ids = submitted.map(({ job }) => job);
      note(`Cancelling ${ids.join(" ")}.`);
      await new Deno.Command("scancel", { args: ids }).output();
    }
    throw error;
  }
  const file = join(choice.out, jobsFile);
  await writeFileAtomic(file, [
    new TextEncoder().encode(formatJson({ scheduler: "slurm", jobs: submitted.map((job) => ({ ...job })) })),
  ]);
  return { file, submitted };
}

export const submit = defineCommand({
  name: "submit",
  summary: "Give a whole job, in shards, to a scheduler.",
  description:
    "The steps: score and search in shards, merged; then prune, and eval of the copy beside the model. Prints a script for\n" +
    "Slurm, manifests for Kubernetes, or a script for GNU parallel; `submit slurm` without --dry-run submits, and records the\n" +
    `ids of the jobs in ${jobsFile} in DIR. What is there already is skipped, so a job may be submitted again.`,
  example:
    "submit slurm --dry-run --shards 6 --model examples/demo/model --task examples/demo/task/demo.yaml --out out/demo-shards",
  words: kinds.join(" | "),
  options: submitOptions,
  run: async (options, context, words) => {
    const hint = `secateur submit ${kinds.join(" | ")}.`;
    const kind = readSubcommand(words, { what: "scheduler", choices: kinds, hint });
    refuseFurtherWords(words, 1, hint);
    refuseControls(options);
    checkName("name", options.name);
    const { out, name, retries, shards } = options;
    const concurrent = options.concurrent ?? null;
    const steps = jobGraph(options, { out, scoreShards: shards, searchShards: options["search-shards"] ?? shards });
    const print = (script: string) => ({
      text: script,
      json: { script, steps: steps.map((step) => ({ ...step, words: [...step.words] })) },
    });
    const program = options.program ?? ownProgram();
    if (kind === "k8s") {
      const { image, claim, mount, namespace } = options;
      if (image === undefined) {
        throw new UsageError("--image is missing", "expected a container image with the program.");
      }
      if (namespace !== undefined) checkName("namespace", namespace);
      return print(kubernetesManifests(steps, {
        ...{ name, image, claim, mount, concurrent, retries },
        namespace: namespace ?? null,
        gpu: options["gpu-resource"] ?? null,
        command: (options.program ?? "secateur").split(/\s+/).filter((word) => word !== ""),
      }));
    }
    if (kind === "parallel") {
      const pins = options.pin ?? [];
      const wrong = pins.find((pin) => !/^[A-Za-z_]\w*=/.test(pin));
      if (wrong !== undefined) throw new UsageError(`--pin cannot be ${JSON.stringify(wrong)}`, "expected NAME=VALUE.");
      return print(parallelScript(steps, { out, program, concurrent, retries, pins }, Deno.cwd()));
    }
    const choice = { name, out, program, concurrent, retries, sbatch: options.sbatch ?? [] };
    if (options["dry-run"]) return print(slurmScript(steps, choice, Deno.cwd()));
    const { file, submitted } = await submitToSlurm(slurmJobs(steps, choice), choice, context);
    const table = formatTable([
      ["step", "job", "shards", "after"],
      ...submitted.map(({ step, job, shards, after }) => [step, job, String(shards ?? "-"), after ?? "-"]),
    ]);
    return {
      text: `${table}\n\nWritten: ${file}\nProgress: secateur status ${out}\n`,
      json: { file, jobs: submitted.map((job) => ({ ...job })) },
    };
  },
});
