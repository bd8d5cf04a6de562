/**
 * The whole job against the straightforward ways, on one generated model and the same examples: scoring every neuron, searching
 * the grid, and scoring the last position only.
 */
import { fileURLToPath } from "node:url";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { Engine, Intervention, PairAttribution } from "../../src/engine/engine.ts";
import { createWebGpuEngine } from "../../src/engine/webgpu.ts";
import { openGpu } from "../../src/gpu/device.ts";
import { pathCompleteness } from "../../src/method/completeness.ts";
import { secondsSince } from "../../src/method/progress.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { scoreNeurons, type ScoreResult } from "../../src/method/score.ts";
import { defaultFractions, searchGrid } from "../../src/method/search.ts";
import type { KernelVariant } from "../../src/ops/context.ts";
import type { Example } from "../../src/tasks/example.ts";
import { makeTinyExamples } from "../../tests/support/tiny_examples.ts";
import { absent, type BenchRun, timed } from "../bench_run.ts";
import { openGeneratedModel, writeGeneratedModel } from "../models.ts";
import { type PeerProcess, startPeer } from "../peers/process.ts";
import { type Contender, samplePaired, wallClock } from "../sampling.ts";
import { nmse, pairedRatio } from "../statistics.ts";
import { openUnshared, type UnsharedModel } from "../unshared.ts";

/** Nodes of the midpoint rule that the straightforward ways use everywhere. */
const FIXED_NODES = 20;

/** Largest NMSE between scores of the same nodes: f32 against f32 that adds in another order. */
const SCORE_TOLERANCE = 1e-8;

/** Rounds of whole jobs: each takes long, so a few must do. */
const MOST_ROUNDS = 3;

/** What the cases of the part share. */
interface Job {
  readonly run: BenchRun;
  readonly checkpoint: Checkpoint;
  readonly engine: Engine;
  readonly unshared: UnsharedModel;
  readonly examples: readonly Example[];
  readonly rounds: number;
}

/** Runs the part. */
export async function benchJob(run: BenchRun): Promise<void> {
  const checkpoint = await openGeneratedModel(run.model.shape);
  const [count, tokens] = run.quick ? [2, 5] : [10, 48];
  const examples = makeTinyExamples(checkpoint.config, { count, promptTokens: [tokens, tokens], choices: 2 });
  // One device, so that both have the same compiled kernels.
  const gpu = await openGpu();
  const engine = await createWebGpuEngine(checkpoint, { device: gpu.device });
  const unshared = await openUnshared(checkpoint, gpu.device, engine.info.details.kernels as KernelVariant);
  const { layers, width, neurons } = checkpoint.config;
  run.note(
    `${run.model.name} (L${layers} D${width} H${neurons}), ${count} examples of ${tokens} tokens, ${engine.info.adapter}, ` +
      `${engine.info.details.kernels} kernels`,
  );
  const job: Job = { run, checkpoint, engine, unshared, examples, rounds: Math.min(MOST_ROUNDS, run.rounds) };
  try {
    const scored = await benchScore(job);
    await benchGrid(job, scored ?? await scoreNeurons(engine, examples, { nodes: 1 }));
    await benchLastPosition(job);
  } finally {
    unshared.close();
    await engine.close();
    gpu.close();
    await checkpoint.close();
  }
}

