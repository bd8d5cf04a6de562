import { assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../src/engine/engine.ts";
import { makePlans, type PipelineInput, runPipeline } from "../../src/method/pipeline.ts";
import { type Plan, plannedNeurons } from "../../src/method/plan.ts";
import { type RedrawInput, runRedraws, spread } from "../../src/method/redraws.ts";
import { ToyEngine, toyExample } from "../support/toy_engine.ts";

const neurons = 8;

/**
 * A model whose neurons 0 to 3 of layer 1 carry a shortcut: they have the highest scores, and odd examples are wrong
 * unless at least two of them are off. Every neuron of layer 0 that is off costs one test example.
 */
function shortcutEngine(): ToyEngine {
  return new ToyEngine({
    layers: 2,
    neurons,
    effect: (layer, neuron) => layer === 1 && neuron < 4 ? 5 - neuron : 1 / (2 + neuron),
    logProbs(example, pruned) {
      const count = (layer: number, below: number) =>
        Array.from({ length: below }, (_, neuron) => neuron).filter((neuron) => pruned(layer, neuron)).length;
      if (example % 2 === 1 && count(1, 4) < 2) return [-2, -1];
      return example >= 100 && example - 100 < count(0, neurons) ? [-2, -1] : [-1, -2 - 0.1 * count(1, 4)];
    },
  });
}

const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => toyExample(first + i));

const fractions = [0.25, 0.5];

function pipelineInput(engine: ToyEngine): PipelineInput {
  return { engine, adaptation: range(0, 4), test: range(100, 10), search: { fractions }, seed: 3 };
}

const masked = (plan: Plan) => plan.masks.map(({ layer, neurons }) => [layer, ...neurons]);

Deno.test("runPipeline() finds the shortcut and compares it with baselines of as many neurons", async () => {
  const engine = shortcutEngine();
  const { searched, plans, test, seconds } = await runPipeline(pipelineInput(engine));
  assertEquals(masked(plans.pruned), [[1, 0, 1, 2, 3]]);
  assertEquals(searched.tiedOnAccuracy, 2);
  assertEquals(masked(plans.lowest), [[1, 4, 5, 6, 7]]);
  assertEquals(plans.random.length, 5);
  for (const plan of plans.random) {
    assertEquals([plan.masks[0].layer, plannedNeurons(plan), plan.chosen.by], [1, 4, "random"]);
  }
  assertNotEquals(masked(plans.random[0]), masked(plans.random[1]));
  assertEquals(test.unpruned.scores.acc.accuracy, 0.5);
  assertEquals(test.pruned.scores.acc.accuracy, 1);
  assertEquals(test.lowest.scores.acc.accuracy, 0.5);
  test.random.forEach((evaluation, draw) => {
    const hit = [...plans.random[draw].masks[0].neurons].filter((neuron) => neuron < 4).length;
    assertEquals(evaluation.scores.acc.accuracy, hit >= 2 ? 1 : 0.5);
  });
  assertEquals(test.randomSearched !== null, true);
  assertEquals(Object.values(seconds).every((value) => value >= 0), true);
});

Deno.test("runPipeline() asks the engine once for all test evaluations", async () => {
  const engine = shortcutEngine();
  await runPipeline({ ...pipelineInput(engine), randomDraws: 2 });
  assertEquals(engine.calls.map(({ method, examples }) => [method, examples.length]), [
    ["attribute", 4],
    ["choiceLogProbs", 4],
    ["choiceLogProbs", 4],
    ["choiceLogProbs", 10],
  ]);
});

Deno.test("runPipeline() gives the same result when repeated, and other random neurons for another seed", async () => {
  const timeless = (value: unknown) => JSON.stringify(value, (name, field) => name === "seconds" ? 0 : field);
  const first = await runPipeline(pipelineInput(shortcutEngine()));
  assertEquals(timeless(await runPipeline(pipelineInput(shortcutEngine()))), timeless(first));
  const other = await runPipeline({ ...pipelineInput(shortcutEngine()), seed: 4 });
  assertEquals(other.plans.pruned, first.plans.pruned);
  assertNotEquals(other.plans.random, first.plans.random);
});

Deno.test("runPipeline() makes empty plans when the search prefers the unmodified model", async () => {
  const engine = new ToyEngine({ layers: 2, neurons });
  const { plans, test } = await runPipeline({ ...pipelineInput(engine), randomDraws: 1 });
  const { pruned, lowest, random, randomSearched } = plans;
  assertEquals([pruned, lowest, ...random, randomSearched!].map(plannedNeurons), [0, 0, 0, 0]);
  assertEquals(engine.calls.at(-1)!.interventions, [[]]);
  assertEquals(test.pruned.scores, test.unpruned.scores);
});

