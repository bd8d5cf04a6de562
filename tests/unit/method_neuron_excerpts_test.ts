/** What pruned neurons respond to, on the toy engine, whose activations are known. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createPlan } from "../../src/method/plan.ts";
import { traceNeurons } from "../../src/method/neuron_excerpts.ts";
import { parseTraces, serialiseTraces } from "../../src/method/traces_file.ts";
import { silu, ToyEngine, toyExample } from "../support/toy_engine.ts";

/** A token's number is the gate of neuron 0; neuron 1 sees the opposite; the others see nothing. */
const engine = new ToyEngine({
  layers: 2,
  neurons: 4,
  gate: (token, _layer, neuron) => neuron === 0 ? token : neuron === 1 ? -token : 0,
});

const scores = {
  site: "gate" as const,
  layers: 2,
  neurons: 4,
  scored: [0, 1],
  values: Float32Array.of(1, 3, 2, 0, 0, 0, 0, 0),
};

function example(index: number, ...prompt: number[]) {
  return { ...toyExample(index), prompt: Uint32Array.from(prompt) };
}

const plan = createPlan(engine.config, [{ layer: 0, site: "gate", fraction: null, neurons: Uint32Array.of(0, 1, 2) }]);
const options = { tokenText: (id: number) => `t${id}`, ranking: "signed" } as const;

Deno.test("traceNeurons() shows the planned neurons by rank, each with its strongest examples first", async () => {
  const examples = [example(0, 1, 2, 1), example(1, 0, 5), example(2, 3, 0, 0, 0), example(1, 9, 9)];
  const traces = (await traceNeurons(engine, examples, plan, scores, { ...options, excerpts: 2 }))!;
  // The third `toy/1` is the same example again: the last one of a name counts.
  assertEquals([traces.examples, traces.tokens], [3, 9]);
  assertEquals(traces.neurons.map(({ layer, neuron }) => [layer, neuron]), [[0, 1], [0, 2], [0, 0]]);
  const strongest = traces.neurons[2];
  assertEquals(strongest.excerpts.map((excerpt) => excerpt.example), ["toy/1", "toy/2"]);
  assertEquals(strongest.excerpts[1].tokens, ["t3", "t0", "t0", "t0"]);
  assertAlmostEquals(strongest.excerpts[1].activations[0], silu(3), 1e-3);
  const sum = 2 * silu(1) + silu(2) + 2 * silu(9) + silu(3);
  assertAlmostEquals(strongest.meanAbsolute, sum / 9, 1e-3);
});

Deno.test("traceNeurons() keeps the tokens around the strongest one when a prompt is long", async () => {
  const prompt = Array.from({ length: 100 }, (_, position) => position === 60 ? 7 : 1);
  for (const [peak, start, end] of [[60, 46, 66], [1, 0, 20], [99, 80, 100]]) {
    const moved = prompt.map((_, position) => position === peak ? 7 : 1);
    const traces = await traceNeurons(engine, [example(0, ...moved)], plan, scores, { ...options, excerptTokens: 20 });
    const [excerpt] = traces!.neurons[2].excerpts;
    assertEquals([excerpt.start, excerpt.start + excerpt.tokens.length, excerpt.length], [start, end, 100]);
    assertEquals(excerpt.tokens[peak - start], "t7");
  }
});

Deno.test("traceNeurons() reads long examples in several calls and stops at its limits", async () => {
  const long = (index: number) => example(index, ...new Array<number>(9000).fill(index));
  const before = engine.callsOf("activations").length;
  const traces = await traceNeurons(engine, [long(1), long(2), long(3), long(4)], plan, scores, {
    ...options,
    examples: 3,
    neurons: 1,
    resultBudgetBytes: 40_000,
  });
  assertEquals([traces!.examples, traces!.tokens, traces!.neurons.length], [3, 27000, 1]);
  assertEquals(engine.callsOf("activations").slice(before).map(({ examples }) => examples), [["toy/1"], ["toy/2"], [
    "toy/3",
  ]]);
});

Deno.test("traceNeurons() is null when nothing is pruned or the site has no activation of its own", async () => {
  const empty = createPlan(engine.config, []);
  assertEquals(await traceNeurons(engine, [example(0, 1)], empty, scores, options), null);
  const down = createPlan(engine.config, [{ layer: 0, site: "down", fraction: null, neurons: Uint32Array.of(0) }]);
  assertEquals(await traceNeurons(engine, [example(0, 1)], down, { ...scores, site: "down" }, options), null);
});

Deno.test("parseTraces() gives back what was serialised, and throws when tokens and activations differ in number", async () => {
  const provenance = { model: "m", task: "t", versions: {} };
  const traces = await traceNeurons(engine, [example(0, 1, 2)], plan, scores, options);
  const text = serialiseTraces(traces, provenance);
  assertEquals(parseTraces("traces.json", text), { traces, provenance });
  assertEquals(parseTraces("traces.json", serialiseTraces(null, provenance)), { traces: null, provenance });
  assertThrows(
    () => parseTraces("traces.json", text.replace(`["t1", "t2"]`, `["t1"]`)),
    SyntaxError,
    "Cannot parse traces.json: layer 0, neuron 1 has tokens without activations",
  );
});
