/**
 * A job as GNU parallel runs it: a shell script, one line for each step, with a log of jobs that a second run goes on
 * from.
 */
import { join } from "node:path";
import { quoteArgument } from "../report/command_line.ts";
import { describeGraph, type JobStep } from "./job_graph.ts";
import { logFolder } from "./slurm.ts";

/** What a person may say about it. */
export interface ParallelChoice {
  readonly out: string;
  /** The program, as a shell reads it. */
  readonly program: string;
  /** Most shards at the same time; null for as many as there are pins, or else one. */
  readonly concurrent: number | null;
  readonly retries: number;
  /** `NAME=VALUE` for each place where a shard runs, which binds it to a GPU. */
  readonly pins: readonly string[];
}

/** The script, to be run from a folder. */
export function parallelScript(steps: readonly JobStep[], choice: ParallelChoice, folder: string): string {
  const { out, program, concurrent, retries, pins } = choice;
  const jobs = concurrent ?? Math.max(1, pins.length);
  const pin = pins.length === 0
    ? ""
    : `case $(((PARALLEL_JOBSLOT - 1) % ${pins.length})) in\n${
      pins.map((text, slot) => {
        const [name, ...value] = text.split("=");
        return `${slot}) export ${name}=${quoteArgument(value.join("="))} ;;\n`;
      }).join("")
    }esac\n`;
  const lines = steps.map(({ name, shards, words }) => {
    const command = `${program} ${words.map(quoteArgument).join(" ")}`;
    if (shards === null) return `${command}\n`;
    // In the environment, since parallel would fill in braces in it.
    const part = `${pin}exec ${command} --shard "$1/${shards}"`;
    const log = join(logFolder(out), `${name}-${shards}.joblog`);
    return `SECATEUR_PART=${
      quoteArgument(part)
    }\nexport SECATEUR_PART\nseq ${shards} | parallel --jobs ${jobs} --joblog ${
      quoteArgument(log)
    } --resume-failed --retries ${retries + 1} 'sh -c "$SECATEUR_PART" shard {}'\n`;
  });
  return `#!/bin/sh
# ${describeGraph(steps)}
set -eu
cd -- ${quoteArgument(folder)}
mkdir -p -- ${quoteArgument(logFolder(out))}
${lines.join("")}`;
}
