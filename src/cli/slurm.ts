/**
 * A job as Slurm runs it: one sbatch for each step, which waits for the step before; shards are the tasks of an array.
 */
import { join } from "node:path";
import { quoteArgument } from "../report/command_line.ts";
import { describeGraph, type JobStep } from "./job_graph.ts";

/** What a person may say about it. */
export interface SlurmChoice {
  /** Start of the names of the jobs. */
  readonly name: string;
  readonly out: string;
  /** The program, as a shell reads it. */
  readonly program: string;
  /** Most shards at the same time; null for as many as there is room for. */
  readonly concurrent: number | null;
  /** How often a step that failed is tried again. */
  readonly retries: number;
  /** Options of sbatch for the steps that compute, such as `--partition=gpu`. */
  readonly sbatch: readonly string[];
}

/** One call of sbatch. */
export interface SlurmJob {
  readonly step: JobStep;
  /** Arguments of sbatch but for the dependency. */
  readonly arguments: readonly string[];
  /** What it is given on stdin. */
  readonly script: string;
}

/** Folder of what the steps print. */
export function logFolder(out: string): string {
  return join(out, "logs");
}

/** The calls of sbatch, in the order of the steps. */
export function slurmJobs(steps: readonly JobStep[], choice: SlurmChoice): SlurmJob[] {
  const { name, out, program, concurrent, retries, sbatch } = choice;
  return steps.map((step) => {
    const array = step.shards === null ? [] : [
      `--array=1-${step.shards}${concurrent === null ? "" : `%${concurrent}`}`,
    ];
    // A percent sign of the folder's own is doubled: sbatch fills in what follows one.
    const log = join(logFolder(out), step.name).replaceAll("%", "%%") + (step.shards === null ? ".log" : "-%a.log");
    const shard = step.shards === null ? [] : ["--shard", `auto/${step.shards}`];
    return {
      step,
      arguments: [
        "--parsable",
        `--job-name=${name}-${step.name}`,
        ...array,
        "--requeue",
        "--open-mode=append",
        `--output=${log}`,
        ...(step.computes ? sbatch : []),
      ],
      script: `#!/bin/sh
${program} ${[...step.words, ...shard].map(quoteArgument).join(" ")} && exit 0
code=$?
# Exit code 2 is a command line that will not get better. Anything else is tried again: files appear whole or not at all.
if [ "$code" -ne 2 ] && [ "\${SLURM_RESTART_COUNT:-0}" -lt ${retries} ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
`,
    };
  });
}

/** What makes a job wait for another one; it is cancelled where that one fails for good. */
export function slurmDependency(after: string | null): string[] {
  return after === null ? [] : [`--dependency=afterok:${after}`, "--kill-on-invalid-dep=yes"];
}

/** A shell script that submits all steps from a folder and prints their job ids. */
export function slurmScript(steps: readonly JobStep[], choice: SlurmChoice, folder: string): string {
  const variable = (name: string) => name.replaceAll("-", "_");
  const jobs = slurmJobs(steps, choice).map(({ step, arguments: words, script }) => {
    const dependency = slurmDependency(step.after === null ? null : `$${variable(step.after)}`);
    const line = [...words.map(quoteArgument), ...dependency.map((word) => `"${word}"`)].join(" ");
    const id = variable(step.name);
    // With a cluster's name, the id is followed by it.
    return `${id}=$(sbatch ${line} <<'END_OF_STEP'\n${script}END_OF_STEP\n)\n${id}=\${${id}%%;*}\necho "${step.name} $${id}"\n`;
  });
  return `#!/bin/sh
# ${describeGraph(steps)}
set -eu
cd -- ${quoteArgument(folder)}
mkdir -p -- ${quoteArgument(logFolder(choice.out))}
${jobs.join("")}`;
}
