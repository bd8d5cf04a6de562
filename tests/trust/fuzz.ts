/**
 * A long fuzz run over every reader of input from strangers; prints a table and keeps what it found in `out/fuzz/`.
 * `deno task fuzz [--minutes 10] [--seed 1] [--only NAME]`. Each reader runs in a process of its own, which is killed and
 * counted as a finding when it hangs.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { projectPath } from "../cli/program.ts";
import { withFolder } from "../support/temporary_folder.ts";
import { type Finding, fuzz, type FuzzTally } from "./fuzzing/run.ts";
import { fuzzTargets } from "./fuzzing/targets.ts";
import { formatMarkdownTable } from "./markdown.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    /** Runs one reader in this process; set by the parent. */
    child: { type: "string" },
  },
});

/** Milliseconds without a sign of life after which a process counts as hanging. */
const PATIENCE = 60_000;

const out = projectPath("out/fuzz");
const currentFile = (name: string) => join(out, `${name.replaceAll(/\W+/g, "-")}.current`);

/** Runs one reader and prints its tally as JSON; a dot a second says that it is alive. */
async function runChild(name: string, seconds: number, seed: number): Promise<void> {
  const target = (await fuzzTargets()).find((target) => target.name === name)!;
  const end = Date.now() + 1000 * seconds;
  let sign = 0;
  const tally = await withFolder({}, (folder) =>
    fuzz(target, {
      seed,
      folder,
      isOver: () => Date.now() >= end,
      onInput: (input) => {
        Deno.writeFileSync(currentFile(name), input);
        if (Date.now() < sign) return;
        sign = Date.now() + 1000;
        Deno.stdout.writeSync(new TextEncoder().encode(".\n"));
      },
    }));
  const findings = tally.findings.map(({ problem, input }) => ({ problem, input: [...input] }));
  console.log(JSON.stringify({ ...tally, findings }));
}

/** Runs one reader in a process of its own. */
async function runProcess(name: string, seconds: number, seed: number): Promise<FuzzTally> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      import.meta.filename!,
      "--child",
      name,
      "--minutes",
      String(seconds / 60),
      "--seed",
      String(seed),
    ],
    stdout: "piped",
  }).spawn();
  let last = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hung = false;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, PATIENCE);
  };
  watch();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    watch();
    last = (last + text).split("\n").filter((line) => line !== "" && line !== ".").join("\n");
  }
  clearTimeout(timer);
  const { success } = await child.status;
  if (success) {
    const tally = JSON.parse(last);
    return {
      ...tally,
      findings: tally.findings.map(({ problem, input }: { problem: string; input: number[] }): Finding => ({
        problem,
        input: Uint8Array.from(input),
      })),
    };
  }
  const input = new Uint8Array(await readFile(currentFile(name)));
  const problem = hung ? "it hung" : "the process died";
  return { target: name, inputs: 0, accepted: 0, refused: 0, outcomes: 0, findings: [{ input, problem }] };
}

await mkdir(out, { recursive: true });
const seed = Number(values.seed);
const minutes = Number(values.minutes);
if (values.child !== undefined) {
  await runChild(values.child, 60 * minutes, seed);
} else {
  const names = (await fuzzTargets()).map(({ name }) => name).filter((name) => name.includes(values.only ?? ""));
  const tallies = [];
  for (const name of names) tallies.push(await runProcess(name, 60 * minutes / names.length, seed));
  console.log(`${minutes} minutes, seed ${seed}\n`);
  console.log(formatMarkdownTable(
    ["reader", "inputs", "accepted", "refused", "kinds of outcome", "failures"],
    tallies.map(({ target, inputs, accepted, refused, outcomes, findings }) =>
      [target, inputs, accepted, refused, outcomes, findings.length].map(String)
    ),
  ));
  for (const { target, findings } of tallies) {
    for (const [index, { problem, input }] of findings.entries()) {
      const file = join(out, `${target.replaceAll(/\W+/g, "-")}-${index}.bin`);
      await writeFile(file, input);
      console.log(`\n${target}: ${problem}\n  ${file}`);
    }
  }
  if (tallies.some(({ findings }) => findings.length > 0)) Deno.exit(1);
}