Deno.test("makePlans() chooses on the selection examples when some are held out", async () => {
  const engine = shortcutEngine();
  // Even examples do not need the shortcut gone, but their margin grows with every neuron of it.
  const { searched } = await makePlans({ ...pipelineInput(engine), selection: [toyExample(6), toyExample(8)] });
  assertEquals(searched.examples, ["toy/6", "toy/8"]);
  assertEquals(engine.callsOf("attribute")[0].examples, ["toy/0", "toy/1", "toy/2", "toy/3"]);
  assertEquals(searched.tiedOnAccuracy, 5);
});

Deno.test("makePlans() does not repeat stages when earlier results are given", async () => {
  const input = pipelineInput(shortcutEngine());
  const seen: string[] = [];
  const whole = await makePlans({
    ...input,
    onScored: () => void seen.push("scored"),
    onSearched: (_, plan) => void seen.push(`searched ${plannedNeurons(plan)}`),
  });
  assertEquals(seen, ["scored", "searched 4"]);

  const engine = shortcutEngine();
  const { scored, searched } = whole;
  const hook = () => void seen.push("again");
  const resumed = await makePlans({ ...input, engine, scored, searched, onScored: hook, onSearched: hook });
  assertEquals(engine.calls.map(({ method }) => method), ["choiceLogProbs"]);
  assertEquals(resumed.plans, whole.plans);
  assertEquals(seen.length, 2);
});

Deno.test("makePlans() leaves the random search out when it is not asked for, and keeps the other draws", async () => {
  const input = pipelineInput(shortcutEngine());
  const { plans, randomSearched } = await makePlans({ ...input, randomSearch: false });
  assertEquals([randomSearched, plans.randomSearched], [null, null]);
  assertEquals(plans.random, (await makePlans(input)).plans.random);
});

Deno.test("runPipeline() keeps to scored layers when some are named", async () => {
  const { plans, randomSearched } = await runPipeline({ ...pipelineInput(shortcutEngine()), score: { layers: [1] } });
  assertEquals(plans.pruned.masks[0].layer, 1);
  assertEquals(randomSearched!.configurations.map(({ layer }) => layer), [null, 1, 1]);
});

Deno.test("runPipeline() names every stage when it reports progress, and stops between them when aborted", async () => {
  const reports: Progress[] = [];
  const onProgress = (progress: Progress) => void reports.push(progress);
  await runPipeline({ ...pipelineInput(shortcutEngine()), onProgress });
  assertEquals(reports.map(({ stage }) => stage), [
    "score, 8 nodes",
    "search",
    "search random neurons",
    "evaluate",
  ]);
  for (const { stage } of reports) {
    const controller = new AbortController();
    const reason = new Error(stage);
    const error = await assertRejects(() =>
      runPipeline({
        ...pipelineInput(shortcutEngine()),
        signal: controller.signal,
        onProgress(progress) {
          if (progress.stage === stage) controller.abort(reason);
          // The last stage has nothing after it to stop.
          if (stage === "evaluate") throw reason;
        },
      })
    );
    assertEquals(error, reason);
  }
});

Deno.test("runPipeline() throws before any work when its input cannot be evaluated", async () => {
  const engine = shortcutEngine();
  await assertRejects(() => runPipeline({ ...pipelineInput(engine), test: [] }), RangeError, "0 test examples");
  await assertRejects(() => runPipeline({ ...pipelineInput(engine), randomDraws: -1 }), RangeError, "-1 random plans");
  await assertRejects(() => runPipeline({ ...pipelineInput(engine), seed: -1 }), RangeError, "-1");
  const search = { fractions: [2] };
  await assertRejects(() => runPipeline({ ...pipelineInput(engine), search }), RangeError, "fraction 2");
  const score = { layers: [0] };
  await assertRejects(
    () => runPipeline({ ...pipelineInput(engine), score, search: { layers: [1] } }),
    RangeError,
    "layer 1: only layers 0 are scored",
  );
  await assertRejects(() => runPipeline({ ...pipelineInput(engine), selection: [] }), RangeError, "0 examples");
  assertEquals(engine.calls, []);
});

