/** Integrated Hessians against closed forms and against their double integral; gradients by factors against weights. */
import { assertAlmostEquals, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Engine } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { ablationScores } from "../../src/method/baselines.ts";
import { integratedHessians, logarithmicWeights } from "../../src/method/integrated_hessians.ts";
import { layerScores } from "../../src/method/neuron_scores.ts";
import { quadratureRule } from "../../src/method/quadrature.ts";
import { scoreNeurons } from "../../src/method/score.ts";
import { makeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { makeTinyExamples } from "../support/tiny_examples.ts";
import { toyConfig, ToyEngine, toyExamples } from "../support/toy_engine.ts";

const neurons = 8;
const shape = { layers: 2, width: 8, neurons, headWidth: 4, vocabulary: 16, dtype: "BF16" } as const;
const checkpoint = await makeTinyCheckpoint(shape);
const engine = await createReferenceEngine(checkpoint);
const examples = makeTinyExamples(checkpoint.config, { count: 2, promptTokens: [2, 5] });

/** An engine of which only the gradient with respect to the factors is known. */
function engineOf(count: number, gradient: (c: Float64Array) => readonly number[]): Engine {
  const known: Pick<Engine, "config" | "info" | "factorGradients"> = {
    config: toyConfig({ layers: 1, neurons: count }),
    info: { kind: "reference", adapter: "closed form", details: {} },
    factorGradients: (examples, { points }) =>
      Promise.resolve(points.map((point) => examples.map(() => Float64Array.from(gradient(point))))),
  };
  return known as Engine;
}

const matrixOf = async (engine: Engine, options = {}) =>
  await integratedHessians(engine, toyExamples(1), { keepMatrices: true, ...options });

Deno.test("logarithmicWeights() integrate polynomials times -ln s exactly when their degree is below the number of nodes", () => {
  for (const nodes of [1, 2, 5, 9, 16]) {
    const weights = logarithmicWeights(nodes);
    const { nodes: points } = quadratureRule("gauss-legendre", nodes);
    for (let degree = 0; degree < nodes; degree++) {
      const sum = weights.reduce((total, weight, a) => total + weight * points[a] ** degree, 0);
      assertAlmostEquals(sum, 1 / (degree + 1) ** 2, 1e-13, `${nodes} nodes, degree ${degree}`);
    }
  }
});

Deno.test("integratedHessians() is the closed form of a product of two factors", async () => {
  // f = c0 c1: every Gamma is int int ab da db = 1/4.
  const { matrices, sums, completenessError } = await matrixOf(engineOf(2, ([c0, c1]) => [c1, c0]), { nodes: 3 });
  for (const value of matrices![0]) assertAlmostEquals(value, 1 / 4, 1e-8);
  for (const sum of ["main", "interaction", "absolute"] as const) {
    for (const value of sums[sum]) assertAlmostEquals(value, 1 / 4, 1e-7);
  }
  for (const value of sums.total) assertAlmostEquals(value, 1 / 2, 1e-7);
  assertLess(completenessError, 1e-8);
});

Deno.test("integratedHessians() is the closed form of c0^2 c1 - 3 c2, whose parts differ", async () => {
  // H01 = 2 s, so int int ab 2ab = 2/9; H00 = 2 s and G0 = 2 s^2, so 2/9 + 2/9; G1 = s^2, so 1/9; neuron 2 is alone.
  const engine = engineOf(3, ([c0, c1]) => [2 * c0 * c1, c0 * c0, -3]);
  const { matrices, scores, sums, integratedGradients } = await matrixOf(engine, { nodes: 4, sum: "interaction" });
  const expected = [4 / 9, 2 / 9, 0, 2 / 9, 1 / 9, 0, 0, 0, -3];
  expected.forEach((value, i) => assertAlmostEquals(matrices![0][i], value, 1e-5, `entry ${i}`));
  assertAlmostEquals(scores.values[0], 2 / 9, 1e-5);
  assertAlmostEquals(sums.main[2], -3, 1e-7);
  assertAlmostEquals(integratedGradients[0], 2 / 3, 1e-7);
});

Deno.test("integratedHessians() equals its double integral, by other differences and nodes, on eight neurons", async () => {
  const [example] = examples;
  const gradients = async (points: readonly Float64Array[]) =>
    (await engine.factorGradients!([example], { layer: 0, points })).map(([gradient]) => gradient);
  const expected = new Float64Array(neurons * neurons);
  const rule = quadratureRule("gauss-legendre", 10);
  const step = 1e-4;
  for (const [a, alpha] of rule.nodes.entries()) {
    for (const [b, beta] of rule.nodes.entries()) {
      const weight = rule.weights[a] * rule.weights[b];
      const at = (moved: number, by: number) =>
        Float64Array.from({ length: neurons }, (_, neuron) => alpha * beta + (neuron === moved ? by : 0));
      const [own] = await gradients([at(0, 0)]);
      for (let i = 0; i < neurons; i++) {
        const [up, down] = await gradients([at(i, step), at(i, -step)]);
        expected[i * neurons + i] += weight * own[i];
        for (let j = 0; j < neurons; j++) {
          expected[i * neurons + j] += weight * alpha * beta * (up[j] - down[j]) / (2 * step);
        }
      }
    }
  }
  const options = { layers: [0], nodes: 16, maxNodes: 16, keepMatrices: true };
  const { matrices, completenessError } = await integratedHessians(engine, [example], options);
  const scale = Math.max(...expected.map(Math.abs));
  expected.forEach((value, i) => assertAlmostEquals(matrices![0][i] / scale, value / scale, 1e-5, `entry ${i}`));
  assertLess(completenessError, 1e-4);
  // Second derivatives do not depend on their order.
  for (let i = 0; i < neurons; i++) {
    for (let j = 0; j < i; j++) {
      assertAlmostEquals(matrices![0][i * neurons + j] / scale, matrices![0][j * neurons + i] / scale, 1e-5);
    }
  }
});

Deno.test("integratedHessians() adds up to scoreNeurons(), row by row, on both sites and objectives", async () => {
  for (const site of ["gate", "up"] as const) {
    const options = { site, objective: "margin", nodes: 16 } as const;
    const { sums, completenessError } = await integratedHessians(engine, examples, options);
    const { scores } = await scoreNeurons(engine, examples, options);
    const scale = Math.max(...scores.values.map(Math.abs));
    scores.values.forEach((value, i) => assertAlmostEquals(sums.total[i] / scale, value / scale, 1e-4, `${site} ${i}`));
    assertLess(completenessError, 1e-3);
  }
});

Deno.test("integratedHessians() adds nodes to the paths that need it, and counts those that stay above the tolerance", async () => {
  const run = (options: object) => integratedHessians(engine, examples, { layers: [0], ...options });
  const once = await run({ nodes: 2, maxNodes: 2 });
  assertEquals(once.gradients, 2 * 2 * (neurons + 1));
  const between = once.completenessError / 2;
  assertEquals([once.unconverged > 0, (await run({ nodes: 2, maxNodes: 2, tolerance: 2 })).unconverged], [true, 0]);
  const refined = await run({ nodes: 2, maxNodes: 16, tolerance: between });
  assertLess(refined.completenessError, between);
  assertLess(once.gradients, refined.gradients);
  assertEquals(refined.unconverged, 0);
  // A trial takes two gradients a node, so nodes that suffice at once cost the trial only.
  const easy = await run({ nodes: 2, maxNodes: 16, tolerance: 2 });
  assertEquals([easy.gradients, easy.completenessError], [2 * 2 * (neurons + 1 + 2), once.completenessError]);
});

Deno.test("integratedHessians() throws when the engine cannot, options are out of range, or it is aborted", async () => {
  await assertRejects(
    () => integratedHessians(new ToyEngine({ layers: 1, neurons: 2 }), toyExamples(1)),
    RangeError,
    "reference",
  );
  await assertRejects(() => integratedHessians(engine, []), RangeError, "0 examples");
  await assertRejects(() => integratedHessians(engine, examples, { nodes: 0 }), RangeError, "0 to 24 nodes");
  await assertRejects(
    () => integratedHessians(engine, examples, { nodes: 8, maxNodes: 4 }),
    RangeError,
    "8 to 4 nodes",
  );
  await assertRejects(() => integratedHessians(engine, examples, { tolerance: 0 }), RangeError, "tolerance 0");
  await assertRejects(() => integratedHessians(engine, examples, { step: 0 }), RangeError, "step 0");
  const controller = new AbortController();
  const reason = new Error("enough");
  const options = { signal: controller.signal, onProgress: () => controller.abort(reason) };
  assertEquals(await assertRejects(() => integratedHessians(engine, examples, options)), reason);
});

Deno.test("factorGradients() is the slope of M when rows of the weights are scaled", async () => {
  // Factors of few bits keep scaled bf16 weights exact in f32.
  const point = Float64Array.from({ length: neurons }, (_, neuron) => (neuron + 3) / 8);
  const step = 2 ** -9;
  const objectiveAt = async (layer: number, site: "gate" | "up", factors: Float64Array) => {
    const scaled = await makeTinyCheckpoint({
      ...shape,
      edits: {
        [`model.layers.${layer}.mlp.${site}_proj.weight`]: (values) => {
          values.forEach((value, i) => values[i] = value * factors[Math.floor(i / shape.width)]);
        },
      },
    });
    const other = await createReferenceEngine(scaled);
    // The target is that of the model whose factors are one.
    const logits = (await other.logits(examples, [[]]))[0];
    const targets = (await engine.attribute(examples, { rule: quadratureRule("right", 1) })).filter((pair) =>
      pair.layer === 0
    );
    await other.close();
    return logits.map((row, i) => row[targets[i].targetToken]);
  };
  for (const [layer, site] of [[0, "gate"], [1, "up"]] as const) {
    const [gradient] = await engine.factorGradients!(examples, { layer, site, points: [point] });
    for (const neuron of [0, 5]) {
      const moved = (by: number) => point.with(neuron, point[neuron] + by);
      const [up, down] = [await objectiveAt(layer, site, moved(step)), await objectiveAt(layer, site, moved(-step))];
      examples.forEach((_, i) => {
        assertAlmostEquals(gradient[i][neuron], (up[i] - down[i]) / (2 * step), 1e-4, `${site} ${layer} ${neuron}`);
      });
    }
  }
  const short = [new Float64Array(3)];
  await assertRejects(() => engine.factorGradients!(examples, { layer: 0, points: short }), RangeError, "3 factors");
});

Deno.test("ablationScores() equals Integrated Gradients along the path of one neuron, for every neuron of eight", async () => {
  const rule = quadratureRule("gauss-legendre", 48);
  for (const objective of ["max-logit", "margin"] as const) {
    const ablation = await ablationScores(engine, examples, { objective });
    for (const layer of [0, 1]) {
      for (let neuron = 0; neuron < neurons; neuron++) {
        const points = Array.from(rule.nodes, (alpha) => new Float64Array(neurons).fill(1).with(neuron, alpha));
        const gradients = await engine.factorGradients!(examples, { layer, points, objective });
        const integral = gradients.reduce(
          (sum, byExample, a) => sum + rule.weights[a] * (byExample[0][neuron] + byExample[1][neuron]) / 2,
          0,
        );
        assertAlmostEquals(layerScores(ablation, layer)[neuron], integral, 1e-6, `${objective} ${layer} ${neuron}`);
      }
    }
  }
});

Deno.test("factorGradients() rejects when it was aborted, the engine was closed, or the layer is not there", async () => {
  const options = { layer: 0, points: [new Float64Array(neurons).fill(1)] };
  const reason = new RangeError("enough");
  const aborted = { ...options, signal: AbortSignal.abort(reason) };
  await assertRejects(() => engine.factorGradients!(examples, aborted), RangeError, "enough");
  await assertRejects(() => engine.factorGradients!(examples, { ...options, layer: 2 }), RangeError, "layer 2");
  const closed = await createReferenceEngine(checkpoint);
  await closed.close();
  await assertRejects(() => closed.factorGradients!(examples, options), TypeError, "closed");
});
