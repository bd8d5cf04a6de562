/**
 * What `submit` prints: shells and Slurm get every name whole, Kubernetes takes the manifests, and steps wait for each
 * other.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type IJob, Job } from "kubernetes-models/batch/v1";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { type OptionTable, optionWords, parseOptions } from "../../src/cli/arguments.ts";
import { parallelScript } from "../../src/cli/gnu_parallel.ts";
import { graphOptions, jobGraph } from "../../src/cli/job_graph.ts";
import { type JobManifest, kubernetesJobs, kubernetesManifests } from "../../src/cli/kubernetes.ts";
import { slurmScript } from "../../src/cli/slurm.ts";
import { formatRanges } from "../../src/cli/parts.ts";
import { assertDocumentedCommands, secateur, withFolder } from "./program.ts";

/** A name that every quoting rule would spoil. */
const hostile = 'it\'s {} $(id) `x` %a "q" * \\';
const typed = ["--model", hostile, "--task", "a b.yaml", "--data", "test=c d", "--fractions", "0.1,0.2", "--seed", "7"];
const steps = jobGraph(parseOptions("submit", graphOptions, typed), {
  out: hostile,
  scoreShards: 6,
  searchShards: 2,
});
const names = ["score", "merge-score", "search", "merge-search", "prune", "eval"];

const onCluster = {
  name: "study",
  namespace: null,
  image: "registry.example/secateur:1",
  command: ["secateur"],
  claim: "models",
  mount: "/data",
  gpu: "nvidia.com/gpu",
  concurrent: 4,
  retries: 3,
};

/** Keys anywhere in T that the schema's type U does not know; `never` where it knows all. */
type UnknownKeys<T, U> = T extends readonly (infer A)[]
  ? NonNullable<U> extends readonly (infer B)[] ? UnknownKeys<A, B> : never
  : T extends Record<string, string | number> ? never
  : T extends object ? {
      [K in keyof T & string]: K extends keyof NonNullable<U>
        ? UnknownKeys<NonNullable<T[K]>, NonNullable<NonNullable<U>[K]>>
        : K;
    }[keyof T & string]
  : never;

Deno.test("optionWords() gives back what parseOptions() read, without defaults", () => {
  assertEquals(optionWords(graphOptions, parseOptions("submit", graphOptions, typed)).sort(), [...typed].sort());
  const dashes = {
    note: { type: "text", description: "Text." },
    all: { type: "flag", description: "All." },
  } as const satisfies OptionTable;
  for (const args of [["--note=-x"], ["--note=--all", "--all"], []]) {
    assertEquals(optionWords(dashes, parseOptions("x", dashes, args)), args);
  }
});

Deno.test("jobGraph() is one chain, and only shards and settings of a step reach it", () => {
  assertEquals(steps.map(({ name }) => name), names);
  assertEquals(steps.map(({ after }) => after), [null, ...names.slice(0, -1)]);
  assertEquals(steps.map(({ shards }) => shards), [6, null, 2, null, null, null]);
  assert(!steps[0].words.includes("--fractions") && steps[2].words.includes("--fractions"));
  assertEquals(steps[5].words.slice(0, 3), ["eval", "--model", `${hostile}/pruned`]);
});

Deno.test("jobGraph() asks eval for the other rows of the split that adaptation examples are drawn from where there is no other", () => {
  const evaluated = (args: readonly string[]) => {
    const options = parseOptions("submit", graphOptions, ["--model", "m", "--task", "boolq", ...args]);
    const { words } = jobGraph(options, { out: "out", scoreShards: 1, searchShards: 1 }).at(-1)!;
    const split = words.flatMap((word, index) => word === "--split" ? [words[index + 1]] : []);
    return words.includes("--unseen") ? [...split, "unseen"] : split;
  };
  const drawn = ["--adaptation-split", "mine"];
  assertEquals(evaluated([...drawn, "--data", "mine=a.jsonl"]), ["mine", "unseen"]);
  assertEquals(evaluated([...drawn, "--data", "mine=a.jsonl", "--data", "mine=b.jsonl"]), ["mine", "unseen"]);
  assertEquals(evaluated([...drawn, "--data", "mine=a.jsonl", "--split", "other"]), ["other"]);
  // Where there are others, the task says which is evaluated.
  assertEquals(evaluated([...drawn, "--data", "mine=a.jsonl", "--data", "test=b.jsonl"]), []);
  assertEquals(evaluated([...drawn, "--data", "folder"]), []);
  assertEquals(evaluated(drawn), []);
  assertEquals(evaluated(["--data", "mine=a.jsonl"]), []);
  assertEquals(evaluated(["--data", "undefined=a.jsonl"]), []);
});