Deno.test("runPipeline() and runRedraws() refuse to test on examples that something was chosen on", async () => {
  const engine = shortcutEngine();
  const input = pipelineInput(engine);
  await assertRejects(
    () => runPipeline({ ...input, test: [...range(100, 10), toyExample(3)] }),
    RangeError,
    "Cannot test on example toy/3: it is an adaptation example too",
  );
  await assertRejects(() => runPipeline({ ...input, selection: range(109, 4) }), RangeError, "example toy/109");
  await assertRejects(() => runRedraws({ ...redrawInput(engine), pool: range(91, 10) }), RangeError, "example toy/100");
  assertEquals(engine.calls, []);
});

function redrawInput(engine: ToyEngine): RedrawInput {
  return { engine, pool: range(0, 30), test: range(100, 10), redraws: 3, size: 6, search: { fractions }, seed: 7 };
}

Deno.test("runRedraws() repeats the job on other examples and summarises test accuracy", async () => {
  const engine = shortcutEngine();
  const { redraws, accuracy, gainOver } = await runRedraws(redrawInput(engine));
  assertEquals(redraws.map(({ seed, rows }) => [seed, rows.length]), [[7, 6], [8, 6], [9, 6]]);
  assertNotEquals(redraws[0].rows, redraws[1].rows);
  assertEquals(
    engine.callsOf("attribute").map((call) => call.examples),
    redraws.map(({ rows }) => rows.map((row) => `toy/${row}`)),
  );
  assertEquals(redraws.map(({ chosen }) => [chosen.layer, chosen.neurons]), [[1, 4], [1, 4], [1, 4]]);
  assertEquals(accuracy.unpruned, { mean: 0.5, standardDeviation: 0 });
  assertEquals(accuracy.pruned, { mean: 1, standardDeviation: 0 });
  assertEquals(gainOver.unpruned, { mean: 0.5, standardDeviation: 0 });
  assertEquals(gainOver.lowest, { mean: 0.5, standardDeviation: 0 });
  const random = redraws.map((redraw) => redraw.accuracy.random!);
  assertEquals(accuracy.random, spread(random));
  assertEquals(gainOver.random, spread(random.map((value) => 1 - value)));
  // All test evaluations of all redraws are one call.
  assertEquals(engine.calls.filter((call) => call.examples[0] === "toy/100").length, 1);
});

Deno.test("runRedraws() makes the plans of a single run when size, seed and examples are its own", async () => {
  const { redraws } = await runRedraws({ ...redrawInput(shortcutEngine()), redraws: 1, randomDraws: 5 });
  const pool = range(0, 30);
  const { test } = await runPipeline({
    ...pipelineInput(shortcutEngine()),
    adaptation: redraws[0].rows.map((row) => pool[row]),
    seed: 7,
  });
  assertEquals(redraws[0].accuracy.pruned, test.pruned.scores.acc.accuracy);
  assertEquals(redraws[0].accuracy.randomSearched, test.randomSearched!.scores.acc.accuracy);
  assertAlmostEquals(
    redraws[0].accuracy.random!,
    spread(test.random.map(({ scores }) => scores.acc.accuracy)).mean,
    1e-15,
  );
});

Deno.test("runRedraws() leaves out what was not asked for", async () => {
  const input = { ...redrawInput(shortcutEngine()), randomDraws: 0, randomSearch: false };
  const { accuracy, gainOver } = await runRedraws(input);
  assertEquals(Object.keys(accuracy), ["unpruned", "pruned", "lowest"]);
  assertEquals(Object.keys(gainOver), ["unpruned", "lowest"]);
});

Deno.test("runRedraws() names the redraw when it reports progress", async () => {
  const stages: string[] = [];
  await runRedraws({
    ...redrawInput(shortcutEngine()),
    redraws: 1,
    randomSearch: false,
    onProgress: ({ stage }) => void stages.push(stage),
  });
  assertEquals(stages, ["redraw 1/1: score, 8 nodes", "redraw 1/1: search", "evaluate"]);
});

Deno.test("runRedraws() throws when its input is out of range", async () => {
  const input = redrawInput(shortcutEngine());
  await assertRejects(() => runRedraws({ ...input, redraws: 0 }), RangeError, "0 times");
  await assertRejects(() => runRedraws({ ...input, size: 31 }), RangeError, "31 examples");
  await assertRejects(() => runRedraws({ ...input, test: [] }), RangeError, "0 test examples");
});

Deno.test("spread() is the mean and the sample standard deviation", () => {
  assertEquals(spread([1, 2, 3, 6]), { mean: 3, standardDeviation: Math.sqrt(14 / 3) });
  assertEquals(spread([4]), { mean: 4, standardDeviation: null });
});
