/**
 * The demo as a real Slurm runs it: arrays of six, of which one shard is killed in the middle and requeued and one
 * fails once, then merged, pruned and evaluated: the bytes of one process. Opt-in, as `deno task test:slurm`; it prints
 * what it saw.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { demoModel, demoTask, projectPath, secateur, withFolder } from "../cli/program.ts";
import { ensureSlurm, waitFor, withCluster } from "./cluster.ts";

const work = ["--model", demoModel, "--task", demoTask];

/** Seconds that the job may take; a machine that others use is slow. */
const patience = 480;

async function succeed(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await secateur(args, env);
  assertEquals(code, 0, stderr);
  return stdout;
}

/**
 * The program, but shard 3 of scoring fails at its first attempt, and shard 2 is stopped at its first attempt once it
 * is at work, until somebody kills it.
 */
function troubledProgram(marks: string, out: string): string {
  return `#!/bin/sh
program() { ${Deno.execPath()} run --quiet --allow-all ${projectPath("src/cli/main.ts")} "$@"; }
if [ "$1" = score ] && [ "$SLURM_ARRAY_TASK_ID" = 3 ] && [ ! -e ${marks}/failed ]; then
  touch ${marks}/failed
  exit 1
fi
if [ "$1" = score ] && [ "$SLURM_ARRAY_TASK_ID" = 2 ] && [ ! -e ${marks}/stopped ]; then
  ${Deno.execPath()} run --quiet --allow-all ${projectPath("src/cli/main.ts")} "$@" &
  while [ ! -e ${out}/parts/.score-2-of-6/.secateur.lock ]; do sleep 0.05; done
  kill -STOP $!
  touch ${marks}/stopped
  wait
  exit 1
fi
program "$@"
`;
}

Deno.test("an array of six on Slurm gives the bytes of one process when one shard is killed and one fails", async () => {
  await ensureSlurm();
  await withFolder(async (folder) => {
    const [one, many, marks, cluster] = ["one", "many", "marks", "slurm"].map((name) => join(folder, name));
    for (const path of [marks, cluster]) await Deno.mkdir(path);
    const program = join(folder, "program");
    await Deno.writeTextFile(program, troubledProgram(marks, many), { mode: 0o755 });

    await succeed(["score", ...work, "--out", one]);
    await succeed(["search", ...work, "--scores", join(one, "scores.safetensors"), "--out", one]);
    await succeed(["prune", "--model", demoModel, "--plan", join(one, "plan.json"), "--out", join(one, "pruned")]);

    await withCluster(cluster, async ({ env, run }) => {
      console.log(await run("sinfo", "--version"));
      const begun = Date.now();
      const job = ["--shards", "6", "--program", program, "--limit", "20", "--out", many];
      console.log(await succeed(["submit", "slurm", ...work, ...job], env));
      const { jobs } = JSON.parse(await Deno.readTextFile(join(many, "jobs.json")));
      const idOf = (name: string): string => jobs.find(({ step }: { step: string }) => step === name).job;

      await waitFor("shard 2 at work", patience, () => Deno.stat(join(marks, "stopped")).then(() => true, () => false));
      await run("scontrol", "requeue", `${idOf("score")}_2`);
      const describe = async () => await run("scontrol", "show", "job", "--oneliner");
      await waitFor("the end of all jobs", patience, async () => {
        const states = [...(await describe()).matchAll(/ JobState=(\w+)/g)].map(([, state]) => state);
        const bad = states.find((state) => ["CANCELLED", "TIMEOUT", "NODE_FAIL"].includes(state));
        assert(bad === undefined, `a job is ${bad}`);
        return states.every((state) => state === "COMPLETED");
      });
      console.log(`all jobs ended after ${((Date.now() - begun) / 1000).toFixed(0)} s`);

      const lines = (await describe()).split("\n");
      const field = (line: string, name: string) => new RegExp(`(?:^| )${name}=(\\S+)`).exec(line)?.[1];
      const restarts: Record<string, number> = {};
      for (const line of lines) {
        const task = field(line, "ArrayTaskId");
        const name = field(line, "JobName")!.replace("secateur-", "") + (task ? ` ${task}` : "");
        restarts[name] = Number(field(line, "Restarts"));
        console.log(`${name.padEnd(14)} ${field(line, "JobState")} restarts ${restarts[name]}`);
      }
      const again = Object.entries(restarts).filter(([, count]) => count > 0);
      assertEquals(Object.fromEntries(again), { "score 2": 1, "score 3": 1 });
    });

    console.log(await succeed(["status", many]));
    const files = ["scores.safetensors", "grid.json", "plan.json", "pruned/model.safetensors"];
    for (const name of files) {
      assertEquals(await Deno.readFile(join(many, name)), await Deno.readFile(join(one, name)), name);
    }
    console.log(`same bytes as one process: ${files.join(", ")}`);
    const evaluation = JSON.parse(await Deno.readTextFile(join(many, "eval.json")));
    assert(Object.keys(evaluation.results).length > 0);
  });
});
