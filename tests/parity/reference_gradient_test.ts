/**
 * Gradients of the reference engine against finite differences of edited weights: no reverse mode on the other side.
 */
import { assertEquals, assertLess, assertNotEquals } from "@std/assert";
import type { Objective, Site } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { Example } from "../../src/tasks/example.ts";
import { relativeError } from "../support/relative_error.ts";
import { makeTinyCheckpoint, type TensorEdit, type TinyOptions } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";

/** Weights have 8 significant bits, so that every product with a node or step below is exact in f32. */
const tiny: TinyOptions = {
  layers: 3,
  width: 16,
  neurons: 12,
  queryHeads: 4,
  headWidth: 4,
  vocabulary: 24,
  dtype: "BF16",
};
const rule = { nodes: Float64Array.of(0.25, 0.875), weights: Float64Array.of(0.375, 0.625) };
const step = 2 ** -9;
const neurons = [0, 7];

/**
 * Tolerance of the comparison, relative to the largest value of the layer: the error of the 4th-order difference is
 * about step^4 = 1.5e-11 times a fifth derivative of M, whose size the random weights leave open. Measured: at most
 * 3e-10.
 */
const tolerance = 1e-8;

function tensorOf(site: Site, layer: number): string {
  return `model.layers.${layer}.mlp.${site}_proj.weight`;
}

/** Multiplies all rows by `alpha`, and row `neuron` by `alpha + epsilon`. */
function scaleRows(rows: number, alpha: number, neuron: number, epsilon: number): TensorEdit {
  return (values) => {
    const columns = values.length / rows;
    values.forEach((value, i) => values[i] = value * (Math.floor(i / columns) === neuron ? alpha + epsilon : alpha));
  };
}

/** Logits at the last prompt position of a checkpoint with edited weights. */
async function editedLogits(options: TinyOptions, example: Example): Promise<Float64Array> {
  const engine = await createReferenceEngine(await makeTinyCheckpoint(options));
  return Float64Array.from((await engine.logits([example], [[]]))[0][0]);
}

/** M as the objective's definition says it, with tokens chosen on the unmodified logits. */
function measure(objective: Objective, logits: Float64Array, clean: Float64Array, example: Example): number {
  const top = clean.indexOf(Math.max(...clean));
  const first = example.choices.map((choice) => choice[0]);
  const others = first.filter((_, choice) => choice !== example.gold);
  const preferred = (tokens: number[]) =>
    tokens.find((token) => clean[token] === Math.max(...tokens.map((t) => clean[t])))!;
  switch (objective) {
    case "max-logit":
      return logits[top];
    case "max-logit-moving":
      return Math.max(...logits);
    case "choice":
      return logits[preferred(first)];
    case "gold":
      return logits[first[example.gold]];
    case "margin":
      return logits[first[example.gold]] - logits[preferred(others)];
    case "max-prob":
      return Math.exp(logits[top]) / logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  }
}

/** Compares the scores of some neurons with the same rule over differences of M. */
async function assertGradient(
  options: TinyOptions,
  site: Site,
  path: "layer" | "joint",
  objective: Objective,
  layer: number,
): Promise<void> {
  const engine = await createReferenceEngine(await makeTinyCheckpoint(options));
  const [, example] = makeTinyExamples(engine.config, { promptTokens: [2, 6], seed: 4 });
  const clean = Float64Array.from((await engine.logits([example], [[]]))[0][0]);
  const results = await engine.attribute([example], { rule, site, path, objective });
  const { scores, objectiveAtOne } = results[layer];
  assertLess(Math.abs(objectiveAtOne - measure(objective, clean, clean, example)), 1e-12);

  const rows = site === "down" ? engine.config.width : engine.config.neurons;
  const scaled = path === "layer" ? [layer] : Array.from({ length: engine.config.layers }, (_, l) => l);
  const valueAt = async (alpha: number, neuron: number, epsilon: number) => {
    const edits = Object.fromEntries(
      scaled.map((l) => [tensorOf(site, l), scaleRows(rows, alpha, neuron, l === layer ? epsilon : 0)]),
    );
    return measure(objective, await editedLogits({ ...options, edits }, example), clean, example);
  };
  const largest = Math.max(...scores.map(Math.abs));
  for (const neuron of neurons) {
    let expected = 0;
    for (let a = 0; a < rule.nodes.length; a++) {
      const [m2, m1, p1, p2] = await Promise.all(
        [-2, -1, 1, 2].map((k) => valueAt(rule.nodes[a], neuron, k * step)),
      );
      expected += rule.weights[a] * (m2 - 8 * m1 + 8 * p1 - p2) / (12 * step);
    }
    assertLess(
      Math.abs(scores[neuron] - expected) / largest,
      tolerance,
      `neuron ${neuron}: ${scores[neuron]}, ${expected}`,
    );
  }
}

for (const site of ["gate", "up", "down"] as const) {
  for (const path of ["layer", "joint"] as const) {
    Deno.test(`attribute() equals finite differences of edited ${site} rows when the path is ${path}`, async () => {
      for (const layer of [0, 2]) await assertGradient(tiny, site, path, "max-logit", layer);
    });
  }
}

for (const objective of ["max-logit-moving", "choice", "gold", "margin", "max-prob"] as const) {
  Deno.test(`attribute() equals finite differences of edited gate rows when the objective is ${objective}`, async () => {
    await assertGradient(tiny, "gate", "layer", objective, 1);
  });
}

const families = {
  qwen2: {},
  qwen3: {},
  mistral: { sliding_window: 3 },
  granite: { embedding_multiplier: 5, attention_multiplier: 0.6, residual_multiplier: 0.22, logits_scaling: 3 },
};

for (const [family, config] of Object.entries(families)) {
  Deno.test(`attribute() equals finite differences of edited gate rows when the family is ${family}`, async () => {
    await assertGradient({ ...tiny, family, config, seed: 2 }, "gate", "joint", "max-logit", 0);
  });
}

Deno.test("attribute() of the last position differs from all positions except in the last layer", async () => {
  const engine = await createReferenceEngine(await makeTinyCheckpoint(tiny));
  const examples = makeTinyExamples(engine.config, { promptTokens: [4, 6] });
  const all = await engine.attribute(examples, { rule });
  const last = await engine.attribute(examples, { rule, positions: "last" });
  all.forEach(({ layer, scores }, i) => {
    if (layer === 2) assertEquals(last[i].scores, scores);
    else assertNotEquals(last[i].scores, scores);
  });
});

Deno.test("attribute() of a prompt of one token is the same for the last position and all positions", async () => {
  const engine = await createReferenceEngine(await makeTinyCheckpoint(tiny));
  const examples = makeTinyExamples(engine.config, { count: 1 });
  const all = await engine.attribute(examples, { rule });
  const last = await engine.attribute(examples, { rule, positions: "last" });
  all.forEach(({ scores }, i) => assertLess(relativeError(last[i].scores, scores), 1e-15));
});