Deno.test("kubernetesJobs() satisfies the schema of batch/v1 Job, and spoilt ones do not", () => {
  const known: [UnknownKeys<JobManifest, IJob>] extends [never] ? true : false = true;
  assert(known);
  const documents = parseAllDocuments(kubernetesManifests(steps, onCluster)).map((document) => document.toJS() as IJob);
  assertEquals(documents as unknown, kubernetesJobs(steps, onCluster));
  for (const job of documents) new Job(job).validate();
  const [score, merge] = documents;
  assertEquals(
    [score.spec!.completionMode, score.spec!.completions, score.spec!.parallelism, score.spec!.suspend],
    ["Indexed", 6, 4, false],
  );
  assertEquals(score.spec!.template.spec!.containers[0].resources, { limits: { "nvidia.com/gpu": 1 } });
  assertEquals([merge.spec!.suspend, merge.spec!.template.spec!.containers[0].resources], [true, undefined]);
  const args = score.spec!.template.spec!.containers[0].args!;
  assertEquals(args.slice(-2), ["--shard", "auto/6"]);
  assertEquals(args[args.indexOf("--model") + 1], hostile.replace("$(", () => "$$("));
  for (const spoil of [{ completions: "six" }, { backoffLimitPerIndex: 1.5 }, { template: undefined }]) {
    let refused = false;
    try {
      new Job({ ...score, spec: { ...score.spec, ...spoil } as unknown as IJob["spec"] }).validate();
    } catch {
      refused = true;
    }
    assert(refused, JSON.stringify(spoil));
  }
});

/** A folder with programs that say what they were given. */
async function withPrograms(use: (folder: string, env: Record<string, string>) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const programs = {
      // Prints an id, and keeps its arguments and its script.
      sbatch:
        'cd -- "$(dirname -- "$0")"\nn=$(cat count 2>/dev/null || echo 100); echo $((n+1)) > count\nprintf "%s\\n" "$@" > call-$n.args\ncat > call-$n.sh\necho "$n;cluster"',
      scontrol: 'printf "%s " "$@" >> requeued',
      // Runs the last argument for each line of stdin, as GNU parallel does.
      parallel:
        'for last; do :; done\nslot=0\nwhile read -r line; do slot=$((slot+1))\nPARALLEL_JOBSLOT=$slot sh -c "$(printf %s "$last" | sed "s/{}/$line/")" || exit 1; done',
      program: 'printf "%s\\n" "$GPU" "$@" -- >> ran\nexit "${FAIL:-0}"',
    };
    for (const [name, body] of Object.entries(programs)) {
      await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    }
    await use(folder, { PATH: `${folder}:${Deno.env.get("PATH")}` });
  });
}

