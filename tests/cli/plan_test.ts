/** What the program says before it runs, beside what it says afterwards. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";
import { demoModel, demoTask, secateur, withFolder } from "./program.ts";

const onDemo = ["--model", demoModel, "--task", demoTask];
const small = ["--adaptation-examples", "3", "--fractions", "0.1,0.3", "--limit", "8"];

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await secateur(args);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

Deno.test("secateur plan forecasts what secateur run then reports", async () => {
  await withFolder(async (folder) => {
    const budget = ["--memory-budget", "8MiB"];
    const plan = JSON.parse(await succeed("plan", ...onDemo, ...small, ...budget, "--max-nodes", "16", "--json"));
    assertEquals(plan.examples, { adaptation: 3, selection: 3, test: 8 });
    assertEquals(plan.stages.map(({ stage }: { stage: string }) => stage), [
      "score, 8 nodes",
      "score, 16 nodes",
      "search",
      "random search",
      "evaluate",
    ]);
    assert(plan.total.leastFlops < plan.total.mostFlops && plan.total.leastWaves < plan.total.mostWaves);
    assert(plan.peakBytes.score <= plan.peakBytes.run && plan.peakBytes.run <= 8 * 2 ** 20);
    for (const { residency, rows } of plan.stages[0].waves.slice(1)) {
      assertEquals([residency === "keep" || residency === "recompute", rows.length], [true, 3]);
    }

    const out = `${folder}/run`;
    const text = await succeed("run", ...onDemo, ...small, ...budget, "--max-nodes", "16", "--out", out);
    const { performance, engine } = JSON.parse(await Deno.readTextFile(`${out}/run.json`));
    assertEquals(performance.forecast, plan.total);
    assertEquals([performance.waves, performance.flops], [engine.details.waves, engine.details.flops]);
    assert(performance.peakBytes <= plan.peakBytes.run);
    assert(performance.peakBytes > 0.5 * plan.peakBytes.run, `${performance.peakBytes} of ${plan.peakBytes.run}`);
    // Element-wise work is not forecast, which at the demo's width is a third; plans in upper layers are cheaper.
    assert(performance.flops > 0.7 * plan.total.leastFlops && performance.flops < 1.5 * plan.total.mostFlops);
    const rate = performance.flops / performance.busySeconds / 1e9;
    assert(Math.abs(performance.gigaflopsPerSecond / rate - 1) < 1e-9);
    assertMatch(
      text,
      /FLOP\/s: .* in \d+ waves and .* s, forecast .* to .*FLOP\npeak .* MiB on the GPU, forecast .* MiB/,
    );
  });
});

Deno.test("secateur plan prints stages, waves and peaks when it prints text", async () => {
  const text = await succeed("plan", ...onDemo, ...small, "--nodes", "4");
  assertMatch(text, /^WebGPU on .*: .* of weights, resident; 1 GiB for waves\n/);
  assertMatch(text, /^ {2}score, 4 nodes +\d+ +\d+ +keep +[\d.]+ MFLOP +[\d.]+ MiB$/m);
  assertMatch(text, /^ {2}search, wave 1 +\d+ \d+ \d+ +- +[\d.]+ MFLOP +[\d.]+ MiB$/m);
  assertMatch(text, /^peak on the GPU: score .* MiB, search .* MiB, run .* MiB$/m);
});

Deno.test("secateur plan --measure says how long each stage takes, in proportion to its operations", async () => {
  const { stages, time } = JSON.parse(await succeed("plan", ...onDemo, ...small, "--measure", "--json"));
  const seconds = (some: { seconds: number }[]) => some.reduce((sum, { seconds }) => sum + seconds, 0);
  const near = (a: number, b: number) => assert(Math.abs(a / b - 1) < 1e-9, `${a} and ${b}`);
  near(time.mostSeconds, seconds(stages));
  near(time.leastSeconds, seconds(stages.filter(({ ifNeeded }: { ifNeeded: boolean }) => !ifNeeded)));
  for (const { stage, flops, seconds } of stages) {
    const timed = time.timed[stage.startsWith("score") ? "attribution" : "forward"];
    near(seconds, flops / timed.flops * timed.seconds);
  }
  const text = await succeed("plan", ...onDemo, ...small, "--measure", "--nodes", "4");
  assertMatch(text, /^ {2}stage .* largest wave +time$/m);
  assertMatch(text, /^time: about [\d.]+ s; .* scoring at [\d.]+ .?FLOP\/s, forward work at [\d.]+ .?FLOP\/s$/m);
  const both = await secateur(["plan", "--shape", "8b", "--cluster", "gpus=1,tflops=1,read_gbps=1", "--measure"]);
  assertEquals(both.code, 2);
  assertMatch(both.stderr, /^Error: --measure does not go with --cluster/);
});

Deno.test("secateur plan exits with 2 and says why when the reference engine is asked for", async () => {
  const { code, stdout, stderr } = await secateur(["plan", ...onDemo, "--engine", "reference"]);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^Error: the reference engine does not run in waves.*\nHint: leave out --engine reference\./);
});

Deno.test("secateur eval gives the same numbers when --weight-budget makes it stream the layers", async () => {
  const evaluation = ["eval", ...onDemo, "--limit", "6", "--json"];
  const resident = JSON.parse(await succeed(...evaluation));
  const budget = String(resident.engine.details.weightBytes - 1);
  const streamed = JSON.parse(await succeed(...evaluation, "--weight-budget", budget));
  assertEquals([resident, streamed].map(({ engine }) => engine.details.weights), ["resident", "streamed"]);
  assertEquals(streamed.engine.details.kernels, resident.engine.details.kernels);
  assertEquals([streamed.metrics, streamed.examples], [resident.metrics, resident.examples]);
});

Deno.test("secateur info says how the model fits the budgets, and what a default run takes", async () => {
  const describe = async (...args: string[]) => JSON.parse(await succeed("info", ...onDemo, "--json", ...args));
  const { memory, defaultRun, problems } = await describe();
  assertEquals([memory.weights, memory.splitMatrices, problems], ["resident", 0, []]);
  assertEquals(defaultRun.examples, 10);
  assert(defaultRun.peakBytes > memory.fixedBytes && defaultRun.leastFlops > 1e8);

  const streamed = await describe("--weight-budget", String(memory.weightBytes - 1));
  assertEquals([streamed.memory.weights, streamed.memory.residentWeightBytes], ["streamed", memory.weightBytes]);

  const tight = JSON.parse((await failInfo(...onDemo, "--json", "--weight-budget", "1kB")).stdout);
  assertEquals([tight.memory, tight.defaultRun, tight.problems.length], [null, null, 1]);
  assertStringIncludes(tight.problems[0], "the weight budget is 1000");
});

/** Describes what cannot be used: all of it on stdout, and a failure after it. */
async function failInfo(...args: string[]) {
  const outcome = await secateur(["info", ...args]);
  assertEquals(outcome.code, 1, outcome.stderr);
  return outcome;
}

