/** Options that do not go together: the table of rules, and what the commands say. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { commands } from "../../src/cli/commands.ts";
import { UsageError } from "../../src/cli/errors.ts";
import { isPossible, optionRules } from "../../src/cli/option_rules.ts";
import { commandArguments } from "../../src/serve/job_request.ts";

/** Understands a command line, and does nothing. */
function check([name, ...args]: readonly string[]): void {
  commands.find((command) => command.name === name)!.check(args);
}

const work = ["--model", "m", "--task", "t"];
const run = ["run", ...work, "--out", "o"];
const evaluation = ["eval", ...work];
const cluster = ["plan", "--cluster", "gpus=8,tflops=30,read_gbps=2"];
const shape = [...cluster, "--shape", "8b"];
const submit = (kind: string) => ["submit", kind, ...work, "--out", "o", "--shards", "2"];

const refused: readonly (readonly [readonly string[], string])[] = [
  [[...run, "--json", "--events"], "--json does not go with --events"],
  [[...run, "--resume", "--overwrite"], "--resume does not go with --overwrite"],
  [[...run, "--engine=reference", "--memory-budget", "1GiB"], "--memory-budget does not go with --engine reference"],
  [
    ["serve", "--weight-budget", "1GiB", "--engine", "reference"],
    "--weight-budget does not go with --engine reference",
  ],
  [
    [...run, "--weight-budget", "2GiB", "--memory-budget", "1GiB"],
    "--weight-budget of 2 GiB is above --memory-budget of 1 GiB",
  ],
  [
    ["info", "--model", "m", "--memory-budget", "1MiB", "--weight-budget", "1048577"],
    "--weight-budget of 1.0 MiB is above --memory-budget of 1 MiB",
  ],
  [[...run, "--nodes", "3", "--max-nodes", "64"], "--nodes does not go with --max-nodes"],
  [[...run, "--confidence", "0.8"], "--confidence needs --filter confident"],
  [[...run, "--filter", "correct", "--confidence", "0.8"], "--confidence needs --filter confident"],
  [["info", "--model", "m", "--data", "d"], "--data needs --task"],
  [["plan", "--model", "m", "--truncate"], "--truncate needs --task"],
  [["tasks", "validate", "t", "--truncate"], "--truncate needs --model"],
  [["tasks", "show", "t", "--chat-template"], "--chat-template needs --model"],
  [["tasks", "ls", "--row", "0"], "--row does not go with tasks ls"],
  [["tasks", "--data", "d", "ls"], "--data does not go with tasks ls"],
  [["tasks", "validate", "t", "--row", "0"], "--row does not go with tasks validate"],
  [[...evaluation, "--compare"], "--compare needs --plan"],
  [[...evaluation, "--plan", "p", "--compare", "--against-plan", "q"], "--compare does not go with --against-plan"],
  [[...evaluation, "--other-weights", "--against", "n"], "--other-weights needs --plan or --against-plan"],
  [[...cluster, ...work, "--measure"], "--measure does not go with --cluster"],
  [[...cluster, ...work, "--engine", "webgpu"], "--engine does not go with --cluster"],
  [["plan", "--shape", "8b"], "--shape needs --cluster"],
  [["plan", ...work, "--tasks", "3"], "--tasks needs --cluster"],
  [[...cluster, ...work, "--prompt-tokens", "9"], "--prompt-tokens needs --shape"],
  [[...shape, "--model", "m"], "--model does not go with --shape"],
  [[...shape, "--seed", "1"], "--seed does not go with --shape"],
  [["merge", "d", "--scores", "s", "--step", "score"], "--scores does not go with --step score"],
  [[...submit("k8s"), "--sbatch=--gpus=1"], "--sbatch does not go with submit k8s"],
  [[...submit("slurm"), "--image", "i"], "--image does not go with submit slurm"],
  [[...submit("k8s"), "--pin", "A=1"], "--pin does not go with submit k8s"],
  [[...submit("parallel"), "--name", "n"], "--name does not go with submit parallel"],
];

const accepted: readonly (readonly string[])[] = [
  [...run, "--nodes", "3", "--tolerance", "0.1"],
  [...run, "--weight-budget", "1GiB", "--memory-budget", "1GiB", "--dry-run", "--resume"],
  [...run, "--engine", "reference", "--filter", "confident", "--confidence", "0.9"],
  // Of a study, one part filters by confidence in any case.
  ["study", "--model", "m", "--tasks", "t", "--out", "o", "--confidence", "0.9"],
  // A script may give every step the same seed.
  [...evaluation, "--seed", "0"],
  [...run, "--truncate", "--skip-bad-rows", "--max-nodes", "8"],
  ["tasks", "ls"],
  ["tasks", "show", "t", "--row", "3"],
  [...evaluation, "--seed", "1", "--against", "n"],
  ["search", ...work, "--scores", "s", "--out", "o", "--other-weights", "--seed", "1"],
  ["study", "--model", "m", "--tasks", "t", "--out", "o", "--truncate"],
  [...cluster, ...work, "--data", "d", "--nodes", "4"],
  [...shape, "--prompt-tokens", "9", "--tasks", "2"],
  [...submit("k8s"), "--image", "i", "--name", "n"],
  [...submit("slurm"), "--sbatch=--gpus=1", "--dry-run", "--engine", "reference"],
  ["merge", "d", "--scores", "s"],
];

Deno.test("every command refuses options that do not go together, and says what to drop", () => {
  for (const [line, message] of refused) {
    const { hint } = assertThrows(() => check(line), UsageError, message);
    assert(/^[-a-z].*\.$/.test(hint), hint);
  }
});

Deno.test("every command takes options that go together", () => {
  for (const line of accepted) check(line);
});

Deno.test("every rule about options holds in some command, and the cases of this test break each", () => {
  const unused = optionRules.flatMap(({ options, excludes = [], needs = [], atMost = [] }) =>
    options.flatMap((option) =>
      [excludes, needs, atMost].filter((others) => others.length > 0).filter((others) =>
        !commands.some(({ name, options: table }) => {
          const possible = (term: string) => isPossible(term, { command: name, table });
          return possible(option) && others.some(possible);
        })
      ).map((others) => `${option}: ${others.join(", ")}`)
    )
  );
  assertEquals(unused, []);
  const broken = new Set(refused.map(([line]) => {
    const { hint } = assertThrows(() => check(line), UsageError);
    return hint;
  }));
  assertEquals(optionRules.filter(({ hint }) => !broken.has(hint)), []);
});

Deno.test("commandArguments() names no options that the program would refuse together", () => {
  const request = { model: "m", adaptation: {}, test: {}, search: {} };
  for (
    const score of [{ nodes: 3, maxNodes: 64, confidence: 0.8 }, { maxNodes: 8, filter: "confident", confidence: 0.9 }]
  ) {
    // deno-lint-ignore no-explicit-any
    check(commandArguments({ ...request, score } as any));
  }
});