/** Scores of all layers, positions all: the default settings against fixed nodes. */
async function benchScore(job: Job): Promise<ScoreResult | null> {
  const { run, engine, unshared, examples, rounds } = job;
  const { layers } = engine.config;
  const name = `score ${run.model.name}`;
  if (!run.wants(name)) return null;
  const rule = quadratureRule("midpoint", FIXED_NODES);
  // Compiles and allocates, so that the samples do not.
  let result = await scoreNeurons(engine, examples);
  const fixed = await engine.attribute(examples.slice(0, 1), { rule });
  const unsharedError = await checkUnshared(job, fixed);
  for (const { layer, targetToken } of fixed) await unshared.pathNode(examples[0], targetToken, layer, rule, 0);
  const contenders: Contender[] = [
    wallClock("secateur", async () => result = await scoreNeurons(engine, examples)),
    unsharedScoring(job, result.targets),
  ];
  const torches = await openTorches(job, name);
  for (const torch of torches) contenders.push(torchScoring(job, torch));
  try {
    const seconds = await samplePaired(contenders, rounds);
    const own = seconds.get("secateur")!;
    const paths = layers * examples.length;
    run.emit(timed("job", {
      case: name,
      contender: "secateur",
      figures: {
        worstCompletenessError: result.completenessError.worst,
        unconvergedPaths: result.completenessError.unconverged,
        nodesPerPath: result.nodesUsed / paths,
      },
    }, own));
    run.emit(timed("job", {
      case: name,
      contender: "unshared",
      reference: "secateur",
      figures: {
        timesAsFast: pairedRatio(own, seconds.get("unshared")!),
        worstCompletenessErrorOfOneExample: Math.max(...fixed.map((part) => errorOf(part))),
        nodesPerPath: FIXED_NODES,
      },
      check: { nmse: unsharedError },
      ...(!run.exhaustive &&
        { note: `one node of every layer of one example, times ${FIXED_NODES * examples.length}` }),
    }, seconds.get("unshared")!));
    for (const torch of torches) {
      const samples = seconds.get(torch.name)!;
      run.emit(timed("job", {
        case: name,
        contender: torch.name,
        reference: "secateur",
        figures: {
          timesAsFast: pairedRatio(own, samples),
          worstCompletenessErrorOfOneExample: torch.completenessError,
          nodesPerPath: FIXED_NODES,
        },
        check: { nmse: torch.nmse },
        ...(!run.exhaustive && { note: `one example, times ${examples.length}` }),
      }, samples));
    }
  } finally {
    for (const torch of torches) await torch.process.close();
  }
  return result;

  function errorOf(part: PairAttribution): number {
    return pathCompleteness(part.layer, [part], FIXED_NODES).relativeError;
  }
}

/**
 * The unshared way must compute what the engine computes from the same nodes.
 *
 * @throws {Error} If it does not.
 */
async function checkUnshared({ unshared, examples, engine }: Job, fixed: readonly PairAttribution[]): Promise<number> {
  const rule = quadratureRule("midpoint", FIXED_NODES);
  const { layer, scores, targetToken } = fixed[Math.floor(engine.config.layers / 2)];
  const sums = new Float64Array(scores.length);
  for (let node = 0; node < FIXED_NODES; node++) {
    const term = await unshared.pathNode(examples[0], targetToken, layer, rule, node);
    term.forEach((value, j) => sums[j] += value);
  }
  return within("the unshared scores", nmse(sums, scores), SCORE_TOLERANCE);
}

function within(what: string, error: number, tolerance: number): number {
  if (error <= tolerance) return error;
  throw new Error(`${what} are wrong: NMSE ${error} against the engine's, expected at most ${tolerance}`);
}

/** One forward and backward pass for every node of every layer of every example; a sample of them unless exhaustive. */
function unsharedScoring({ run, unshared, engine, examples }: Job, targets: Uint32Array): Contender {
  const rule = quadratureRule("midpoint", FIXED_NODES);
  let round = 0;
  return {
    name: "unshared",
    async sample() {
      const nodes = run.exhaustive ? rule.nodes.map((_, node) => node) : [round++ % FIXED_NODES];
      const used = run.exhaustive ? examples : examples.slice(0, 1);
      const start = performance.now();
      for (const [index, example] of used.entries()) {
        for (let layer = 0; layer < engine.config.layers; layer++) {
          for (const node of nodes) await unshared.pathNode(example, targets[index], layer, rule, node);
        }
      }
      const units = nodes.length * used.length * engine.config.layers;
      const seconds = workSeconds(secondsSince(start), units * await waitSeconds(unshared));
      return seconds * FIXED_NODES * examples.length / (nodes.length * used.length);
    },
  };
}