Deno.test("secateur info describes a checkpoint that is not supported, and says why it is not", async () => {
  await withFolder(async (folder) => {
    await writeTinyCheckpoint(folder, { layers: 2, width: 32, neurons: 48 });
    for (const [name, text] of Object.entries(tinyTokenizerFiles())) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const config = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
    const other = { ...config, model_type: "gemma", hidden_act: "gelu_pytorch_tanh" };
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(other));
    const info = JSON.parse((await failInfo("--model", folder, "--json")).stdout);
    assertEquals([info.family, info.layers, info.neurons, info.weightBytes.F32 > 0], ["gemma", 2, 48, true]);
    assertEquals([info.memory, info.defaultRun, info.problems.length], [null, null, 1]);
    assertStringIncludes(info.problems[0], 'model_type = "gemma"');
    const { stdout, stderr } = await failInfo("--model", folder);
    assertMatch(stdout, /^ {2}problem: .*model_type = "gemma" is not supported.*llama/m);
    assertMatch(stderr, /^Error: .* cannot be used: .*model_type = "gemma".*\nHint: the description lists 1 problem;/);
  });
});

Deno.test("secateur run prints waves and files and writes nothing when it is asked for a dry run", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/run`;
    const { code, stdout, stderr } = await secateur(["run", ...onDemo, ...small, "--out", out, "--dry-run"]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^in all: \d+ to \d+ waves/m);
    const files = stdout.split("files:\n")[1].split("\n\n")[0].split("\n").map((line) => line.trim());
    assertEquals([files[0], files.at(-1)], [`${out}/scores.safetensors`, `${out}/run.json`]);
    assertEquals(await Deno.stat(out).catch(() => null), null);
  });
});

Deno.test("secateur run refuses in a dry run what it would refuse, and names what it would replace", async () => {
  await withFolder(async (out) => {
    await Deno.writeTextFile(`${out}/plan.json`, "{}");
    const dry = ["run", ...onDemo, ...small, "--out", out, "--dry-run"];
    const refused = await secateur(dry);
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /is not empty\nHint: --resume/);
    const { code, stdout } = await secateur([...dry, "--overwrite", "--json"]);
    assertEquals(code, 0);
    const { files, stages } = JSON.parse(stdout);
    assertEquals(files.filter(({ exists }: { exists: boolean }) => exists), [{
      file: `${out}/plan.json`,
      exists: true,
    }]);
    assert(stages.length > 0);
    assertEquals(await Deno.readTextFile(`${out}/plan.json`), "{}");
  });
});

Deno.test("secateur plan --cluster predicts a job in shards from a shape, or from a model and its task", async () => {
  const cluster = ["--cluster", "gpus=64,tflops=30,read_gbps=2"];
  const large = await succeed("plan", "--shape", "405b", ...cluster);
  assertMatch(large, /^126 layers, .* 81\d GB of weights, streamed through 80 GB\n/);
  assertMatch(large, /^wall time .* h; one GPU .* days; efficiency \d+ %$/m);
  assertMatch(large, /^limited by: the chain of steps/m);
  const demo = JSON.parse(
    await succeed("plan", ...onDemo, "--cluster", "gpus=2,tflops=0.01,read_gbps=1,start_s=0", "--json"),
  );
  assertEquals(demo.job.promptTokens.length, 10);
  const { steps, losses, wallSeconds } = demo.capacity;
  assertEquals(steps.map(({ name }: { name: string }) => name), ["score", "merge", "search", "merge", "prune", "eval"]);
  assert(losses.useful > 0 && losses.useful < 2 * wallSeconds);
  const config = JSON.parse(await succeed("plan", "--shape", `${demoModel}/config.json`, ...cluster, "--json"));
  assertEquals(config.model, demo.model);
  for (
    const [args, message] of [
      [["--cluster", "gpus=64,tflops=30"], /read_gbps is missing/],
      [["--cluster", "gpus=1.5,tflops=30,read_gbps=2"], /gpus cannot be "1.5"/],
      [["--cluster", "gpu=1"], /cannot use "gpu=1"/],
      [[], /--shape needs --cluster/],
    ] as const
  ) {
    const { code, stderr } = await secateur(["plan", "--shape", "8b", ...args]);
    assertEquals(code, 2);
    assertMatch(stderr, message);
  }
  assertMatch((await secateur(["plan"])).stderr, /^Error: --model is missing\n/);
});
