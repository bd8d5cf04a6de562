/**
 * The whole job against the straightforward ways, on one generated model and the same examples: scoring every neuron
 * with all positions and with the last one, and searching the grid.
 */
import type { Engine, Intervention, PairAttribution, QuadratureRule } from "../../src/engine/engine.ts";
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
import { openGeneratedModel } from "../models.ts";
import { type Contender, samplePaired, wallClock } from "../sampling.ts";
import { nmse, pairedRatio } from "../statistics.ts";
import { openTorches, type Torch } from "../torch.ts";
import { openUnshared, type UnsharedModel } from "../unshared.ts";

/** Nodes of the midpoint rule that the straightforward ways use everywhere. */
const FIXED_NODES = 20;
const FIXED_RULE = quadratureRule("midpoint", FIXED_NODES);

/** What the engine's adaptive rule starts with, and mostly ends with. */
const OWN_RULE = quadratureRule("gauss-legendre", 8);

/** Largest NMSE between scores of the same nodes: f32 against f32 that adds in another order. */
const SCORE_TOLERANCE = 1e-8;

/** Largest NMSE between log-probabilities of the same configuration. */
const CHOICE_TOLERANCE = 1e-9;

/** Rounds of whole jobs: each takes long, so a few must do. */
const MOST_ROUNDS = 3;

/** What the cases of the part share. */
interface Job {
  readonly run: BenchRun;
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
  const { adapter, details } = engine.info;
  const unshared = await openUnshared(checkpoint, gpu.device, details.kernels as KernelVariant);
  const { layers, width, neurons } = checkpoint.config;
  run.note(
    `${run.model.name} (L${layers} D${width} H${neurons}), ${count} examples of ${tokens} tokens, ${adapter}, ` +
      `${details.kernels} kernels`,
  );
  const job: Job = { run, engine, unshared, examples, rounds: Math.min(MOST_ROUNDS, run.rounds) };
  try {
    if (run.wants(`score ${run.model.name}`)) await benchScore(job, `score ${run.model.name}`);
    if (run.wants(`grid ${run.model.name}`)) await benchGrid(job, `grid ${run.model.name}`);
  } finally {
    unshared.close();
    await engine.close();
    gpu.close();
    await checkpoint.close();
  }
}

/** Scores of all layers: the default settings against fixed nodes, and against the last position only. */
async function benchScore(job: Job, name: string): Promise<void> {
  const { run, engine, unshared, examples, rounds } = job;
  const first = examples.slice(0, 1);
  // Compiles and allocates, so that the samples do not; the first example's scores are what the others are checked
  // against.
  const fixed = await engine.attribute(first, { rule: FIXED_RULE });
  await scoreNeurons(engine, first, { positions: "last" });
  const unsharedError = await checkUnshared(job, fixed);
  for (const { layer, targetToken } of fixed) await unshared.pathNode(first[0], targetToken, layer, FIXED_RULE, 0);
  const targets = (await engine.logits(examples, [[]]))[0].map(argmax);

  const results = new Map<string, ScoreResult>();
  const scoring = (name: string, positions: "all" | "last") =>
    wallClock(name, async () => results.set(name, await scoreNeurons(engine, examples, { positions })));
  const contenders = [
    scoring(OWN, "all"),
    scoring(LAST, "last"),
    unsharedScoring(job, targets),
  ];
  const torches = await openTorches({
    shape: run.model.shape,
    examples,
    rule: FIXED_RULE,
    expected: fixed.flatMap(({ scores }) => [...scores]),
    tolerance: SCORE_TOLERANCE,
  }).catch((error: Error) => {
    run.emit(absent("job", name, "pytorch", `not run: ${error.message}`));
    return [];
  });
  try {
    const torchScorings = torches.flatMap((torch) => [
      torchScoring(job, torch, FIXED_RULE, `${FIXED_NODES} midpoint nodes`),
      torchScoring(job, torch, OWN_RULE, `our first ${OWN_RULE.nodes.length} nodes`),
    ]);
    contenders.push(...torchScorings);
    const seconds = await samplePaired(contenders, rounds);
    const own = seconds.get(OWN)!;
    const emit = (
      contender: string,
      figures: Record<string, number>,
      fields: { check?: Record<string, number>; note?: string } = {},
    ) => {
      const samples = seconds.get(contender)!;
      run.emit(timed("job", {
        case: name,
        contender,
        ...(samples !== own && { reference: OWN }),
        figures: { ...figures, ...(samples !== own && { timesAsFast: pairedRatio(own, samples) }) },
        ...fields,
      }, samples));
    };
    for (const [contender, { completenessError, nodesUsed }] of results) {
      emit(contender, {
        worstCompletenessError: completenessError.worst,
        unconvergedPaths: completenessError.unconverged,
        nodesPerPath: nodesUsed / completenessError.paths.length,
      });
    }
    const errors = fixed.map((part) => pathCompleteness(part.layer, [part], FIXED_NODES).relativeError);
    emit(UNSHARED, { worstCompletenessErrorSeen: Math.max(...errors), nodesPerPath: FIXED_NODES }, {
      check: { nmse: unsharedError },
      ...(!run.exhaustive && { note: `one node a layer of one example, times ${FIXED_NODES * examples.length}` }),
    });
    for (const { name, torch, rule, worst } of torchScorings) {
      emit(name, { worstCompletenessErrorSeen: worst(), nodesPerPath: rule.nodes.length }, {
        check: { nmse: torch.nmse },
        ...(!run.exhaustive && { note: `one example, times ${examples.length}` }),
      });
    }
  } finally {
    for (const torch of torches) await torch.close();
  }
}