/** Seconds that a call waits for its result besides its work: the least of a few, so that no work is taken off. */
async function waitSeconds(unshared: UnsharedModel): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < 3; i++) samples.push(await wallClock("wait", () => unshared.wait()).sample());
  return Math.min(...samples);
}

/** What is left when waiting is taken off; waiting is measured too, so a twentieth is always left. */
function workSeconds(elapsed: number, waiting: number): number {
  return Math.max(elapsed - waiting, elapsed / 20);
}

/** A Python process that scores, checked against the engine. */
interface Torch {
  readonly name: string;
  readonly process: PeerProcess<{ readonly version: string; readonly adapter: string }, TorchAnswer>;
  readonly nmse: number;
  readonly completenessError: number;
}

interface TorchAnswer {
  readonly seconds: number;
  readonly completenessError: number;
}

/** Starts PyTorch in f32, and in bf16 too where it has a GPU; says why where it cannot be had. */
async function openTorches({ run, engine, examples }: Job, name: string): Promise<Torch[]> {
  const folder = await Deno.makeTempDir({ prefix: "secateur-bench-" });
  const torches: Torch[] = [];
  try {
    const python = await findPython();
    if (python === null) {
      const note = "not run: no Python with torch and transformers; name one in SECATEUR_BENCH_PYTHON";
      run.emit(absent("job", name, "pytorch", note));
      return [];
    }
    await writeGeneratedModel(folder, run.model.shape);
    await Deno.writeTextFile(`${folder}/examples.json`, JSON.stringify(examples.map(({ prompt }) => [...prompt])));
    const fixed = await engine.attribute(examples.slice(0, 1), { rule: quadratureRule("midpoint", FIXED_NODES) });
    const expected = fixed.flatMap(({ scores }) => [...scores]);
    for (const dtype of ["float32", "bfloat16"]) {
      const process: Torch["process"] = await startPeer(python, [
        fileURLToPath(new URL("../peers/torch_ig.py", import.meta.url)),
        "--model",
        folder,
        "--examples",
        `${folder}/examples.json`,
        "--nodes",
        String(FIXED_NODES),
        "--dtype",
        dtype,
      ]);
      const { version, adapter } = process.hello;
      const { completenessError } = await process.ask({ example: 0, save: `${folder}/scores` });
      const scores = new Float32Array((await Deno.readFile(`${folder}/scores`)).buffer);
      const error = nmse(scores, expected);
      // Half-precision sums are far from ours, which is what they cost; single-precision ones must agree.
      if (dtype === "float32") within("PyTorch's scores", error, SCORE_TOLERANCE);
      torches.push({ name: `pytorch (${version}, ${adapter})`, process, nmse: error, completenessError });
      if (adapter.startsWith("cpu")) break;
    }
  } catch (error) {
    run.emit(absent("job", name, "pytorch", `not run: ${(error as Error).message}`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return torches;
}

/** The first Python that imports what the peer needs. */
async function findPython(): Promise<string | null> {
  const named = Deno.env.get("SECATEUR_BENCH_PYTHON");
  for (const program of named ? [named] : ["python3", "python"]) {
    try {
      const { success } = await new Deno.Command(program, {
        args: ["-c", "import torch, transformers"],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return program;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}

function torchScoring({ run, examples }: Job, { name, process }: Torch): Contender {
  let round = 0;
  return {
    name,
    async sample() {
      const used = run.exhaustive ? examples.map((_, index) => index) : [round++ % examples.length];
      let seconds = 0;
      for (const example of used) seconds += (await process.ask({ example })).seconds;
      return seconds * examples.length / used.length;
    },
  };
}

/** The grid of every layer and fraction against a full forward pass for every cell and example. */
async function benchGrid({ run, engine, unshared, examples, rounds }: Job, { scores }: ScoreResult): Promise<void> {
  const { layers, neurons } = engine.config;
  const name = `grid ${run.model.name}`;
  if (!run.wants(name)) return;
  const cells = layers * defaultFractions.length;
  const some = (fraction: number) => Uint32Array.from({ length: Math.round(fraction * neurons) }, (_, j) => j);
  const mask = (layer: number, fraction: number): Intervention => [{ layer, site: "gate", neurons: some(fraction) }];

  const middle = mask(Math.floor(layers / 2), 0.25);
  const [[expected]] = await engine.choiceLogProbs(examples.slice(0, 1), [middle]);
  const error = within(
    "the unshared log-probabilities",
    nmse(await unshared.choices(examples[0], middle), expected),
    1e-9,
  );

  const perChoice = ({ choices, choiceCharacters, ...example }: Example): Example[] =>
    choices.map((choice, i) => ({ ...example, choices: [choice], choiceCharacters: [choiceCharacters[i]], gold: 0 }));
  let round = 0;
  const sampleOf = (contender: string, sequences: (example: Example) => readonly Example[]): Contender => ({
    name: contender,
    async sample() {
      const fractions = run.exhaustive ? defaultFractions : [defaultFractions[round++ % defaultFractions.length]];
      const used = run.exhaustive ? examples : examples.slice(0, 1);
      const start = performance.now();
      for (const example of used) {
        for (let layer = 0; layer < layers; layer++) {
          for (const fraction of fractions) {
            for (const sequence of sequences(example)) await unshared.choices(sequence, mask(layer, fraction));
          }
        }
      }
      const units = fractions.length * used.length * layers;
      const waits = units * sequences(examples[0]).length;
      const seconds = workSeconds(secondsSince(start), waits * await waitSeconds(unshared));
      return seconds * cells * examples.length / units;
    },
  });
  // Allocates and compiles, so that the samples do not.
  await searchGrid(engine, examples, scores);
  for (let layer = 0; layer < layers; layer++) {
    for (const sequence of [examples[0], ...perChoice(examples[0])]) await unshared.choices(sequence, mask(layer, 0.5));
  }
  const seconds = await samplePaired([
    wallClock("secateur", () => searchGrid(engine, examples, scores)),
    sampleOf("unshared, a forward pass a prompt", (example) => [example]),
    sampleOf("unshared, a forward pass a choice", perChoice),
  ], rounds);
  for (const [contender, samples] of seconds) {
    const own = contender === "secateur";
    run.emit(timed("job", {
      case: name,
      contender,
      ...(!own && { reference: "secateur" }),
      figures: { cells, ...(!own && { timesAsFast: pairedRatio(seconds.get("secateur")!, samples) }) },
      ...(!own && { check: { nmse: error } }),
      ...(!own && !run.exhaustive && { note: "one fraction of every layer for one example, multiplied" }),
    }, samples));
  }
}

/** All layers with the last position scaled only, against all positions. */
async function benchLastPosition({ run, engine, examples, rounds }: Job): Promise<void> {
  const name = `positions ${run.model.name}`;
  if (!run.wants(name)) return;
  let error = 0;
  const score = (positions: "all" | "last") =>
    wallClock(positions, async () => {
      const { completenessError } = await scoreNeurons(engine, examples, { positions });
      if (positions === "last") error = completenessError.worst;
    });
  await score("last").sample();
  const seconds = await samplePaired([score("all"), score("last")], rounds);
  const all = seconds.get("all")!;
  run.emit(timed("job", { case: name, contender: "all" }, all));
  run.emit(timed("job", {
    case: name,
    contender: "last",
    reference: "all",
    figures: { timesAsFast: pairedRatio(all, seconds.get("last")!), worstCompletenessError: error },
  }, seconds.get("last")!));
}