async function runShell(script: string, cwd: string, env: Record<string, string>): Promise<number> {
  const { code, stderr } = await new Deno.Command("sh", { args: ["-c", script], cwd, env, stdin: "null" }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return code;
}

Deno.test("slurmScript() submits a chain whose scripts give the program every word, and try again what failed", async () => {
  await withPrograms(async (folder, env) => {
    const choice = {
      name: "study",
      out: hostile,
      program: "./program",
      concurrent: 3,
      retries: 2,
      sbatch: ["--gpus=1"],
    };
    assertEquals(await runShell(slurmScript(steps, choice, folder), folder, env), 0);
    assert((await Deno.stat(join(folder, hostile, "logs"))).isDirectory);
    for (const [index, step] of steps.entries()) {
      const args = (await Deno.readTextFile(join(folder, `call-${100 + index}.args`))).split("\n");
      assert(args.includes("--requeue"));
      assertEquals(args.includes("--gpus=1"), step.computes);
      assertEquals(args.includes(`--array=1-${step.shards}%3`), step.shards !== null);
      assertEquals(
        args.filter((word) => word.startsWith("--dependency=")),
        index === 0 ? [] : [`--dependency=afterok:${99 + index}`],
      );
      const log = args.find((word) => word.startsWith("--output="))!;
      assertEquals(log.startsWith(`--output=${hostile.replace("%", "%%")}/logs/${step.name}`), true, log);
      const script = await Deno.readTextFile(join(folder, `call-${100 + index}.sh`));
      await Deno.remove(join(folder, "ran")).catch(() => {});
      assertEquals(await runShell(script, folder, env), 0);
      const ran = (await Deno.readTextFile(join(folder, "ran"))).split("\n").slice(1, -2);
      assertEquals(ran, [...step.words, ...step.shards === null ? [] : ["--shard", `auto/${step.shards}`]]);
    }
    const script = await Deno.readTextFile(join(folder, "call-100.sh"));
    const attempt = (FAIL: string, SLURM_RESTART_COUNT: string) =>
      runShell(script, folder, { ...env, FAIL, SLURM_RESTART_COUNT, SLURM_JOB_ID: "100" });
    assertEquals([await attempt("1", "2"), await attempt("2", "0")], [1, 2]);
    assertEquals(await Deno.stat(join(folder, "requeued")).catch(() => null), null);
    assertEquals(await attempt("1", "1"), 1);
    assertEquals(await Deno.readTextFile(join(folder, "requeued")), "requeue 100 ");
  });
});

Deno.test("parallelScript() runs every shard with the variable of its place, then the steps that follow", async () => {
  await withPrograms(async (folder, env) => {
    const choice = { out: hostile, program: "./program", concurrent: null, retries: 1, pins: ["GPU=a b", "GPU='c"] };
    const script = parallelScript(steps, choice, folder);
    assertMatch(script, /seq 6 \| parallel --jobs 2 --joblog .* --resume-failed --retries 2 /);
    assertEquals(await runShell(script, folder, env), 0);
    const ran = (await Deno.readTextFile(join(folder, "ran"))).split("\n--\n").slice(0, -1).map((call) =>
      call.split("\n")
    );
    const gpus = ["a b", "'c"];
    const expected = steps.flatMap(({ shards, words }) =>
      shards === null
        ? [["", ...words]]
        : Array.from({ length: shards }, (_, i) => [gpus[i % 2], ...words, "--shard", `${i + 1}/${shards}`])
    );
    assertEquals(ran, expected);
  });
});

Deno.test("secateur submit slurm submits and records the ids, or says what is wrong", async () => {
  await withPrograms(async (folder, env) => {
    const out = join(folder, "out");
    const job = ["--model", "m", "--task", "t.yaml", "--out", out, "--shards", "2"];
    const submitted = await secateur(["submit", "slurm", ...job, "--sbatch=--gpus=1", "--json"], env);
    assertEquals(submitted.code, 0, submitted.stderr);
    const { jobs, file } = JSON.parse(submitted.stdout);
    assertEquals(jobs.map(({ step }: { step: string }) => step), names);
    assertEquals(JSON.parse(await Deno.readTextFile(file)), { scheduler: "slurm", jobs });
    const unknown = await secateur(["submit", "slrum", ...job]);
    assertEquals([unknown.code, unknown.stdout], [2, ""]);
    assertMatch(
      unknown.stderr,
      /^Error: unknown scheduler slrum; did you mean slurm\?\nHint: secateur submit slurm \| k8s/,
    );
    const line = await secateur(["submit", "k8s", ...job, "--image", "a\nb"]);
    assertEquals(line.code, 2);
    assertMatch(line.stderr, /--image has a control character/);
  });
});

Deno.test("formatRanges() writes runs of numbers as Slurm does", () => {
  assertEquals([[], [3], [1, 2, 3, 7, 9, 10]].map(formatRanges), ["", "3", "1-3,7,9-10"]);
});

Deno.test("docs/cluster.md names only options that there are", async () => {
  assert(await assertDocumentedCommands("docs/cluster.md") >= 10);
});
