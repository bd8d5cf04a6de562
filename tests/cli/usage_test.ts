/** The program's help, its complaints and its exit codes, as a process. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { objectives } from "../../src/method/score.ts";
import { demoModel, demoTask, secateur, withFolder } from "./program.ts";

const commands = [
  "run",
  "plan",
  "score",
  "search",
  "prune",
  "eval",
  "report",
  "compare",
  "info",
  "doctor",
  "demo",
];
const noAdapter = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };

Deno.test("secateur --help lists every command when asked", async () => {
  const { code, stdout, stderr } = await secateur(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const name of commands) assertMatch(stdout, new RegExp(`^  ${name} `, "m"));
});

for (const name of commands) {
  Deno.test(`secateur ${name} --help shows options and an example that uses only those`, async () => {
    const { code, stdout, stderr } = await secateur([name, "--help"]);
    assertEquals([code, stderr], [0, ""]);
    const [options, example] = stdout.split("Example:");
    assertMatch(options, new RegExp(`^Usage: secateur ${name} (?:(?:--[\\w-]+ )?[A-Z_]+ )*\\[options\\]$`, "m"));
    assertMatch(example, new RegExp(`^\\s*secateur ${name} (?:--|out/)`));
    for (const [option] of example.matchAll(/--[\w-]+/g)) assertMatch(options, new RegExp(`^  ${option}( |$)`, "m"));
    assertStringIncludes(options, "--json");
  });
}

Deno.test("secateur run --help groups its options, and its usage line has those that must be given", async () => {
  const { stdout } = await secateur(["run", "--help"]);
  assertMatch(stdout, /^Usage: secateur run --model MODEL --task TASK --out DIR \[options\]$/m);
  assertEquals([...stdout.matchAll(/^(\w.*):$/gm)].map(([, heading]) => heading), [
    "Model and task",
    "Options",
    "Adaptation and test rows",
    "Scoring",
    "Search",
    "Device",
    "Example",
  ]);
  const wide = stdout.split("Example:")[0].split("\n").filter((line) => line.length > 100);
  assertEquals(wide, []);
});

for (const name of ["score", "run"]) {
  Deno.test(`secateur ${name} --help says what each objective is`, async () => {
    const { stdout } = await secateur([name, "--help"]);
    const list = /--objective WORD(?:(?!\n {2}--)[^])*/.exec(stdout)![0];
    for (const objective of objectives) assertMatch(list, new RegExp(`^ +${objective}: \\w.{10,}$`, "m"));
  });
}

Deno.test("secateur serve --help shows its usage and options before the environment", async () => {
  const { code, stdout } = await secateur(["serve", "--help"]);
  const places = [
    "\nUsage: secateur serve [options]\n",
    "\n  --port ",
    " Print how it was stopped, at the end, as JSON.\n",
    "\nEnvironment",
    "\n  SECATEUR_TOKEN\n",
    "\nExample:",
  ]
    .map((text) => stdout.indexOf(text));
  assertEquals([code, places.includes(-1)], [0, false]);
  assertEquals(places, places.toSorted((a, b) => a - b));
});

Deno.test("secateur prints its help on stderr and exits with 2 when no command is given", async () => {
  const { code, stdout, stderr } = await secateur([]);
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, "Usage: secateur COMMAND");
});

Deno.test("secateur suggests the close command and exits with 2 when the command is unknown", async () => {
  const { code, stdout, stderr } = await secateur(["evla"]);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^Error: unknown command evla; did you mean eval\?\nHint: /);
});

Deno.test("secateur suggests the close option and exits with 2 when an option is unknown", async () => {
  const { code, stdout, stderr } = await secateur(["run", "--modle", "x"]);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^Error: unknown option --modle; did you mean --model\?\nHint: /);
});

Deno.test("secateur suggests the close word and exits with 2 when the word behind a command is unknown", async () => {
  const submit = ["--shards", "2", "--model", "m", "--task", "t", "--out", "o"];
  const gpus = ["plan", "--shape", "8b", "--cluster", "gpu=8,tflops=30,read_gbps=2"];
  for (
    const [args, error] of [
      [["tasks", "shwo", demoTask], "unknown subcommand shwo; did you mean show?"],
      [["tasks", "validtae", demoTask], "unknown subcommand validtae; did you mean validate?"],
      [["tasks", "x"], "unknown subcommand x"],
      [["tasks"], "the subcommand is missing"],
      [["submit", "slrum", ...submit], "unknown scheduler slrum; did you mean slurm?"],
      [["submit", "k8s", "slurm", ...submit], 'unexpected argument "slurm"'],
      [["completion", "bahs"], "unknown shell bahs; did you mean bash?"],
      [["completion"], "the shell is missing"],
      [["completion", "bash", "zsh"], 'unexpected argument "zsh"'],
      [gpus, '--cluster: cannot use "gpu=8"; did you mean gpus?'],
    ] as const
  ) {
    const { code, stdout, stderr } = await secateur(args);
    assertEquals([code, stdout, stderr.split("\n")[0]], [2, "", `Error: ${error}`]);
    assertMatch(stderr, /\nHint: /);
  }
});

Deno.test("secateur exits with 2 when a value is out of range", async () => {
  const { code, stderr } = await secateur(["eval", "--model", "m", "--task", "t", "--limit", "0"]);
  assertEquals(code, 2);
  assertMatch(stderr, /^Error: --limit cannot be "0"\nHint: expected a whole number of at least 1/);
});

Deno.test("secateur exits with 1, Error and Hint when the model is not there", async () => {
  const { code, stdout, stderr } = await secateur(["eval", "--model", "/no/such/model", "--task", demoTask]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^Error: .*\/no\/such\/model.*\nHint: check the path/);
});

Deno.test("secateur exits with 1 and names the key when a task file asks for what is not supported", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/task.yaml`, "task: t\noutput_type: generate_until\ntest_split: test\n");
    const { code, stderr } = await secateur(["eval", "--model", demoModel, "--task", `${folder}/task.yaml`]);
    assertEquals(code, 1);
    assertMatch(stderr, /^Error: .*output_type is "generate_until", expected "multiple_choice".*\n$/);
  });
});

Deno.test("secateur exits with 1 and points at the reference engine when there is no adapter", async () => {
  const { code, stderr } = await secateur(["eval", "--model", demoModel, "--task", demoTask], noAdapter);
  assertEquals(code, 1);
  assertMatch(stderr, /^Error: Cannot use WebGPU.*\nHint: .*--engine reference/);
});

Deno.test("secateur info describes model, task and adapter when it prints JSON", async () => {
  const { code, stdout, stderr } = await secateur(["info", "--model", demoModel, "--task", demoTask, "--json"]);
  assertEquals([code, stderr], [0, ""]);
  const info = JSON.parse(stdout);
  assertEquals([info.family, info.layers > 0, typeof info.adapter.adapter], ["llama", true, "string"]);
  assertEquals(info.task.splits.test > 0, true);
});
