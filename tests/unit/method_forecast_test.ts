import { assertEquals, assertThrows } from "@std/assert";
import type { ForecastOptions } from "../../src/engine/engine.ts";
import { type ForecastInput, forecastJob } from "../../src/method/forecast.ts";
import { runPipeline } from "../../src/method/pipeline.ts";
import type { Example } from "../../src/tasks/example.ts";
import { type ToyCall, toyConfig, ToyEngine, toyExample, toyExamples } from "../support/toy_engine.ts";

const shape = { layers: 3, neurons: 10 };

/** Work in the form in which the toy engine records it; which neurons are masked makes no difference to the work. */
function summarise({ examples, interventions, pairs, nodes }: Omit<ToyCall, "method">) {
  const masks = interventions?.map((masks) => masks.map(({ layer, neurons }) => [layer, neurons.length]));
  return { examples: [...examples], ...(masks && { masks }), ...(pairs && { pairs, nodes }) };
}

/** A forecaster that records what it was asked, and answers with one wave a call. */
function recorder() {
  const asked: ReturnType<typeof summarise>[] = [];
  return {
    asked,
    config: toyConfig(shape),
    forecast(examples: readonly Example[], { attribute, interventions }: ForecastOptions) {
      asked.push(summarise({
        examples: examples.map(({ id }) => id),
        ...(interventions && { interventions }),
        ...(attribute && { pairs: attribute.pairs!, nodes: attribute.rule.nodes.length }),
      }));
      const [rows, buffers] = [[asked.length], new Map<string, number>()];
      return [{ rows, residency: "none" as const, flops: 1, bytes: 2, buffers, overheadBytes: 0 }];
    },
  };
}

const adaptation = toyExamples(4);
const test = [10, 11, 12].map((index) => toyExample(index));

function input(changes: Partial<ForecastInput> = {}): ForecastInput & { engine: ReturnType<typeof recorder> } {
  return { adaptation, selection: adaptation, test, ...changes, engine: recorder() };
}

Deno.test("forecastJob() asks for the work that runPipeline() then does", async () => {
  // A gate so steep that no path converges, and a model in whose lowest layer every neuron is best switched off.
  const engine = new ToyEngine({
    ...shape,
    gate: (_, __, neuron) => 400 - neuron,
    logProbs: (_, pruned) => [pruned(0, 0) ? 0 : -1, -2],
  });
  const settings = {
    score: { maxNodes: 32, tolerance: 1e-9, filter: "confident", confidence: 0.1 },
    search: { fractions: [0.1, 0.12, 0.4, 0.02] },
    randomDraws: 2,
  } as const;
  await runPipeline({ engine, adaptation, test, ...settings });
  const job = input(settings);
  const stages = forecastJob(job);
  assertEquals(stages.map(({ stage, ifNeeded }) => [stage, ifNeeded]), [
    ["filter", false],
    ["score, 8 nodes", false],
    ["score, 16 nodes", true],
    ["score, 32 nodes", true],
    ["search", false],
    ["random search", false],
    ["evaluate", false],
  ]);
  assertEquals(stages.map(({ waves }) => waves.map(({ rows }) => rows)), [[[1]], [[2]], [[3]], [[4]], [[5]], [[6]], [[
    7,
  ]]]);
  const done = engine.calls.map(summarise);
  // Plans are unmodified where that is best; the forecast cannot know it, nor which fraction is chosen.
  assertEquals(done.slice(0, -1), job.engine.asked.slice(0, -1));
  assertEquals(job.engine.asked.at(-1), {
    examples: test.map(({ id }) => id),
    masks: [[], ...new Array(5).fill([[0, 4]])],
  });
});

Deno.test("forecastJob() leaves out stages without examples, and later attempts when only the first is asked for", () => {
  const names = (changes: Partial<ForecastInput>) => forecastJob(input(changes)).map(({ stage }) => stage);
  assertEquals(names({ test: [], randomSearch: false, attempts: "first" }), ["score, 8 nodes", "search"]);
  assertEquals(names({ adaptation: [], randomSearch: false }), ["search", "evaluate"]);
  assertEquals(names({ selection: [], test: [], score: { nodes: 5 } }), ["score, 5 nodes"]);
});

Deno.test("forecastJob() throws what scoring and searching throw when a setting is out of range", () => {
  assertThrows(() => forecastJob(input({ score: { layers: [9] } })), RangeError, "layer 9");
  assertThrows(() => forecastJob(input({ search: { fractions: [2] } })), RangeError, "fraction 2");
});