/** Names of contenders. */
const OWN = "secateur";
const LAST = "secateur, positions last";
const UNSHARED = "unshared";

function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/**
 * The unshared way must compute what the engine computes from the same nodes.
 *
 * @throws {Error} If it does not.
 */
async function checkUnshared({ unshared, examples }: Job, fixed: readonly PairAttribution[]): Promise<number> {
  const { layer, scores, targetToken } = fixed[Math.floor(fixed.length / 2)];
  const sums = new Float64Array(scores.length);
  for (let node = 0; node < FIXED_NODES; node++) {
    const term = await unshared.pathNode(examples[0], targetToken, layer, FIXED_RULE, node);
    term.forEach((value, j) => sums[j] += value);
  }
  return within("the unshared scores", nmse(sums, scores), SCORE_TOLERANCE);
}

function within(what: string, error: number, tolerance: number): number {
  if (error <= tolerance) return error;
  throw new Error(`${what} are not the engine's: NMSE ${error}, expected at most ${tolerance}`);
}

/** One forward and backward pass for every node of every layer of every example; a part of them unless exhaustive. */
function unsharedScoring({ run, unshared, engine, examples }: Job, targets: readonly number[]): Contender {
  const every = Array.from(FIXED_RULE.nodes, (_, node) => node);
  const { layers } = engine.config;
  let round = 0;
  return {
    name: UNSHARED,
    async sample() {
      const nodes = run.exhaustive ? every : [every[round++ % FIXED_NODES]];
      const used = run.exhaustive ? examples : examples.slice(0, 1);
      const start = performance.now();
      for (const [index, example] of used.entries()) {
        for (let layer = 0; layer < layers; layer++) {
          for (const node of nodes) await unshared.pathNode(example, targets[index], layer, FIXED_RULE, node);
        }
      }
      const passes = nodes.length * used.length * layers;
      const seconds = workSeconds(secondsSince(start), passes * await waitSeconds(unshared));
      return seconds * FIXED_NODES * layers * examples.length / passes;
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

/** PyTorch with one rule. */
interface TorchContender extends Contender {
  readonly torch: Torch;
  readonly rule: QuadratureRule;
  /** Worst completeness error of the examples scored so far. */
  worst(): number;
}

/** One process, one example at a time; a part of the examples unless exhaustive. */
function torchScoring({ run, examples }: Job, torch: Torch, rule: QuadratureRule, how: string): TorchContender {
  let round = 0;
  let worst = 0;
  return {
    name: `${torch.name}, ${how}`,
    torch,
    rule,
    worst: () => worst,
    async sample() {
      const used = run.exhaustive ? examples.map((_, index) => index) : [round++ % examples.length];
      let total = 0;
      for (const example of used) {
        const { seconds, completenessError } = await torch.score(example, rule);
        total += seconds;
        worst = Math.max(worst, completenessError);
      }
      return total * examples.length / used.length;
    },
  };
}

/** The grid of every layer and fraction against a full forward pass for every cell and example. */
async function benchGrid({ run, engine, unshared, examples, rounds }: Job, name: string): Promise<void> {
  const { layers, neurons } = engine.config;
  const cells = layers * defaultFractions.length;
  const some = (fraction: number) => Uint32Array.from({ length: Math.round(fraction * neurons) }, (_, j) => j);
  const mask = (layer: number, fraction: number): Intervention => [{ layer, site: "gate", neurons: some(fraction) }];

  const middle = mask(Math.floor(layers / 2), 0.25);
  const [[expected]] = await engine.choiceLogProbs(examples.slice(0, 1), [middle]);
  const logProbs = await unshared.choices(examples[0], middle);
  const error = within("the unshared log-probabilities", nmse(logProbs, expected), CHOICE_TOLERANCE);

  const perChoice = ({ choices, choiceCharacters, ...example }: Example): Example[] =>
    choices.map((choice, i) => ({ ...example, choices: [choice], choiceCharacters: [choiceCharacters[i]], gold: 0 }));
  let round = 0;
  const everyLogit = [await unshared.everyLogit(examples[0], 0, middle)];
  within("the log-probability with every logit", nmse(everyLogit, expected.slice(0, 1)), CHOICE_TOLERANCE);
  /** Runs the forward passes of an example under an intervention, and returns how many there were. */
  type Passes = (example: Example, intervention: Intervention) => Promise<number>;
  const separately = (sequences: (example: Example) => readonly Example[]): Passes => async (example, intervention) => {
    const all = sequences(example);
    for (const sequence of all) await unshared.choices(sequence, intervention);
    return all.length;
  };
  const withEveryLogit: Passes = async (example, intervention) => {
    for (const choice of example.choices.keys()) await unshared.everyLogit(example, choice, intervention);
    return example.choices.length;
  };
  const forwards = (contender: string, passesOf: Passes): Contender => ({
    name: contender,
    async sample() {
      const fractions = run.exhaustive ? defaultFractions : [defaultFractions[round++ % defaultFractions.length]];
      const used = run.exhaustive ? examples : examples.slice(0, 1);
      let passes = 0;
      const start = performance.now();
      for (const example of used) {
        for (let layer = 0; layer < layers; layer++) {
          for (const fraction of fractions) {
            passes += await passesOf(example, mask(layer, fraction));
          }
        }
      }
      const seconds = workSeconds(secondsSince(start), passes * await waitSeconds(unshared));
      return seconds * cells * examples.length / (fractions.length * layers * used.length);
    },
  });
  // The time of a search does not depend on what the scores are.
  const { scores } = await scoreNeurons(engine, examples.slice(0, 1), { nodes: 1, positions: "last" });
  // Compiles and allocates, so that the samples do not.
  await searchGrid(engine, examples.slice(0, 2), scores);
  for (let layer = 0; layer < layers; layer++) {
    for (const sequence of [examples[0], ...perChoice(examples[0])]) await unshared.choices(sequence, mask(layer, 0.5));
    await withEveryLogit(examples[0], mask(layer, 0.5));
  }
  const seconds = await samplePaired([
    wallClock(OWN, () => searchGrid(engine, examples, scores)),
    forwards("unshared, a forward pass a prompt", separately((example) => [example])),
    forwards("unshared, a forward pass a choice", separately(perChoice)),
    forwards("unshared, every logit of a forward pass a choice", withEveryLogit),
  ], rounds);
  for (const [contender, samples] of seconds) {
    const own = contender === OWN;
    run.emit(timed("job", {
      case: name,
      contender,
      ...(!own && { reference: OWN }),
      figures: { cells, ...(!own && { timesAsFast: pairedRatio(seconds.get(OWN)!, samples) }) },
      ...(!own && { check: { nmse: error } }),
      ...(!own && !run.exhaustive && { note: "one fraction a layer for one example, multiplied" }),
    }, samples));
  }
}
