/** Activation statistics of the reference engine against their definition. */
import { assertEquals, assertLess } from "@std/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { WeightRef } from "../../src/checkpoint/model_config.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { relativeError } from "../support/relative_error.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

const checkpoint = await makeTinyCheckpoint({ width: 16, neurons: 20, headWidth: 4, seed: 6 });
const engine = await createReferenceEngine(checkpoint);
const { layers, neurons } = engine.config;
const everyNeuron = Uint32Array.from({ length: neurons }, (_, neuron) => neuron);
const trace = Array.from({ length: layers }, (_, layer) => ({ layer, neurons: everyNeuron }));

/** `weight` times `x`. */
async function project(checkpoint: Checkpoint, ref: WeightRef, x: readonly number[]): Promise<number[]> {
  const weight = await checkpoint.readF32(ref);
  return Array.from(
    { length: ref.rows },
    (_, o) => x.reduce((sum, value, i) => sum + value * weight[o * x.length + i], 0),
  );
}

/** h of layer 0 for a prompt of one token, where attention can only copy the value vectors. */
async function firstLayerHidden(checkpoint: Checkpoint, token: number): Promise<number[]> {
  const { config } = checkpoint;
  const [refs] = config.layerWeights;
  const normalise = async (x: readonly number[], ref: WeightRef) => {
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + config.normEpsilon);
    const weight = await checkpoint.readF32(ref);
    return x.map((value, i) => value / rms * weight[i]);
  };
  const embedding = await checkpoint.readF32(config.embedding);
  const x = [...embedding.subarray(token * config.width, (token + 1) * config.width)];
  const v = await project(checkpoint, refs.v, await normalise(x, refs.inputNorm));
  const group = config.queryHeads / config.keyValueHeads;
  const attended = Array.from({ length: config.queryHeads }, (_, head) => {
    const start = Math.floor(head / group) * config.headWidth;
    return v.slice(start, start + config.headWidth);
  }).flat();
  const output = await project(checkpoint, refs.o, attended);
  const middle = await normalise(x.map((value, i) => value + output[i]), refs.postAttentionNorm);
  const g = await project(checkpoint, refs.gate, middle);
  const u = await project(checkpoint, refs.up, middle);
  return g.map((z, j) => z / (1 + Math.exp(-z)) * u[j]);
}

Deno.test("activations() traces h = silu(g) * u when the prompt is one token", async () => {
  const [example] = makeTinyExamples(engine.config, { promptTokens: [1, 1] });
  const { traces } = await engine.activations([example], { trace: [{ layer: 0, neurons: everyNeuron }] });
  // Traces are f32.
  assertLess(relativeError(traces[0][0], await firstLayerHidden(checkpoint, example.prompt[0])), 1e-7);
});

Deno.test("activations() returns mean, mean of |h| and largest |h| over all positions when prompts are ragged", async () => {
  const examples = makeTinyExamples(engine.config, { count: 4, promptTokens: [1, 7] });
  const statistics = await engine.activations(examples, { trace });
  assertEquals(statistics.tokens, examples.reduce((sum, { prompt }) => sum + prompt.length, 0));
  for (let layer = 0; layer < layers; layer++) {
    assertEquals(statistics.traces[layer].map((h) => h.length), examples.map(({ prompt }) => prompt.length * neurons));
    const rows = statistics.traces[layer].flatMap((h) => [...h]);
    const column = (neuron: number) => rows.filter((_, i) => i % neurons === neuron);
    const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const columns = Array.from(everyNeuron, column);
    assertLess(relativeError(statistics.mean[layer], columns.map(average)), 1e-6);
    assertLess(relativeError(statistics.meanAbsolute[layer], columns.map((h) => average(h.map(Math.abs)))), 1e-6);
    assertLess(relativeError(statistics.maxAbsolute[layer], columns.map((h) => Math.max(...h.map(Math.abs)))), 1e-6);
  }
});

Deno.test("activations() traces the neurons asked for, in row-major order, when some are named", async () => {
  const examples = makeTinyExamples(engine.config);
  const all = await engine.activations(examples, { trace });
  const some = await engine.activations(examples, { trace: [{ layer: 2, neurons: Uint32Array.of(3, 17) }] });
  examples.forEach((_, i) => {
    const expected = all.traces[2][i].filter((_, index) => index % neurons === 3 || index % neurons === 17);
    assertEquals(some.traces[0][i], expected);
  });
  assertEquals((await engine.activations(examples)).traces, []);
});
